package engineio

import (
	"errors"
	"net/http"
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
	id      string
	server  *Server
	request *http.Request

	onMessage func(data []byte, binary bool)
	onClose   func(Reason)

	deliver sync.Mutex // one message at a time, whatever the transport
	posting sync.Mutex // held while a POST is handled; a second one is an error

	mu        sync.Mutex
	closed    bool
	queue     backlog
	ws        *wsConn
	upgrading bool
	poll      chan struct{} // not nil while a poll waits; closed to release it
	noop      bool          // the poll in question gets a noop
	timer     *time.Timer
	awaiting  bool // a ping was sent and its pong has not come
	done      chan struct{}
}

// ID returns the session id: 20 characters of base64url.
func (s *Session) ID() string { return s.id }

// Request returns the handshake request: its URL, headers and remote address.
// Its body and context belong to the handshake and are spent.
func (s *Session) Request() *http.Request { return s.request }

// Transport returns "polling" or "websocket".
func (s *Session) Transport() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ws != nil {
		return transportWebsocket
	}
	return transportPolling
}

// Done is closed when the session has ended.
func (s *Session) Done() <-chan struct{} { return s.done }

// OnMessage sets the function that receives the client's messages, in order
// and one at a time. data is valid only during the call. Call it inside
// Options.OnSession.
func (s *Session) OnMessage(f func(data []byte, binary bool)) { s.onMessage = f }

// OnClose sets the function that is told once that the session has ended.
// Call it inside Options.OnSession.
func (s *Session) OnClose(f func(Reason)) { s.onClose = f }

// Send queues messages or writes them at once; no other message comes between
// them. It never blocks on the client. It returns ErrClosed or ErrSlow.
func (s *Session) Send(messages ...*Message) error {
	s.mu.Lock()
	err := s.sendLocked(messages)
	s.mu.Unlock()
	if err != nil && !errors.Is(err, ErrClosed) {
		s.close(sendFailure(err), closeGoingAway)
	}
	return err
}

func sendFailure(err error) Reason {
	if errors.Is(err, ErrSlow) {
		return ReasonSlow
	}
	return ReasonTransportError
}

func (s *Session) sendLocked(messages []*Message) error {
	if s.closed {
		return ErrClosed
	}
	for _, m := range messages {
		if s.ws != nil && !s.ws.busy {
			rest, err := s.ws.try(m.wire())
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				s.ws.rest, s.ws.busy = rest, true
				s.server.work.Go(s.flush)
			}
			continue
		}
		if !s.queue.push(m) {
			return ErrSlow
		}
	}
	s.release(false)
	return nil
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
			if m == nil || s.closed {
				s.ws.busy = false
				s.mu.Unlock()
				return
			}
			next = m.wire()
		}
		s.mu.Unlock()
		if err := s.ws.write(next); err != nil {
			s.close(ReasonTransportError, closeGoingAway)
			return
		}
	}
}

// Close ends the session: a waiting poll gets what is queued and a close
// packet, a websocket a close frame.
func (s *Session) Close() { s.close(ReasonForcedClose, closeNormal) }

func (s *Session) close(reason Reason, code uint16) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	if s.timer != nil {
		s.timer.Stop()
	}
	s.release(false)
	if s.ws != nil {
		s.ws.end(code, string(reason))
	}
	close(s.done)
	s.mu.Unlock()
	s.server.forget(s)
	if s.onClose != nil {
		s.onClose(reason)
	}
}

// receive handles one packet of the client and reports whether to go on.
func (s *Session) receive(p packet) bool {
	switch p.kind {
	case packetMessage:
		s.deliver.Lock()
		defer s.deliver.Unlock()
		select {
		case <-s.done:
			return false
		default:
		}
		if s.onMessage != nil {
			s.onMessage(p.data, p.binary)
		}
		return true
	case packetPong:
		s.mu.Lock()
		if !s.closed {
			s.awaiting = false
			s.timer.Reset(s.server.opts.PingInterval)
		}
		s.mu.Unlock()
		return true
	case packetClose:
		s.close(ReasonTransportClose, closeNormal)
		return false
	case packetPing:
		// In version 4 only the server pings; a ping from the client is an
		// error of the transport, as in Node.
		s.close(ReasonTransportError, closeNormal)
		return false
	default:
		// Open, upgrade and noop mean nothing here; Node ignores them too.
		return true
	}
}

func (s *Session) startHeartbeat() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.timer = time.AfterFunc(s.server.opts.PingInterval, s.beat)
}

func (s *Session) beat() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	if s.awaiting {
		s.mu.Unlock()
		s.close(ReasonPingTimeout, closeNormal)
		return
	}
	s.awaiting = true
	s.timer.Reset(s.server.opts.PingTimeout)
	err := s.sendLocked([]*Message{s.server.ping})
	s.mu.Unlock()
	if err != nil {
		s.close(sendFailure(err), closeGoingAway)
	}
}
