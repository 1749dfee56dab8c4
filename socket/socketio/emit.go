package socketio

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/devops-insights/devops-insights/socket/engineio"
)

// Emit sends an event to this client. Arguments are encoded as JSON; a
// json.RawMessage is passed through as it is, and []byte travels as binary.
// A nil error says that it was sent or queued.
func (s *Socket) Emit(event string, args ...any) error {
	return Emitter{socket: s}.Emit(event, args...)
}

// EmitWithAck sends an event and waits for the client's acknowledgement, for
// the end of ctx, or for the disconnection (ErrDisconnected).
func (s *Socket) EmitWithAck(ctx context.Context, event string, args ...any) (Args, error) {
	return Emitter{socket: s}.EmitWithAck(ctx, event, args...)
}

// Volatile lets the client miss the event if it cannot take it at this moment.
func (s *Socket) Volatile() Emitter { return Emitter{socket: s}.Volatile() }

// Compress says whether a transport that compresses may do so.
func (s *Socket) Compress(allowed bool) Emitter { return Emitter{socket: s}.Compress(allowed) }

// Timeout bounds the wait for an acknowledgement.
func (s *Socket) Timeout(d time.Duration) Emitter { return Emitter{socket: s}.Timeout(d) }

// Emitter is an event to be for one socket. Every method returns a new value.
type Emitter struct {
	socket  *Socket
	target  Target
	timeout time.Duration
}

// Volatile lets the client miss the event if it cannot take it at this moment.
func (e Emitter) Volatile() Emitter {
	e.target.Volatile = true
	return e
}

// Compress says whether a transport that compresses may do so; it may unless
// it is called with false.
func (e Emitter) Compress(allowed bool) Emitter {
	e.target.NoCompress = !allowed
	return e
}

// Timeout bounds the wait for an acknowledgement.
func (e Emitter) Timeout(d time.Duration) Emitter {
	e.timeout = d
	return e
}

// Emit sends the event; see Socket.Emit.
func (e Emitter) Emit(event string, args ...any) error {
	p, err := eventPacket(e.socket.namespace.name, event, args)
	if err != nil {
		return err
	}
	return e.send(p, func(by parser) ([]*engineio.Message, error) { return p.encodeFor(by, e.target) })
}

func (e Emitter) send(p *Packet, messages func(parser) ([]*engineio.Message, error)) error {
	s := e.socket
	if log := s.namespace.log; log != nil && log.keeps(p, e.target) {
		if s.disconnected() {
			return ErrDisconnected
		}
		e.target.Rooms = []string{s.id}
		log.broadcast(s.namespace, p, e.target)
		return nil
	}
	s.watchSent(p)
	s.notifyOutgoing(p)
	list, err := messages(s.client.parser)
	if err != nil {
		return err
	}
	return s.sendEncoded(list, e.target.Volatile)
}

// EmitWithAck sends the event and waits; see Socket.EmitWithAck.
func (e Emitter) EmitWithAck(ctx context.Context, event string, args ...any) (Args, error) {
	s := e.socket
	p, err := eventPacket(s.namespace.name, event, args)
	if err != nil {
		return Args{}, err
	}
	if e.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, e.timeout)
		defer cancel()
	}
	answer := make(chan Args, 1)
	id := s.namespace.nextAck.Add(1) - 1
	err = s.expect(id, func(args Args, ok bool) {
		if ok {
			answer <- args
		}
	})
	if err != nil {
		return Args{}, err
	}
	defer func() { s.forget(id) }()
	p.ID = &id
	s.watchSent(p)
	s.notifyOutgoing(p)
	messages, err := p.encodeFor(s.client.parser, e.target)
	if err == nil {
		err = s.sendEncoded(messages, e.target.Volatile)
	}
	if err != nil {
		return Args{}, err
	}
	select {
	case a := <-answer:
		return a, nil
	case <-s.done:
		return Args{}, ErrDisconnected
	case <-ctx.Done():
		return Args{}, fmt.Errorf("socketio: no acknowledgement of %q: %w", event, ctx.Err())
	}
}

// expect registers what is to be told of an acknowledgement.
func (s *Socket) expect(id uint64, f pending) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	most := s.namespace.server.opts.MaxPendingAcks
	switch {
	case s.gone:
		return ErrDisconnected
	case len(s.acks) >= most:
		s.namespace.server.engine.CountLimit(LimitAcks)
		return fmt.Errorf("%w: at most %d (Options.MaxPendingAcks)", ErrTooManyAcks, most)
	case s.acks == nil:
		s.acks = make(map[uint64]pending)
	}
	s.acks[id] = f
	s.client.owe(1)
	return nil
}

func (s *Socket) forget(id uint64) pending {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.acks[id]
	if f != nil {
		delete(s.acks, id)
		s.client.owe(-1)
	}
	return f
}

// acknowledged takes the client's acknowledgement; one that nobody expects is
// ignored, as in Node.
func (s *Socket) acknowledged(id *uint64, args Args) {
	if id == nil {
		return
	}
	if f := s.forget(*id); f != nil {
		s.tell(f, args, true)
	}
}

// tell hands an acknowledgement on, perhaps to an adapter.
func (s *Socket) tell(f pending, args Args, ok bool) {
	defer s.namespace.server.recoverPanic("what waits for an acknowledgement in the namespace", s.namespace.name)
	f(args, ok)
}

// acknowledge makes the function that answers an event.
func (s *Socket) acknowledge(id *uint64) Ack {
	if id == nil {
		return func(...any) error { return nil }
	}
	var once sync.Once
	return func(values ...any) (err error) {
		once.Do(func() {
			var args Args
			if args, err = NewArgs(values...); err == nil {
				p := args.packet(PacketAck, s.namespace.name)
				p.ID = id
				err = s.send(p)
			}
		})
		return err
	}
}

func (s *Socket) send(p *Packet) error {
	messages, err := p.encodeFor(s.client.parser, Target{})
	if err != nil {
		return err
	}
	return s.sendEncoded(messages, false)
}

func (s *Socket) sendEncoded(messages []*engineio.Message, volatile bool) error {
	err := send(s.client.session, messages, volatile)
	if errors.Is(err, engineio.ErrClosed) {
		return ErrDisconnected
	}
	return err
}

func send(to *engineio.Session, messages []*engineio.Message, volatile bool) error {
	if volatile {
		return to.SendVolatile(messages...)
	}
	return to.Send(messages...)
}

// On registers a handler for an event whose first argument decodes into T. An
// argument that does not is answered to onError, where that is not nil, and
// the handler is not called.
func On[T any](s *Socket, event string, h func(v T, ack Ack), onError func(error)) {
	s.On(event, func(args Args, ack Ack) {
		var v T
		if err := args.Decode(0, &v); err != nil {
			if onError != nil {
				onError(fmt.Errorf("the event %q of socket %s: %w", event, s.id, err))
			}
			return
		}
		h(v, ack)
	})
}

// Ask sends an event with EmitWithAck and decodes the first argument of the
// acknowledgement.
func Ask[T any](ctx context.Context, s *Socket, event string, args ...any) (T, error) {
	var v T
	answer, err := s.EmitWithAck(ctx, event, args...)
	if err != nil {
		return v, err
	}
	if err := answer.Decode(0, &v); err != nil {
		return v, fmt.Errorf("the acknowledgement of %q: %w", event, err)
	}
	return v, nil
}
