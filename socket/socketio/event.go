package socketio

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync/atomic"
)

// Ack answers an event; calls after the first do nothing. It is never
// nil: where the client asked for no acknowledgement it does nothing.
type Ack func(args ...any) error

// Handler handles one event.
type Handler func(args Args, ack Ack)

// listeners are what the program registered for one socket. Lists are short:
// they are searched in order and cost less than maps.
type listeners struct {
	handlers []listener
	any      []func(event string, args Args)
	outgoing []func(event string, args Args)
	checks   []func(event string, args Args) error
	onError  []func(error)

	onDisconnecting, onDisconnect []func(reason Reason)
	watched                       atomic.Bool // there is an outgoing one
}

type listener struct {
	event string
	h     Handler
	once  bool
}

// On adds a handler of an event, which is called after those of the namespace.
// Events without any are ignored.
func (s *Socket) On(event string, h Handler) { s.listen(listener{event: event, h: h}) }

// Once adds a handler that is called for the next such event only.
func (s *Socket) Once(event string, h Handler) { s.listen(listener{event: event, h: h, once: true}) }

func (s *Socket) listen(l listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners.handlers = append(s.listeners.handlers, l)
}

// Off removes the socket's handlers of an event; those of the namespace stay.
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

// OnError adds a function that hears the errors of Use.
func (s *Socket) OnError(f func(error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners.onError = append(s.listeners.onError, f)
}

// notifyOutgoing tells the outgoing listeners.
func (s *Socket) notifyOutgoing(p *Packet) {
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
		s.namespace.server.call("a listener for outgoing events, at the event", name, func() { f(name, args.after(1)) })
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
	if text, plain := unescapedString(args.Raw(0)); plain {
		name = text
	} else if err := json.Unmarshal(args.Raw(0), &name); err != nil {
		// A number is a valid event name for Node's parser; nobody listens to one.
		if json.Unmarshal(args.Raw(0), new(float64)) != nil {
			return errPayload
		}
		return nil
	}
	if reserved(name) {
		return fmt.Errorf("%w: %q", ErrReservedEvent, name)
	}
	s.watchReceived(args)
	s.dispatch(name, args.after(1), s.acknowledge(p.ID))
	return nil
}

func (s *Socket) dispatch(name string, args Args, ack Ack) {
	s.mu.Lock()
	checks, anyone, onError := s.listeners.checks, s.listeners.any, s.listeners.onError
	s.mu.Unlock()
	srv := s.namespace.server
	for _, f := range anyone {
		srv.call("a listener for any event, at the event", name, func() { f(name, args) })
	}
	for _, check := range checks {
		err := error(errInternal) // stays in case of a panic
		srv.call("a check of the event", name, func() { err = check(name, args) })
		if err == nil {
			continue
		}
		for _, f := range onError {
			srv.call("an error handler, at the event", name, func() { f(err) })
		}
		return
	}
	for _, h := range s.namespace.current().handlers[name] {
		s.runNamespaceHandler(h, name, args, ack)
	}
	for _, h := range s.handlersFor(name) {
		s.runHandler(h, name, args, ack)
	}
}

func (s *Socket) runNamespaceHandler(h NamespaceHandler, name string, args Args, ack Ack) {
	defer s.namespace.server.recoverPanic("a handler of the event", name)
	h(s, args, ack)
}

func (s *Socket) runHandler(h Handler, name string, args Args, ack Ack) {
	defer s.namespace.server.recoverPanic("a handler of the event", name)
	h(args, ack)
}

// handlersFor returns the handlers of an event and removes those that wanted one.
func (s *Socket) handlersFor(name string) []Handler {
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
