package socketio

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync/atomic"
)

// Acknowledge answers an event; calls after the first do nothing. It is never
// nil: where the client asked for no acknowledgement it does nothing.
type Acknowledge func(args ...any) error

// Handler handles one event.
type Handler func(args Args, ack Acknowledge)

// listeners are what the program registered for one socket. Lists are short:
// they are searched in order and cost less than maps.
type listeners struct {
	handlers []listener
	any      []func(event string, args Args)
	outgoing []func(event string, args Args)
	checks   []func(event string, args Args) error
	onError  func(error)
	watched  atomic.Bool // there is an outgoing one
}

type listener struct {
	event string
	h     Handler
	once  bool
}

// On adds a handler of an event. Events without one are ignored.
func (s *Socket) On(event string, h Handler) { s.listen(listener{event: event, h: h}) }

// Once adds a handler that is called for the next such event only.
func (s *Socket) Once(event string, h Handler) { s.listen(listener{event: event, h: h, once: true}) }

func (s *Socket) listen(l listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners.handlers = append(s.listeners.handlers, l)
}

// Off removes the handlers of an event.
func (s *Socket) Off(event string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners.handlers = slices.DeleteFunc(s.listeners.handlers, func(l listener) bool { return l.event == event })
}

// OnAny adds a function that hears every event of the client before its
// handlers.
func (s *Socket) OnAny(f func(event string, args Args)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners.any = append(s.listeners.any, f)
}

// OnAnyOutgoing adds a function that hears every event sent to the client,
// broadcasts included, before it is sent.
func (s *Socket) OnAnyOutgoing(f func(event string, args Args)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners.outgoing = append(s.listeners.outgoing, f)
	s.listeners.watched.Store(true)
	s.namespace.watched.Store(true)
}

// Use adds a check of every event of the client: with an error the event goes
// to no handler, and the error to OnError.
func (s *Socket) Use(check func(event string, args Args) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners.checks = append(s.listeners.checks, check)
}

// OnError sets the function that hears the errors of Use.
func (s *Socket) OnError(f func(error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners.onError = f
}

// notice tells the outgoing listeners.
func (s *Socket) notice(p *Packet) {
	if !s.listeners.watched.Load() {
		return
	}
	args, err := p.Args()
	var name string
	if err != nil || args.Decode(0, &name) != nil {
		return
	}
	s.mu.Lock()
	all := s.listeners.outgoing
	s.mu.Unlock()
	for _, f := range all {
		f(name, args.from(1))
	}
}

// event hands one event of the client to whoever listens. An error is one of
// the protocol.
func (s *Socket) event(p *Packet) error {
	args, err := p.Args()
	if err != nil {
		return err
	}
	var name string
	if args.Len() == 0 {
		return errPayload
	}
	if text, plain := plainText(args.Raw(0)); plain {
		name = text
	} else if err := json.Unmarshal(args.Raw(0), &name); err != nil {
		// A number is a valid event name for Node's parser; nobody listens to one.
		if json.Unmarshal(args.Raw(0), new(float64)) != nil {
			return errPayload
		}
		return nil
	}
	if reserved(name) {
		return fmt.Errorf("the event name %q is reserved", name)
	}
	// A mistake in one handler must not take every client down with it.
	defer s.namespace.server.survive("the handler of the event", name)
	s.dispatch(name, args.from(1), s.acknowledge(p.ID))
	return nil
}

func (s *Socket) dispatch(name string, args Args, ack Acknowledge) {
	s.mu.Lock()
	checks, anyone, onError := s.listeners.checks, s.listeners.any, s.listeners.onError
	s.mu.Unlock()
	for _, f := range anyone {
		f(name, args)
	}
	for _, check := range checks {
		if err := check(name, args); err != nil {
			if onError != nil {
				onError(err)
			}
			return
		}
	}
	handled := false
	for _, h := range s.take(name) {
		handled = true
		h(args, ack)
	}
	if handled {
		return
	}
	if h := s.namespace.handler(name); h != nil {
		h(s, args, ack)
	}
}

// take returns the handlers of an event and removes those that wanted one.
func (s *Socket) take(name string) []Handler {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []Handler
	spent := false
	for _, l := range s.listeners.handlers {
		if l.event == name {
			found = append(found, l.h)
			spent = spent || l.once
		}
	}
	if spent {
		s.listeners.handlers = slices.DeleteFunc(s.listeners.handlers, func(l listener) bool { return l.event == name && l.once })
	}
	return found
}
