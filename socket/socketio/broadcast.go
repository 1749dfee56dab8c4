package socketio

import (
	"context"
	"fmt"
	"slices"
)

// Broadcast is an event to be, with its receivers chosen step by step. Every
// method returns a new value; nothing happens before Emit or its like.
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

// Volatile lets clients miss it that cannot take it at this moment.
func (b Broadcast) Volatile() Broadcast {
	b.target.Volatile = true
	return b
}

// Compress says whether transports that compress may do so; they may unless
// it is called with false.
func (b Broadcast) Compress(allowed bool) Broadcast {
	b.target.NoCompress = !allowed
	return b
}

// Coalesce marks it as a value of which only the newest with this key matters:
// a client that does not keep up skips values instead of being disconnected.
func (b Broadcast) Coalesce(key string) Broadcast {
	b.target.CoalesceKey = key
	return b
}

// OnWritten has f called once, when every client of this process that the event is
// for has been written to, has skipped it for a newer one or has gone. It may be
// called within Emit. f must be short and call nothing of this package.
func (b Broadcast) OnWritten(f func()) Broadcast {
	b.target.Written = f
	return b
}

// OnSkipped has f called for each client of this process that skips the event for a
// newer one; see Coalesce. f must be short and call nothing of this package.
func (b Broadcast) OnSkipped(f func()) Broadcast {
	b.target.Skipped = f
	return b
}

// Emit sends the event. Arguments follow the rules of Socket.Emit. An error
// says that it could not be encoded, or did not reach the other servers; the
// clients of this one have it in that case.
func (b Broadcast) Emit(event string, args ...any) error {
	p, err := eventPacket(b.namespace.name, event, args)
	if err != nil {
		return err
	}
	return b.namespace.publish(Command{Kind: CommandBroadcast, Target: b.target, Packet: p})
}

// EmitWithAck sends the event and collects the acknowledgements of all clients
// until ctx ends; give it a deadline, a client may never acknowledge. With an
// error, which tells how many are missing, it returns those that came.
func (b Broadcast) EmitWithAck(ctx context.Context, event string, args ...any) ([]Args, error) {
	p, err := eventPacket(b.namespace.name, event, args)
	if err != nil {
		return nil, err
	}
	n := b.namespace
	c := Command{Kind: CommandBroadcastAck, Target: b.target, Packet: p}
	all := &collector{changed: make(chan struct{}, 1)}
	var remote chan error
	if n.adapter != nil && !b.target.Local {
		remote = make(chan error, 1)
		n.server.work.Go(func() {
			err := errAdapter // stays in case of a panic
			n.server.call("the adapter of the namespace", n.name, func() { err = n.adapter.Ask(ctx, c, all.add) })
			remote <- err
		})
	}
	n.broadcastAck(p, b.target, all.add)
	return all.wait(ctx, remote)
}

// FetchSockets returns the sockets that match, of all servers; with an error,
// those of the servers that answered.
func (b Broadcast) FetchSockets(ctx context.Context) ([]RemoteSocket, error) {
	var found []RemoteSocket
	b.namespace.apply(Command{Kind: CommandFetch, Target: b.target}, func(a Answer) { found = b.collect(found, a) })
	others, err := b.FetchRemote(ctx)
	return append(found, others...), err
}

// FetchRemote is FetchSockets without the sockets of this server.
func (b Broadcast) FetchRemote(ctx context.Context) ([]RemoteSocket, error) {
	if b.namespace.adapter == nil || b.target.Local {
		return nil, nil
	}
	var found []RemoteSocket
	err := b.namespace.adapter.Ask(ctx, Command{Kind: CommandFetch, Target: b.target}, func(a Answer) { found = b.collect(found, a) })
	return found, err
}

func (b Broadcast) collect(found []RemoteSocket, a Answer) []RemoteSocket {
	for _, info := range a.Sockets {
		found = append(found, RemoteSocket{SocketInfo: info, namespace: b.namespace})
	}
	return found
}

// SocketsJoin makes the sockets that match join rooms, on all servers.
func (b Broadcast) SocketsJoin(rooms ...string) error {
	return b.namespace.publish(Command{Kind: CommandJoin, Target: b.target, Rooms: rooms})
}

// SocketsLeave makes the sockets that match leave rooms, on all servers.
func (b Broadcast) SocketsLeave(rooms ...string) error {
	return b.namespace.publish(Command{Kind: CommandLeave, Target: b.target, Rooms: rooms})
}

// DisconnectSockets disconnects the sockets that match, on all servers; with
// closeConnections also from their other namespaces.
func (b Broadcast) DisconnectSockets(closeConnections bool) error {
	return b.namespace.publish(Command{Kind: CommandDisconnect, Target: b.target, Close: closeConnections})
}

// RemoteSocket is a socket of this or another server.
type RemoteSocket struct {
	SocketInfo
	namespace *Namespace
}

func (s RemoteSocket) only() Broadcast { return s.namespace.To(s.ID) }

// Emit sends an event to this socket.
func (s RemoteSocket) Emit(event string, args ...any) error { return s.only().Emit(event, args...) }

// EmitWithAck sends an event and waits for the acknowledgement, until ctx ends.
func (s RemoteSocket) EmitWithAck(ctx context.Context, event string, args ...any) (Args, error) {
	answers, err := s.only().EmitWithAck(ctx, event, args...)
	if err == nil && len(answers) == 0 {
		err = fmt.Errorf("socket %s: %w", s.ID, ErrDisconnected)
	}
	if len(answers) == 0 {
		return Args{}, err
	}
	return answers[0], nil
}

// Join makes the socket join rooms.
func (s RemoteSocket) Join(rooms ...string) error { return s.only().SocketsJoin(rooms...) }

// Leave makes the socket leave rooms.
func (s RemoteSocket) Leave(rooms ...string) error { return s.only().SocketsLeave(rooms...) }

// Disconnect disconnects the socket; with closeConnection also from its other
// namespaces.
func (s RemoteSocket) Disconnect(closeConnection bool) error {
	return s.only().DisconnectSockets(closeConnection)
}
