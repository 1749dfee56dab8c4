package app

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/devops-insights/devops-insights/socket/engineio"
	"github.com/devops-insights/devops-insights/socket/socketio"
)

// Clients are the settings of what dashboards may do, and how much of it.
type Clients struct {
	AllowEIO3           bool
	Recovery            time.Duration
	MaxPerAddress       int
	HandshakesPerSecond float64
	MaxEventRate        float64
	MaxBacklog          int
	Compression         int
	TrustedProxies      []string
}

// settings declares the flags; each is added with its environment variable.
func (c *Clients) settings(f *pflag.FlagSet, add func(flag string, secret bool, env ...string)) {
	f.BoolVar(&c.AllowEIO3, "allow-eio3", c.AllowEIO3, "let dashboards with socket.io-client 2.x connect")
	add("allow-eio3", false, "ALLOW_EIO3")
	f.DurationVar(&c.Recovery, "connection-recovery", c.Recovery, "how long a dashboard may be away and still get what it missed; 0: off")
	add("connection-recovery", false, "CONNECTION_RECOVERY")
	f.IntVar(&c.MaxPerAddress, "max-connections-per-address", c.MaxPerAddress, "connections of one address at a time; 0: no bound")
	add("max-connections-per-address", false, "MAX_CONNECTIONS_PER_ADDRESS")
	f.Float64Var(&c.HandshakesPerSecond, "handshakes-per-second", c.HandshakesPerSecond, "new connections of one address a second; 0: no bound")
	add("handshakes-per-second", false, "HANDSHAKES_PER_SECOND")
	f.Float64Var(&c.MaxEventRate, "max-event-rate", c.MaxEventRate, "packets of one connection a second, bursts of five times as many; 0: no bound")
	add("max-event-rate", false, "MAX_EVENT_RATE")
	f.IntVar(&c.MaxBacklog, "max-backlog", c.MaxBacklog, "bytes that may wait for a dashboard that does not read, at least 1 MiB")
	add("max-backlog", false, "MAX_BACKLOG")
	f.IntVar(&c.Compression, "websocket-compression", c.Compression, "size in bytes from which websocket messages are compressed for dashboards that offer it; 0: never")
	add("websocket-compression", false, "WEBSOCKET_COMPRESSION")
	f.StringSliceVar(&c.TrustedProxies, "trusted-proxies", c.TrustedProxies, "networks whose X-Forwarded-For is believed, for example 10.0.0.0/8")
	add("trusted-proxies", false, "TRUSTED_PROXIES")
}

// problems returns a sentence for each setting that cannot be used.
func (c *Clients) problems() (problems []string) {
	bad := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if c.Recovery < 0 || c.Recovery > time.Hour {
		bad("CONNECTION_RECOVERY=%s is out of range: 0s (off) to 1h are allowed", c.Recovery)
	}
	if c.MaxPerAddress < 0 || c.HandshakesPerSecond < 0 || c.MaxEventRate < 0 || c.Compression < 0 {
		bad("MAX_CONNECTIONS_PER_ADDRESS, HANDSHAKES_PER_SECOND, MAX_EVENT_RATE and WEBSOCKET_COMPRESSION must not be negative: 0 means no bound, or never")
	}
	if c.MaxBacklog < 1<<20 {
		bad("MAX_BACKLOG=%d is too small: at least 1048576 bytes, a history must fit", c.MaxBacklog)
	}
	if _, err := c.proxies(); err != nil {
		bad("%s", err)
	}
	return problems
}

// proxies reads the networks; a bare address is a network of one.
func (c *Clients) proxies() ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range c.TrustedProxies {
		text = strings.TrimSpace(text)
		if addr, err := netip.ParseAddr(text); err == nil {
			all = append(all, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("TRUSTED_PROXIES has %q: addresses and networks are allowed, for example 127.0.0.1,10.0.0.0/8", text)
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

// maxBinary bounds the attachments of one event: dashboards send none.
const maxBinary = 1 << 20

// sockets returns the options of the Socket.IO server.
func (c *Clients) sockets() (socketio.Options, error) {
	proxies, err := c.proxies()
	if err != nil {
		return socketio.Options{}, err
	}
	o := socketio.Options{
		Engine: engineio.Options{
			AllowEIO3: c.AllowEIO3, MaxPerAddress: c.MaxPerAddress, HandshakesPerSecond: c.HandshakesPerSecond,
			MaxBacklog: c.MaxBacklog, PerMessageDeflate: c.Compression, TrustedProxies: proxies,
		},
		MaxBinary: maxBinary, MaxEventRate: c.MaxEventRate,
	}
	if c.Recovery > 0 {
		o.Recovery = &socketio.Recovery{MaxDisconnection: c.Recovery}
	}
	return o, nil
}
