package engineio

import "github.com/devops-insights/devops-insights/socket/engineio/internal/wire"

// The packets are those of package wire, under the names of this one.
type (
	packetType = wire.Type
	packet     = wire.Packet
)

const (
	packetOpen    = wire.Open
	packetClose   = wire.Close
	packetPing    = wire.Ping
	packetPong    = wire.Pong
	packetMessage = wire.Message
	packetNoop    = wire.Noop

	packetRaw packetType = 0 // a websocket control frame, no packet
)

// encodePayload joins messages for a poll.
func encodePayload(messages []*Message) []byte {
	if len(messages) == 1 {
		return messages[0].packet()
	}
	var body []byte
	for i, m := range messages {
		if i > 0 {
			body = append(body, wire.Separator)
		}
		body = append(body, m.packet()...)
	}
	return body
}
