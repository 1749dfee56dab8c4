package connz

import (
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/devops-insights/devops-insights/socket/engineio"
	"github.com/devops-insights/devops-insights/socket/socketio"
)

// Kept is how many connections that have ended a Past of the program keeps.
const Kept = 10_000

const (
	// idLength is how much of an id is shown: enough to tell connections apart, as
	// in the log, and too little to take one over.
	idLength = 6
	// maxAgent and maxName bound what is shown of texts, in characters; maxRooms
	// and maxSockets what is kept of a connection that has ended.
	maxAgent   = 160
	maxName    = 100
	maxRooms   = 64
	maxSockets = 16
)

// conn is a connection at one moment. Its texts are short and can be shown.
type conn struct {
	engineio.SessionInfo
	members []socketio.Member
}

// describe returns a connection as it is now, or was at its end.
func describe(s *engineio.Session) conn {
	c := conn{SessionInfo: s.Info(), members: socketio.Members(s)}
	c.ID = shortID(c.ID)
	c.UserAgent = clean(c.UserAgent, maxAgent)
	c.members = c.members[:min(len(c.members), maxSockets)]
	for i := range c.members {
		m := &c.members[i]
		m.ID, m.Namespace = shortID(m.ID), clean(m.Namespace, maxName)
	}
	return c
}

// rooms returns the rooms of all sockets, each once.
func (c *conn) rooms() []string {
	if len(c.members) == 1 {
		return c.members[0].Rooms
	}
	var all []string
	for _, m := range c.members {
		all = append(all, m.Rooms...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// in reports whether the connection watches the region: "us-east", or
// "acme:us-east" of one API.
func (c *conn) in(region string) bool {
	return slices.ContainsFunc(c.members, func(m socketio.Member) bool { return watches(m, region) })
}

func watches(m socketio.Member, region string) bool {
	return slices.ContainsFunc(m.Rooms, func(room string) bool {
		return strings.HasPrefix(room, "metrics:") && strings.HasSuffix(room, ":"+region)
	})
}

// shortID is the part of an id that may be shown, without the rest in memory.
func shortID(id string) string { return strings.Clone(id[:min(len(id), idLength)]) }

// clean makes a text of a client fit for a terminal and a line of a log: what is
// not to be printed, or turns the direction of writing, becomes U+FFFD.
func clean(text string, most int) string {
	var b strings.Builder
	for _, r := range text {
		if most == 0 {
			b.WriteRune('…')
			break
		}
		most--
		if !unicode.IsPrint(r) {
			r = unicode.ReplacementChar
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Past keeps the connections that ended last. It is an engineio.Observer.
type Past struct {
	mu       sync.Mutex
	most     int
	ring     []*conn
	next     int // where the ring goes on once it is full
	watchers map[chan<- *conn]*traffic
}

// NewPast returns an empty Past of that size.
func NewPast(most int) *Past { return &Past{most: most, watchers: make(map[chan<- *conn]*traffic)} }

// Upgraded implements engineio.Observer.
func (p *Past) Upgraded(bool, time.Duration) {}

// Ponged implements engineio.Observer.
func (p *Past) Ponged(time.Duration) {}

// Closed implements engineio.Observer: it keeps what is known of the session.
func (p *Past) Closed(s *engineio.Session) {
	c := describe(s)
	rooms := 0
	for i := range c.members {
		m := &c.members[i]
		m.Rooms = m.Rooms[:min(len(m.Rooms), maxRooms-rooms)]
		rooms += len(m.Rooms)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.most <= 0:
	case len(p.ring) < p.most:
		p.ring = append(p.ring, &c)
	default:
		p.ring[p.next] = &c
		p.next = (p.next + 1) % p.most
	}
	for ended, t := range p.watchers {
		if !t.matches(s) {
			continue
		}
		select {
		case ended <- &c:
		default:
			t.lost.Add(1)
		}
	}
}

// all returns the connections that are kept, in no order. They are shared.
func (p *Past) all() []*conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.ring)
}

// watch sends the ends of connections that t matches to the channel until stop
// is called; what it does not take at once is counted as lost.
func (p *Past) watch(ended chan<- *conn, t *traffic) (stop func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watchers[ended] = t
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.watchers, ended)
	}
}
