package engineio

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"unicode/utf8"
)

// packetType is the first character of an Engine.IO packet.
type packetType byte

const (
	packetOpen    packetType = '0'
	packetClose   packetType = '1'
	packetPing    packetType = '2'
	packetPong    packetType = '3'
	packetMessage packetType = '4'
	packetUpgrade packetType = '5'
	packetNoop    packetType = '6'

	packetRaw packetType = 0 // a websocket control frame, no packet
)

// separator stands between the packets of a polling payload.
const separator = 0x1e

// packet is one decoded packet. data aliases the buffer it was decoded from.
type packet struct {
	kind   packetType
	binary bool
	data   []byte
}

var (
	errNoPacket = errors.New("an empty packet: the first character must be the packet type")
	errUTF8     = errors.New("a text packet that is not UTF-8")
)

// decodePacket reads one text packet.
func decodePacket(b []byte) (packet, error) {
	if len(b) == 0 {
		return packet{}, errNoPacket
	}
	if b[0] == 'b' {
		data, err := decodeBase64(b[1:])
		return packet{kind: packetMessage, binary: true, data: data}, err
	}
	kind, err := typeOf(b[0])
	return packet{kind: kind, data: b[1:]}, err
}

func typeOf(c byte) (packetType, error) {
	if kind := packetType(c); kind >= packetOpen && kind <= packetNoop {
		return kind, nil
	}
	return 0, fmt.Errorf("packet type %q is unknown: allowed are 0 to 6 and b", c)
}

func decodeBase64(b []byte) ([]byte, error) {
	data, err := base64.StdEncoding.AppendDecode(nil, b)
	if err != nil {
		return nil, fmt.Errorf("a binary packet that is not base64: %w", err)
	}
	return data, nil
}

// decodePayload calls handle for each packet of a polling payload, in order,
// until handle returns false or a packet is invalid ("Packet encoding").
func decodePayload(body []byte, handle func(packet) bool) error {
	if !utf8.Valid(body) {
		return errUTF8
	}
	for more := true; more; {
		var one []byte
		one, body, more = bytes.Cut(body, []byte{separator})
		p, err := decodePacket(one)
		if err != nil {
			return err
		}
		if !handle(p) {
			return nil
		}
	}
	return nil
}

// encodePayload joins messages for a poll.
func encodePayload(messages []*Message) []byte {
	if len(messages) == 1 {
		return messages[0].packet()
	}
	var body []byte
	for i, m := range messages {
		if i > 0 {
			body = append(body, separator)
		}
		body = append(body, m.packet()...)
	}
	return body
}
