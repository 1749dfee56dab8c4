package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/devops-insights/devops-insights/socket/engineio"
)

// Middleware decides about a client that wants to connect to a namespace: an
// error, at best a *ConnectError, refuses it.
type Middleware func(s *Socket) error

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
	name    string
	server  *Server
	parent  *Parent // nil unless made for a pattern
	rooms   *rooms
	adapter Adapter      // nil for a server of its own
	log     *recoveryLog // nil without recovery
	nextAck atomic.Uint64
	joining atomic.Int32 // clients between their CONNECT and the answer
	watched atomic.Bool  // a socket has outgoing listeners

	serverMu sync.RWMutex
	onServer map[string]Handler
	remote   func(c Command, carryOut func())
}

func newNamespace(srv *Server, name string) *Namespace {
	n := &Namespace{name: name, server: srv, rooms: newRooms()}
	if srv.opts.Recovery != nil {
		n.log = newRecoveryLog(*srv.opts.Recovery)
	}
	if srv.opts.NewAdapter != nil {
		n.adapter = srv.opts.NewAdapter(n)
		if w, ok := n.adapter.(RoomWatcher); ok {
			n.rooms.watch = w.WatchRoom
		}
	}
	return n
}

// hooks are what the program registers for the sockets of a namespace.
type hooks struct {
	mu        sync.RWMutex
	checks    []Middleware
	onConnect []func(*Socket)
	handlers  map[string]func(*Socket, Args, Acknowledge)
}

// Use adds a middleware. They are asked in the order in which they were added,
// before the client is connected.
func (h *hooks) Use(m Middleware) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checks = append(h.checks, m)
}

// OnConnect adds a function that is called for every socket of the namespace
// before any of its events.
func (h *hooks) OnConnect(f func(*Socket)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.onConnect = append(h.onConnect, f)
}

// On sets the handler of an event for every socket of the namespace. It costs
// no memory per socket, as Socket.On does, which goes before it.
func (h *hooks) On(event string, f func(s *Socket, args Args, ack Acknowledge)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.handlers == nil {
		h.handlers = make(map[string]func(*Socket, Args, Acknowledge))
	}
	h.handlers[event] = f
}

func (h *hooks) handler(event string) func(*Socket, Args, Acknowledge) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.handlers[event]
}

func (h *hooks) check(s *Socket) error {
	h.mu.RLock()
	checks := h.checks
	h.mu.RUnlock()
	for _, m := range checks {
		if err := m(s); err != nil {
			return err
		}
	}
	return nil
}

func (h *hooks) connected(s *Socket) {
	h.mu.RLock()
	all := h.onConnect
	h.mu.RUnlock()
	for _, f := range all {
		f(s)
	}
}

// Name returns the namespace's name, which begins with "/".
func (n *Namespace) Name() string { return n.name }

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

// OnServer sets the function that receives an event of ServerSideEmit from
// another server of the cluster.
func (n *Namespace) OnServer(event string, h Handler) {
	n.serverMu.Lock()
	defer n.serverMu.Unlock()
	if n.onServer == nil {
		n.onServer = make(map[string]Handler)
	}
	n.onServer[event] = h
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
		return Command{}, fmt.Errorf("the event name %q is reserved", event)
	}
	args, err := NewArgs(append([]any{event}, values...)...)
	return Command{Kind: CommandServerEmit, Args: args}, err
}

// publish carries a command out here and, unless it is local, elsewhere.
func (n *Namespace) publish(c Command) error {
	n.apply(c, func(Answer) {})
	if n.adapter == nil || c.Target.Local {
		return nil
	}
	if err := n.adapter.Publish(c); err != nil {
		return fmt.Errorf("the other servers were not reached: %w", err)
	}
	return nil
}

// OnRemote sets a function that is given each command of another server: it is
// carried out when, and if, the function calls carryOut. Set it before clients
// connect.
func (n *Namespace) OnRemote(handle func(c Command, carryOut func())) {
	n.serverMu.Lock()
	defer n.serverMu.Unlock()
	n.remote = handle
}

// Apply carries a command of another server out in this process and hands its
// answers to answer. It is for adapters.
func (n *Namespace) Apply(c Command, answer func(Answer)) {
	n.serverMu.RLock()
	handle := n.remote
	n.serverMu.RUnlock()
	if handle == nil {
		n.apply(c, answer)
		return
	}
	handle(c, func() { n.apply(c, answer) })
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
				n.server.opts.Logf("socket %s: %v", s.id, err)
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
		return
	}
	n.deliver(members, p, p.encode(t), t)
}

func (n *Namespace) deliver(members []member, p *Packet, messages []*engineio.Message, t Target) {
	if n.watched.Load() {
		for _, s := range members {
			s.notice(p)
		}
	}
	for _, s := range members {
		_ = send(s.session, messages, t.Volatile)
	}
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
	n.deliver(reached, &own, own.encode(t), t)
}

func (n *Namespace) serverEvent(args Args, answer func(Answer)) {
	var event string
	if args.Decode(0, &event) != nil {
		return
	}
	n.serverMu.RLock()
	h := n.onServer[event]
	n.serverMu.RUnlock()
	if h == nil {
		return
	}
	var once sync.Once
	defer n.server.survive("the handler of the server-side event", event)
	h(args.from(1), func(values ...any) (err error) {
		once.Do(func() {
			var a Args
			if a, err = NewArgs(values...); err == nil {
				answer(Answer{Args: &a})
			}
		})
		return err
	})
}

// refusal is the packet that tells a client why it was not let in.
func refusal(namespace string, err error, protocol int) *Packet {
	message, data := err.Error(), any(nil)
	if c := (*ConnectError)(nil); errors.As(err, &c) {
		message, data = c.Message, c.Data
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
	text, encodeErr := encodeJSON(body)
	if encodeErr != nil {
		text = json.RawMessage(`{"message":"refused"}`)
	}
	return &Packet{Type: PacketConnectError, Namespace: namespace, Data: text}
}
