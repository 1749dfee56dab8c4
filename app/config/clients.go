package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Clients are the settings of who may connect, and what dashboards may do.
type Clients struct {
	ClientURL           string
	OriginCheck         string
	AllowEIO3           bool
	Recovery            time.Duration
	MaxPerAddress       int
	HandshakesPerSecond float64
	MaxEventRate        float64
	MaxBacklog          int
	Compression         int
	TrustedProxies      []string
}

func defaultClients() Clients {
	return Clients{OriginCheck: "enforce", MaxEventRate: 1000, MaxBacklog: 16 << 20, Compression: 1024}
}

func (s *Clients) declare(d *declaration) {
	d.add(&s.ClientURL, "client-url", "CLIENT_URL", "origins whose pages may connect and read answers, separated by commas; empty or *: all")
	d.add(&s.OriginCheck, "origin-check", "ORIGIN_CHECK", "what happens to a page of another origin than CLIENT_URL: enforce (refused), log (let in, and said) or off")
	d.add(&s.AllowEIO3, "allow-eio3", "ALLOW_EIO3", "let dashboards with socket.io-client 2.x connect")
	d.add(&s.Recovery, "connection-recovery", "CONNECTION_RECOVERY", "how long a dashboard may be away and still get what it missed; 0: off")
	d.add(&s.MaxPerAddress, "max-connections-per-address", "MAX_CONNECTIONS_PER_ADDRESS", "connections of one address at a time; 0: no bound")
	d.add(&s.HandshakesPerSecond, "handshakes-per-second", "HANDSHAKES_PER_SECOND", "new connections of one address a second; 0: no bound")
	d.add(&s.MaxEventRate, "max-event-rate", "MAX_EVENT_RATE", "packets of one connection a second, bursts of five times as many; 0: no bound")
	d.add(size[int]{&s.MaxBacklog}, "max-backlog", "MAX_BACKLOG", "bytes that may wait for a dashboard that does not read, at least 1MiB")
	d.add(&s.Compression, "websocket-compression", "WEBSOCKET_COMPRESSION", "size in bytes from which websocket messages are compressed for dashboards that offer it; 0: never")
	d.add(&list{texts: &s.TrustedProxies, separator: ","}, "trusted-proxies", "TRUSTED_PROXIES", "networks whose X-Forwarded-For is believed, for example 10.0.0.0/8")
}

func (s *Clients) check(r *report) {
	_, err := s.Origins()
	r.err(err)
	s.OriginCheck = strings.ToLower(strings.TrimSpace(s.OriginCheck))
	if !slices.Contains([]string{"enforce", "log", "off"}, s.OriginCheck) {
		r.bad("ORIGIN_CHECK=%q is unknown: enforce, log and off are allowed", s.OriginCheck)
	}
	if s.Recovery < 0 || s.Recovery > time.Hour {
		r.bad("CONNECTION_RECOVERY=%s is out of range: 0s (off) to 1h are allowed", s.Recovery)
	}
	if s.MaxPerAddress < 0 || s.Compression < 0 || !isRate(s.HandshakesPerSecond) || !isRate(s.MaxEventRate) {
		r.bad("MAX_CONNECTIONS_PER_ADDRESS, HANDSHAKES_PER_SECOND, MAX_EVENT_RATE and WEBSOCKET_COMPRESSION must not be negative: 0 means no bound, or never")
	}
	if s.MaxBacklog < 1<<20 {
		r.bad("MAX_BACKLOG=%d is too small: at least 1048576 bytes, a history must fit", s.MaxBacklog)
	}
	_, err = s.Proxies()
	r.err(err)
}

// isRate reports whether f is a finite number that is not negative.
func isRate(f float64) bool { return f >= 0 && f < 1e12 }

// Proxies reads the networks; a bare address is a network of one.
func (s *Clients) Proxies() ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range s.TrustedProxies {
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

// Origins reads the origins of CLIENT_URL, in the form in which browsers send
// them; none and "*" stand for all.
func (s *Clients) Origins() ([]string, error) { return parseOrigins("CLIENT_URL", s.ClientURL, true) }

// parseOrigins reads the origins of a setting; all says whether "*" may be one.
func parseOrigins(setting, value string, all bool) ([]string, error) {
	var origins []string
	also := ""
	if all {
		also = ", or *"
	}
	for text := range strings.SplitSeq(value, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		origin, ok := ParseOrigin(text)
		if all && text == "*" {
			origin, ok = text, true
		}
		if !ok {
			return nil, fmt.Errorf("%s has %q, which is no origin: scheme://host or scheme://host:port without a path is expected, several separated by commas%s", setting, hideUser(text), also)
		}
		origins = append(origins, origin)
	}
	return origins, nil
}

// ParseOrigin returns an origin as a browser sends it: in lower case, without
// the port that its scheme has anyway.
func ParseOrigin(text string) (origin string, ok bool) {
	u, err := url.Parse(strings.ToLower(strings.TrimSuffix(text, "/")))
	if err != nil || u.Scheme == "" || u.Hostname() == "" || u.User != nil || strings.HasSuffix(u.Host, ":") ||
		strings.ContainsAny(text, "*?# ") || u.Path != "" || !isHost(u.Hostname()) || strings.Trim(text, ascii) != "" {
		return "", false
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return "", false
		}
		if u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443" {
			u.Host = strings.TrimSuffix(u.Host, ":"+port)
		}
	}
	return u.Scheme + "://" + u.Host, true
}

// ascii are the signs that an origin may have: browsers send names of other
// scripts in their xn-- form.
const ascii = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/[]+%"

// hideUser takes a user and a password out of a URL.
func hideUser(text string) string {
	scheme, user, hosts, path, _ := cutURL(text)
	return scheme + redactUser(user) + hosts + path
}
