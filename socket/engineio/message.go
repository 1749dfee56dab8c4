package engineio

import (
	"encoding/base64"
	"sync"
	"unicode/utf8"

	"github.com/devops-insights/devops-insights/socket/engineio/websocket"
)

// Message is one outgoing Engine.IO message. It is encoded at most once for
// each transport, whatever the number of sessions it is sent to, and must not
// be changed after NewText or NewBinary.
type Message struct {
	// CoalesceKey groups messages of which only the newest matters, for example the
	// latest value of a region. Of those that wait for a client that does not
	// keep up, the newest replaces others. Empty: every message matters.
	CoalesceKey string
	// Skipped is called for each session that a newer message with the CoalesceKey
	// has spared this one, under the session's lock: it must be short and use no
	// session. Nil: nobody counts them.
	Skipped func()
	// NoCompress keeps the message uncompressed on every transport.
	NoCompress bool

	kind   packetType
	binary bool
	n      int

	layoutOnce  sync.Once
	source      []byte // until layout
	buf         []byte // room for a frame's head, the packet type, the data
	invalid     bool   // text that is not UTF-8
	frameOnce   sync.Once
	frame       []byte
	base64Once  sync.Once
	base64      []byte
	deflateOnce sync.Once
	compressed  []byte

	inUse usage
}

// usage is what a message that waits for sessions takes of the Budget: its
// bytes once, however many they are.
type usage struct {
	mu       sync.Mutex
	sessions int
	bytes    int64   // of encodings beside the data
	memory   *Budget // while sessions is not 0
	written  []func()
}

// NewText returns a text message (packet type "message"). data is UTF-8, and
// must not be changed; Send returns ErrNotUTF8 where it is anything else.
func NewText(data []byte) *Message {
	return &Message{kind: packetMessage, source: data, n: len(data)}
}

// NewBinary returns a binary message. data must not be changed.
func NewBinary(data []byte) *Message {
	return &Message{kind: packetMessage, source: data, n: len(data), binary: true}
}

// control returns an Engine.IO packet that is not a message.
func control(kind packetType, data []byte) *Message {
	return &Message{kind: kind, source: data, n: len(data)}
}

// rawFrame returns a websocket control frame; it never goes to a poll.
func rawFrame(opcode websocket.Opcode, payload []byte) *Message {
	m := &Message{kind: packetRaw, source: payload, n: len(payload), NoCompress: true}
	m.frameOnce.Do(func() { m.frame = websocket.AppendFrame(nil, opcode, "", payload) })
	return m
}

// replaces reports whether a control packet says all that an older one said.
func (m *Message) replaces(older *Message) bool {
	return m.kind == older.kind && (m.kind != packetRaw || m.frame[0] == older.frame[0])
}

// Len returns the number of bytes of the message's data.
func (m *Message) Len() int { return m.n }

// maxFrameHead is the longest head of an unmasked websocket frame.
const maxFrameHead = websocket.MaxHead

// layout copies the data once into a buffer that serves every transport: the
// frame, the packet of a poll and the data are parts of it, so that a message
// is not held three times.
func (m *Message) layout() {
	m.layoutOnce.Do(func() {
		m.invalid = m.kind == packetMessage && !m.binary && !utf8.Valid(m.source)
		m.buf = make([]byte, maxFrameHead+1, maxFrameHead+1+m.n)
		m.buf[maxFrameHead] = byte(m.kind)
		m.buf = append(m.buf, m.source...)
		m.source = nil
	})
}

// valid reports whether the message may be sent.
func (m *Message) valid() bool {
	m.layout()
	return !m.invalid
}

func (m *Message) data() []byte {
	m.layout()
	return m.buf[maxFrameHead+1:]
}

// wire returns the complete server-to-client websocket frame (RFC 6455,
// clause 5.2, unmasked, one fragment), made once and shared by all sessions.
func (m *Message) wire() []byte {
	m.frameOnce.Do(func() {
		m.layout()
		opcode, payload := websocket.Text, m.buf[maxFrameHead:]
		if m.binary {
			opcode, payload = websocket.Binary, m.buf[maxFrameHead+1:]
		}
		var room [maxFrameHead]byte
		head := websocket.AppendHead(room[:0], opcode, len(payload))
		start := len(m.buf) - len(payload) - len(head)
		copy(m.buf[start:], head)
		m.frame = m.buf[start:]
	})
	return m.frame
}

// packet returns the message as it stands in a polling payload: "4" and the
// text, or "b" and the base64 of the bytes (Engine.IO v4, "Packet encoding").
func (m *Message) packet() []byte {
	if m.binary {
		m.base64Once.Do(func() {
			m.base64 = base64.StdEncoding.AppendEncode([]byte{'b'}, m.data())
			m.grow(len(m.base64))
		})
		return m.base64
	}
	m.layout()
	return m.buf[maxFrameHead:]
}

// hold counts the message as one that waits for a session.
func (m *Message) hold(b *Budget) {
	u := &m.inUse
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.sessions++; u.sessions == 1 {
		u.memory = b
		b.add(int64(m.n+messageOverhead) + u.bytes)
	}
}

// release undoes hold.
func (m *Message) release() {
	u := &m.inUse
	u.mu.Lock()
	var written []func()
	if u.sessions--; u.sessions == 0 {
		u.memory.add(-int64(m.n+messageOverhead) - u.bytes)
		u.memory = nil
		written, u.written = u.written, nil
	}
	u.mu.Unlock()
	for _, f := range written {
		f()
	}
}

// WhenWritten calls f once, when the message waits for no session any more: each
// one that it was sent to has been written to, has skipped it for a newer one, or
// has ended. Where none waits that is at once. f is called with the lock of a
// session: it must be short and use none.
func (m *Message) WhenWritten(f func()) {
	u := &m.inUse
	u.mu.Lock()
	waits := u.sessions > 0
	if waits {
		u.written = append(u.written, f)
	}
	u.mu.Unlock()
	if !waits {
		f()
	}
}

// grow counts a further encoding of the message.
func (m *Message) grow(n int) {
	u := &m.inUse
	u.mu.Lock()
	defer u.mu.Unlock()
	u.bytes += int64(n)
	if u.sessions > 0 {
		u.memory.add(int64(n))
	}
}

// messageOverhead is what a message takes beside its data.
const messageOverhead = 256
