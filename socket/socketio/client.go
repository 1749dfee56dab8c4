package socketio

import (
	"bytes"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/devops-insights/devops-insights/socket/engineio"
)

// client is one connection: it decodes packets and hands them to the sockets
// of their namespaces. decoding is touched only by the session's deliveries,
// which come one at a time.
type client struct {
	server  *Server
	session *engineio.Session

	decoding *Packet // a binary packet whose attachments are still to come
	held     int     // bytes of them so far

	mu      sync.Mutex
	closed  bool
	sockets map[string]*Socket
	timer   *time.Timer
}

func newClient(srv *Server, session *engineio.Session) *client {
	c := &client{server: srv, session: session, sockets: make(map[string]*Socket)}
	// A connection that joins no namespace is of no use to anyone.
	c.timer = time.AfterFunc(srv.opts.ConnectTimeout, func() {
		c.mu.Lock()
		idle := len(c.sockets) == 0
		c.mu.Unlock()
		if idle {
			session.Close()
		}
	})
	session.OnMessage(func(data []byte, binary bool) {
		if err := c.receive(data, binary); err != nil {
			srv.opts.Logf("session %s closed: %v", session.ID(), err)
			session.Close()
		}
	})
	session.OnClose(c.end)
	return c
}

var errStranger = errors.New("a packet for a namespace that the client is not connected to")

func (c *client) receive(data []byte, binary bool) error {
	if binary {
		return c.attach(data)
	}
	if c.decoding != nil {
		return errors.New("a text packet while attachments of another were due")
	}
	p, err := DecodePacket(data)
	if err != nil {
		return err
	}
	if p.expected > 0 {
		p.Data = bytes.Clone(p.Data)
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
	if c.held > c.server.opts.MaxBinary {
		return errors.New("the attachments of one packet are too large together")
	}
	p.Attachments = append(p.Attachments, bytes.Clone(data))
	if len(p.Attachments) < p.expected {
		return nil
	}
	c.decoding = nil
	return c.dispatch(p)
}

func (c *client) dispatch(p *Packet) error {
	if p.Type == Connect {
		return c.connect(p)
	}
	c.mu.Lock()
	s := c.sockets[p.Namespace]
	c.mu.Unlock()
	if s == nil {
		return errStranger
	}
	switch p.Type {
	case Disconnect:
		c.remove(s)
		s.leave("client namespace disconnect")
		return nil
	case Event, BinaryEvent, Ack, BinaryAck:
		args, err := decodeArgs(p)
		if err != nil {
			return err
		}
		if p.Type == Event || p.Type == BinaryEvent {
			return s.event(p, args)
		}
		s.acknowledged(p.ID, args)
		return nil
	default:
		// CONNECT_ERROR comes from servers only; Node ignores one from a client.
		return nil
	}
}

func (c *client) connect(p *Packet) error {
	n := c.server.lookup(p.Namespace)
	if n == nil {
		refusal := &Packet{Type: ConnectError, Namespace: p.Namespace, Data: json.RawMessage(`{"message":"Invalid namespace"}`)}
		return ignoreClosed(c.session.Send(refusal.Encode()...))
	}
	s := &Socket{
		id: engineio.NewID(), namespace: n, client: c,
		auth:     bytes.Clone(p.Data),
		done:     make(chan struct{}),
		handlers: make(map[string]Handler),
		acks:     make(map[uint64]chan Args),
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	if c.sockets[n.name] != nil {
		c.mu.Unlock()
		return errors.New("a second CONNECT to the same namespace")
	}
	c.sockets[n.name] = s
	c.mu.Unlock()
	welcome := &Packet{Type: Connect, Namespace: n.name, Data: json.RawMessage(`{"sid":"` + s.id + `"}`)}
	if err := ignoreClosed(s.send(welcome)); err != nil {
		return err
	}
	s.Join(everyone, s.id)
	n.connected(s)
	return nil
}

func ignoreClosed(err error) error {
	if errors.Is(err, engineio.ErrClosed) || errors.Is(err, ErrDisconnected) {
		return nil
	}
	return err
}

func (c *client) remove(s *Socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sockets[s.namespace.name] == s {
		delete(c.sockets, s.namespace.name)
	}
}

func (c *client) end(reason engineio.Reason) {
	c.mu.Lock()
	c.closed = true
	c.timer.Stop()
	left := c.sockets
	c.sockets = nil
	c.mu.Unlock()
	for _, s := range left {
		s.leave(string(reason))
	}
}
