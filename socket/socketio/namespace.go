package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/devops-insights/devops-insights/socket/engineio"
	"github.com/devops-insights/devops-insights/store/jsjson"
)

// ConnectError tells a refused client why: its "connect_error" event carries
// the message and the data.
type ConnectError struct {
	Message string
	Data    any // anything that encodes as JSON; nil for none
}

// Error returns the message.
func (e *ConnectError) Error() string { return e.Message }

// Namespace is a channel of its own over the shared connections. Its methods
// may be called from any goroutine; register handlers before clients connect.
type Namespace struct {
	hooks
	name     string
	server   *Server
	parent   *ParentNamespace // nil unless made for a pattern
	rooms    *rooms
	adapter  Adapter      // nil for a server of its own
	log      *recoveryLog // nil without recovery
	nextAck  atomic.Uint64
	joining  atomic.Int32 // clients between their CONNECT and the answer
	watched  atomic.Bool  // a socket has outgoing listeners
	watching atomic.Pointer[watcher]

	once sync.Once // makes the adapter

	serverMu sync.RWMutex
	onServer map[string][]Handler
	onRemote []func(c Command, next func())
}

func newNamespace(srv *Server, name string) *Namespace {
	n := &Namespace{name: name, server: srv, rooms: newRooms()}
	if srv.opts.Recovery != nil {
		n.log = newRecoveryLog(*srv.opts.Recovery)
	}
	return n
}

// start makes the adapter; the caller holds no lock, for the program's function
// may take any time and call the server.
func (n *Namespace) start() {
	n.once.Do(func() {
		if n.server.opts.NewAdapter == nil {
			return
		}
		n.adapter = n.server.opts.NewAdapter(n)
		if w, ok := n.adapter.(RoomWatcher); ok {
			n.rooms.watch = func(room string, exists bool) {
				defer n.server.recoverPanic("the adapter of the namespace", n.name)
				w.WatchRoom(room, exists)
			}
		}
	})
}

// stop closes the adapter.
func (n *Namespace) stop() error {
	n.once.Do(func() {})
	if n.adapter == nil {
		return nil
	}
	return n.adapter.Close()
}

// Name returns the namespace's name, which begins with "/".
func (n *Namespace) Name() string { return n.name }

// DisableRecovery lets the clients of this namespace come back as new ones, also
// where Options.Recovery is set. Call it before clients connect.
func (n *Namespace) DisableRecovery() { n.log = nil }

// Count returns the number of sockets in this process.
func (n *Namespace) Count() int { return n.rooms.count() }

// Sockets returns the sockets of this process.
func (n *Namespace) Sockets() []*Socket {
	var all []*Socket
	for _, s := range n.rooms.everyone() {
		all = append(all, s.Socket)
	}
	return all
}

// RoomSize returns how many sockets of this process are in a room.
func (n *Namespace) RoomSize(name string) int { return n.rooms.size(name) }

// Rooms returns the rooms that have members in this process, among them the id
// of every socket.
func (n *Namespace) Rooms() []string { return n.rooms.names() }

// All selects every socket of the namespace, for the methods of Broadcast.
func (n *Namespace) All() Broadcast { return Broadcast{namespace: n} }

// Emit sends an event to every socket of the namespace.
func (n *Namespace) Emit(event string, args ...any) error { return n.All().Emit(event, args...) }

// To selects the members of rooms as receivers.
func (n *Namespace) To(rooms ...string) Broadcast { return n.All().To(rooms...) }

// Except excludes the members of rooms.
func (n *Namespace) Except(rooms ...string) Broadcast { return n.All().Except(rooms...) }

// Local keeps the broadcast within this process.
func (n *Namespace) Local() Broadcast { return n.All().Local() }

// OnServer adds a handler of an event that another server of the cluster sends
// with ServerSideEmit.
func (n *Namespace) OnServer(event string, h Handler) {
	n.serverMu.Lock()
	defer n.serverMu.Unlock()
	if n.onServer == nil {
		n.onServer = make(map[string][]Handler)
	}
	n.onServer[event] = append(slices.Clip(n.onServer[event]), h)
}

// ServerSideEmit sends an event to the other servers of the cluster. Without
// an adapter there are none, and nothing happens.
func (n *Namespace) ServerSideEmit(event string, args ...any) error {
	c, err := serverCommand(event, args)
	if err != nil || n.adapter == nil {
		return err
	}
	return n.adapter.Publish(c)
}

// ServerSideEmitWithAck sends an event to the other servers of the cluster and
// returns what they acknowledged; with an error, that of those who did before
// ctx ended.
func (n *Namespace) ServerSideEmitWithAck(ctx context.Context, event string, args ...any) ([]Args, error) {
	c, err := serverCommand(event, args)
	if err != nil || n.adapter == nil {
		return nil, err
	}
	var answers []Args
	err = n.adapter.Ask(ctx, c, func(a Answer) {
		if a.Args != nil {
			answers = append(answers, *a.Args)
		}
	})
	return answers, err
}

func serverCommand(event string, values []any) (Command, error) {
	if reserved(event) {
		return Command{}, fmt.Errorf("%w: %q", ErrReservedEvent, event)
	}
	args, err := NewArgs(append([]any{event}, values...)...)
	return Command{Kind: CommandServerEmit, Args: args}, err
}

// publish carries a command out here and, unless it is local, on the other
// servers.
func (n *Namespace) publish(c Command) error {
	n.apply(c, func(Answer) {})
	if n.adapter == nil || c.Target.Local {
		return nil
	}
	if err := n.adapter.Publish(c); err != nil {
		return fmt.Errorf("socketio: the other servers were not reached: %w", err)
	}
	return nil
}

// OnRemote adds a function that is given each command of another server: it is
// carried out when, and if, the function calls next. Of several functions each
// calls the next one.
func (n *Namespace) OnRemote(f func(c Command, next func())) {
	n.serverMu.Lock()
	defer n.serverMu.Unlock()
	n.onRemote = append(slices.Clip(n.onRemote), f)
}

// Apply carries a command of another server out in this process and hands its
// answers to answer. It is for adapters.
func (n *Namespace) Apply(c Command, answer func(Answer)) {
	n.serverMu.RLock()
	chain := n.onRemote
	n.serverMu.RUnlock()
	defer n.server.recoverPanic("a command of another server to the namespace", n.name)
	n.pass(chain, c, answer)
}

// pass goes through the functions of OnRemote.
func (n *Namespace) pass(chain []func(Command, func()), c Command, answer func(Answer)) {
	if len(chain) == 0 {
		n.apply(c, answer)
		return
	}
	chain[0](c, func() { n.pass(chain[1:], c, answer) })
}

func (n *Namespace) apply(c Command, answer func(Answer)) {
	switch c.Kind {
	case CommandBroadcast:
		n.broadcast(c.Packet, c.Target)
	case CommandBroadcastAck:
		n.broadcastAck(c.Packet, c.Target, answer)
	case CommandFetch:
		var a Answer
		for _, s := range n.rooms.members(c.Target) {
			a.Sockets = append(a.Sockets, s.Info())
		}
		answer(a)
	case CommandJoin:
		for _, s := range n.rooms.members(c.Target) {
			if err := s.Join(c.Rooms...); err != nil {
				n.server.opts.Logger.Debug("a socket cannot join rooms as another server asked", "socket", loggedID(s.id), "error", err)
			}
		}
	case CommandLeave:
		for _, s := range n.rooms.members(c.Target) {
			s.Leave(c.Rooms...)
		}
	case CommandDisconnect:
		for _, s := range n.rooms.members(c.Target) {
			if c.Close {
				s.CloseConnection()
			} else {
				s.Disconnect()
			}
		}
	case CommandServerEmit:
		n.serverEvent(c.Args, answer)
	}
}

// broadcast sends the packet, encoded once, to each socket of the target. Who
// is gone or too slow is ended, the others go on.
func (n *Namespace) broadcast(p *Packet, t Target) {
	if n.log != nil && n.log.keeps(p, t) {
		n.log.broadcast(n, p, t)
		return
	}
	members := n.rooms.members(t)
	if len(members) == 0 {
		if t.Written != nil {
			t.Written()
		}
		return
	}
	n.deliver(members, p, &encoding{packet: p, target: t})
}

// deliver sends what e encodes; listeners hear of p, which has no offset.
func (n *Namespace) deliver(members []member, p *Packet, e *encoding) {
	n.watchBroadcast(members, p)
	if n.watched.Load() {
		for _, s := range members {
			s.notifyOutgoing(p)
		}
	}
	// The encodings are asked for once, not for each of thousands of members.
	var encoded [parserMsgpack + 1][]*engineio.Message
	var failed error
	for _, s := range members {
		messages := encoded[s.parser]
		if messages == nil {
			var err error
			if messages, err = e.messages(s.parser); err != nil {
				failed = err
				continue
			}
			encoded[s.parser] = messages
		}
		// Other errors concern the one session, which is over.
		if err := send(s.session, messages, e.target.Volatile); errors.Is(err, engineio.ErrNotUTF8) || errors.Is(err, engineio.ErrTooLarge) {
			failed = err
		}
	}
	if f := e.target.Written; f != nil {
		whenWritten(encoded[:], f)
	}
	if failed != nil {
		n.server.opts.Logger.Warn("a broadcast does not reach all of its clients", "namespace", n.name, "error", failed)
	}
}

// whenWritten calls f when none of the messages waits for a client.
func whenWritten(encodings [][]*engineio.Message, f func()) {
	var waiting atomic.Int64
	waiting.Store(1)
	done := func() {
		if waiting.Add(-1) == 0 {
			f()
		}
	}
	for _, messages := range encodings {
		for _, m := range messages {
			waiting.Add(1)
			m.WhenWritten(done)
		}
	}
	done()
}

// broadcastAck sends the packet under an acknowledgement id of this server and
// answers with the number of sockets, then with each acknowledgement; a socket
// that goes without one is taken back from the number.
func (n *Namespace) broadcastAck(p *Packet, t Target, answer func(Answer)) {
	id := n.nextAck.Add(1) - 1
	own := *p
	own.ID = &id
	members := n.rooms.members(t)
	reached := make([]member, 0, len(members))
	for _, s := range members {
		err := s.expect(id, func(args Args, ok bool) {
			if !ok {
				answer(Answer{Clients: -1})
				return
			}
			answer(Answer{Args: &args})
		})
		if err == nil {
			reached = append(reached, s)
		}
	}
	answer(Answer{Clients: len(reached)})
	n.deliver(reached, &own, &encoding{packet: &own, target: t})
}

func (n *Namespace) serverEvent(args Args, answer func(Answer)) {
	var event string
	if args.Decode(0, &event) != nil {
		return
	}
	n.serverMu.RLock()
	handlers := n.onServer[event]
	n.serverMu.RUnlock()
	var once sync.Once
	ack := func(values ...any) (err error) {
		once.Do(func() {
			var a Args
			if a, err = NewArgs(values...); err == nil {
				answer(Answer{Args: &a})
			}
		})
		return err
	}
	for _, h := range handlers {
		n.server.call("a handler of the server-side event", event, func() { h(args.after(1), ack) })
	}
}

// wraps reports whether the error has an inner one, whose text may hold
// addresses and other things that are nothing for clients.
func wraps(err error) bool {
	switch e := err.(type) { // of this error itself
	case interface{ Unwrap() error }:
		return e.Unwrap() != nil
	case interface{ Unwrap() []error }:
		return true
	}
	return false
}

// connectErrorPacket is the packet that tells a client why it was not let in.
func connectErrorPacket(namespace string, err error, protocol int) *Packet {
	message, data := err.Error(), any(nil)
	if c := (*ConnectError)(nil); errors.As(err, &c) {
		message, data = c.Message, c.Data
	} else if wraps(err) {
		message = errInternal.Message
	}
	var body any = struct {
		Message string `json:"message"`
		Data    any    `json:"data,omitempty"`
	}{message, data}
	if protocol == 3 {
		if body = data; data == nil {
			body = message
		}
	}
	text, encodeErr := jsjson.Marshal(body)
	if encodeErr != nil {
		text = json.RawMessage(`{"message":"refused"}`)
	}
	return &Packet{Type: PacketConnectError, Namespace: namespace, Data: text}
}
