package socketio

import (
	"slices"
	"sync"
)

// Namespace is a channel of its own over the shared connections.
type Namespace struct {
	name    string
	server  *Server
	adapter Adapter

	mu        sync.RWMutex
	onConnect func(*Socket)
}

// Name returns the namespace's name, which begins with "/".
func (n *Namespace) Name() string { return n.name }

// OnConnect sets the function that is called for every socket of the namespace
// before any of its events; it registers the socket's handlers.
func (n *Namespace) OnConnect(f func(*Socket)) {
	n.mu.Lock()
	n.onConnect = f
	n.mu.Unlock()
}

func (n *Namespace) connected(s *Socket) {
	n.mu.RLock()
	f := n.onConnect
	n.mu.RUnlock()
	if f != nil {
		f(s)
	}
}

// Emit sends an event to every socket of the namespace.
func (n *Namespace) Emit(event string, args ...any) error {
	return Broadcast{namespace: n}.Emit(event, args...)
}

// To selects the members of rooms as receivers.
func (n *Namespace) To(rooms ...string) Broadcast { return Broadcast{namespace: n}.To(rooms...) }

// Except excludes the members of rooms.
func (n *Namespace) Except(rooms ...string) Broadcast {
	return Broadcast{namespace: n}.Except(rooms...)
}

// Local keeps the broadcast within this process.
func (n *Namespace) Local() Broadcast { return Broadcast{namespace: n}.Local() }

// Broadcast is an event to be, with its receivers chosen step by step. Every
// method returns a new value.
type Broadcast struct {
	namespace *Namespace
	target    Target
}

// To adds rooms whose members receive the event.
func (b Broadcast) To(rooms ...string) Broadcast {
	b.target.Rooms = slices.Concat(b.target.Rooms, rooms)
	return b
}

// Except adds rooms whose members do not receive it.
func (b Broadcast) Except(rooms ...string) Broadcast {
	b.target.Except = slices.Concat(b.target.Except, rooms)
	return b
}

// Local keeps it within this process.
func (b Broadcast) Local() Broadcast {
	b.target.Local = true
	return b
}

// Newest marks it as a value of which only the newest with this key matters:
// a client that does not keep up skips values instead of being disconnected.
func (b Broadcast) Newest(key string) Broadcast {
	b.target.Key = key
	return b
}

// Emit sends the event. Arguments follow the rules of Socket.Emit.
func (b Broadcast) Emit(event string, args ...any) error {
	p, err := eventPacket(b.namespace.name, event, args)
	if err != nil {
		return err
	}
	return b.namespace.adapter.Broadcast(p, b.target)
}
