package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	engine "github.com/devops-insights/devops-insights/socket/engineio/client"
	"github.com/devops-insights/devops-insights/socket/socketio"
)

// Socket is the client's side of one namespace. Its methods may be called from
// any goroutine. The client's lock guards its state.
type Socket struct {
	client    *Client
	namespace string
	listeners listeners

	active    bool          // it wants to be connected
	link      *link         // that it is connected on, or asks to be
	answered  chan struct{} // closed when the server has answered, or nobody waits for it any more
	due       *link         // that owes an answer to CONNECT, wanted or not
	connected bool
	recovered bool
	id        string
	pid       string // of the connection state recovery
	offset    string
	early     []earlyEvent
	earlySize int
	left      uint64 // how often the program disconnected it
	cause     error  // of the last attempt that failed
	waiting   map[chan error]struct{}

	nextAck uint64
	acks    map[uint64]chan socketio.Args // closed without a value when none will come
	unsent  []*socketio.Packet            // events that wait for a connection
}

// Namespace returns the namespace's name, which begins with "/".
func (s *Socket) Namespace() string { return s.namespace }

// ID returns the id that the server knows the socket by, and nothing while it
// is not connected.
func (s *Socket) ID() string {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	return s.id
}

// Connected reports whether the socket is connected at the moment.
func (s *Socket) Connected() bool {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	return s.connected
}

// Recovered reports whether the server restored the state of the last
// connection when the present one began: id, rooms, and the events that were
// missed, which follow.
func (s *Socket) Recovered() bool {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	return s.recovered
}

// Connect connects the socket and returns when it is connected: then the
// client keeps it so and reconnects by itself. Attempts that fail are repeated
// until ctx ends; OnConnectError hears of each. It returns a *ConnectError
// where the namespace refuses, ErrGaveUp, ErrClosed, or the error of ctx with
// that of the last attempt; then the socket is not connected.
//
// On a socket that the client is reconnecting already it only waits.
func (s *Socket) Connect(ctx context.Context) error {
	c := s.client
	settled := make(chan error, 1)
	c.mu.Lock()
	if c.closed || s.connected {
		defer c.mu.Unlock()
		if c.closed {
			return ErrClosed
		}
		return nil
	}
	if s.waiting == nil {
		s.waiting = make(map[chan error]struct{})
	}
	s.waiting[settled] = struct{}{}
	began := !s.active
	if began {
		s.active, s.cause = true, nil
		if c.link != nil {
			s.join(c.link)
		}
		c.start()
	}
	c.mu.Unlock()
	select {
	case err := <-settled:
		return err
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case err := <-settled:
		return err
	default:
	}
	delete(s.waiting, settled)
	err := ctx.Err()
	if s.cause != nil {
		err = fmt.Errorf("%w; the last attempt: %w", err, s.cause)
	}
	if began && len(s.waiting) == 0 {
		s.leave(err)
	}
	return err
}

// Disconnect disconnects the socket; the client does not reconnect it. The
// connection ends with its last socket. It does not wait.
func (s *Socket) Disconnect() {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	s.leave(ErrDisconnected)
}

// What follows is called with the client's lock held, unless it says otherwise.

// leave takes the socket out of its namespace and lets the calls of Connect
// return err.
func (s *Socket) leave(err error) {
	s.left++
	if s.connected {
		s.disconnect(s.link)
	}
	s.gone(ReasonClientDisconnect)
	s.active, s.pid, s.offset = false, "", ""
	s.settle(err)
	s.client.release()
}

// disconnect tells the server that the socket leaves. Where the connection has
// ended there is nobody to tell.
func (s *Socket) disconnect(l *link) {
	_ = l.conn.Send(message(&socketio.Packet{Type: socketio.PacketDisconnect, Namespace: s.namespace})...)
}

// settle lets the calls of Connect return.
func (s *Socket) settle(err error) {
	for settled := range s.waiting {
		settled <- err
	}
	clear(s.waiting)
}

// failed notes an attempt that failed.
func (s *Socket) failed(err error) {
	s.cause = err
	s.client.call(0, func() { s.listeners.connectError(err) })
}

// gone ends the socket's connection: acknowledgements will not come any more.
func (s *Socket) gone(reason Reason) {
	was := s.connected
	s.detach()
	if !was {
		return
	}
	s.forgetSent()
	s.client.call(0, func() { s.listeners.disconnected(reason) })
}

func (s *Socket) detach() {
	if s.answered != nil {
		close(s.answered)
	}
	s.link, s.answered, s.connected, s.recovered, s.id = nil, nil, false, false, ""
	s.early, s.earlySize = nil, 0
}

// join asks the namespace of a new connection to let the socket in.
func (s *Socket) join(l *link) {
	s.link, s.answered = l, make(chan struct{})
	answered := s.answered
	s.client.work.Go(func() { s.ask(l, answered) })
}

// ask is a goroutine of its own: it asks for the payload, sends the CONNECT
// packet and waits for the answer. The lock is not held.
func (s *Socket) ask(l *link, answered <-chan struct{}) {
	c := s.client
	for failed := 1; ; failed++ {
		payload, err := s.payload(l)
		c.mu.Lock()
		if s.answered != answered {
			c.mu.Unlock()
			return // it is wanted no more
		}
		if err == nil {
			if s.due != l { // else the answer to an earlier CONNECT is on its way
				s.due = l
				_ = l.conn.Send(message(&socketio.Packet{Type: socketio.PacketConnect, Namespace: s.namespace, Data: payload})...)
			}
			c.mu.Unlock()
			break
		}
		s.failed(err)
		c.mu.Unlock()
		select {
		case <-answered:
			return
		case <-l.ctx.Done():
			return
		case <-time.After(c.opts.delay(failed, rand.Float64())):
		}
	}
	select {
	case <-answered:
	case <-l.ctx.Done():
	case <-time.After(c.opts.ConnectTimeout):
		l.fail(fmt.Errorf("the namespace %q did not answer within %s (ConnectTimeout)", s.namespace, c.opts.ConnectTimeout))
	}
}

// payload returns the data of the CONNECT packet. The lock is not held.
func (s *Socket) payload(l *link) (json.RawMessage, error) {
	c := s.client
	var auth json.RawMessage
	if c.opts.Auth != nil {
		ctx, cancel := context.WithTimeout(l.ctx, c.opts.ConnectTimeout)
		defer cancel()
		v, err := c.opts.Auth(ctx, s.namespace)
		if err != nil {
			return nil, fmt.Errorf("the payload for the namespace %q: %w", s.namespace, err)
		}
		args, err := socketio.NewArgs(v)
		if err != nil {
			return nil, fmt.Errorf("the payload for the namespace %q: %w", s.namespace, err)
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, args.Raw(0)); err != nil {
			return nil, fmt.Errorf("the payload for the namespace %q: %w", s.namespace, err)
		}
		if auth = compact.Bytes(); string(auth) == "null" {
			auth = nil
		}
		if len(auth) > 0 && auth[0] != '{' {
			return nil, fmt.Errorf("the payload for the namespace %q is not a JSON object", s.namespace)
		}
	}
	c.mu.Lock()
	pid, offset := s.pid, s.offset
	c.mu.Unlock()
	if pid == "" {
		return auth, nil
	}
	claim, err := socketio.NewArgs(struct {
		PID    string `json:"pid"`
		Offset string `json:"offset,omitempty"`
	}{pid, offset})
	if err != nil || len(auth) <= len("{}") {
		return claim.Raw(0), err
	}
	both := append(claim.Raw(0)[:len(claim.Raw(0))-1], ',')
	return append(both, auth[1:]...), nil
}

// welcome takes the server's answer that the socket is in. The lock is not
// held.
func (s *Socket) welcome(l *link, p *socketio.Packet) error {
	var in struct{ SID, PID string }
	if len(p.Data) > 0 {
		if err := json.Unmarshal(p.Data, &in); err != nil {
			return err
		}
	}
	if in.SID == "" {
		return errors.New("a CONNECT packet without a sid, as servers before version 3 send it: they are not supported")
	}
	c := s.client
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.due != l {
		return nil
	}
	s.due = nil
	if s.link != l {
		s.disconnect(l) // it was wanted no more
		return nil
	}
	close(s.answered)
	s.answered = nil
	l.welcomed = true
	s.connected, s.id, s.cause = true, in.SID, nil
	if s.recovered = in.PID != "" && in.PID == s.pid; !s.recovered {
		s.pid, s.offset = in.PID, ""
	}
	s.flush()
	c.call(0, s.listeners.connectedNow)
	s.settle(nil)
	early := s.early
	s.early, s.earlySize = nil, 0
	for _, e := range early {
		if err := s.deliver(l, e.packet, e.size); err != nil {
			return err
		}
	}
	return nil
}

// refused takes the server's refusal. The lock is not held.
func (s *Socket) refused(l *link, err *ConnectError) {
	c := s.client
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.due != l {
		return
	}
	s.due = nil
	if s.link != l {
		return
	}
	s.detach()
	s.failed(err)
	s.active = false
	s.settle(err)
	c.release()
}

// expelled takes the server's DISCONNECT. The lock is not held.
func (s *Socket) expelled(l *link) {
	c := s.client
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.link != l {
		return
	}
	s.gone(ReasonServerDisconnect)
	s.active, s.pid, s.offset = false, "", ""
	s.settle(ErrDisconnected)
	c.release()
}

// lost notes the end of a connection.
func (s *Socket) lost(l *link, reason Reason) {
	if s.due == l {
		s.due = nil
	}
	if s.link != l {
		return
	}
	if s.active && !s.connected {
		s.failed(l.err)
	}
	s.gone(reason)
}

// message returns a packet as messages of the connection.
func message(p *socketio.Packet) []engine.Message {
	all := make([]engine.Message, 0, 1+len(p.Attachments))
	all = append(all, engine.Message{Data: p.Text()})
	for _, a := range p.Attachments {
		all = append(all, engine.Message{Binary: true, Data: a})
	}
	return all
}
