package socketio

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/devops-insights/devops-insights/socket/engineio"
)

// PacketType is the first character of a Socket.IO packet (protocol v5).
type PacketType byte

// The packet types of protocol v5.
const (
	PacketConnect PacketType = iota
	PacketDisconnect
	PacketEvent
	PacketAck
	PacketConnectError
	PacketBinaryEvent
	PacketBinaryAck
)

// Packet is one Socket.IO packet. Data is JSON text; in the binary types it
// holds placeholders for the Attachments.
type Packet struct {
	Type        PacketType
	Namespace   string // begins with "/"
	ID          *uint64
	Data        json.RawMessage
	Attachments [][]byte

	expected int    // attachments announced by a decoded packet
	checked  bool   // Data is a JSON array
	text     []byte // the packet without ID as it travels, Data being its end; nil where it is not made yet
}

// Encode returns the Engine.IO messages of the packet: one text message and
// one binary message for each attachment.
func (p *Packet) Encode() []*engineio.Message { return p.encode(Target{}) }

func (p *Packet) encode(t Target) []*engineio.Message {
	text := engineio.NewText(p.Text())
	text.NoCompress = t.NoCompress
	if len(p.Attachments) == 0 {
		text.CoalesceKey, text.Skipped = t.CoalesceKey, t.Skipped
	}
	messages := []*engineio.Message{text}
	for _, a := range p.Attachments {
		m := engineio.NewBinary(a)
		m.NoCompress = t.NoCompress
		messages = append(messages, m)
	}
	return messages
}

// binarySize is how many bytes the attachments have together.
func (p *Packet) binarySize() int {
	n := 0
	for _, a := range p.Attachments {
		n += len(a)
	}
	return n
}

// appendHead appends what stands before Data.
func (p *Packet) appendHead(b []byte) []byte {
	b = append(b, '0'+byte(p.Type))
	if p.Type == PacketBinaryEvent || p.Type == PacketBinaryAck {
		b = strconv.AppendInt(b, int64(len(p.Attachments)), 10)
		b = append(b, '-')
	}
	if p.Namespace != "" && p.Namespace != "/" {
		b = append(append(b, p.Namespace...), ',')
	}
	if p.ID != nil {
		b = strconv.AppendUint(b, *p.ID, 10)
	}
	return b
}

var (
	errEmpty   = fmt.Errorf("%w: it is empty, the first character must be the packet type", ErrMalformed)
	errPayload = fmt.Errorf("%w: the payload does not fit the packet type", ErrMalformed)
)

// DecodePacket reads the text part of a packet. The result aliases b.
func DecodePacket(b []byte) (*Packet, error) {
	if len(b) == 0 {
		return nil, errEmpty
	}
	if b[0] < '0' || b[0] > '6' {
		return nil, fmt.Errorf("%w: the packet type %q is unknown, allowed are 0 to 6", ErrMalformed, b[0])
	}
	p := &Packet{Type: PacketType(b[0] - '0'), Namespace: "/"}
	b = b[1:]
	if p.Type == PacketBinaryEvent || p.Type == PacketBinaryAck {
		count, rest, found := bytes.Cut(b, []byte{'-'})
		n, err := strconv.ParseUint(string(count), 10, 31)
		if !found || err != nil {
			return nil, fmt.Errorf("%w: a binary packet must announce the number of its attachments, then a hyphen", ErrMalformed)
		}
		p.expected, b = int(n), rest
	}
	if len(b) > 0 && b[0] == '/' {
		name, rest, found := bytes.Cut(b, []byte{','})
		p.Namespace, b = string(name), rest
		if !found {
			b = nil
		}
	}
	digits := 0
	for digits < len(b) && b[digits] >= '0' && b[digits] <= '9' {
		digits++
	}
	if digits > 0 {
		id, err := strconv.ParseUint(string(b[:digits]), 10, 63)
		if err != nil {
			return nil, fmt.Errorf("%w: acknowledgement id out of range: %w", ErrMalformed, err)
		}
		p.ID, b = &id, b[digits:]
	}
	p.Data = b
	return p, p.check()
}

// check refuses what the protocol does not allow, as the Node parser does.
func (p *Packet) check() error {
	if len(p.Data) > 0 && !json.Valid(p.Data) {
		return fmt.Errorf("%w: the payload is not JSON", ErrMalformed)
	}
	return p.checkPayload()
}

// checkPayload refuses JSON that does not fit the packet type.
func (p *Packet) checkPayload() error {
	first := byte(0)
	if len(p.Data) > 0 {
		first = bytes.TrimLeft(p.Data, " \t\r\n")[0]
	}
	switch p.Type {
	case PacketConnect:
		if first != 0 && first != '{' {
			return errPayload
		}
	case PacketDisconnect:
		if first != 0 {
			return errPayload
		}
	case PacketConnectError:
		if first != '{' && first != '"' {
			return errPayload
		}
	default:
		if first != '[' {
			return errPayload
		}
		p.checked = true
	}
	return nil
}

// reserved are the event names that a client must not send.
func reserved(event string) bool {
	switch event {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return true
	}
	return false
}
