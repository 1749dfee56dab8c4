package engineio

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// clientAddress returns the address a request comes from: the peer's, or, where
// the peer is a trusted proxy, the last one in X-Forwarded-For that is not.
func (o *Options) clientAddress(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := peer.Addr().Unmap()
	if !o.trusted(addr) {
		return addr
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		named, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		addr = named.Unmap()
		if !o.trusted(addr) {
			break
		}
	}
	return addr
}

func (o *Options) trusted(a netip.Addr) bool {
	return slices.ContainsFunc(o.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// addresses counts the open sessions and the handshakes of each address.
type addresses struct {
	most  int
	rate  rate.Limit
	burst int
	now   func() time.Time

	mu sync.Mutex
	of map[netip.Prefix]*address
	at int // size at which the entries without use are looked for
}

type address struct {
	open       int
	handshakes *rate.Limiter // nil without a bound
}

func newAddresses(o Options) *addresses {
	return &addresses{
		most: o.MaxPerAddress, rate: rate.Limit(o.HandshakesPerSecond), burst: max(1, int(o.HandshakesPerSecond*10)),
		now: o.Now, of: make(map[netip.Prefix]*address), at: 1024,
	}
}

// network is what one client can easily call its own: an IPv4 address, or an
// IPv6 network of 64 bits.
func network(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // the bits fit the address by construction
	return p
}

// enter counts a new session, or says which limit forbids it.
func (l *addresses) enter(a netip.Addr) Limit {
	if l.most <= 0 && l.rate <= 0 {
		return ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	key := network(a)
	e := l.of[key]
	if e == nil {
		l.sweep()
		e = &address{}
		if l.rate > 0 {
			e.handshakes = rate.NewLimiter(l.rate, l.burst)
		}
		l.of[key] = e
	}
	if l.most > 0 && e.open >= l.most {
		return LimitConnections
	}
	if e.handshakes != nil && !e.handshakes.AllowN(l.now(), 1) {
		return LimitHandshakes
	}
	e.open++
	return ""
}

// leave undoes enter.
func (l *addresses) leave(a netip.Addr) {
	if l.most <= 0 && l.rate <= 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	key := network(a)
	e := l.of[key]
	e.open--
	if l.idle(e) {
		delete(l.of, key)
	}
}

func (l *addresses) idle(e *address) bool {
	return e.open == 0 && (e.handshakes == nil || e.handshakes.TokensAt(l.now()) >= float64(l.burst))
}

// sweep forgets addresses that hold nothing any more, each time their number
// has doubled: one that only knocks must not stay for ever.
func (l *addresses) sweep() {
	if len(l.of) < l.at {
		return
	}
	for key, e := range l.of {
		if l.idle(e) {
			delete(l.of, key)
		}
	}
	l.at = max(1024, 2*len(l.of))
}
