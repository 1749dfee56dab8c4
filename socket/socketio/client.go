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
// of their namespaces. decoding, held and events are touched only by the
// session's deliveries, which come one at a time.
type client struct {
	server  *Server
	session *engineio.Session
	inbox   inbox

	decoding *Packet // a binary packet whose attachments are still to come
	held     int     // bytes of them so far
	events   *rate.Limiter

	mu      sync.Mutex
	closed  bool
	reason  Reason // why the server closes it, where it says so
	sockets map[string]*Socket
	timer   *time.Timer
}

func newClient(srv *Server, session *engineio.Session) *client {
	c := &client{server: srv, session: session, sockets: make(map[string]*Socket, 1)}
	if srv.opts.MaxEventRate > 0 {
		c.events = rate.NewLimiter(rate.Limit(srv.opts.MaxEventRate), max(1, int(5*srv.opts.MaxEventRate)))
	}
	// A connection that joins no namespace is of no use to anyone.
	c.timer = time.AfterFunc(srv.opts.ConnectTimeout, func() { c.closeFor(ReasonForcedServer) })
	session.OnMessage(func(data []byte, binary bool) {
		if err := c.receive(data, binary); err != nil {
			c.refuse(err)
		}
	})
	session.OnPause(func(mayWait bool) {
		switch {
		case !c.inbox.claim():
		case mayWait:
			c.inbox.run()
		default:
			srv.spawn(c.inbox.run)
		}
	})
	session.OnClose(func(r engineio.Reason) { srv.spawn(func() { c.end(Reason(r)) }) })
	if session.Protocol() == 3 {
		// Clients of that time are in the default namespace without asking.
		session.OnOpen(func() { c.do(func() { c.connect(&Packet{Type: PacketConnect, Namespace: "/"}) }) })
	}
	return c
}

// do runs f after what the client's packets asked for before.
func (c *client) do(f func()) {
	if c.inbox.put(f, nil) || c.inbox.claim() {
		c.server.spawn(c.inbox.run)
	}
}

// refuse closes the connection for a packet that the protocol or a limit
// forbids.
func (c *client) refuse(err error) {
	if limited := (limitError{}); errors.As(err, &limited) {
		c.server.engine.Limited(limited.limit)
	}
	c.server.opts.Logf("session %s closed: %v", c.session.ID(), err)
	if errors.Is(err, errState) {
		c.closeFor(ReasonForcedServer)
		return
	}
	c.session.Close()
}

func (c *client) closeFor(reason Reason) {
	c.mu.Lock()
	c.reason = reason
	c.mu.Unlock()
	c.session.Close()
}

// errState is a packet that does not fit what the client is connected to.
var errState = errors.New("a packet for a namespace that the client is not connected to, or a second CONNECT")

func (c *client) receive(data []byte, binary bool) error {
	if binary {
		return c.attach(data)
	}
	if c.decoding != nil {
		return errors.New("a text packet while attachments of another were due")
	}
	if c.events != nil && !c.events.Allow() {
		return limitError{LimitEvents, fmt.Errorf("more than %g packets a second (MaxEventRate)", c.server.opts.MaxEventRate)}
	}
	if most := c.server.opts.MaxNesting; nested(data, most) {
		return limitError{LimitNesting, fmt.Errorf("arrays and objects nested deeper than %d (MaxNesting)", most)}
	}
	p, err := DecodePacket(data)
	if err != nil {
		return err
	}
	if most := c.server.opts.MaxAttachments; p.expected > most {
		return limitError{LimitBinary, fmt.Errorf("a packet with %d attachments: %d are allowed (MaxAttachments)", p.expected, most)}
	}
	if p.expected > 0 {
		c.decoding, c.held = p, len(p.Data)
		return nil
	}
	return c.dispatch(p)
}

func (c *client) attach(data []byte) error {
	p := c.decoding
	if p == nil {
		return errors.New("a binary message that no packet announced")
	}
	c.held += len(data)
	if most := c.server.opts.MaxBinary; c.held > most {
		return limitError{LimitBinary, fmt.Errorf("attachments of more than %d bytes together (MaxBinary)", most)}
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
	start := c.inbox.put(func() {
		if err := c.handle(p); err != nil {
			c.refuse(err)
		}
	}, c.session.Done())
	if start {
		c.server.spawn(c.inbox.run)
	}
	return nil
}

func (c *client) socket(namespace string) *Socket {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sockets[namespace]
}

func (c *client) handle(p *Packet) error {
	select {
	case <-c.session.Done():
		return nil
	default:
	}
	s := c.socket(p.Namespace)
	switch {
	case p.Type == PacketConnect && s == nil:
		return c.connect(p)
	case p.Type == PacketConnect || p.Type == PacketConnectError || s == nil:
		return errState
	case p.Type == PacketDisconnect:
		c.remove(s)
		s.leave(ReasonClientNamespace)
		return nil
	case p.Type == PacketAck || p.Type == PacketBinaryAck:
		return nil // of a namespace that was connected a moment later
	}
	return s.event(p)
}

func (c *client) remove(s *Socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sockets[s.namespace.name] == s {
		delete(c.sockets, s.namespace.name)
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
	left := c.sockets
	c.sockets = nil
	c.mu.Unlock()
	for _, s := range left {
		s.leave(reason)
	}
}

// clone keeps what outlives the packet it came in.
func clone(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return bytes.Clone(b)
}
