package socketio

import (
	"encoding/json"
	"fmt"
)

// What a client needs of the packets beside DecodePacket and NewArgs.

// NewEvent returns the packet of an event; values are as NewArgs takes them.
// A name that the protocol reserves is an error.
func NewEvent(namespace, event string, values ...any) (*Packet, error) {
	return eventPacket(namespace, event, values)
}

// NewAck returns the packet that acknowledges the event with this id.
func NewAck(namespace string, id uint64, values ...any) (*Packet, error) {
	args, err := NewArgs(values...)
	if err != nil {
		return nil, err
	}
	p := args.packet(PacketAck, namespace)
	p.ID = &id
	return p, nil
}

// Text returns the text part of the packet as it travels; its attachments
// follow as binary messages.
func (p *Packet) Text() []byte {
	if p.text != nil && p.ID == nil {
		return p.text
	}
	return append(p.appendHead(make([]byte, 0, len(p.Data)+len(p.Namespace)+32)), p.Data...)
}

// Missing returns how many attachments a decoded packet announced that are not
// in Attachments yet.
func (p *Packet) Missing() int { return max(0, p.expected-len(p.Attachments)) }

// Event returns the name and the arguments of an event; the name is empty
// where the server sent another JSON value in its place.
func (p *Packet) Event() (name string, args Args, err error) {
	if args, err = p.Args(); err != nil {
		return "", Args{}, fmt.Errorf("%w: %w", errPayload, err)
	}
	if args.Len() == 0 {
		return "", Args{}, errPayload
	}
	if json.Unmarshal(args.Raw(0), &name) != nil {
		name = ""
	}
	return name, args.after(1), nil
}
