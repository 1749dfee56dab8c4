package socketio

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/devops-insights/devops-insights/socket/engineio"
)

// connect lets a client into a namespace, or tells it why not (Socket.IO v5,
// "Connection to a namespace").
func (c *client) connect(p *Packet) error {
	name, auth := p.Namespace, json.RawMessage(clone(p.Data))
	if c.session.Protocol() == 3 {
		name, auth = splitQuery(name)
	}
	if c.socket(name) != nil {
		return ErrUnexpected
	}
	if most := c.server.opts.MaxNamespaces; len(c.all()) >= most {
		return fmt.Errorf("%w: at most %d (Options.MaxNamespaces)", ErrTooManyNamespaces, most)
	}
	n, err := c.server.reserve(name, auth)
	if err != nil {
		return c.reply(connectErrorPacket(name, err, c.session.Protocol()))
	}
	defer n.doneJoining()
	s := &Socket{
		id: engineio.NewID(), namespace: n, client: c, auth: auth,
		since: time.Now(), done: make(chan struct{}),
	}
	if c.session.Protocol() == 3 {
		s.id = c.session.ID()
		if name != "/" {
			s.id = name + "#" + s.id
		}
	}
	if n.log != nil && c.recover(s) {
		return nil
	}
	if err := n.runMiddleware(s); err != nil {
		s.discard()
		if wraps(err) {
			n.server.opts.Logger.Warn("a middleware failed, and refused a client", "namespace", name, "error", err)
		}
		return c.reply(connectErrorPacket(name, err, c.session.Protocol()))
	}
	if n.log == nil {
		c.welcome(s, "")
	} else {
		n.log.register(s, func() { c.welcome(s, s.away.pid) })
	}
	n.runConnectHandlers(s)
	return nil
}

func (c *client) reply(p *Packet) error {
	messages, err := p.encodeFor(c.parser, Target{})
	if err != nil {
		return err
	}
	err = c.session.Send(messages...)
	if errors.Is(err, engineio.ErrClosed) {
		return nil
	}
	return err
}

// welcome connects the socket and sends CONNECT. A failure here ends the session,
// and the session's end takes the socket out again.
func (c *client) welcome(s *Socket, pid string) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		s.discard()
		return
	}
	c.sockets[s.namespace.name] = s
	c.timer.Stop()
	c.mu.Unlock()
	p := &Packet{Type: PacketConnect, Namespace: s.namespace.name}
	if c.session.Protocol() != 3 {
		p.Data = json.RawMessage(`{"sid":"` + s.id + `"}`)
		if pid != "" {
			p.Data = json.RawMessage(`{"sid":"` + s.id + `","pid":"` + pid + `"}`)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.gone {
		s.welcomed = true
		s.namespace.rooms.add(s, func() { _ = s.send(p) })
	}
}

// recover restores a client that was away (Socket.IO v5, "Connection state
// recovery"). A former connection that still counts as open ends now.
func (c *client) recover(s *Socket) bool {
	var claim struct {
		PID    string  `json:"pid"`
		Offset *string `json:"offset"`
	}
	if json.Unmarshal(s.auth, &claim) != nil || claim.PID == "" {
		return false
	}
	n := s.namespace
	back := false
	defer func() {
		if back {
			c.server.recovered.Add(1)
		} else {
			c.server.lost.Add(1)
		}
	}()
	if n.log.AskMiddleware && n.runMiddleware(s) != nil {
		return false // the ordinary connect then refuses the client
	}
	if former := n.log.owner(claim.PID); former != nil {
		former.client.remove(former)
		former.end(ReasonTransportClose)
		former.client.closeFor(ReasonTransportClose, CodeRecovered)
	}
	back = n.log.restore(s, claim.PID, claim.Offset, func(a *absence) {
		s.id, s.recovered, s.data = a.id, true, a.data
		c.welcome(s, a.pid)
		_ = s.Join(a.rooms...) // a client that has gone again needs no rooms
	})
	if back {
		n.runConnectHandlers(s)
	}
	return back
}

// splitQuery takes the query apart that clients of version 3 put behind the
// name of a namespace; it is their way to send what Auth returns.
func splitQuery(name string) (string, json.RawMessage) {
	name, query, found := strings.Cut(name, "?")
	if !found {
		return name, nil
	}
	values, _ := url.ParseQuery(query) // what parses counts
	auth := make(map[string]string, len(values))
	for k := range values {
		auth[k] = values.Get(k)
	}
	text, _ := json.Marshal(auth) // strings always encode
	return name, text
}

// runMiddleware asks the middlewares; a panic in one refuses the client.
func (n *Namespace) runMiddleware(s *Socket) (err error) {
	err = errInternal // stays in case of a panic
	defer n.server.recoverPanic("a middleware of the namespace", n.name)
	for _, m := range n.current().middleware {
		if refused := m(s); refused != nil {
			return refused
		}
	}
	return nil
}

// runConnectHandlers tells the program of a new socket, also of one that has
// gone since it was welcomed: its events wait for their handlers.
func (n *Namespace) runConnectHandlers(s *Socket) {
	if !s.welcomed {
		return
	}
	for _, f := range n.current().onConnect {
		n.server.call("a connection handler of the namespace", n.name, func() { f(s) })
	}
}

// runDisconnectHandlers tells the program that a socket has gone.
func (n *Namespace) runDisconnectHandlers(s *Socket, reason Reason) {
	s.mu.Lock()
	disconnecting, disconnected := s.listeners.onDisconnecting, s.listeners.onDisconnect
	s.mu.Unlock()
	set := n.current()
	if !s.welcomed {
		set = &hookSet{}
	}
	const what = "a disconnection handler of the namespace"
	for _, f := range set.onDisconnecting {
		n.server.call(what, n.name, func() { f(s, reason) })
	}
	for _, f := range disconnecting {
		n.server.call(what, n.name, func() { f(reason) })
	}
	n.rooms.forget(s)
	for _, f := range set.onDisconnect {
		n.server.call(what, n.name, func() { f(s, reason) })
	}
	for _, f := range disconnected {
		n.server.call(what, n.name, func() { f(reason) })
	}
}
