package engineio

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/devops-insights/devops-insights/socket/engineio/internal/wire"
	"github.com/devops-insights/devops-insights/socket/engineio/websocket"
)

// The encodings of protocol version 3: payloads with lengths, in text where
// all of them are text or the client cannot read binary, else in binary; and a
// type before binary data.

var errPayload3 = errors.New("a payload of version 3 that is not length, colon, packet")

// packet3 returns the message as version 3 writes it in text.
func (m *Message) packet3() []byte {
	if m.binary {
		return base64.StdEncoding.AppendEncode([]byte{'b', byte(m.kind)}, m.data())
	}
	return m.packet()
}

// frame3 returns the message's websocket frame for a client of version 3.
func (m *Message) frame3(inBase64 bool) []byte {
	switch {
	case !m.binary:
		return m.wire()
	case inBase64:
		return websocket.AppendFrame(nil, websocket.Text, "", m.packet3())
	}
	return websocket.AppendFrame(nil, websocket.Binary, "\x04", m.data())
}

// encodePayload3 joins messages for a poll and reports whether the result is
// binary.
func encodePayload3(messages []*Message, inBase64 bool) (body []byte, binary bool) {
	binary = !inBase64 && slices.ContainsFunc(messages, func(m *Message) bool { return m.binary })
	for _, m := range messages {
		if !binary {
			text := m.packet3()
			body = strconv.AppendInt(body, int64(utf16Len(text)), 10)
			body = append(append(body, ':'), text...)
			continue
		}
		mark := byte(0)
		data := m.packet()
		if m.binary {
			mark = 1
			data = append([]byte{4}, m.data()...)
		}
		body = append(body, mark)
		for _, digit := range strconv.Itoa(len(data)) {
			body = append(body, byte(digit-'0'))
		}
		body = append(append(body, 255), data...)
	}
	return body, binary
}

// utf16Len is the length that JavaScript gives a text.
func utf16Len(b []byte) int {
	n := 0
	for _, r := range string(b) {
		n++
		if r > 0xffff {
			n++
		}
	}
	return n
}

// cut16 cuts a text after n units of UTF-16.
func cut16(b []byte, n int) (text, rest []byte, ok bool) {
	at := 0
	for n > 0 && at < len(b) {
		r, size := utf8.DecodeRune(b[at:])
		at += size
		n--
		if r > 0xffff {
			n--
		}
	}
	return b[:at], b[at:], n == 0
}

func decodePacket3(b []byte) (packet, error) {
	if len(b) > 1 && b[0] == 'b' {
		kind, err := wire.TypeOf(b[1])
		if err != nil {
			return packet{}, err
		}
		data, err := wire.DecodeBase64(b[2:])
		return packet{Kind: kind, Binary: true, Data: data}, err
	}
	if len(b) > 0 && b[0] == 'b' {
		return packet{}, wire.ErrNoPacket
	}
	return wire.Decode(b)
}

// decodeBinary3 reads a packet of bytes: its type is a number, not a digit.
func decodeBinary3(b []byte) (packet, error) {
	if len(b) == 0 {
		return packet{}, wire.ErrNoPacket
	}
	if b[0] > 6 {
		return packet{}, errors.New("a binary packet must begin with its type, 0 to 6")
	}
	return packet{Kind: packetType('0' + b[0]), Binary: true, Data: b[1:]}, nil
}

// decodePayload3 is decodePayload for version 3.
func decodePayload3(body []byte, binary bool, handle func(packet) bool) error {
	next := nextText3
	if binary {
		next = nextBinary3
	} else if !utf8.Valid(body) {
		return wire.ErrUTF8
	}
	if len(body) == 0 {
		return errPayload3
	}
	for len(body) > 0 {
		var p packet
		var err error
		if p, body, err = next(body); err != nil {
			return err
		}
		if !handle(p) {
			return nil
		}
	}
	return nil
}

func nextText3(body []byte) (p packet, rest []byte, err error) {
	digits, rest, found := bytes.Cut(body, []byte{':'})
	n, err := strconv.ParseUint(string(digits), 10, 31)
	if !found || err != nil {
		return p, nil, errPayload3
	}
	one, rest, ok := cut16(rest, int(n))
	if !ok {
		return p, nil, errPayload3
	}
	p, err = decodePacket3(one)
	return p, rest, err
}

func nextBinary3(body []byte) (p packet, rest []byte, err error) {
	mark, digits, n := body[0], 1, 0
	for ; digits < len(body) && body[digits] != 255; digits++ {
		if body[digits] > 9 || digits > 9 {
			return p, nil, errPayload3
		}
		n = n*10 + int(body[digits])
	}
	if mark > 1 || digits >= len(body) || n > len(body)-digits-1 {
		return p, nil, errPayload3
	}
	one := body[digits+1 : digits+1+n]
	rest = body[digits+1+n:]
	if mark == 1 {
		p, err = decodeBinary3(one)
		return p, rest, err
	}
	if !utf8.Valid(one) {
		return p, nil, wire.ErrUTF8
	}
	p, err = decodePacket3(one)
	return p, rest, err
}
