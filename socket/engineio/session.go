package engineio

import (
	"math"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Reason says why a session ended, in the words of Node's engine.io.
type Reason string

// The reasons a session can end with.
const (
	ReasonTransportClose Reason = "transport close"
	ReasonTransportError Reason = "transport error"
	ReasonPingTimeout    Reason = "ping timeout"
	ReasonParseError     Reason = "parse error"
	ReasonForcedClose    Reason = "forced close"
	ReasonShutdown       Reason = "server shutting down"
	ReasonSlow           Reason = "backlog full"
	ReasonMemory         Reason = "memory"
	ReasonTraffic        Reason = "traffic"
)

// Session is one client, over whichever transport it uses at the moment.
// Its methods may be called from any goroutine.
type Session struct {
	// What a broadcast needs of each receiver stands together in front: it goes
	// from session to session, and every further line of memory is a wait.
	mu         sync.Mutex
	direct     bool // frames may be written to fd: ws is open and keeps up
	base64     bool
	closed     bool
	left       bool // the client closed it: a waiting poll hears noop, not close
	draining   bool // closed, and still to deliver what was sent before
	protocol   uint8
	leaving    bool // the client has said that it is about to close it
	fd         int32
	deflateMax int32 // a message must be shorter to be compressed; 0: the client takes none
	server     *Server
	ws         *wsConn
	poll       chan struct{} // not nil while a poll waits; closed to release it
	packetsOut uint64
	bytesOut   uint64

	id      string
	request *http.Request
	remote  netip.Addr

	onOpen    func()
	onMessage func(data []byte, binary bool)
	onPause   func(mayWait bool)
	onClose   func(Reason)

	deliver sync.Mutex // one message at a time, whatever the transport
	posting sync.Mutex // held while a POST is handled; a second one is an error

	queue    backlog
	reason   Reason        // why it ended
	closeBy  time.Time     // when a closed session's client must have taken what was sent
	answer   *transfer     // the answer to a poll that is being written
	posted   *transfer     // the body of a POST that is being read
	inbound  atomic.Int64  // bytes of the client's packets that wait for a handler
	traffic  *rate.Limiter // of the client's bytes; nil without a bound
	kept     int64         // bytes of the handshake that the budget counts
	timer    *time.Timer
	upgrade  upgradeState
	noop     bool   // the poll in question gets a noop
	awaiting bool   // a ping was sent and its pong has not come
	extended bool   // the wait for the pong was prolonged once
	held     uint32 // messages that waited at its end
	done     chan struct{}
	owner    any // set in OnSession
	record   record
}

// ID returns the session id: 20 characters of base64url.
func (s *Session) ID() string { return s.id }

// Protocol returns the protocol version the client speaks: 4, or 3 where
// Options.AllowEIO3 lets it in.
func (s *Session) Protocol() int { return int(s.protocol) }

// Request returns the handshake request: its URL, headers and remote address.
// Its body and context belong to the handshake and are spent.
func (s *Session) Request() *http.Request { return s.request }

// RemoteAddr returns the client's address, with Options.TrustedProxies
// considered; the zero Addr where it cannot be told.
func (s *Session) RemoteAddr() netip.Addr { return s.remote }

// Transport returns Polling or Websocket.
func (s *Session) Transport() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.transport()
}

// transport is Transport for a caller that holds the lock.
func (s *Session) transport() string {
	if s.ws != nil {
		return Websocket
	}
	return Polling
}

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.done }

// OnOpen sets the function that is called when the open packet is on its way.
// Call it inside Options.OnSession.
func (s *Session) OnOpen(f func()) { s.onOpen = f }

// OnMessage sets the function that receives the client's messages, in order
// and one at a time. data belongs to it. Call it inside Options.OnSession.
func (s *Session) OnMessage(f func(data []byte, binary bool)) { s.onMessage = f }

// OnPause sets a function that is called after one or more messages, when the
// client has nothing more to say for now. With mayWait it is free to wait for
// the client or anything else: what comes meanwhile is read elsewhere, and may
// lead to further calls. Call it inside Options.OnSession.
func (s *Session) OnPause(f func(mayWait bool)) { s.onPause = f }

func (s *Session) pause(mayWait bool) {
	if s.onPause != nil {
		s.onPause(mayWait)
	}
}

// OnClose sets the function that is told once that the session has ended, in a
// goroutine of its own: whatever locks the sender held, it may take them. Call
// it inside Options.OnSession.
func (s *Session) OnClose(f func(Reason)) { s.onClose = f }

// attach makes the websocket the session's transport; the caller holds the
// lock. Where the system cannot write without waiting, everything goes through
// the flusher.
func (s *Session) attach(w *wsConn) {
	s.ws, s.fd, s.deflateMax = w, int32(w.fd), int32(min(w.DeflateWindow(), math.MaxInt32))
	s.direct = w.fd >= 0
}

// receive handles one packet of the client, which came as a tells, and reports
// whether to go on.
func (s *Session) receive(p packet, a arrival) bool {
	if s.ended() || !s.admitTraffic(len(p.Data)) {
		return false
	}
	s.heard(p.Kind, a)
	if t := s.server.taps.Load(); t != nil {
		t.tell(TapEvent{Session: s, Kind: p.Kind, Binary: p.Binary, Size: max(a.bytes, len(p.Data)+1), Data: p.Data})
	}
	switch p.Kind {
	case packetMessage:
		s.deliver.Lock()
		defer s.deliver.Unlock()
		if s.onMessage != nil {
			s.onMessage(p.Data, p.Binary)
		}
		return true
	case packetPing:
		return s.pinged()
	case packetPong:
		return s.ponged()
	case packetClose:
		s.mu.Lock()
		s.left = true
		s.mu.Unlock()
		s.end(ReasonTransportClose, closeNormal, false)
		return false
	default:
		// Open, upgrade and noop mean nothing here; Node ignores them too.
		return true
	}
}

// Stalled reports whether the client is behind: messages wait for it.
func (s *Session) Stalled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.queue.empty() || s.ws != nil && s.ws.busy
}
