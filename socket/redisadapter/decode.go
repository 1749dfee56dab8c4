package redisadapter

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/tinylib/msgp/msgp"
)

// maxDepth bounds the nesting of what other servers send.
const maxDepth = 1000

var errDepth = fmt.Errorf("a message is nested deeper than %d", maxDepth)

// unpacker turns MessagePack into JSON text with the binary parts beside it.
type unpacker struct {
	rest        []byte
	attachments [][]byte
}

// errUndefined tells that the value was JavaScript's undefined, which JSON
// does not have: null in an array, no key in an object.
var errUndefined = errors.New("undefined")

// value appends the next value to b as JSON.
func (u *unpacker) value(b []byte, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, errDepth
	}
	if len(u.rest) == 0 {
		return nil, msgp.ErrShortBytes
	}
	if kind, data, rest, is := extension(u.rest); is {
		sized := u.rest[0] <= 0xc9 // the length is written out
		u.rest = rest
		return u.extension(b, kind, data, sized)
	}
	var err error
	switch msgp.NextType(u.rest) {
	case msgp.NilType:
		u.rest, err = msgp.ReadNilBytes(u.rest)
		return append(b, "null"...), err
	case msgp.BoolType:
		var v bool
		v, u.rest, err = msgp.ReadBoolBytes(u.rest)
		return strconv.AppendBool(b, v), err
	case msgp.IntType:
		var v int64
		v, u.rest, err = msgp.ReadInt64Bytes(u.rest)
		return strconv.AppendInt(b, v, 10), err
	case msgp.UintType:
		var v uint64
		v, u.rest, err = msgp.ReadUint64Bytes(u.rest)
		return strconv.AppendUint(b, v, 10), err
	case msgp.Float32Type:
		var v float32
		v, u.rest, err = msgp.ReadFloat32Bytes(u.rest)
		return appendFloat(b, float64(v)), err
	case msgp.Float64Type:
		var v float64
		v, u.rest, err = msgp.ReadFloat64Bytes(u.rest)
		return appendFloat(b, v), err
	case msgp.StrType:
		var v []byte
		v, u.rest, err = msgp.ReadStringZC(u.rest)
		return appendString(b, v), err
	case msgp.BinType:
		var v []byte
		if v, u.rest, err = msgp.ReadBytesZC(u.rest); err != nil {
			return nil, err
		}
		return u.binary(b, v), nil
	case msgp.ArrayType:
		return u.array(b, depth)
	case msgp.MapType:
		return u.object(b, depth)
	}
	return nil, fmt.Errorf("a message holds a value of an unknown kind (0x%02x)", u.rest[0])
}

// binary puts a binary part aside.
func (u *unpacker) binary(b, part []byte) []byte {
	b = append(b, `{"_placeholder":true,"num":`...)
	b = append(strconv.AppendInt(b, int64(len(u.attachments)), 10), '}')
	u.attachments = append(u.attachments, bytes.Clone(part))
	return b
}

func (u *unpacker) array(b []byte, depth int) ([]byte, error) {
	n, rest, err := msgp.ReadArrayHeaderBytes(u.rest)
	if err != nil {
		return nil, err
	}
	u.rest = rest
	b = append(b, '[')
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		next, err := u.value(b, depth+1)
		switch {
		case errors.Is(err, errUndefined):
			next = append(b, "null"...)
		case err != nil:
			return nil, err
		}
		b = next
	}
	return append(b, ']'), nil
}

func (u *unpacker) object(b []byte, depth int) ([]byte, error) {
	n, rest, err := msgp.ReadMapHeaderBytes(u.rest)
	if err != nil {
		return nil, err
	}
	u.rest = rest
	b = append(b, '{')
	for first := true; n > 0; n-- {
		before := len(b)
		if !first {
			b = append(b, ',')
		}
		if b, err = u.key(b); err != nil {
			return nil, err
		}
		b = append(b, ':')
		next, err := u.value(b, depth+1)
		switch {
		case errors.Is(err, errUndefined):
			b = b[:before]
			continue
		case err != nil:
			return nil, err
		}
		b, first = next, false
	}
	return append(b, '}'), nil
}

// key reads a key: a string, or a number, which other languages write.
func (u *unpacker) key(b []byte) ([]byte, error) {
	var err error
	switch msgp.NextType(u.rest) {
	case msgp.StrType:
		var k []byte
		k, u.rest, err = msgp.ReadStringZC(u.rest)
		return appendString(b, k), err
	case msgp.IntType, msgp.UintType:
		var k int64
		k, u.rest, err = msgp.ReadInt64Bytes(u.rest)
		return strconv.AppendQuote(b, strconv.FormatInt(k, 10)), err
	}
	return nil, errors.New("a message holds an object with a key that is no text")
}

// appendFloat writes a number as JavaScript does; what JSON lacks is null.
func appendFloat(b []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(b, "null"...)
	}
	text, _ := json.Marshal(v) // cannot fail: the rest of the numbers has a text
	return append(b, text...)
}

// appendString writes a JSON string; invalid UTF-8 becomes U+FFFD.
func appendString(b, s []byte) []byte {
	plain := true
	for _, c := range s {
		if c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			plain = false
			break
		}
	}
	if plain {
		return append(append(append(b, '"'), s...), '"')
	}
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	_ = e.Encode(string(s)) // cannot fail: any string has a text
	return append(b, bytes.TrimSuffix(buf.Bytes(), []byte{'\n'})...)
}

// extension takes a MessagePack extension off the front.
func extension(b []byte) (kind int8, data, rest []byte, is bool) {
	size, head := 0, 0
	switch c := b[0]; {
	case c >= 0xd4 && c <= 0xd8:
		size, head = 1<<(c-0xd4), 1
	case c == 0xc7 && len(b) > 2:
		size, head = int(b[1]), 2
	case c == 0xc8 && len(b) > 3:
		size, head = int(binary.BigEndian.Uint16(b[1:])), 3
	case c == 0xc9 && len(b) > 5:
		size, head = int(binary.BigEndian.Uint32(b[1:])), 5
	default:
		return 0, nil, nil, false
	}
	if len(b)-head-1 < size {
		return 0, nil, nil, false
	}
	return int8(b[head]), b[head+1 : head+1+size], b[head+1+size:], true
}

// extension writes undefined, dates and buffers, also as older senders write
// them; what else there may be is its kind and its bytes, as in Node.
func (u *unpacker) extension(b []byte, kind int8, data []byte, sized bool) ([]byte, error) {
	switch {
	case kind == 0 && sized:
		return u.binary(b, data), nil
	case kind == 0 && len(data) == 1:
		return nil, errUndefined
	case kind == 0 && len(data) == 8:
		return appendTime(b, time.UnixMilli(int64(binary.BigEndian.Uint64(data)))), nil
	case kind == -1 && len(data) == 4:
		return appendTime(b, time.Unix(int64(binary.BigEndian.Uint32(data)), 0)), nil
	case kind == -1 && len(data) == 8:
		v := binary.BigEndian.Uint64(data)
		return appendTime(b, time.Unix(int64(v&(1<<34-1)), int64(v>>34))), nil
	case kind == -1 && len(data) == 12:
		return appendTime(b, time.Unix(int64(binary.BigEndian.Uint64(data[4:])), int64(binary.BigEndian.Uint32(data)))), nil
	}
	b = append(strconv.AppendInt(append(b, '['), int64(kind), 10), ',')
	return append(u.binary(b, data), ']'), nil
}

func appendTime(b []byte, t time.Time) []byte {
	b = append(b, '"')
	return append(t.UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z"), '"')
}
