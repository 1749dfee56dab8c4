package engineio

import (
	"net/http"
	"time"
)

// Options configures a Server. The zero value of every field is usable.
type Options struct {
	// PingInterval is the time between heartbeats. Zero: 25 s.
	PingInterval time.Duration
	// PingTimeout is how long a client may take to answer one. Zero: 20 s.
	PingTimeout time.Duration
	// UpgradeTimeout is how long a probed upgrade may take. Zero: 10 s.
	UpgradeTimeout time.Duration
	// MaxPayload is the largest accepted message or polling body, in bytes,
	// enforced while reading. Zero: 1,000,000.
	MaxPayload int64
	// MaxBacklog is how many bytes may wait for a client that does not read
	// before messages with a Key give way to newer ones and further messages
	// without one end the session. Zero: 16 MiB.
	MaxBacklog int
	// AllowOrigin decides the Access-Control-Allow-Origin value for a request's
	// Origin header and whether the answer varies by it; an empty value sends
	// none. Nil: "*" for everyone.
	AllowOrigin func(origin string) (allow string, vary bool)
	// OnSession is told of every new session before any of its messages. It
	// sets the session's handlers. Required.
	OnSession func(*Session)
	// Now is the clock. Nil: time.Now.
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
	if o.MaxPayload <= 0 {
		o.MaxPayload = 1_000_000
	}
	if o.MaxBacklog <= 0 {
		o.MaxBacklog = 16 << 20
	}
	if o.AllowOrigin == nil {
		o.AllowOrigin = func(string) (string, bool) { return "*", false }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

func (o *Options) cors(h http.Header, r *http.Request) {
	allow, vary := o.AllowOrigin(r.Header.Get("Origin"))
	if vary {
		h.Add("Vary", "Origin")
	}
	if allow != "" {
		h.Set("Access-Control-Allow-Origin", allow)
	}
}
