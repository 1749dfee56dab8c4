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
// the peer is a trusted proxy, the last one in X-Forwarded-For that is not. A
// hop that names no address, such as "unknown", is skipped.
func (o *Options) clientAddress(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := plainAddr(peer.Addr())
	if !o.trusted(addr) {
		return addr
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		named, ok := parseHop(hop)
		if !ok {
			continue
		}
		addr = named
		if !o.trusted(addr) {
			break
		}
	}
	return addr
}

// parseHop reads one entry of X-Forwarded-For. Proxies write an address alone,
// with a port, in brackets, or in quotes.
func parseHop(hop string) (netip.Addr, bool) {
	hop = strings.Trim(strings.TrimSpace(hop), `"`)
	if a, err := netip.ParseAddrPort(hop); err == nil {
		return plainAddr(a.Addr()), true
	}
	if inside, ok := strings.CutPrefix(hop, "["); ok {
		hop, _, _ = strings.Cut(inside, "]") // what follows is a port that is none
	} else if strings.Count(hop, ":") == 1 {
		hop, _, _ = strings.Cut(hop, ":")
	}
	a, err := netip.ParseAddr(hop)
	return plainAddr(a), err == nil
}

// plainAddr is the address without what does not tell clients apart: the form
// of an IPv4 address, and the zone of a link-local one.
func plainAddr(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

func (o *Options) trusted(a netip.Addr) bool {
	return slices.ContainsFunc(o.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// ipLimits counts the open sessions and the handshakes of each address.
type ipLimits struct {
	most  int
	rate  rate.Limit
	burst int
	now   func() time.Time

	mu      sync.Mutex
	of      map[netip.Prefix]*ipUse
	sweepAt int // size at which unused entries are looked for
}

type ipUse struct {
	open       int
	handshakes *rate.Limiter // nil without a bound
}

func newIPLimits(o Options) *ipLimits {
	return &ipLimits{
		most: o.MaxPerAddress, rate: rate.Limit(o.HandshakesPerSecond), burst: max(1, int(o.HandshakesPerSecond*10)),
		now: o.Now, of: make(map[netip.Prefix]*ipUse), sweepAt: 1024,
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

// admit counts a new session, or says which limit forbids it.
func (l *ipLimits) admit(a netip.Addr) Limit {
	if l.most <= 0 && l.rate <= 0 {
		return ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	key := network(a)
	e := l.of[key]
	if e == nil {
		l.sweep()
		e = &ipUse{}
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

// release undoes admit.
func (l *ipLimits) release(a netip.Addr) {
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

func (l *ipLimits) idle(e *ipUse) bool {
	return e.open == 0 && (e.handshakes == nil || e.handshakes.TokensAt(l.now()) >= float64(l.burst))
}

// sweep forgets addresses that hold nothing any more, each time their number
// has doubled: an address whose handshakes were all refused must not stay for ever.
func (l *ipLimits) sweep() {
	if len(l.of) < l.sweepAt {
		return
	}
	for key, e := range l.of {
		if l.idle(e) {
			delete(l.of, key)
		}
	}
	l.sweepAt = max(1024, 2*len(l.of))
}
