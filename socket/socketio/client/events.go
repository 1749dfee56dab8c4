package client

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/devops-insights/devops-insights/socket/socketio"
)

// listeners are what the program registered for one socket.
type listeners struct {
	mu           sync.Mutex
	handlers     []listener
	any          []func(event string, args socketio.Args)
	onConnect    []func()
	onDisconnect []func(Reason)
	onError      []func(error)
}

type listener struct {
	event string
	h     socketio.Handler
	once  bool
}

// On adds a handler of an event. Events without one are ignored. The handlers
// of one client run one at a time and in the order in which the events came.
func (s *Socket) On(event string, h socketio.Handler) { s.listeners.add(listener{event: event, h: h}) }

// Once adds a handler that is called for the next such event only.
func (s *Socket) Once(event string, h socketio.Handler) {
	s.listeners.add(listener{event: event, h: h, once: true})
}

// On adds a handler of an event whose first argument decodes into T. One that
// does not is told to onError, where that is not nil.
func On[T any](s *Socket, event string, h func(v T), onError func(error)) {
	s.On(event, func(args socketio.Args, _ socketio.Ack) {
		var v T
		err := args.Decode(0, &v)
		switch {
		case err == nil:
			h(v)
		case onError != nil:
			onError(fmt.Errorf("socketio client: the event %q: %w", event, err))
		}
	})
}

// Off removes the handlers of an event.
func (s *Socket) Off(event string) {
	l := &s.listeners
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handlers = slices.DeleteFunc(l.handlers, func(each listener) bool { return each.event == event })
}

// OnAny adds a function that hears every event before its handlers.
func (s *Socket) OnAny(f func(event string, args socketio.Args)) {
	s.listeners.mu.Lock()
	defer s.listeners.mu.Unlock()
	s.listeners.any = append(s.listeners.any, f)
}

// OnConnect adds a function that is called each time the socket is connected,
// after a reconnection too. It runs in order with the handlers, as do those of
// OnDisconnect and OnConnectError.
func (s *Socket) OnConnect(f func()) {
	s.listeners.mu.Lock()
	defer s.listeners.mu.Unlock()
	s.listeners.onConnect = append(s.listeners.onConnect, f)
}

// OnDisconnect adds a function that is told why the socket was disconnected.
// Unless the reason is ReasonServerDisconnect or ReasonClientDisconnect, the
// client reconnects it.
func (s *Socket) OnDisconnect(f func(reason Reason)) {
	s.listeners.mu.Lock()
	defer s.listeners.mu.Unlock()
	s.listeners.onDisconnect = append(s.listeners.onDisconnect, f)
}

// OnConnectError adds a function that is told of every attempt to connect that
// failed. Unless the error is a *ConnectError or ErrGaveUp, another follows.
func (s *Socket) OnConnectError(f func(err error)) {
	s.listeners.mu.Lock()
	defer s.listeners.mu.Unlock()
	s.listeners.onError = append(s.listeners.onError, f)
}

func (l *listeners) add(one listener) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handlers = append(l.handlers, one)
}

// take returns the handlers of an event and forgets those for once.
func (l *listeners) take(event string) ([]func(string, socketio.Args), []socketio.Handler) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []socketio.Handler
	for _, each := range l.handlers {
		if each.event == event {
			all = append(all, each.h)
		}
	}
	l.handlers = slices.DeleteFunc(l.handlers, func(each listener) bool { return each.once && each.event == event })
	return slices.Clone(l.any), all
}

func (l *listeners) connectedNow() {
	for _, f := range copied(l, &l.onConnect) {
		f()
	}
}

func (l *listeners) disconnected(reason Reason) {
	for _, f := range copied(l, &l.onDisconnect) {
		f(reason)
	}
}

func (l *listeners) connectError(err error) {
	for _, f := range copied(l, &l.onError) {
		f(err)
	}
}

func copied[F any](l *listeners, list *[]F) []F {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(*list)
}

// received takes an event of the server. One that comes before the answer to
// CONNECT waits for it: Node's server sends in this order what was missed. The
// client's lock is not held.
func (s *Socket) received(l *link, p *socketio.Packet, size int) error {
	c := s.client
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case s.link != l:
		return nil
	case s.connected:
		return s.deliver(l, p, size)
	}
	if s.earlySize += size; s.earlySize > c.opts.MaxQueued {
		return fmt.Errorf("the namespace %q sent more than %d bytes before it let the socket in (MaxQueued)", s.namespace, c.opts.MaxQueued)
	}
	s.early = append(s.early, earlyEvent{p, size})
	return nil
}

// earlyEvent is an event that came before the answer to CONNECT.
type earlyEvent struct {
	packet *socketio.Packet
	size   int
}

// deliver notes the offset of an event and hands it to the handlers in its
// turn, unless the program disconnects the socket before. The caller holds the
// client's lock.
func (s *Socket) deliver(l *link, p *socketio.Packet, size int) error {
	name, args, err := p.Event()
	if err != nil {
		return err
	}
	if s.pid != "" {
		var offset string
		if json.Unmarshal(args.Raw(args.Len()-1), &offset) == nil && offset != "" {
			s.offset = offset
		}
	}
	c, left := s.client, s.left
	c.call(size, func() {
		c.mu.Lock()
		over := s.left != left
		c.mu.Unlock()
		if over {
			return
		}
		anyone, handlers := s.listeners.take(name)
		for _, f := range anyone {
			f(name, args)
		}
		ack := s.answer(l, p.ID)
		for _, h := range handlers {
			h(args, ack)
		}
	})
	return nil
}
