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
	// LimitMemory is Options.MaxMemory: the sessions for which most waits are
	// ended, or a handshake gets 503.
	LimitMemory Limit = "memory"
	// LimitTraffic is Options.MaxByteRate: the session is ended.
	LimitTraffic Limit = "bytes per second"
	// LimitOrigin is Options.CheckOrigin: the request gets 403.
	LimitOrigin Limit = "origin"
)

// Stats are the counters of a server since its start.
type Stats struct {
	// Open is the number of sessions at the moment.
	Open int
	// OpenByTransport are the same by the transport that they use at the moment;
	// both transports are there from the start.
	OpenByTransport map[string]int
	// Opened is the number of sessions so far.
	Opened uint64
	// OpenedByTransport are the same by the transport that they began with.
	OpenedByTransport map[string]uint64
	// Upgrades counts the moves from polling to a websocket.
	Upgrades Upgrades
	// Traffic is what all sessions so far have sent and received.
	Traffic Traffic
	// Coalesced counts the messages that newer ones have replaced before a client
	// took them; see Message.CoalesceKey.
	Coalesced uint64
	// QueueBytes and QueueMessages are what waits for clients at the moment, a
	// message once for each of them.
	QueueBytes, QueueMessages int
	// Closed counts the ended sessions by reason.
	Closed map[Reason]uint64
	// Memory is how many bytes wait, see Options.MaxMemory.
	Memory int64
	// Limited counts what was refused or ended because of a limit. Packages
	// above may count limits of their own here, see Server.CountLimit.
	Limited map[Limit]uint64
	// Refused counts, of those, the handshakes that were refused, and with
	// LimitOrigin all requests. Every limit that refuses them is there from the
	// start.
	Refused map[Limit]uint64
}

// Upgrades counts the moves of sessions from polling to a websocket.
type Upgrades struct{ OK, Failed uint64 }

type counters struct {
	mu       sync.Mutex
	open     map[string]int
	opened   map[string]uint64
	number   uint64 // of the newest session
	closed   map[Reason]uint64
	limited  map[Limit]uint64
	refused  map[Limit]uint64
	upgrades Upgrades
	past     volume // of the sessions that have ended
	told     volume // the most that Stats has returned
}

func newCounters() *counters {
	return &counters{
		open: map[string]int{Polling: 0, Websocket: 0}, opened: map[string]uint64{Polling: 0, Websocket: 0},
		closed: make(map[Reason]uint64), limited: make(map[Limit]uint64),
		refused: map[Limit]uint64{LimitConnections: 0, LimitHandshakes: 0, LimitMemory: 0, LimitOrigin: 0},
	}
}

// CountLimit counts that a client ran into a limit.
func (srv *Server) CountLimit(l Limit) {
	srv.counters.mu.Lock()
	srv.counters.limited[l]++
	srv.counters.mu.Unlock()
}

// refuse counts a handshake that a limit refuses.
func (srv *Server) refuse(l Limit) {
	srv.counters.mu.Lock()
	srv.counters.limited[l]++
	srv.counters.refused[l]++
	srv.counters.mu.Unlock()
}

// began counts a new session and returns its number.
func (c *counters) began(transport string) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open[transport]++
	c.opened[transport]++
	c.number++
	return c.number
}

// moved counts that a session's transport is a websocket from now on.
func (c *counters) moved() {
	c.mu.Lock()
	c.open[Polling]--
	c.open[Websocket]++
	c.mu.Unlock()
}

func (c *counters) upgraded(ok bool) {
	c.mu.Lock()
	if ok {
		c.upgrades.OK++
	} else {
		c.upgrades.Failed++
	}
	c.mu.Unlock()
}

// ended counts the end of a session; the caller holds its lock.
func (c *counters) ended(s *Session) {
	c.mu.Lock()
	c.open[s.transport()]--
	c.closed[s.reason]++
	c.past.add(s.volume())
	c.mu.Unlock()
}

// late counts what a session does after its end.
func (c *counters) late(v volume) {
	c.mu.Lock()
	c.past.add(v)
	c.mu.Unlock()
}

// Count returns the number of open sessions.
func (srv *Server) Count() int {
	c := srv.counters
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open[Polling] + c.open[Websocket]
}

// Counts returns the Stats that are at hand, whoever asks how often: without
// Traffic, Coalesced and what waits for clients.
func (srv *Server) Counts() Stats {
	c := srv.counters
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{
		Open: c.open[Polling] + c.open[Websocket], OpenByTransport: maps.Clone(c.open),
		Opened: c.opened[Polling] + c.opened[Websocket], OpenedByTransport: maps.Clone(c.opened), Upgrades: c.upgrades,
		Closed: maps.Clone(c.closed), Limited: maps.Clone(c.limited), Refused: maps.Clone(c.refused), Memory: srv.memory.Used(),
	}
}

// Stats returns all counters. It goes through the open sessions: ask it once a
// second at most, and Counts on behalf of strangers.
func (srv *Server) Stats() Stats {
	c := srv.counters
	c.mu.Lock()
	total := c.past
	c.mu.Unlock()
	queued, messages := 0, 0
	for _, s := range srv.known() {
		s.mu.Lock()
		if !s.closed {
			total.add(s.volume())
		}
		queued += s.queue.bytes
		messages += s.queue.messages()
		s.mu.Unlock()
	}
	stats := srv.Counts()
	c.mu.Lock()
	defer c.mu.Unlock()
	// A session that has ended meanwhile is missing above. The counters must not
	// go back for it.
	c.told.raise(total)
	stats.Traffic, stats.Coalesced, stats.QueueBytes, stats.QueueMessages = c.told.Traffic, c.told.coalesced, queued, messages
	return stats
}
