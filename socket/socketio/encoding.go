package socketio

import (
	"sync"

	"github.com/devops-insights/devops-insights/socket/engineio"
)

// encoding is a packet on its way to any number of clients: it is written at
// most once for each parser.
type encoding struct {
	packet *Packet
	target Target

	textOnce    sync.Once
	text        []*engineio.Message
	msgpackOnce sync.Once
	msgpack     []*engineio.Message
	err         error // of msgpack
}

// messages returns the packet for clients with the parser.
func (e *encoding) messages(by parser) ([]*engineio.Message, error) {
	if by == parserMsgpack {
		e.msgpackOnce.Do(func() { e.msgpack, e.err = e.packet.encodeMsgpack(e.target) })
		return e.msgpack, e.err
	}
	e.textOnce.Do(func() { e.text = e.packet.encode(e.target) })
	return e.text, nil
}

// encodeFor is messages for a packet that only one client gets.
func (p *Packet) encodeFor(by parser, t Target) ([]*engineio.Message, error) {
	if by == parserMsgpack {
		return p.encodeMsgpack(t)
	}
	return p.encode(t), nil
}

// size is how many bytes the encodings hold that were made so far; the caller
// makes none meanwhile.
func (e *encoding) size() int {
	n := 0
	for _, messages := range [][]*engineio.Message{e.text, e.msgpack} {
		for _, m := range messages {
			n += m.Len()
		}
	}
	return n
}
