package socketio

import "context"

// Target says which sockets of a namespace something is for, and how a
// broadcast travels to them.
type Target struct {
	// Rooms are the rooms whose members are meant, each member once. The id of
	// a socket is a room with that socket. Empty: the whole namespace.
	Rooms []string
	// Except are rooms whose members are left out.
	Except []string
	// Local keeps it within this process.
	Local bool
	// Volatile lets clients miss it that cannot take it at this moment.
	Volatile bool
	// NoCompress keeps the packet uncompressed.
	NoCompress bool
	// CoalesceKey marks a broadcast of which only the newest matters to a client that
	// does not keep up; see engineio.Message.
	CoalesceKey string
	// Written is called once for a broadcast, when every client of this process
	// that it is for has been written to, has skipped it or has gone. It is for
	// this process alone, and must be short and call nothing of this package. Nil:
	// nobody waits for that.
	Written func()
	// Skipped is called for each client of this process that skips a broadcast for a
	// newer one with the same CoalesceKey. It is as Written in all else.
	Skipped func()
}

// CommandKind says what a Command is about.
type CommandKind int

// The commands that servers of a cluster give each other.
const (
	// CommandBroadcast: send Packet to Target.
	CommandBroadcast CommandKind = iota
	// CommandBroadcastAck: send Packet to Target and answer first with the
	// number of Clients, then with the Args of each acknowledgement.
	CommandBroadcastAck
	// CommandFetch: answer with the Sockets of Target.
	CommandFetch
	// CommandJoin: make the sockets of Target join Rooms.
	CommandJoin
	// CommandLeave: make the sockets of Target leave Rooms.
	CommandLeave
	// CommandDisconnect: disconnect the sockets of Target, with Close also
	// their connections.
	CommandDisconnect
	// CommandServerEmit: hand Args to the listeners of Namespace.OnServer and
	// answer with what they acknowledge.
	CommandServerEmit
)

// Command is what one server asks of the others in the same namespace.
type Command struct {
	Kind   CommandKind
	Target Target
	Packet *Packet
	Rooms  []string
	Close  bool
	Args   Args
}

// Answer is one answer to a Command that asks for some.
type Answer struct {
	Sockets []SocketInfo // CommandFetch
	Clients int          // CommandBroadcastAck: once for each server; -1 for one that went
	Args    *Args        // one acknowledgement, of a client or a server
}

// Adapter connects a namespace with the same namespace of other servers. What
// comes from them it gives to Namespace.Apply. Rooms and sockets of this
// process are no business of an adapter: a server without one is complete.
// Its methods may be called from any goroutine.
type Adapter interface {
	// Publish carries a command to the other servers and does not wait.
	Publish(c Command) error
	// Ask carries a command to the other servers and calls each, one call at a
	// time, for every answer. It returns nil when all have answered, else an
	// error that says how many did not before ctx ended.
	Ask(ctx context.Context, c Command, each func(Answer)) error
	// Close leaves the cluster.
	Close() error
}

// RoomWatcher is an Adapter that wants to know which rooms have members in
// this process. WatchRoom is called in the order of the changes and must not
// block or call the namespace.
type RoomWatcher interface {
	WatchRoom(name string, exists bool)
}
