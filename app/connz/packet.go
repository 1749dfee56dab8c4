package connz

import (
	"bytes"
	"encoding/json"
	"strings"
)

// maxEvent bounds the name of an event in a line, in characters.
const maxEvent = 100

// packetLine is a packet as a line of a trace.
type packetLine struct {
	Type      string `json:"type"` // "packet"
	Time      string `json:"time"`
	CID       uint64 `json:"cid"`
	ID        string `json:"id"`
	Address   string `json:"address,omitempty"`
	Direction string `json:"direction"` // "in" or "out"
	// Packet is Engine.IO's type, Message Socket.IO's.
	Packet    string          `json:"packet"`
	Message   string          `json:"message,omitempty"`
	Namespace string          `json:"namespace,omitempty"`
	Event     string          `json:"event,omitempty"`
	Bytes     int             `json:"bytes"`
	Queued    bool            `json:"queued,omitempty"`
	Args      json.RawMessage `json:"args,omitempty"`
	Text      string          `json:"text,omitempty"` // the beginning of what is too long for Args
}

// line describes the packet, with its payload where that is asked for. Payloads
// are those of events and acknowledgements in the default namespace: what else
// there is holds ids and credentials.
func (p *seen) line(payload bool) packetLine {
	l := packetLine{
		Type: "packet", Time: format(p.at), CID: p.cid, ID: p.id, Direction: "in",
		Packet: p.event.Name(), Bytes: p.event.Size, Queued: p.event.Queued,
	}
	if p.event.Out {
		l.Direction = "out"
	}
	if p.address.IsValid() {
		l.Address = p.address.String()
	}
	if l.Packet != "message" {
		return l
	}
	if p.event.Binary {
		l.Message = "binary"
		return l
	}
	m, ok := parseMessage(p.event.Data)
	if !ok {
		return l
	}
	l.Message, l.Namespace, l.Event = m.kind, m.namespace, m.event
	if !payload || m.namespace != "/" || !m.carries() {
		return l
	}
	if p.whole && json.Valid(m.args) {
		l.Args = m.args
	} else {
		l.Text = clean(string(m.args), maxPayload)
	}
	return l
}

// message is what the head of a Socket.IO packet says.
type message struct {
	kind, namespace, event string
	args                   []byte // what follows the head
}

func (m *message) carries() bool {
	return strings.HasSuffix(m.kind, "event") || strings.HasSuffix(m.kind, "ack")
}

// parseMessage reads the head of a packet of which only the beginning may be
// there: type, attachments, namespace, id, and the name of the event.
func parseMessage(data []byte) (message, bool) {
	kinds := [...]string{"connect", "disconnect", "event", "ack", "connect_error", "binary_event", "binary_ack"}
	if len(data) == 0 || data[0] < '0' || int(data[0]-'0') >= len(kinds) {
		return message{}, false
	}
	m := message{kind: kinds[data[0]-'0'], namespace: "/"}
	rest := data[1:]
	if strings.HasPrefix(m.kind, "binary") {
		_, rest, _ = bytes.Cut(rest, []byte("-"))
	}
	if len(rest) > 0 && rest[0] == '/' {
		name, after, _ := bytes.Cut(rest, []byte(","))
		name, _, _ = bytes.Cut(name, []byte("?")) // clients of version 3 put credentials there
		m.namespace, rest = clean(string(name), maxName), after
	}
	m.args = bytes.TrimLeft(rest, "0123456789")
	if strings.HasSuffix(m.kind, "event") && bytes.HasPrefix(m.args, []byte(`["`)) {
		m.event = eventName(m.args[1:])
	}
	return m, true
}

// eventName reads the JSON text in front, which may be cut off.
func eventName(b []byte) string {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			var name string
			_ = json.Unmarshal(b[:i+1], &name) // one that is none has no name
			return clean(name, maxEvent)
		}
	}
	return clean(string(b[1:]), maxEvent)
}
