package websocket

import (
	"encoding/binary"
	"errors"
	"unicode/utf8"
)

// Message is a whole message or a control frame. Its data belongs to whoever
// receives it.
type Message struct {
	// Opcode is Text, Binary, Close, Ping or Pong; Continuation where there is
	// no message yet.
	Opcode Opcode
	Data   []byte
	// Compressed says that it came compressed; Data is inflated.
	Compressed bool
}

// Decoder takes the bytes of one peer apart, in whatever pieces they come, and
// holds it to RFC 6455 and RFC 7692. It never reads ahead and keeps no buffer
// beside the message that is on its way, so that an idle connection costs
// nothing but the struct. The zero value decodes frames of a server without a
// bound.
type Decoder struct {
	// Masked says that the peer is a client, whose frames are masked.
	Masked bool
	// Max is the largest accepted message in bytes, before and after it is
	// inflated. Zero: no bound.
	Max int64
	// Flate inflates messages where compression was agreed to, without context
	// takeover. Nil: it was not.
	Flate *Flate

	payload    bool // the header of the frame at hand has been read
	final      bool
	compressed bool // the message at hand is
	opcode     Opcode
	kind       Opcode // of the message that is on its way in frames; Continuation: none is
	have       uint8  // bytes of header
	key        [4]byte
	header     [maxHeader]byte
	at, size   int64 // of the payload of the frame at hand
	checked    int   // bytes of the message that are known to be UTF-8
	message    []byte
	control    []byte
}

// Decode takes bytes from the front of b until a message or a control frame
// is complete, and returns it and their number. Where none is, the opcode is
// Continuation and all bytes have been taken. After an error, which is an
// *Error, the decoder must not be used again.
func (d *Decoder) Decode(b []byte) (m Message, n int, err error) {
	for {
		if !d.payload {
			k, err := d.readHeader(b[n:])
			n += k
			if err != nil || !d.payload {
				return Message{}, n, err
			}
		}
		k := int(min(int64(len(b)-n), d.size-d.at))
		if err := d.take(b[n : n+k]); err != nil {
			return Message{}, n, err
		}
		n += k
		if d.at < d.size {
			return Message{}, n, nil
		}
		d.payload = false
		switch {
		case d.opcode.Control():
			m = Message{Opcode: d.opcode, Data: d.control}
			d.control = nil
			if d.opcode == Close {
				_, _, err = ParseClose(m.Data)
			}
			return m, n, err
		case d.final:
			m, err = d.finish()
			return m, n, err
		}
	}
}

// readHeader takes the bytes of a frame's header, checks them as soon as they
// are there, and returns their number.
func (d *Decoder) readHeader(b []byte) (n int, err error) {
	h := b
	if d.have > 0 {
		n = copy(d.header[d.have:], b)
		h = d.header[:int(d.have)+n]
	}
	size := 2
	if len(h) >= 2 {
		if err := d.check(h[0], h[1]); err != nil {
			return n, err
		}
		size = headerSize(h[1])
	}
	if len(h) < size {
		d.have = uint8(copy(d.header[:], h))
		return len(b), nil
	}
	if d.have > 0 {
		n = size - int(d.have)
	} else {
		n = size
	}
	d.have = 0
	return n, d.begin(h[:size])
}

func headerSize(second byte) int {
	size := 2
	switch second & 0x7f {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	if second&bitMasked != 0 {
		size += 4
	}
	return size
}

// check judges the first two bytes of a frame.
func (d *Decoder) check(first, second byte) error {
	opcode, final := Opcode(first&0x0f), first&bitFinal != 0
	started := d.kind != Continuation
	switch {
	case first&bitsRSV&^byte(Compressed) != 0:
		return broken("a reserved bit is set")
	case first&byte(Compressed) != 0 && (d.Flate == nil || opcode.Control() || opcode == Continuation):
		return broken("a compressed frame where none may be")
	case (second&bitMasked != 0) != d.Masked:
		return broken("a mask where none may be, or none where one must be")
	}
	switch opcode {
	case Continuation:
		if !started {
			return broken("a continuation of nothing")
		}
	case Text, Binary:
		if started {
			return broken("a new message within another")
		}
	case Close, Ping, Pong:
		if !final || second&0x7f > maxControl {
			return broken("a control frame in fragments, or of more than 125 bytes")
		}
	default:
		return broken("an opcode that is reserved")
	}
	return nil
}

// begin starts a frame whose header is complete and checked.
func (d *Decoder) begin(h []byte) error {
	d.opcode, d.final = Opcode(h[0]&0x0f), h[0]&bitFinal != 0
	d.at = 0
	switch size := int64(h[1] & 0x7f); size {
	case 126:
		d.size = int64(binary.BigEndian.Uint16(h[2:]))
		if d.size < 126 {
			return broken("a length in more bytes than it needs")
		}
	case 127:
		long := binary.BigEndian.Uint64(h[2:])
		if long <= 0xffff || long > 1<<63-1 {
			return broken("a length in more bytes than it needs, or one that is negative")
		}
		d.size = int64(long)
	default:
		d.size = size
	}
	if d.Masked {
		d.key = [4]byte(h[len(h)-4:])
	}
	d.payload = true
	if d.opcode.Control() {
		return nil
	}
	if d.opcode != Continuation {
		d.kind, d.checked = d.opcode, 0
		d.compressed = h[0]&byte(Compressed) != 0
	}
	if d.Max > 0 && d.size > d.Max-int64(len(d.message)) {
		return errTooLarge
	}
	return nil
}

// take adds bytes to the payload of the frame at hand.
func (d *Decoder) take(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	into := &d.message
	if d.opcode.Control() {
		into = &d.control
	}
	old := len(*into)
	grow(into, len(b), d.size-d.at)
	*into = (*into)[:old+len(b)]
	if d.Masked {
		mask((*into)[old:], b, d.key, int(d.at&3))
	} else {
		copy((*into)[old:], b)
	}
	d.at += int64(len(b))
	if d.opcode.Control() || d.kind != Text || d.compressed {
		return nil
	}
	fresh := d.message[d.checked:]
	whole := wholeText(fresh)
	if !utf8.Valid(fresh[:whole]) {
		return errNotText
	}
	d.checked += whole
	return nil
}

// grow makes room for n of the bytes to come. The sender's word on how many
// these are is believed only as far as they come.
func grow(b *[]byte, n int, toCome int64) {
	if cap(*b)-len(*b) >= n {
		return
	}
	size := min(int64(max(len(*b)+n, 2*cap(*b))), int64(len(*b))+toCome)
	larger := make([]byte, len(*b), size)
	copy(larger, *b)
	*b = larger
}

// finish returns the message that has come entirely.
func (d *Decoder) finish() (Message, error) {
	m := Message{Opcode: d.kind, Data: d.message}
	d.kind, d.message = Continuation, nil
	if d.compressed {
		var err error
		if m.Data, err = d.Flate.Inflate(m.Data, d.Max); err != nil {
			return Message{}, err
		}
		if m.Opcode == Text && !utf8.Valid(m.Data) {
			return Message{}, errNotText
		}
		m.Compressed = true
		return m, nil
	}
	if m.Opcode == Text && d.checked < len(m.Data) {
		return Message{}, errNotText // it ends within a character
	}
	return m, nil
}

var (
	errTooLarge = &Error{StatusTooLarge, "a message that is too large"}
	errNotText  = &Error{StatusInvalid, "a text message that is not UTF-8"}
	errDeflate  = &Error{StatusInvalid, "a compressed message that cannot be inflated"}
)

// TooLarge reports whether the error is a message beyond Decoder.Max.
func TooLarge(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == StatusTooLarge
}
