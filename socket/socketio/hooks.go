package socketio

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// Middleware decides about a client that wants to connect to a namespace: an
// error refuses it, and so does a panic. Of a *ConnectError the client gets
// message and data, of another error the text; where the error wraps an inner
// one, as a failed question to a database does, it gets "Internal server error"
// and the error is logged.
type Middleware func(s *Socket) error

// NamespaceHandler handles one event of any socket of a namespace.
type NamespaceHandler func(s *Socket, args Args, ack Ack)

// hooks are what a program registers for the sockets of a namespace. A set
// that is in use never changes: registering makes a new one, so that a child
// can begin with its parent's.
type hooks struct {
	mu  sync.Mutex // one registration at a time
	set atomic.Pointer[hookSet]
}

type hookSet struct {
	middleware      []Middleware
	onConnect       []func(*Socket)
	onDisconnecting []func(*Socket, Reason)
	onDisconnect    []func(*Socket, Reason)
	handlers        map[string][]NamespaceHandler
}

// current returns what is registered; it must not be changed.
func (h *hooks) current() *hookSet {
	if set := h.set.Load(); set != nil {
		return set
	}
	return &hookSet{}
}

// change registers: f may add to the lists, which have no spare room that
// another set could share, and to the map, which is a copy.
func (h *hooks) change(f func(*hookSet)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	old := h.current()
	set := &hookSet{
		middleware:      slices.Clip(old.middleware),
		onConnect:       slices.Clip(old.onConnect),
		onDisconnecting: slices.Clip(old.onDisconnecting),
		onDisconnect:    slices.Clip(old.onDisconnect),
		handlers:        maps.Clone(old.handlers),
	}
	f(set)
	h.set.Store(set)
}

// Use adds a middleware. They are asked in the order in which they were added,
// before the client is connected.
func (h *hooks) Use(m Middleware) {
	h.change(func(set *hookSet) { set.middleware = append(set.middleware, m) })
}

// OnConnect adds a function that is called for every socket of the namespace
// before any of its events.
func (h *hooks) OnConnect(f func(s *Socket)) {
	h.change(func(set *hookSet) { set.onConnect = append(set.onConnect, f) })
}

// OnDisconnecting adds a function that is told once, and why, of every socket
// of the namespace that goes, just before those of OnDisconnect: Socket.Rooms
// and In still tell the rooms it was in.
func (h *hooks) OnDisconnecting(f func(s *Socket, reason Reason)) {
	h.change(func(set *hookSet) { set.onDisconnecting = append(set.onDisconnecting, f) })
}

// OnDisconnect adds a function that is told once, and why, of every socket of
// the namespace that has gone. It costs no memory per socket, as
// Socket.OnDisconnect does, and is called after OnConnect and after the last
// handler of the socket has returned; a socket that OnConnect was not called
// for is not told of.
func (h *hooks) OnDisconnect(f func(s *Socket, reason Reason)) {
	h.change(func(set *hookSet) { set.onDisconnect = append(set.onDisconnect, f) })
}

// On adds a handler of an event for every socket of the namespace. It costs no
// memory per socket, as Socket.On does; the handlers of the namespace are
// called before those of the socket.
func (h *hooks) On(event string, f NamespaceHandler) {
	h.change(func(set *hookSet) {
		if set.handlers == nil {
			set.handlers = make(map[string][]NamespaceHandler)
		}
		set.handlers[event] = append(slices.Clip(set.handlers[event]), f)
	})
}

// Off removes the namespace's handlers of an event; those of Socket.On stay.
func (h *hooks) Off(event string) {
	h.change(func(set *hookSet) { delete(set.handlers, event) })
}
