package engineio

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"sync"

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

// deflater compresses messages. Its writers are large and are used again; the
// zero value is ready.
type deflater struct{ writers sync.Pool }

// deflateLevel is the best there is: a broadcast is compressed once, and its
// bytes are sent thousands of times.
const deflateLevel = flate.BestCompression

// deflated returns the message's compressed frame (RFC 7692, clause 7.2.1),
// made once and shared by all sessions, or the plain one where compression is
// not wanted, not worth it, or makes it longer.
func (m *Message) deflated(by *deflater, threshold int) []byte {
	if m.Plain || len(m.data) < threshold {
		return m.wire()
	}
	m.deflateOnce.Do(func() { m.compressed = by.frame(m) })
	if m.compressed == nil {
		return m.wire()
	}
	return m.compressed
}

// tail ends every flushed deflate block; a frame leaves it out.
const tail = "\x00\x00\xff\xff"

// frame returns the compressed frame of a message, nil where it is no shorter.
func (d *deflater) frame(m *Message) []byte {
	opcode, data := byte(opBinary), m.data
	if !m.binary {
		opcode, data = opText, m.packet()
	}
	var buf bytes.Buffer
	w, _ := d.writers.Get().(*flate.Writer)
	if w == nil {
		w, _ = flate.NewWriter(nil, deflateLevel) // fails for unknown levels only
	}
	defer d.writers.Put(w)
	w.Reset(&buf)
	if _, err := w.Write(data); err != nil || w.Flush() != nil {
		return nil
	}
	b := bytes.TrimSuffix(buf.Bytes(), []byte(tail))
	if len(b) > len(data) {
		return nil
	}
	return appendFrame(nil, opcode|bitCompressed, "", b)
}
