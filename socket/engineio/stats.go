package engineio

import (
	"maps"
	"sync"
)

// Limit names a bound that a client ran into.
type Limit string

// The limits that refuse a handshake or end a session.
const (
	// LimitConnections is Options.MaxPerAddress: the handshake gets 429.
	LimitConnections Limit = "connections per address"
	// LimitHandshakes is Options.HandshakesPerSecond: the handshake gets 429.
	LimitHandshakes Limit = "handshakes per second"
	// LimitPayload is Options.MaxPayload: a POST gets 413, a websocket is closed.
	LimitPayload Limit = "payload size"
	// LimitBacklog is Options.MaxBacklog or MaxQueued: the session is ended.
	LimitBacklog Limit = "backlog"
)

// Stats are the counters of a server since its start.
type Stats struct {
	// Open is the number of sessions at the moment.
	Open int
	// Opened is the number of sessions so far.
	Opened uint64
	// Closed counts the ended sessions by reason.
	Closed map[Reason]uint64
	// Limited counts what was refused or ended because of a limit. Packages
	// above may count limits of their own here, see Server.Limited.
	Limited map[Limit]uint64
}

type counters struct {
	mu      sync.Mutex
	opened  uint64
	closed  map[Reason]uint64
	limited map[Limit]uint64
}

func newCounters() *counters {
	return &counters{closed: make(map[Reason]uint64), limited: make(map[Limit]uint64)}
}

// Limited counts that a client ran into a limit.
func (srv *Server) Limited(l Limit) {
	srv.counters.mu.Lock()
	srv.counters.limited[l]++
	srv.counters.mu.Unlock()
}

func (c *counters) began() {
	c.mu.Lock()
	c.opened++
	c.mu.Unlock()
}

func (c *counters) ended(r Reason) {
	c.mu.Lock()
	c.closed[r]++
	c.mu.Unlock()
}

// Stats returns the counters.
func (srv *Server) Stats() Stats {
	open := srv.Count()
	c := srv.counters
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{Open: open, Opened: c.opened, Closed: maps.Clone(c.closed), Limited: maps.Clone(c.limited)}
}
