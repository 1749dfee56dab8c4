package engineio

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// excessMemory is how long an address is remembered from which too much came.
const excessMemory = time.Minute

// cautious is what part of a burst the sessions of such an address begin with:
// more than any dashboard sends, and too little to be worth connecting again
// for.
const cautious = 1.0 / 32

// excesses remembers the addresses of sessions that were ended for sending too
// much. A burst at the beginning of each session would be no bound for a client
// that connects again whenever it has used it up.
type excesses struct {
	now func() time.Time

	mu    sync.Mutex
	until map[netip.Prefix]time.Time
}

func newExcesses(now func() time.Time) *excesses {
	return &excesses{now: now, until: make(map[netip.Prefix]time.Time)}
}

// note remembers an address, and forgets those that have behaved since.
func (e *excesses) note(a netip.Addr) {
	now := e.now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, known := e.until[network(a)]; !known {
		for key, until := range e.until {
			if until.Before(now) {
				delete(e.until, key)
			}
		}
	}
	e.until[network(a)] = now.Add(excessMemory)
}

func (e *excesses) recent(a netip.Addr) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.now().Before(e.until[network(a)])
}

// NoteExcess remembers for a minute that more came from the client than is
// allowed.
func (s *Session) NoteExcess() { s.server.excesses.note(s.remote) }

// NewLimiter returns a limiter of what the client sends. It begins with the
// whole burst, or, where too much came from the client's address within the last
// minute, with a part of it. Packages above bound by it what they count.
func (s *Session) NewLimiter(perSecond float64, burst int) *rate.Limiter {
	l := rate.NewLimiter(rate.Limit(perSecond), burst)
	if s.server.excesses.recent(s.remote) {
		l.AllowN(s.server.opts.Now(), burst-int(cautious*float64(burst)))
	}
	return l
}
