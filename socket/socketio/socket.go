package socketio

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/devops-insights/devops-insights/socket/engineio"
)

// Socket is one client within one namespace. Its methods may be called from
// any goroutine.
//
// The handlers of one client, of all its sockets, run one at a time and in the
// order in which its packets came; acknowledgements are taken meanwhile, so a
// handler may wait for one. A handler that waits for something else should
// heed Context.
type Socket struct {
	id        string
	namespace *Namespace
	client    *client
	auth      json.RawMessage
	since     time.Time
	done      chan struct{}
	away      *absence // what its recovery needs; guarded by the log's lock
	rooms     []string // guarded by the namespace's rooms, as is left
	left      bool     // rooms are not known any more
	recovered bool
	leaving   bool // the client has said so; guarded by the client's lock
	// welcomed says that the client was told that it is connected, and the
	// connect handlers were run; touched only by what the client's inbox runs.
	welcomed bool

	mu        sync.Mutex
	gone      bool
	data      any
	listeners listeners
	acks      map[uint64]pending
}

// Reason says why a socket was disconnected, in the words of Node's socket.io.
type Reason string

// The reasons of a disconnection. A Node client hears "io server disconnect"
// for ReasonServerNamespace, and does not reconnect by itself; "transport
// close" or "transport error" for the others, and does.
const (
	ReasonClientNamespace Reason = "client namespace disconnect"
	ReasonServerNamespace Reason = "server namespace disconnect"
	ReasonForcedServer    Reason = "forced server close"
	ReasonForced                 = Reason(engineio.ReasonForcedClose)
	ReasonTransportClose         = Reason(engineio.ReasonTransportClose)
	ReasonTransportError         = Reason(engineio.ReasonTransportError)
	ReasonPingTimeout            = Reason(engineio.ReasonPingTimeout)
	ReasonParseError             = Reason(engineio.ReasonParseError)
	ReasonServerShutdown         = Reason(engineio.ReasonShutdown)
	ReasonSlow                   = Reason(engineio.ReasonSlow)
)

// recoverable reports whether the client may come back as who it was: not when
// either side meant the end.
func (r Reason) recoverable() bool {
	return r != ReasonClientNamespace && r != ReasonServerNamespace
}

// ID returns the socket's id: 20 characters, different from the session's.
func (s *Socket) ID() string { return s.id }

// Namespace returns the namespace the socket is in.
func (s *Socket) Namespace() *Namespace { return s.namespace }

// Auth returns the payload of the client's CONNECT packet as JSON text, nil
// when it sent none.
func (s *Socket) Auth() json.RawMessage { return s.auth }

// Request returns the handshake request of the connection.
func (s *Socket) Request() *http.Request { return s.client.session.Request() }

// Session returns the connection below, which other sockets may share.
func (s *Socket) Session() *engineio.Session { return s.client.session }

// Recovered reports whether the client came back with its state recovered.
func (s *Socket) Recovered() bool { return s.recovered }

// Done is closed when the socket is disconnected.
func (s *Socket) Done() <-chan struct{} { return s.done }

// Context returns a context that ends with the socket.
func (s *Socket) Context() context.Context { return socketContext{s} }

// socketContext costs no memory and no goroutine.
type socketContext struct{ s *Socket }

func (c socketContext) Deadline() (time.Time, bool) { return time.Time{}, false }
func (c socketContext) Done() <-chan struct{}       { return c.s.done }
func (c socketContext) Value(any) any               { return nil }
func (c socketContext) Err() error {
	if c.s.disconnected() {
		return context.Canceled
	}
	return nil
}

func (s *Socket) disconnected() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// SetData keeps a value of the program with the socket. Other servers see it
// as JSON, and it survives a recovery.
func (s *Socket) SetData(v any) {
	s.mu.Lock()
	s.data = v
	s.mu.Unlock()
}

// Data returns what SetData kept, nil where nothing was.
func (s *Socket) Data() any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data
}

// Join enters rooms, or none of them with an error: ErrDisconnected, or the
// bound of Options.MaxRooms.
func (s *Socket) Join(rooms ...string) error {
	tell := s.watchRooms(rooms, true)
	if err := s.join(rooms); err != nil {
		return err
	}
	tell()
	return nil
}

func (s *Socket) join(rooms []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return ErrDisconnected
	}
	most := s.namespace.server.opts.MaxRooms
	if !s.namespace.rooms.join(s, rooms, most) {
		s.namespace.server.engine.CountLimit(LimitRooms)
		return fmt.Errorf("%w: at most %d (Options.MaxRooms)", ErrTooManyRooms, most)
	}
	return nil
}

// Leave leaves rooms.
func (s *Socket) Leave(rooms ...string) {
	tell := s.watchRooms(rooms, false)
	s.namespace.rooms.leave(s, rooms)
	tell()
}

// Rooms returns the rooms the socket is in, its id first; none after the
// functions of OnDisconnecting.
func (s *Socket) Rooms() []string { return s.namespace.rooms.withID(s) }

// In reports whether the socket is in the room, as Rooms would tell, without a
// copy of the list.
func (s *Socket) In(room string) bool { return s.namespace.rooms.has(s, room) }

// Broadcast selects every other socket of the namespace.
func (s *Socket) Broadcast() Broadcast { return s.namespace.Except(s.id) }

// To selects the members of rooms, without this socket.
func (s *Socket) To(rooms ...string) Broadcast { return s.Broadcast().To(rooms...) }

// OnDisconnecting adds a function that is told once why the socket goes, just
// before those of OnDisconnect: Rooms and In still tell the rooms it was in,
// although broadcasts reach it no more.
func (s *Socket) OnDisconnecting(f func(reason Reason)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners.onDisconnecting = append(s.listeners.onDisconnecting, f)
}

// OnDisconnect adds a function that is told once why the socket went. It runs
// after the last handler has returned.
func (s *Socket) OnDisconnect(f func(reason Reason)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners.onDisconnect = append(s.listeners.onDisconnect, f)
}

// Disconnect takes the socket out of its namespace; the client hears "io
// server disconnect" and does not reconnect by itself. The connection stays
// open for the client's other namespaces.
func (s *Socket) Disconnect() {
	_ = s.send(&Packet{Type: PacketDisconnect, Namespace: s.namespace.name})
	s.client.remove(s)
	s.end(ReasonServerNamespace)
}

// CloseConnection disconnects all sockets of the client and closes the
// connection.
func (s *Socket) CloseConnection() {
	for _, each := range s.client.all() {
		each.Disconnect()
	}
	s.client.session.Close()
}

// end takes the socket out: rooms first, so that no broadcast finds it any more.
func (s *Socket) end(reason Reason) {
	s.mu.Lock()
	if s.gone {
		s.mu.Unlock()
		return
	}
	s.gone = true
	acks := s.acks
	s.acks = nil
	s.mu.Unlock()
	n := s.namespace
	s.client.owe(-len(acks))
	rooms := n.rooms.of(s)
	left := n.rooms.remove(s)
	if n.log != nil {
		n.log.disconnected(s, rooms, reason.recoverable())
	}
	close(s.done)
	for _, answer := range acks {
		s.tell(answer, Args{}, false)
	}
	s.client.enqueue(func() { n.runDisconnectHandlers(s, reason) })
	if left == 0 {
		n.server.removeIfEmpty(n)
	}
}

// discard ends a socket that never was the namespace's: what its middleware
// did is undone.
func (s *Socket) discard() {
	s.mu.Lock()
	s.gone = true
	s.mu.Unlock()
	s.namespace.rooms.remove(s)
	s.namespace.rooms.forget(s)
	close(s.done)
}
