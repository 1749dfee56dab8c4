package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync"

	"github.com/devops-insights/devops-insights/socket/engineio"
)

// ErrDisconnected is returned when a socket is or becomes disconnected.
var ErrDisconnected = errors.New("the socket is disconnected")

// Acknowledge answers an event; calls after the first do nothing. It is never
// nil: where the client asked for no acknowledgement it does nothing.
type Acknowledge func(args ...any) error

// Handler handles one event of a client. Handlers of one client are called one
// at a time, in the order in which its events came.
type Handler func(args Args, ack Acknowledge)

// Socket is one client within one namespace.
type Socket struct {
	id        string
	namespace *Namespace
	client    *client
	auth      json.RawMessage

	mu           sync.Mutex
	gone         bool
	done         chan struct{}
	handlers     map[string]Handler
	onDisconnect func(reason string)
	acks         map[uint64]chan Args
	nextAck      uint64
}

// ID returns the socket's id: 20 characters, different from the session's.
func (s *Socket) ID() string { return s.id }

// Auth returns the payload of the client's CONNECT packet as JSON text, nil
// when it sent none.
func (s *Socket) Auth() json.RawMessage { return s.auth }

// Request returns the handshake request of the connection.
func (s *Socket) Request() *http.Request { return s.client.session.Request() }

// Done is closed when the socket is disconnected.
func (s *Socket) Done() <-chan struct{} { return s.done }

// On sets the handler of an event. Events without one are ignored.
func (s *Socket) On(event string, h Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handlers[event] = h
}

// OnDisconnect sets the function that is told once why the socket went.
func (s *Socket) OnDisconnect(f func(reason string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onDisconnect = f
}

// Join enters rooms.
func (s *Socket) Join(rooms ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.gone {
		s.namespace.adapter.Join(s, rooms...)
	}
}

// Leave leaves rooms.
func (s *Socket) Leave(rooms ...string) {
	if len(rooms) > 0 {
		s.namespace.adapter.Leave(s, rooms...)
	}
}

// Emit sends an event to this client. Arguments are encoded as JSON; a
// json.RawMessage is passed through as it is, and []byte travels as binary.
// A nil error says that it was sent or queued.
func (s *Socket) Emit(event string, args ...any) error {
	p, err := eventPacket(s.namespace.name, event, args)
	if err != nil {
		return err
	}
	return s.send(p)
}

// EmitWithAck sends an event and waits for the client's acknowledgement, for
// the end of ctx, or for the disconnection (ErrDisconnected).
func (s *Socket) EmitWithAck(ctx context.Context, event string, args ...any) (Args, error) {
	p, err := eventPacket(s.namespace.name, event, args)
	if err != nil {
		return Args{}, err
	}
	answer := make(chan Args, 1)
	s.mu.Lock()
	id := s.nextAck
	s.nextAck++
	s.acks[id] = answer
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.acks, id)
		s.mu.Unlock()
	}()
	p.ID = &id
	if err := s.send(p); err != nil {
		return Args{}, err
	}
	select {
	case a := <-answer:
		return a, nil
	case <-s.done:
		return Args{}, ErrDisconnected
	case <-ctx.Done():
		return Args{}, fmt.Errorf("no acknowledgement of %q: %w", event, ctx.Err())
	}
}

// Disconnect takes the socket out of its namespace; the client hears "io
// server disconnect" and does not reconnect by itself. The connection stays
// open for the client's other namespaces.
func (s *Socket) Disconnect() {
	_ = s.send(&Packet{Type: Disconnect, Namespace: s.namespace.name})
	s.client.remove(s)
	s.leave("server namespace disconnect")
}

func (s *Socket) send(p *Packet) error { return s.sendEncoded(p.Encode()) }

func (s *Socket) sendEncoded(messages []*engineio.Message) error {
	err := s.client.session.Send(messages...)
	if errors.Is(err, engineio.ErrClosed) {
		return ErrDisconnected
	}
	return err
}

// leave ends the socket: rooms first, so that no broadcast finds it any more.
func (s *Socket) leave(reason string) {
	s.mu.Lock()
	if s.gone {
		s.mu.Unlock()
		return
	}
	s.gone = true
	s.namespace.adapter.Leave(s)
	close(s.done)
	f := s.onDisconnect
	s.mu.Unlock()
	if f != nil {
		f(reason)
	}
}

func (s *Socket) event(p *Packet, args Args) error {
	var name string
	if args.Len() == 0 {
		return errPayload
	}
	if err := json.Unmarshal(args.Raw(0), &name); err != nil {
		// A number is a valid event name for Node's parser; nobody listens to one.
		if json.Unmarshal(args.Raw(0), new(float64)) != nil {
			return errPayload
		}
		return nil
	}
	if reserved(name) {
		return fmt.Errorf("the event name %q is reserved", name)
	}
	s.mu.Lock()
	h := s.handlers[name]
	s.mu.Unlock()
	if h == nil {
		return nil
	}
	defer func() {
		// A mistake in one handler must not take every dashboard down with it.
		if v := recover(); v != nil {
			s.namespace.server.opts.Logf("socket %s: the handler of %q panicked: %v\n%s", s.id, name, v, debug.Stack())
		}
	}()
	h(Args{raw: args.raw[1:], attachments: args.attachments}, s.acknowledge(p.ID))
	return nil
}

func (s *Socket) acknowledge(id *uint64) Acknowledge {
	var once sync.Once
	return func(values ...any) (err error) {
		if id == nil {
			return nil
		}
		once.Do(func() {
			var p = &Packet{Type: Ack, Namespace: s.namespace.name, ID: id}
			if p.Data, p.Attachments, err = encodeArgs(values...); err != nil {
				return
			}
			if len(p.Attachments) > 0 {
				p.Type = BinaryAck
			}
			err = s.send(p)
		})
		return err
	}
}

func (s *Socket) acknowledged(id *uint64, args Args) {
	if id == nil {
		return
	}
	s.mu.Lock()
	answer := s.acks[*id]
	delete(s.acks, *id)
	s.mu.Unlock()
	if answer != nil {
		answer <- args
	}
}
