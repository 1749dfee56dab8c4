package socketio

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/tinylib/msgp/msgp"

	"github.com/devops-insights/devops-insights/socket/engineio"
	"github.com/devops-insights/devops-insights/socket/internal/notepack"
)

// parser is how a client writes its packets; its first packet tells.
type parser byte

const (
	parserUnknown parser = iota
	parserDefault        // Socket.IO's own: text, with binary messages beside it
	parserMsgpack        // socket.io-msgpack-parser: one binary message for each packet
)

// encodeDepth bounds the nesting of what the program sends.
const encodeDepth = 10_000

// encodeMsgpack returns the packet as socket.io-msgpack-parser reads it: an
// object with type, nsp, and, where there are any, data and id. Binary parts
// stand where they belong, and the types for binary packets do not exist.
func (p *Packet) encodeMsgpack(t Target) ([]*engineio.Message, error) {
	fields := uint32(2)
	if len(p.Data) > 0 {
		fields++
	}
	if p.ID != nil {
		fields++
	}
	kind, namespace := p.Type, p.Namespace
	if kind == PacketBinaryEvent || kind == PacketBinaryAck {
		kind -= PacketBinaryEvent - PacketEvent
	}
	if namespace == "" {
		namespace = "/"
	}
	b := msgp.AppendMapHeader(make([]byte, 0, len(p.Data)+p.binarySize()+len(namespace)+40), fields)
	b = msgp.AppendInt(msgp.AppendString(b, "type"), int(kind))
	b = msgp.AppendString(msgp.AppendString(b, "nsp"), namespace)
	if p.ID != nil {
		b = msgp.AppendUint64(msgp.AppendString(b, "id"), *p.ID)
	}
	if len(p.Data) > 0 {
		var err error
		if b, err = notepack.AppendJSON(msgp.AppendString(b, "data"), p.Data, p.Attachments, encodeDepth); err != nil {
			return nil, fmt.Errorf("socketio: a packet cannot be written as MessagePack: %w", err)
		}
	}
	m := engineio.NewBinary(b)
	m.NoCompress, m.CoalesceKey, m.Skipped = t.NoCompress, t.CoalesceKey, t.Skipped
	return []*engineio.Message{m}, nil
}

// decodeMsgpack reads a packet of socket.io-msgpack-parser and refuses what
// that would refuse.
func decodeMsgpack(b []byte, o *Options) (*Packet, error) {
	d := notepack.Decoder{Rest: b, MaxAttachments: o.MaxAttachments, MaxDepth: o.MaxNesting}
	var kind, id string // JSON text of numbers
	var namespace *string
	var data json.RawMessage
	err := d.Map(func(key string) error {
		parts := len(d.Attachments)
		text, err := d.Value(nil)
		if err != nil {
			return err
		}
		switch key {
		case "type":
			kind = string(text)
		case "nsp":
			return json.Unmarshal(text, &namespace)
		case "id":
			id = string(text)
		case "data":
			data = text
		default: // what JavaScript clients keep with a packet for themselves
			d.Attachments = d.Attachments[:parts]
		}
		return nil
	})
	switch {
	case errors.Is(err, notepack.ErrDepth):
		return nil, fmt.Errorf("%w: at most %d (Options.MaxNesting)", ErrTooDeep, o.MaxNesting)
	case errors.Is(err, notepack.ErrAttachments):
		return nil, fmt.Errorf("%w: at most %d (Options.MaxAttachments)", ErrTooMuchBinary, o.MaxAttachments)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	case namespace == nil:
		return nil, fmt.Errorf("%w: the namespace is missing", ErrMalformed)
	}
	n, err := strconv.ParseUint(kind, 10, 8)
	if err != nil || n > uint64(PacketConnectError) {
		return nil, fmt.Errorf("%w: the packet type %.20s is unknown, allowed are 0 to 4", ErrMalformed, kind)
	}
	p := &Packet{Type: PacketType(n), Namespace: *namespace, Data: data, Attachments: d.Attachments}
	if id != "" {
		n, err := strconv.ParseUint(id, 10, 63)
		if err != nil {
			return nil, fmt.Errorf("%w: acknowledgement id out of range: %w", ErrMalformed, err)
		}
		p.ID = &n
	}
	if p.binarySize() > o.MaxBinary {
		return nil, fmt.Errorf("%w: attachments of more than %d bytes together (Options.MaxBinary)", ErrTooMuchBinary, o.MaxBinary)
	}
	if err := p.checkPayload(); err != nil {
		return nil, err
	}
	if len(p.Attachments) > 0 && (p.Type == PacketEvent || p.Type == PacketAck) {
		p.Type += PacketBinaryEvent - PacketEvent
	}
	return p, nil
}
