// Package wire reads and writes Engine.IO packets, protocol version 4, as they
// stand in a websocket text frame or in a polling payload. The server and the
// client share it.
package wire

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Type is the first character of an Engine.IO packet.
type Type byte

// The packet types of protocol version 4.
const (
	Open    Type = '0'
	Close   Type = '1'
	Ping    Type = '2'
	Pong    Type = '3'
	Message Type = '4'
	Upgrade Type = '5'
	Noop    Type = '6'
)

// Separator stands between the packets of a polling payload.
const Separator = 0x1e

// binaryMark is the first character of a binary packet in a polling payload.
const binaryMark = 'b'

// Packet is one decoded packet. Data aliases the buffer it was decoded from.
type Packet struct {
	Kind   Type
	Binary bool
	Data   []byte
}

// Errors of packets that are none.
var (
	ErrNoPacket = errors.New("an empty packet: the first character must be the packet type")
	ErrUTF8     = errors.New("a text packet that is not UTF-8")
)

// Decode reads one text packet.
func Decode(b []byte) (Packet, error) {
	if len(b) == 0 {
		return Packet{}, ErrNoPacket
	}
	if b[0] == binaryMark {
		data, err := DecodeBase64(b[1:])
		return Packet{Kind: Message, Binary: true, Data: data}, err
	}
	kind, err := TypeOf(b[0])
	return Packet{Kind: kind, Data: b[1:]}, err
}

// TypeOf returns the type that a character stands for.
func TypeOf(c byte) (Type, error) {
	if kind := Type(c); kind >= Open && kind <= Noop {
		return kind, nil
	}
	return 0, fmt.Errorf("packet type %q is unknown: allowed are 0 to 6 and b", c)
}

// DecodeBase64 reads the data of a binary packet in a polling payload.
func DecodeBase64(b []byte) ([]byte, error) {
	data, err := base64.StdEncoding.AppendDecode(nil, b)
	if err != nil {
		return nil, fmt.Errorf("a binary packet that is not base64: %w", err)
	}
	return data, nil
}

// DecodePayload calls handle for each packet of a polling payload, in order,
// until handle returns false or a packet is invalid ("Packet encoding").
func DecodePayload(body []byte, handle func(Packet) bool) error {
	if !utf8.Valid(body) {
		return ErrUTF8
	}
	for more := true; more; {
		var one []byte
		one, body, more = bytes.Cut(body, []byte{Separator})
		p, err := Decode(one)
		if err != nil {
			return err
		}
		if !handle(p) {
			return nil
		}
	}
	return nil
}

// Size is the length of the packet in a polling payload.
func (p Packet) Size() int {
	if p.Binary {
		return 1 + base64.StdEncoding.EncodedLen(len(p.Data))
	}
	return 1 + len(p.Data)
}

// Append appends the packet as it stands in a polling payload: its type and
// the text, or "b" and the base64 of the bytes.
func (p Packet) Append(b []byte) []byte {
	if p.Binary {
		return base64.StdEncoding.AppendEncode(append(b, binaryMark), p.Data)
	}
	return append(append(b, byte(p.Kind)), p.Data...)
}
