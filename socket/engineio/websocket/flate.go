package websocket

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

// Flate compresses and inflates messages without context takeover. What it
// works with is large and is used again. The zero value is ready; it may be
// used from any goroutine.
type Flate struct {
	readers sync.Pool // of *inflater
	writers sync.Pool // of *flate.Writer
	quick   sync.Pool // of *flate.Writer, for large messages
}

// deflateLevel is the best there is: a broadcast is compressed once, and its
// bytes are sent thousands of times.
const deflateLevel = flate.BestCompression

// largeMessage is the size in bytes from which the quickest level is used: such a
// message is an answer to one client, and its work is bounded so.
const (
	largeMessage = 64 << 10
	quickLevel   = flate.BestSpeed
)

// blockEnd ends every flushed deflate block; a message leaves it out (RFC 7692,
// clause 7.2.1). lastBlock is an empty final block, which makes a whole stream
// of it.
const (
	blockEnd  = "\x00\x00\xff\xff"
	lastBlock = "\x01\x00\x00\xff\xff"
	ending    = blockEnd + lastBlock
)

// Deflate returns the payload of a compressed message.
func (f *Flate) Deflate(data []byte) ([]byte, error) {
	var buf bytes.Buffer
	pool, level := &f.writers, deflateLevel
	if len(data) >= largeMessage {
		pool, level = &f.quick, quickLevel
	}
	w, _ := pool.Get().(*flate.Writer)
	if w == nil {
		w, _ = flate.NewWriter(nil, level) // fails for unknown levels only
	}
	defer pool.Put(w)
	w.Reset(&buf)
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Flush(); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte(blockEnd)), nil
}

// inflater is a reader of deflate streams with its source.
type inflater struct {
	source bytes.Reader
	stream io.ReadCloser
}

// Inflate returns the message whose compressed payload is given, of at most
// limit bytes (zero: no bound). It stops as soon as there are more. The payload
// is changed. No bytes at all are an empty message, as other libraries have it.
func (f *Flate) Inflate(payload []byte, limit int64) ([]byte, error) {
	if len(payload) == 0 {
		return nil, nil
	}
	in, _ := f.readers.Get().(*inflater)
	if in == nil {
		in = &inflater{}
		in.stream = flate.NewReader(&in.source)
	}
	size := len(payload)
	payload = append(payload, ending...)
	in.source.Reset(payload)
	defer func() {
		in.source.Reset(nil)
		f.readers.Put(in)
	}()
	if err := in.stream.(flate.Resetter).Reset(&in.source, nil); err != nil {
		return nil, err
	}
	data, err := readAll(in.stream, 3*size, limit)
	switch left := in.source.Len(); {
	case err != nil:
		return nil, err
	case left == 0, left == len(ending), left == len(ending)+1 && payload[size-1] == 0:
		// To the end; or to a final block of the sender's own, after which
		// nothing is left but the byte in which an empty block begins.
		return data, nil
	default:
		return nil, errDeflate
	}
}

// readAll reads to the end, or to the limit.
func readAll(r io.Reader, guess int, limit int64) ([]byte, error) {
	if limit > 0 {
		guess = int(min(int64(guess), limit))
	}
	b := make([]byte, 0, guess+64)
	for {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case limit > 0 && int64(len(b)) > limit:
			return nil, errTooLarge
		case errors.Is(err, io.EOF):
			return b, nil
		case err != nil:
			return nil, errDeflate
		}
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
	}
}
