package websocket

import "encoding/binary"

// Opcode says what a frame carries (RFC 6455, clause 5.2).
type Opcode byte

// The opcodes. All others are reserved.
const (
	Continuation Opcode = 0x0
	Text         Opcode = 0x1
	Binary       Opcode = 0x2
	Close        Opcode = 0x8
	Ping         Opcode = 0x9
	Pong         Opcode = 0xA
)

// Control reports whether the opcode is that of a control frame.
func (o Opcode) Control() bool { return o&0x8 != 0 }

// Compressed is added to the opcode of a message's first frame where its
// payload is compressed (RFC 7692, clause 6).
const Compressed Opcode = 0x40

// IsCompressed reports whether a frame, which is at least its first byte, is
// the first of a compressed message.
func IsCompressed(frame []byte) bool { return Opcode(frame[0])&Compressed != 0 }

const (
	bitFinal  = 0x80
	bitsRSV   = 0x70
	bitMasked = 0x80

	maxControl = 125 // bytes of payload
	maxHeader  = MaxHead + 4
)

// MaxHead is the size in bytes of the longest head of an unmasked frame.
const MaxHead = 10

// AppendFrame appends the final, unmasked frame of a server, whose payload is
// prefix followed by payload.
func AppendFrame(b []byte, opcode Opcode, prefix string, payload []byte) []byte {
	n := len(prefix) + len(payload)
	if b == nil {
		b = make([]byte, 0, n+MaxHead)
	}
	b = AppendHead(b, opcode, n)
	b = append(b, prefix...)
	return append(b, payload...)
}

// AppendMaskedFrame appends the final frame of a client, masked with the key.
func AppendMaskedFrame(b []byte, opcode Opcode, key [4]byte, payload []byte) []byte {
	b = appendHeader(b, opcode, len(payload), bitMasked)
	b = append(b, key[:]...)
	at := len(b)
	b = append(b, payload...)
	mask(b[at:], b[at:], key, 0)
	return b
}

// AppendHead appends what stands before the payload of n bytes in the final,
// unmasked frame of a server.
func AppendHead(b []byte, opcode Opcode, n int) []byte { return appendHeader(b, opcode, n, 0) }

func appendHeader(b []byte, opcode Opcode, n int, masked byte) []byte {
	b = append(b, bitFinal|byte(opcode))
	switch {
	case n < 126:
		return append(b, masked|byte(n))
	case n <= 0xffff:
		return binary.BigEndian.AppendUint16(append(b, masked|126), uint16(n))
	default:
		return binary.BigEndian.AppendUint64(append(b, masked|127), uint64(n))
	}
}

// AppendClose appends the close frame of a server. Without a status it is
// empty; a reason that is too long is cut.
func AppendClose(b []byte, status Status, reason string) []byte {
	return AppendFrame(b, Close, "", closePayload(status, reason))
}

func closePayload(status Status, reason string) []byte {
	if status == StatusNone {
		return nil
	}
	p := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(reason)), uint16(status))
	return append(p, cutText(reason, maxControl-2)...)
}

// mask copies src to dst, which may be the same, and masks it, or takes the
// mask off. at is the place of src in the payload.
func mask(dst, src []byte, key [4]byte, at int) {
	dst = dst[:len(src)]
	var turned [8]byte
	for i := range turned {
		turned[i] = key[(at+i)&3]
	}
	wide := binary.LittleEndian.Uint64(turned[:])
	for len(src) >= 8 {
		binary.LittleEndian.PutUint64(dst, binary.LittleEndian.Uint64(src)^wide)
		dst, src = dst[8:], src[8:]
	}
	for i, c := range src {
		dst[i] = c ^ turned[i]
	}
}
