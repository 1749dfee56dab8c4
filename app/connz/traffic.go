package connz

import (
	"bytes"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/devops-insights/devops-insights/socket/engineio"
	"github.com/devops-insights/devops-insights/socket/socketio"
)

const (
	// waitingPackets is how many packets wait for the reader of a trace.
	waitingPackets = 1024
	// headBytes is how much of a packet is kept for its name, and maxPayload how
	// much where the payload is asked for.
	headBytes  = 512
	maxPayload = 8 << 10
)

// seen is one packet that a trace has seen.
type seen struct {
	at      time.Time
	cid     uint64
	id      string
	address netip.Addr
	event   engineio.TapEvent // without Session; Data is a copy of the beginning
	whole   bool              // Data is all of it
}

// traffic picks the packets of some connections. It is asked for each packet of
// the server, under the locks of its session: it neither waits nor takes one.
type traffic struct {
	only    *engineio.Session // nil: not one alone
	network netip.Prefix      // invalid: any
	region  string            // empty: any
	inside  atomic.Pointer[map[*engineio.Session]struct{}]
	payload bool

	packets chan seen
	lost    atomic.Uint64
}

// matches reports whether the connection is meant.
func (t *traffic) matches(s *engineio.Session) bool {
	if t.only != nil && t.only != s || t.network.IsValid() && !t.network.Contains(s.RemoteAddr()) {
		return false
	}
	if t.region == "" {
		return true
	}
	_, ok := (*t.inside.Load())[s]
	return ok
}

// renew looks who watches the region at the moment. The rooms have locks of
// their own, so a packet cannot ask them.
func (t *traffic) renew(server Server) (connections int) {
	all := server.Sessions()
	if t.region == "" {
		for _, s := range all {
			if t.matches(s) {
				connections++
			}
		}
		return connections
	}
	inside := make(map[*engineio.Session]struct{})
	for _, s := range all {
		if slices.ContainsFunc(socketio.Members(s), func(m socketio.Member) bool { return watches(m, t.region) }) {
			inside[s] = struct{}{}
		}
	}
	t.inside.Store(&inside)
	return len(inside)
}

// see takes a packet, or counts it as lost where the reader is behind.
func (t *traffic) see(e engineio.TapEvent) {
	if !t.matches(e.Session) {
		return
	}
	if len(t.packets) == cap(t.packets) {
		t.lost.Add(1)
		return
	}
	p := seen{at: time.Now(), cid: e.Session.Number(), id: shortID(e.Session.ID()), address: e.Session.RemoteAddr(), event: e}
	most := headBytes
	if t.payload {
		most = maxPayload
	}
	if e.Binary {
		most = 0
	}
	p.whole = len(e.Data) <= most
	p.event.Session, p.event.Data = nil, bytes.Clone(e.Data[:min(len(e.Data), most)])
	select {
	case t.packets <- p:
	default:
		t.lost.Add(1)
	}
}
