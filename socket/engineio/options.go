package engineio

import (
	"cmp"
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
	// AllowEIO3 lets clients of protocol version 3 in (socket.io-client 2.x), and
	// polls by JSON-P, which any page can read.
	AllowEIO3 bool
	// MaxPayload is the largest accepted message or polling body, in bytes,
	// enforced while reading and after decompression. Zero: 1,000,000.
	MaxPayload int64
	// MaxBacklog is how many bytes may wait for a client that does not read;
	// more end the session. Of messages with a CoalesceKey two of each wait at
	// most: newer ones replace them. Zero: 16 MiB.
	MaxBacklog int
	// MaxQueued is the same bound in messages. Zero: 10,000.
	MaxQueued int
	// MaxMemory is how many bytes may wait in the whole server: for clients, and
	// of clients for a handler. Past it the sessions for which most waits are
	// ended. Zero: 512 MiB.
	MaxMemory int64
	// MaxByteRate bounds the bytes that one client sends in a second, as long
	// as they are after decompression, with bursts of ten times as many. Each
	// packet counts for 64 more. Zero: no bound.
	MaxByteRate float64
	// StallTimeout is how long a client may neither take a part of what is
	// written to it nor send a part of a body. Zero: 10 s, or the PingTimeout
	// where that is less.
	StallTimeout time.Duration
	// TransferTimeout is how long one HTTP body may take in all; an answer of
	// more than 64 KiB for each second of it may take longer. Zero: 60 s, or
	// three times the PingTimeout where that is less.
	TransferTimeout time.Duration
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
	// KeepHeaders names headers that the answer to a websocket takes over from the
	// http.ResponseWriter, where what stands around the server has set them. All
	// other answers have whatever was set.
	KeepHeaders []string
	// AllowRequest may refuse a handshake: the text of its error is answered
	// with status 403. Nil: everyone may come in.
	// An error that wraps ErrUnavailable is answered with 503, for balancers to
	// ask another server.
	AllowRequest func(*http.Request) error
	// CheckOrigin may refuse a browser's request for its Origin header: the text
	// of its error is answered with status 403. It is not asked about requests
	// without that header. Nil: every origin may connect.
	CheckOrigin func(*http.Request) error
	// AllowOrigin decides which origins may read answers. Nil: "*" for all.
	AllowOrigin Origins
	// OnSession is told of every new session before any of its messages. It
	// sets the session's handlers. Required.
	OnSession func(*Session)
	// Observer is told what happens to the sessions; Observers joins several.
	// Nil: nobody is.
	Observer Observer
	// Now is the clock of the limits by the second. Nil: time.Now.
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	o.PingInterval = cmp.Or(max(o.PingInterval, 0), 25*time.Second)
	o.PingTimeout = cmp.Or(max(o.PingTimeout, 0), 20*time.Second)
	o.UpgradeTimeout = cmp.Or(max(o.UpgradeTimeout, 0), 10*time.Second)
	o.StallTimeout = cmp.Or(max(o.StallTimeout, 0), min(10*time.Second, o.PingTimeout))
	o.TransferTimeout = cmp.Or(max(o.TransferTimeout, 0), min(60*time.Second, 3*o.PingTimeout))
	o.MaxPayload = cmp.Or(max(o.MaxPayload, 0), 1_000_000)
	o.MaxBacklog = cmp.Or(max(o.MaxBacklog, 0), 16<<20)
	o.MaxQueued = cmp.Or(max(o.MaxQueued, 0), 10_000)
	o.MaxMemory = cmp.Or(max(o.MaxMemory, 0), 512<<20)
	o.PollCompression = cmp.Or(o.PollCompression, 1024)
	if len(o.Transports) == 0 {
		o.Transports = []string{Polling, Websocket}
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
