package engineio

import (
	"net/netip"
	"time"

	"github.com/devops-insights/devops-insights/socket/engineio/websocket"
)

// Traffic counts packets and bytes of the client (in) and to it (out). Over a
// websocket the bytes are those of the frames as they travel, over polling
// those of the HTTP bodies as they travel. Of them, the Compressed ones
// travelled compressed; of polls only answers can.
type Traffic struct {
	PacketsIn, PacketsOut uint64
	BytesIn, BytesOut     uint64

	BytesInCompressed, BytesOutCompressed uint64
}

// SessionInfo describes a session at one moment.
type SessionInfo struct {
	// ID is the whole id. Whoever knows it may take a polling session over: never
	// show it.
	ID string
	// Number counts the sessions of the server, from 1 on. It may be shown.
	Number uint64
	// Address is the client's, the zero Addr where it cannot be told.
	Address netip.Addr
	// Transport is Polling or Websocket.
	Transport string
	// Protocol is 4 or 3.
	Protocol int
	// UserAgent is what the client wrote: at most 8 KiB of any bytes.
	UserAgent string
	// Since is when it began, and LastActivity when the client was heard last:
	// pongs count. Both are told by the clock as it is now, whatever it was then.
	Since, LastActivity time.Time
	// RTT is how long the client took to answer the last ping; zero until it has
	// answered one, and for protocol version 3, in which it is the client that
	// pings.
	RTT time.Duration
	// Upgrade is how long the move to a websocket took; zero where none was made.
	Upgrade time.Duration
	Traffic
	// QueueBytes and QueueMessages are what waits for the client, or waited for it
	// when the session ended.
	QueueBytes, QueueMessages int
	// Coalesced counts the messages that newer ones have replaced in the queue.
	Coalesced uint64
	// Reason is why it ended, and Code the same in more detail. Both are empty
	// while it is open.
	Reason Reason
	Code   Code
	// Ended is when it ended, the zero time while it is open.
	Ended time.Time
}

// record is what Info tells of a session and nothing else needs. Times are those
// since the server's start, which no change of the wall clock touches.
type record struct {
	number             uint64
	since, last        time.Duration
	pinged, rtt        time.Duration
	ended              time.Duration
	upgraded           uint32 // microseconds
	held               uint32 // bytes that waited at its end
	packetsIn, bytesIn uint64
	bytesInCompressed  uint64
	bytesOutCompressed uint64
	code               Code
}

// arrival is what the websocket told of a packet. Of a packet in a POST nothing
// is told: the body's bytes are counted as a whole.
type arrival struct {
	bytes      int
	compressed bool
	more       bool // right behind it: the time is noted once for all
}

// volume is what a session has carried.
type volume struct {
	Traffic
	coalesced uint64
}

func (v *volume) add(o volume) {
	v.PacketsIn += o.PacketsIn
	v.PacketsOut += o.PacketsOut
	v.BytesIn += o.BytesIn
	v.BytesOut += o.BytesOut
	v.BytesInCompressed += o.BytesInCompressed
	v.BytesOutCompressed += o.BytesOutCompressed
	v.coalesced += o.coalesced
}

// raise makes each count at least that of o.
func (v *volume) raise(o volume) {
	v.PacketsIn = max(v.PacketsIn, o.PacketsIn)
	v.PacketsOut = max(v.PacketsOut, o.PacketsOut)
	v.BytesIn = max(v.BytesIn, o.BytesIn)
	v.BytesOut = max(v.BytesOut, o.BytesOut)
	v.BytesInCompressed = max(v.BytesInCompressed, o.BytesInCompressed)
	v.BytesOutCompressed = max(v.BytesOutCompressed, o.BytesOutCompressed)
	v.coalesced = max(v.coalesced, o.coalesced)
}

// uptime is the time since the server's start.
func (srv *Server) uptime() time.Duration { return time.Since(srv.began) }

// volume returns what the session has carried; the caller holds the lock.
func (s *Session) volume() volume {
	r := &s.record
	return volume{
		Traffic: Traffic{
			PacketsIn: r.packetsIn, PacketsOut: s.packetsOut, BytesIn: r.bytesIn, BytesOut: s.bytesOut,
			BytesInCompressed: r.bytesInCompressed, BytesOutCompressed: r.bytesOutCompressed,
		},
		coalesced: s.queue.skipped,
	}
}

// received counts packets of the client, and that it is there; the caller holds
// the lock.
func (s *Session) received(packets int, a arrival) {
	r := &s.record
	if !a.more {
		r.last = s.server.uptime()
	}
	r.packetsIn += uint64(packets)
	r.bytesIn += uint64(a.bytes)
	compressed := uint64(0)
	if a.compressed {
		compressed = uint64(a.bytes)
		r.bytesInCompressed += compressed
	}
	if s.closed {
		s.server.counters.late(volume{Traffic: Traffic{PacketsIn: uint64(packets), BytesIn: uint64(a.bytes), BytesInCompressed: compressed}})
	}
}

// sent counts what goes to the client by a flusher or a poll; the caller holds
// the lock. What is written at once, Send counts.
func (s *Session) sent(packets, bytes int, compressed bool) {
	v := volume{Traffic: Traffic{PacketsOut: uint64(packets), BytesOut: uint64(bytes)}}
	if compressed {
		v.BytesOutCompressed = v.BytesOut
	}
	s.packetsOut += v.PacketsOut
	s.bytesOut += v.BytesOut
	s.record.bytesOutCompressed += v.BytesOutCompressed
	if s.closed {
		s.server.counters.late(v)
	}
}

// arrived tells how a message came, to be asked once for each.
func (s *Session) arrived(m websocket.Message) arrival {
	decoded := s.ws.Decoded()
	a := arrival{bytes: int(decoded - s.ws.counted), compressed: m.Compressed, more: s.ws.Unread() > 0}
	s.ws.counted = decoded
	return a
}

// heardFrame counts bytes that are no packet.
func (s *Session) heardFrame(a arrival) {
	s.mu.Lock()
	s.received(0, a)
	s.mu.Unlock()
}

// Info describes the session as it is now, or as it was at its end.
func (s *Session) Info() SessionInfo {
	now, uptime := time.Now(), s.server.uptime()
	at := func(d time.Duration) time.Time { return now.Add(d - uptime).Round(0) }
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &s.record
	v := s.volume()
	info := SessionInfo{
		ID: s.id, Number: r.number, Address: s.remote, Transport: s.transport(), Protocol: int(s.protocol),
		UserAgent: s.request.UserAgent(), Since: at(r.since), LastActivity: at(r.last), RTT: r.rtt, Upgrade: time.Duration(r.upgraded) * time.Microsecond,
		Traffic: v.Traffic, QueueBytes: s.queue.bytes, QueueMessages: s.queue.messages(), Coalesced: v.coalesced,
	}
	if s.closed {
		info.Reason, info.Code, info.Ended = s.reason, s.code(), at(r.ended)
		info.QueueBytes, info.QueueMessages = int(r.held), int(s.held)
	}
	return info
}

// Sessions returns the open sessions, in no order.
func (srv *Server) Sessions() []*Session {
	all := srv.known()
	open := all[:0]
	for _, s := range all {
		if !s.ended() {
			open = append(open, s)
		}
	}
	clear(all[len(open):])
	return open
}

// SetOwner keeps what the layer above knows the session by. Call it inside
// Options.OnSession.
func (s *Session) SetOwner(owner any) { s.owner = owner }

// Owner returns what SetOwner has kept.
func (s *Session) Owner() any { return s.owner }
