package socketio

import (
	"fmt"
)

// Prepared is an event that is encoded once, however many clients it is sent
// to, and at whatever times: one answer for all who ask the same.
type Prepared struct {
	namespace *Namespace
	packet    *Packet
	encoding  *encoding
}

// Prepare encodes an event for Socket.Send. Arguments follow the rules of
// Socket.Emit and must not be changed any more.
func (n *Namespace) Prepare(event string, args ...any) (*Prepared, error) {
	p, err := eventPacket(n.name, event, args)
	if err != nil {
		return nil, err
	}
	return &Prepared{namespace: n, packet: p, encoding: &encoding{packet: p}}, nil
}

// Send sends an event that the socket's namespace has prepared, as Emit does.
func (s *Socket) Send(e *Prepared) error {
	if e.namespace != s.namespace {
		return fmt.Errorf("an event of the namespace %s is not for a socket of %s", e.namespace.name, s.namespace.name)
	}
	return Emitter{socket: s}.send(e.packet, e.encoding.messages)
}
