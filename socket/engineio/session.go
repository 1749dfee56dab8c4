package engineio

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"time"
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
)

// ErrClosed is returned by Send on a session that has ended.
var ErrClosed = errors.New("the session is closed")

// ErrSlow is returned by Send when the client's backlog is full and the
// session was ended for it.
var ErrSlow = errors.New("the client does not read: its backlog is full")

// Session is one client, over whichever transport it uses at the moment.
// Its methods may be called from any goroutine.
type Session struct {
	// What a broadcast needs of each receiver stands together in front: it goes
	// from session to session, and every further line of memory is a wait.
	mu      sync.Mutex
	direct  bool // frames may be written to fd: ws is open and keeps up
	deflate bool // the client takes compressed messages
	greets  bool // the first frame follows what the connection holds back
	base64  bool
	closed  bool
	left    bool // the client closed it: a waiting poll hears noop, not close
	lingers bool // closed, and still to deliver what was sent before
	fd      int
	server  *Server
	ws      *wsConn
	poll    chan struct{} // not nil while a poll waits; closed to release it

	protocol int
	id       string
	request  *http.Request
	remote   netip.Addr

	onOpen    func()
	onMessage func(data []byte, binary bool)
	onPause   func(mayWait bool)
	onClose   func(Reason)

	deliver sync.Mutex // one message at a time, whatever the transport
	posting sync.Mutex // held while a POST is handled; a second one is an error

	queue    backlog
	upgrade  upgradeState
	noop     bool // the poll in question gets a noop
	timer    *time.Timer
	awaiting bool // a ping was sent and its pong has not come
	extended bool // the wait for the pong was prolonged once
	done     chan struct{}
}

// ID returns the session id: 20 characters of base64url.
func (s *Session) ID() string { return s.id }

// Protocol returns the protocol version the client speaks: 4, or 3 where
// Options.AllowEIO3 lets it in.
func (s *Session) Protocol() int { return s.protocol }

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

// OnClose sets the function that is told once that the session has ended.
// Call it inside Options.OnSession.
func (s *Session) OnClose(f func(Reason)) { s.onClose = f }

// Send queues messages or writes them at once; no other message comes between
// them. It never blocks on the client. It returns ErrClosed or ErrSlow.
func (s *Session) Send(messages ...*Message) error { return s.send(messages, false) }

// SendVolatile is Send for messages that may be lost: where the client cannot
// take them at this moment, they are dropped.
func (s *Session) SendVolatile(messages ...*Message) error { return s.send(messages, true) }

func (s *Session) send(messages []*Message, volatile bool) error {
	s.mu.Lock()
	if volatile && !s.closed && !s.writable() {
		s.mu.Unlock()
		return nil
	}
	err := s.sendLocked(messages)
	s.mu.Unlock()
	if err == nil || errors.Is(err, ErrClosed) {
		return err
	}
	s.end(s.sendFailure(err), closeGoingAway, false)
	if errors.Is(err, ErrSlow) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrClosed, err)
}

// writable reports whether the transport takes a message at this moment; the
// caller holds the lock.
func (s *Session) writable() bool {
	if s.ws != nil {
		return !s.ws.busy
	}
	return s.poll != nil && s.upgrade != upgradeProbed
}

func (s *Session) sendFailure(err error) Reason {
	if errors.Is(err, ErrSlow) {
		s.server.Limited(LimitBacklog)
		return ReasonSlow
	}
	return ReasonTransportError
}

func (s *Session) sendLocked(messages []*Message) error {
	if s.closed {
		return ErrClosed
	}
	for _, m := range messages {
		if !s.direct {
			if !s.queue.push(m) {
				return ErrSlow
			}
			continue
		}
		frame := s.frame(m)
		if s.greets {
			s.greets, frame = false, s.ws.first(frame)
		}
		n, err := writeNow(s.fd, frame)
		if err != nil {
			return err
		}
		if n < len(frame) {
			s.ws.rest = frame[n:]
			s.queueUp()
		}
	}
	if s.ws != nil && !s.direct && !s.ws.busy {
		s.queueUp()
	}
	s.release(false)
	return nil
}

// attach makes the websocket the session's transport; the caller holds the
// lock. Where the system cannot write without waiting, everything goes through
// the flusher.
func (s *Session) attach(w *wsConn) {
	s.ws, s.fd, s.deflate = w, w.fd, w.deflate
	s.direct = canWriteNow && w.fd >= 0
	s.greets = w.held != nil
}

// queueUp leaves the writing to a flusher until nothing waits any more; the
// caller holds the lock.
func (s *Session) queueUp() {
	s.direct, s.ws.busy = false, true
	s.server.work.Go(s.flush)
}

// frame returns the message as this session's websocket carries it.
func (s *Session) frame(m *Message) []byte {
	if s.protocol == 3 {
		return m.frame3(s.base64)
	}
	if s.deflate {
		return m.deflated(&s.server.deflater, s.server.opts.PerMessageDeflate)
	}
	return m.wire()
}

// release lets a waiting poll go; the caller holds the lock.
func (s *Session) release(noop bool) {
	if s.poll != nil {
		s.noop = noop
		close(s.poll)
		s.poll = nil
	}
}

// flush writes what did not fit into the socket's buffer and ends when nothing
// waits any more: a client that keeps up never has this goroutine.
func (s *Session) flush() {
	for {
		s.mu.Lock()
		next := s.ws.rest
		s.ws.rest = nil
		if next == nil {
			m := s.queue.pop()
			if m == nil {
				s.ws.busy = false
				s.direct = canWriteNow && s.fd >= 0 && !s.closed
				if s.closed {
					s.ws.finish()
				}
				s.mu.Unlock()
				return
			}
			next = s.frame(m)
		}
		s.mu.Unlock()
		if err := s.ws.write(next); err != nil {
			s.end(ReasonTransportError, closeGoingAway, false)
			s.ws.cut()
			return
		}
	}
}

// closeTimeout is how long a closed session waits for its client to take what
// was queued before.
const closeTimeout = 30 * time.Second

// Close ends the session ("Close"). What was sent before still reaches the
// client: the next poll brings it and the one after a close packet, a websocket
// gets a close frame after it.
func (s *Session) Close() { s.end(ReasonForcedClose, closeNormal, true) }

// end ends the session for its owner. With deliver, what is queued goes out
// first, within closeTimeout.
func (s *Session) end(reason Reason, code uint16, deliver bool) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed, s.direct = true, false
	if s.timer != nil {
		s.timer.Stop()
	}
	s.lingers = deliver && s.ws == nil && s.poll == nil
	lingers := s.lingers
	if lingers {
		s.timer = time.AfterFunc(closeTimeout, func() { s.server.forget(s) })
	}
	s.release(false)
	if s.ws != nil {
		s.ws.close(s.server, code, reason, deliver)
	}
	close(s.done)
	s.mu.Unlock()
	if !lingers {
		s.server.forget(s)
	}
	s.server.addresses.leave(s.remote)
	s.server.counters.ended(reason)
	if s.onClose != nil {
		s.onClose(reason)
	}
}

// receive handles one packet of the client and reports whether to go on.
func (s *Session) receive(p packet) bool {
	if s.ended() {
		return false
	}
	s.heard(p.kind)
	switch p.kind {
	case packetMessage:
		s.deliver.Lock()
		defer s.deliver.Unlock()
		if s.onMessage != nil {
			s.onMessage(p.data, p.binary)
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
	return len(s.queue.waiting) > 0 || s.ws != nil && s.ws.busy
}
