package socketio

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/devops-insights/devops-insights/socket/engineio"
)

// client is one connection: it decodes packets and hands them to the sockets
// of their namespaces. decoding, attached and events are touched only by the
// session's deliveries, which come one at a time.
type client struct {
	server  *Server
	session *engineio.Session
	inbox   inbox

	parser   parser  // set before anything is sent
	decoding *Packet // a binary packet whose attachments are still to come
	attached int     // bytes of them so far
	events   *rate.Limiter

	mu      sync.Mutex
	closed  bool
	reason  Reason // why the server closes it, where it says so
	sockets map[string]*Socket
	former  Member // the socket that left last
	timer   *time.Timer
}

func newClient(srv *Server, session *engineio.Session) *client {
	c := &client{server: srv, session: session, sockets: make(map[string]*Socket, 1)}
	session.SetOwner(c)
	if srv.opts.MaxEventRate > 0 {
		c.events = session.NewLimiter(srv.opts.MaxEventRate, max(1, int(5*srv.opts.MaxEventRate)))
	}
	// A connection that joins no namespace is of no use to anyone.
	c.timer = time.AfterFunc(srv.opts.ConnectTimeout, func() { c.closeFor(ReasonForcedServer, CodeNoNamespace) })
	session.OnMessage(c.message)
	session.OnPause(func(mayWait bool) {
		switch {
		case !c.inbox.claim():
		case mayWait:
			c.work()
		default:
			c.startWork()
		}
	})
	session.OnClose(func(r engineio.Reason) {
		srv.spawn(func() {
			defer srv.recoverPanic("the end of the session", loggedID(session.ID()))
			c.end(Reason(r))
		})
	})
	if session.Protocol() == 3 {
		// Clients of that time are in the default namespace without asking.
		session.OnOpen(func() { c.enqueue(func() { c.connect(&Packet{Type: PacketConnect, Namespace: "/"}) }) })
	}
	return c
}

// message takes one message. Where it leads to a panic, what follows it cannot
// be understood either: the connection ends.
func (c *client) message(data []byte, binary bool) {
	taken := false
	defer func() {
		if !taken {
			c.session.CloseFor(CodeFault)
		}
	}()
	defer c.server.recoverPanic("what a message of the session led to", loggedID(c.session.ID()))
	if err := c.receive(data, binary); err != nil {
		c.refuse(err)
	}
	taken = true
}

// enqueue runs f after what the client's packets asked for before.
func (c *client) enqueue(f func()) {
	c.inbox.put(task{f: f}, c.server.opts.MaxInbox, nil, c.startWork)
	if c.inbox.claim() {
		c.startWork()
	}
}

// owe notes that the client owes n more acknowledgements.
func (c *client) owe(n int) {
	if n != 0 {
		c.inbox.owe(n, c.server.opts.MaxInbox)
	}
}

// work does what waits in the inbox.
func (c *client) work() { c.inbox.run(c.server.opts.MaxInbox, c.perform) }

// startWork lets a goroutine do it.
func (c *client) startWork() { c.server.spawn(c.work) }

func (c *client) perform(t task) {
	defer c.server.recoverPanic("what a packet of the session led to", loggedID(c.session.ID()))
	if t.packet == nil {
		t.f()
		return
	}
	defer c.session.HoldInbound(-t.size)
	if err := c.handle(t.packet); err != nil {
		c.refuse(err)
	}
}

// refuse closes the connection for a packet that the protocol or a limit
// forbids.
func (c *client) refuse(err error) {
	if limit := limitOf(err); limit != "" {
		c.server.engine.CountLimit(limit)
	}
	c.server.opts.Logger.Debug("a connection is closed for what the client sent", "session", loggedID(c.session.ID()), "error", err)
	if listeners := c.server.errorListeners(); len(listeners) > 0 {
		e := &ConnectionError{Request: c.session.Request(), Session: c.session, Code: -1, Err: err}
		c.server.connectionError(e, listeners)
	}
	if errors.Is(err, ErrUnexpected) {
		c.closeFor(ReasonForcedServer, CodeUnexpected)
		return
	}
	c.session.CloseFor(codeOf(err))
}

func (c *client) closeFor(reason Reason, code engineio.Code) {
	c.mu.Lock()
	c.reason = reason
	c.mu.Unlock()
	c.session.CloseFor(code)
}

func (c *client) receive(data []byte, binary bool) error {
	if c.parser == parserUnknown {
		c.parser = parserDefault
		if binary && c.session.Protocol() != 3 {
			c.parser = parserMsgpack
		}
	}
	if c.parser == parserMsgpack {
		return c.receiveMsgpack(data, binary)
	}
	if binary {
		return c.attach(data)
	}
	if c.decoding != nil {
		return fmt.Errorf("%w: a text packet while attachments of another were due", ErrMalformed)
	}
	if err := c.allowPacket(); err != nil {
		return err
	}
	if most := c.server.opts.MaxNesting; nestedDeeper(data, most) {
		return fmt.Errorf("%w: at most %d (Options.MaxNesting)", ErrTooDeep, most)
	}
	p, err := DecodePacket(data)
	if err != nil {
		return err
	}
	if most := c.server.opts.MaxAttachments; p.expected > most {
		return fmt.Errorf("%w: %d attachments of at most %d (Options.MaxAttachments)", ErrTooMuchBinary, p.expected, most)
	}
	if p.expected > 0 {
		c.decoding, c.attached = p, len(p.Data)
		return nil
	}
	return c.dispatch(p)
}

func (c *client) receiveMsgpack(data []byte, binary bool) error {
	if !binary {
		return fmt.Errorf("%w: a text message of a client that speaks MessagePack", ErrMalformed)
	}
	if err := c.allowPacket(); err != nil {
		return err
	}
	p, err := decodeMsgpack(data, &c.server.opts)
	if err != nil {
		return err
	}
	return c.dispatch(p)
}

// allowPacket bounds the rate of packets.
func (c *client) allowPacket() error {
	if c.events != nil && !c.events.Allow() {
		c.session.NoteExcess()
		return fmt.Errorf("%w: at most %g (Options.MaxEventRate)", ErrTooFast, c.server.opts.MaxEventRate)
	}
	return nil
}

func (c *client) attach(data []byte) error {
	p := c.decoding
	if p == nil {
		return fmt.Errorf("%w: a binary message that no packet announced", ErrMalformed)
	}
	c.attached += len(data)
	if most := c.server.opts.MaxBinary; c.attached > most {
		return fmt.Errorf("%w: attachments of more than %d bytes together (Options.MaxBinary)", ErrTooMuchBinary, most)
	}
	p.Attachments = append(p.Attachments, data)
	if len(p.Attachments) < p.expected {
		return nil
	}
	c.decoding = nil
	return c.dispatch(p)
}

// dispatch takes an acknowledgement at once and everything else in its turn.
func (c *client) dispatch(p *Packet) error {
	if p.Type == PacketAck || p.Type == PacketBinaryAck {
		if s := c.socket(p.Namespace); s != nil {
			args, err := p.Args()
			if err != nil {
				return err
			}
			s.acknowledged(p.ID, args)
			return nil
		}
	}
	c.noteLeaving(p)
	size := packetCost + len(p.Data) + p.binarySize()
	c.session.HoldInbound(size)
	c.inbox.put(task{packet: p, size: size}, c.server.opts.MaxInbox, c.session.Done(), c.startWork)
	return nil
}

// noteLeaving notes whether the client has left all its namespaces, as clients do
// before they close the connection, which may come before the packet's turn.
func (c *client) noteLeaving(p *Packet) {
	switch p.Type {
	case PacketConnect:
		c.session.SetLeaving(false)
	case PacketDisconnect:
		c.mu.Lock()
		left := 0
		for name, s := range c.sockets {
			s.leaving = s.leaving || name == p.Namespace
			if !s.leaving {
				left++
			}
		}
		c.mu.Unlock()
		c.session.SetLeaving(left == 0)
	}
}

func (c *client) socket(namespace string) *Socket {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sockets[namespace]
}

// handle takes one packet in its turn. What the client sent before its end is
// still handled: its sockets are known until then.
func (c *client) handle(p *Packet) error {
	s := c.socket(p.Namespace)
	switch {
	case (s == nil || p.Type == PacketConnect) && c.ended():
		return nil // there is nobody to connect
	case p.Type == PacketConnect && s == nil:
		return c.connect(p)
	case p.Type == PacketConnect || p.Type == PacketConnectError || s == nil:
		return ErrUnexpected
	case p.Type == PacketDisconnect:
		c.remove(s)
		s.end(ReasonClientNamespace)
		return nil
	case p.Type == PacketAck || p.Type == PacketBinaryAck:
		return nil // of a namespace that was connected a moment later
	}
	return s.event(p)
}

func (c *client) ended() bool {
	select {
	case <-c.session.Done():
		return true
	default:
		return false
	}
}

// remove takes a socket off the connection.
func (c *client) remove(s *Socket) {
	former := s.membership()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sockets[s.namespace.name] == s {
		delete(c.sockets, s.namespace.name)
		c.former = former
	}
}

func (c *client) all() []*Socket {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Values(c.sockets))
}

// end tells every socket that the connection is gone.
func (c *client) end(reason Reason) {
	c.mu.Lock()
	c.closed = true
	c.timer.Stop()
	if c.reason != "" {
		reason = c.reason
	}
	left := slices.Collect(maps.Values(c.sockets))
	c.mu.Unlock()
	for _, s := range left {
		c.server.call("the end of a socket in the namespace", s.namespace.name, func() { s.end(reason) })
	}
}

// clone keeps what outlives the packet it came in.
func clone(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return bytes.Clone(b)
}
