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
		return errState
	}
	if most := c.server.opts.MaxNamespaces; len(c.all()) >= most {
		return limitError{LimitNamespaces, fmt.Errorf("connected to %d namespaces (MaxNamespaces)", most)}
	}
	n := c.server.enter(name, auth)
	if n == nil {
		return c.answer(refusal(name, &ConnectError{Message: "Invalid namespace"}, c.session.Protocol()))
	}
	defer n.leaveDoor()
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
	if err := n.admit(s); err != nil {
		return c.answer(refusal(name, err, c.session.Protocol()))
	}
	if n.log == nil {
		c.welcome(s, "")
	} else {
		n.log.enter(s, func() { c.welcome(s, s.away.pid) })
	}
	n.introduce(s)
	return nil
}

func (c *client) answer(p *Packet) error {
	err := c.session.Send(p.Encode()...)
	if errors.Is(err, engineio.ErrClosed) {
		return nil
	}
	return err
}

// welcome connects the socket and says so. What fails here ends the session,
// and the session's end takes the socket out again.
func (c *client) welcome(s *Socket, pid string) {
	c.mu.Lock()
	if c.closed {
		s.gone = true
		c.mu.Unlock()
		close(s.done)
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
		s.namespace.rooms.enter(s, func() { _ = s.send(p) })
	}
}

// recover brings back who was away (Socket.IO v5, "Connection state
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
	if n.log.AskMiddleware && n.check(s) != nil {
		return false // and the refusal follows from the ordinary way in
	}
	if former := n.log.holder(claim.PID); former != nil {
		former.client.remove(former)
		former.leave(ReasonTransportClose)
		former.client.closeFor(ReasonTransportClose)
	}
	back := n.log.restore(s, claim.PID, claim.Offset, func(a *absence) {
		s.id, s.recovered, s.data = a.id, true, a.data
		c.welcome(s, a.pid)
		_ = s.Join(a.rooms...) // who is gone again needs no rooms
	})
	if back {
		n.introduce(s)
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

// admit asks the middlewares, whose panic is a refusal.
func (n *Namespace) admit(s *Socket) (err error) {
	refused := true
	defer func() {
		if refused && err == nil {
			err = &ConnectError{Message: "Internal server error"}
		}
	}()
	defer n.server.survive("a middleware of the namespace", n.name)
	err = n.check(s)
	refused = err != nil
	return err
}

// introduce tells the program of a new socket.
func (n *Namespace) introduce(s *Socket) {
	if s.disconnected() {
		return
	}
	defer n.server.survive("the connection handler of the namespace", n.name)
	n.connected(s)
}
