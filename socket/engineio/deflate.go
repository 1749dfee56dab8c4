package engineio

import (
	"bytes"
	"net/http"
	"slices"
	"strings"

	"github.com/klauspost/compress/flate"
)

// offersDeflate reports whether the client offers permessage-deflate. The
// websocket library then agrees to it without context takeover on either side.
func offersDeflate(r *http.Request) bool {
	offers := strings.Split(strings.Join(r.Header.Values("Sec-Websocket-Extensions"), ","), ",")
	return slices.ContainsFunc(offers, func(offer string) bool {
		name, _, _ := strings.Cut(offer, ";")
		return strings.EqualFold(strings.TrimSpace(name), "permessage-deflate")
	})
}

// deflated returns the message's compressed frame (RFC 7692, clause 7.2.1),
// made once and shared by all sessions, or the plain one where compression is
// not wanted, not worth it, or makes it longer.
func (m *Message) deflated(threshold int) []byte {
	if m.Plain || len(m.data) < threshold {
		return m.wire()
	}
	m.deflateOnce.Do(func() { m.compressed = m.compress() })
	if m.compressed == nil {
		return m.wire()
	}
	return m.compressed
}

// tail ends every flushed deflate block; a frame leaves it out.
const tail = "\x00\x00\xff\xff"

func (m *Message) compress() []byte {
	opcode, data := byte(opBinary), m.data
	if !m.binary {
		opcode, data = opText, m.packet()
	}
	var buf bytes.Buffer
	if flate.StatelessDeflate(&buf, data, false, nil) != nil {
		return nil
	}
	b := bytes.TrimSuffix(buf.Bytes(), []byte(tail))
	if len(b) > len(data) {
		return nil
	}
	return appendFrame(nil, opcode|bitCompressed, "", b)
}
