package engineio

import "github.com/devops-insights/devops-insights/socket/engineio/websocket"

// deflated returns the message's compressed frame, made once and shared by all
// sessions, or the plain one where compression is not wanted, not worth it, or
// makes it longer.
func (m *Message) deflated(by *websocket.Flate, threshold int) []byte {
	if m.NoCompress || m.n < threshold {
		return m.wire()
	}
	m.deflateOnce.Do(func() {
		m.compressed = m.deflate(by)
		m.grow(len(m.compressed))
	})
	if m.compressed == nil {
		return m.wire()
	}
	return m.compressed
}

// deflate returns the compressed frame, nil where it is no shorter.
func (m *Message) deflate(by *websocket.Flate) []byte {
	opcode, data := websocket.Binary, m.data()
	if !m.binary {
		opcode, data = websocket.Text, m.packet()
	}
	b, err := by.Deflate(data)
	if err != nil || len(b) > len(data) {
		return nil
	}
	return websocket.AppendFrame(nil, opcode|websocket.Compressed, "", b)
}
