package engineio

import (
	"net/http"
	"net/netip"
	"slices"
	"time"
)

// The transports, as the query parameter "transport" names them.
const (
	Polling   = "polling"
	Websocket = "websocket"
)

// Options configures a Server. The zero value of every field is usable.
type Options struct {
	// PingInterval is the time between heartbeats. Zero: 25 s.
	PingInterval time.Duration
	// PingTimeout is how long a client may take to answer one. Zero: 20 s.
	PingTimeout time.Duration
	// UpgradeTimeout is how long a probed upgrade may take. Zero: 10 s.
	UpgradeTimeout time.Duration
	// Transports are the transports that clients may use. Empty: both.
	Transports []string
	// DisableUpgrades keeps a session on the transport it began with.
	DisableUpgrades bool
	// AllowEIO3 lets clients of protocol version 3 in (socket.io-client 2.x).
	AllowEIO3 bool
	// MaxPayload is the largest accepted message or polling body, in bytes,
	// enforced while reading and after decompression. Zero: 1,000,000.
	MaxPayload int64
	// MaxBacklog is how many bytes may wait for a client that does not read
	// before messages with a Key give way to newer ones and further messages
	// without one end the session. Zero: 16 MiB.
	MaxBacklog int
	// MaxQueued is the same bound in messages. Zero: 10,000.
	MaxQueued int
	// MaxPerAddress bounds the open sessions of one address (IPv6: of one /64
	// network). Zero: no bound.
	MaxPerAddress int
	// HandshakesPerSecond bounds the new sessions of one address, with bursts
	// of ten times as many. Zero: no bound.
	HandshakesPerSecond float64
	// TrustedProxies are the networks whose X-Forwarded-For header is believed
	// when the address of a client is told. Empty: none.
	TrustedProxies []netip.Prefix
	// PollCompression is the size in bytes from which the answer to a poll is
	// gzipped for clients that accept it. Zero: 1024. Negative: never.
	PollCompression int
	// PerMessageDeflate is the size in bytes from which websocket messages are
	// compressed for clients that offer permessage-deflate (RFC 7692), without
	// context takeover, so that one compressed frame serves everyone. Zero:
	// never.
	PerMessageDeflate int
	// Cookie is set on the answer to every handshake, its value being the
	// session id. Nil: none.
	Cookie *http.Cookie
	// AllowRequest may refuse a handshake: the text of its error is answered
	// with status 403. Nil: everyone may come in.
	// An error that wraps ErrUnavailable is answered with 503, for balancers to
	// ask another server.
	AllowRequest func(*http.Request) error
	// AllowOrigin decides who may read answers. Nil: "*" for everyone.
	AllowOrigin Origins
	// OnSession is told of every new session before any of its messages. It
	// sets the session's handlers. Required.
	OnSession func(*Session)
	// Now is the clock of the handshake limits. Nil: time.Now.
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&o.PingInterval, 25*time.Second)
	set(&o.PingTimeout, 20*time.Second)
	set(&o.UpgradeTimeout, 10*time.Second)
	if len(o.Transports) == 0 {
		o.Transports = []string{Polling, Websocket}
	}
	if o.MaxPayload <= 0 {
		o.MaxPayload = 1_000_000
	}
	if o.MaxBacklog <= 0 {
		o.MaxBacklog = 16 << 20
	}
	if o.MaxQueued <= 0 {
		o.MaxQueued = 10_000
	}
	if o.PollCompression == 0 {
		o.PollCompression = 1024
	}
	if o.AllowOrigin == nil {
		o.AllowOrigin = func(string) (string, bool) { return "*", false }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

func (o *Options) serves(transport string) bool { return slices.Contains(o.Transports, transport) }

// upgrades returns what a session on the transport may upgrade to.
func (o *Options) upgrades(transport string) []string {
	if transport == Polling && !o.DisableUpgrades && o.serves(Websocket) {
		return []string{Websocket}
	}
	return []string{}
}

// Origins decides the Access-Control-Allow-Origin value for a request's Origin
// header and whether the answer varies by it; an empty value sends none.
type Origins func(origin string) (allow string, vary bool)

// Set sets the headers of the answer to r.
func (o Origins) Set(h http.Header, r *http.Request) {
	allow, vary := o(r.Header.Get("Origin"))
	if vary {
		h.Add("Vary", "Origin")
	}
	if allow != "" {
		h.Set("Access-Control-Allow-Origin", allow)
	}
}
