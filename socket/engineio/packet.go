package engineio

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"unicode/utf8"
)

// packetType is the first character of an Engine.IO v4 packet.
type packetType byte

const (
	packetOpen    packetType = '0'
	packetClose   packetType = '1'
	packetPing    packetType = '2'
	packetPong    packetType = '3'
	packetMessage packetType = '4'
	packetUpgrade packetType = '5'
	packetNoop    packetType = '6'
)

// separator stands between the packets of a polling payload.
const separator = 0x1e

// packet is one decoded packet. data aliases the buffer it was decoded from.
type packet struct {
	kind   packetType
	binary bool
	data   []byte
}

var errNoPacket = errors.New("an empty packet: the first character must be the packet type")

// decodePacket reads one text packet.
func decodePacket(b []byte) (packet, error) {
	if len(b) == 0 {
		return packet{}, errNoPacket
	}
	if b[0] == 'b' {
		data, err := base64.StdEncoding.AppendDecode(nil, b[1:])
		if err != nil {
			return packet{}, fmt.Errorf("a binary packet that is not base64: %w", err)
		}
		return packet{kind: packetMessage, binary: true, data: data}, nil
	}
	kind := packetType(b[0])
	if kind < packetOpen || kind > packetNoop {
		return packet{}, fmt.Errorf("packet type %q is unknown: allowed are 0 to 6 and b", b[0])
	}
	return packet{kind: kind, data: b[1:]}, nil
}

// decodePayload calls handle for each packet of a polling payload, in order,
// until handle returns false or a packet is invalid.
func decodePayload(body []byte, handle func(packet) bool) error {
	if !utf8.Valid(body) {
		return errors.New("a polling payload that is not UTF-8")
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
