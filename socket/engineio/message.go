package engineio

import (
	"encoding/base64"
	"encoding/binary"
	"sync"
)

// Message is one outgoing Engine.IO message. It is encoded at most once for
// each transport, whatever the number of sessions it is sent to, and must not
// be changed after NewText or NewBinary.
type Message struct {
	// Key groups messages of which only the newest matters, for example the
	// latest value of a region. When a session's queue is full, a waiting
	// message with the same Key gives way. Empty: every message matters.
	Key string
	// Plain keeps the message uncompressed on every transport.
	Plain bool

	kind   packetType
	data   []byte
	binary bool

	frameOnce   sync.Once
	frame       []byte
	textOnce    sync.Once
	text        []byte
	deflateOnce sync.Once
	compressed  []byte
}

// NewText returns a text message (packet type "message"). data is UTF-8 and
// is kept, not copied.
func NewText(data []byte) *Message { return &Message{kind: packetMessage, data: data} }

// NewBinary returns a binary message. data is kept, not copied.
func NewBinary(data []byte) *Message {
	return &Message{kind: packetMessage, data: data, binary: true}
}

// control returns an Engine.IO packet that is not a message.
func control(kind packetType, data []byte) *Message { return &Message{kind: kind, data: data} }

// rawFrame returns a websocket control frame; it never goes to a poll.
func rawFrame(opcode byte, payload []byte) *Message {
	m := &Message{data: payload, Plain: true, kind: packetRaw}
	m.frameOnce.Do(func() { m.frame = appendFrame(nil, opcode, "", payload) })
	return m
}

// Len returns the number of bytes of the message's data.
func (m *Message) Len() int { return len(m.data) }

// size is the memory a waiting message is counted with.
func (m *Message) size() int { return len(m.data) + 16 }

// wire returns the complete server-to-client websocket frame (RFC 6455,
// clause 5.2, unmasked, one fragment), made once and shared by all sessions.
func (m *Message) wire() []byte {
	m.frameOnce.Do(func() {
		if m.binary {
			m.frame = appendFrame(nil, opBinary, "", m.data)
			return
		}
		m.frame = appendFrame(nil, opText, string(rune(m.kind)), m.data)
	})
	return m.frame
}

// packet returns the message as it stands in a polling payload: "4" and the
// text, or "b" and the base64 of the bytes (Engine.IO v4, "Packet encoding").
func (m *Message) packet() []byte {
	m.textOnce.Do(func() {
		if m.binary {
			m.text = base64.StdEncoding.AppendEncode([]byte{'b'}, m.data)
			return
		}
		m.text = append(append(make([]byte, 0, len(m.data)+1), byte(m.kind)), m.data...)
	})
	return m.text
}

const (
	opText   = 0x1
	opBinary = 0x2
	opClose  = 0x8
	opPong   = 0xA

	bitFinal = 0x80
	// bitCompressed marks a message that permessage-deflate has compressed
	// (RFC 7692, clause 6).
	bitCompressed = 0x40
)

// appendFrame appends a final, unmasked websocket frame whose payload is
// prefix followed by payload.
func appendFrame(b []byte, opcode byte, prefix string, payload []byte) []byte {
	n := len(prefix) + len(payload)
	if b == nil {
		b = make([]byte, 0, n+10)
	}
	b = append(b, bitFinal|opcode)
	switch {
	case n < 126:
		b = append(b, byte(n))
	case n <= 0xffff:
		b = append(b, 126)
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b = append(b, 127)
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	b = append(b, prefix...)
	return append(b, payload...)
}
