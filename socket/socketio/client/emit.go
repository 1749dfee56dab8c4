package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	engine "github.com/devops-insights/devops-insights/socket/engineio/client"
	"github.com/devops-insights/devops-insights/socket/socketio"
)

// Emit sends an event. Arguments are encoded as JSON; a json.RawMessage is
// passed through as it is, and []byte, also inside []any and map[string]any,
// travels as binary. It never waits: where the socket is not connected, the
// event waits for the connection, within Options.MaxBuffered.
func (s *Socket) Emit(event string, args ...any) error {
	p, err := socketio.NewEvent(s.namespace, event, args...)
	if err != nil {
		return fmt.Errorf("socketio client: %w", err)
	}
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	return s.send(p)
}

// EmitVolatile is Emit for an event that may be lost: it is dropped where the
// socket is not connected or the connection still has something to send.
func (s *Socket) EmitVolatile(event string, args ...any) error {
	p, err := socketio.NewEvent(s.namespace, event, args...)
	if err != nil {
		return fmt.Errorf("socketio client: %w", err)
	}
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	switch {
	case s.client.closed:
		return ErrClosed
	case !s.connected || s.link.conn.Buffered() > 0:
		return nil
	}
	if err := s.link.conn.Send(message(p)...); !ended(err) {
		return err
	}
	return nil
}

// EmitWithAck sends an event as Emit does and waits for the server's
// acknowledgement, for the end of ctx, or for the end of the connection that
// the event was sent on (ErrDisconnected): then the server may have handled it
// or not. A handler may wait for it.
func (s *Socket) EmitWithAck(ctx context.Context, event string, args ...any) (socketio.Args, error) {
	p, err := socketio.NewEvent(s.namespace, event, args...)
	if err != nil {
		return socketio.Args{}, fmt.Errorf("socketio client: %w", err)
	}
	c := s.client
	answer := make(chan socketio.Args, 1)
	c.mu.Lock()
	id := s.nextAck
	s.nextAck++
	p.ID = &id
	if err := s.send(p); err != nil {
		c.mu.Unlock()
		return socketio.Args{}, err
	}
	if s.acks == nil {
		s.acks = make(map[uint64]chan socketio.Args)
	}
	s.acks[id] = answer
	c.mu.Unlock()
	c.awaited.Add(1)
	defer c.awaited.Add(-1)
	c.inbox.changed()
	select {
	case a, came := <-answer:
		if !came {
			return socketio.Args{}, ErrDisconnected
		}
		return a, nil
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(s.acks, id)
	s.withdraw(id)
	return socketio.Args{}, fmt.Errorf("socketio client: no acknowledgement of %q: %w", event, ctx.Err())
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
		return v, fmt.Errorf("socketio client: the acknowledgement of %q: %w", event, err)
	}
	return v, nil
}

// What follows is called with the client's lock held, unless it says otherwise.

// send sends an event, or keeps it for the next connection.
func (s *Socket) send(p *socketio.Packet) error {
	c := s.client
	if c.closed {
		return ErrClosed
	}
	if s.connected {
		if err := s.link.conn.Send(message(p)...); !ended(err) {
			return err
		}
	}
	size := weight(p)
	if c.buffered > 0 && c.buffered+size > c.opts.MaxBuffered {
		return ErrBuffered
	}
	c.buffered += size
	s.unsent = append(s.unsent, p)
	return nil
}

// ended reports whether an error of Send is the end of the connection, which
// the reader has not noticed yet.
func ended(err error) bool {
	closed := &engine.CloseError{}
	return errors.As(err, &closed)
}

// flush sends what waited for the connection.
func (s *Socket) flush() {
	for len(s.unsent) > 0 {
		p := s.unsent[0]
		err := s.link.conn.Send(message(p)...)
		if ended(err) {
			return // it waits for the next
		}
		s.client.buffered -= weight(p)
		s.unsent = s.unsent[1:]
		if err == nil {
			continue
		}
		s.client.opts.Logger.Warn("an event that waited for the connection is lost", "namespace", s.namespace, "error", err)
		if p.ID != nil {
			s.forget(*p.ID)
		}
	}
	s.unsent = nil
}

// drop forgets what waits for a connection that will not come.
func (s *Socket) drop() {
	for _, p := range s.unsent {
		s.client.buffered -= weight(p)
		if p.ID != nil {
			s.forget(*p.ID)
		}
	}
	s.unsent = nil
}

// forgetSent gives up the acknowledgements of what was sent on a connection
// that has ended.
func (s *Socket) forgetSent() {
	waits := make(map[uint64]bool)
	for _, p := range s.unsent {
		if p.ID != nil {
			waits[*p.ID] = true
		}
	}
	for id := range s.acks {
		if !waits[id] {
			s.forget(id)
		}
	}
}

// withdraw takes an event back that was not sent yet.
func (s *Socket) withdraw(id uint64) {
	s.unsent = slices.DeleteFunc(s.unsent, func(p *socketio.Packet) bool {
		if p.ID == nil || *p.ID != id {
			return false
		}
		s.client.buffered -= weight(p)
		return true
	})
}

// weight is what a waiting packet is counted with.
func weight(p *socketio.Packet) int {
	size := len(p.Data) + packetOverhead
	for _, a := range p.Attachments {
		size += len(a) + packetOverhead
	}
	return size
}

// forget tells whoever waits for an acknowledgement that none will come.
func (s *Socket) forget(id uint64) {
	if answer := s.acks[id]; answer != nil {
		delete(s.acks, id)
		close(answer)
	}
}

// acknowledged takes an acknowledgement; one that nobody waits for is ignored.
// The lock is not held.
func (s *Socket) acknowledged(l *link, id *uint64, args socketio.Args) {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	if id == nil || s.link != l {
		return
	}
	if answer := s.acks[*id]; answer != nil {
		delete(s.acks, *id)
		answer <- args
	}
}

// answer makes the function that acknowledges an event of the server; it does
// nothing where the server asked for none. The lock is not held.
func (s *Socket) answer(l *link, id *uint64) func(values ...any) error {
	if id == nil {
		return func(...any) error { return nil }
	}
	var once sync.Once
	return func(values ...any) (err error) {
		once.Do(func() {
			var p *socketio.Packet
			if p, err = socketio.NewAck(s.namespace, *id, values...); err != nil {
				return
			}
			s.client.mu.Lock()
			defer s.client.mu.Unlock()
			if s.link != l || !s.connected {
				err = ErrDisconnected
				return
			}
			if err = l.conn.Send(message(p)...); ended(err) {
				err = ErrDisconnected
			}
		})
		return err
	}
}
