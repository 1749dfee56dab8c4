package notepack

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/devops-insights/devops-insights/store/jsjson"
)

// Decoder turns MessagePack into JSON text with the binary parts beside it.
// Nothing that it reads may make it use much more memory than the bytes it got.
type Decoder struct {
	// Rest is what has not been read yet.
	Rest []byte
	// Attachments are the binary parts so far.
	Attachments [][]byte
	// MaxAttachments bounds them. Zero: no bound.
	MaxAttachments int
	// MaxDepth bounds the nesting of a value.
	MaxDepth int
}

// ErrAttachments is returned for more binary parts than allowed.
var ErrAttachments = errors.New("too many binary parts")

// Value appends the next value to b as JSON; undefined is null.
func (u *Decoder) Value(b []byte) ([]byte, error) {
	next, err := u.value(b, 0)
	if errors.Is(err, errUndefined) {
		return append(b, "null"...), nil
	}
	return next, err
}

// Map calls field for each key of the next value, which must be an object and
// may be followed by nothing: it reads the value. Undefined values are left out.
func (u *Decoder) Map(field func(key string) error) error {
	n, rest, err := msgp.ReadMapHeaderBytes(u.Rest)
	if err != nil {
		return err
	}
	for u.Rest = rest; n > 0; n-- {
		var key []byte
		if key, u.Rest, err = msgp.ReadStringZC(u.Rest); err != nil {
			return err
		}
		if kind, data, rest, is := extension(u.Rest); is && kind == 0 && len(data) == 1 {
			u.Rest = rest
			continue
		}
		if err := field(string(key)); err != nil {
			return err
		}
	}
	if len(u.Rest) > 0 {
		return errors.New("a message goes on behind its end")
	}
	return nil
}

// errUndefined tells that the value was JavaScript's undefined, which JSON
// does not have: null in an array, no key in an object.
var errUndefined = errors.New("undefined")

// value appends the next value to b as JSON.
func (u *Decoder) value(b []byte, depth int) ([]byte, error) {
	if depth > u.MaxDepth {
		return nil, ErrDepth
	}
	if kind, data, rest, is := extension(u.Rest); is {
		sized := u.Rest[0] <= 0xc9 // the length is written out
		u.Rest = rest
		return u.extension(b, kind, data, sized)
	}
	if len(u.Rest) == 0 {
		return nil, msgp.ErrShortBytes
	}
	var err error
	switch msgp.NextType(u.Rest) {
	case msgp.NilType:
		u.Rest, err = msgp.ReadNilBytes(u.Rest)
		return append(b, "null"...), err
	case msgp.BoolType:
		var v bool
		v, u.Rest, err = msgp.ReadBoolBytes(u.Rest)
		return strconv.AppendBool(b, v), err
	case msgp.IntType:
		var v int64
		v, u.Rest, err = msgp.ReadInt64Bytes(u.Rest)
		return strconv.AppendInt(b, v, 10), err
	case msgp.UintType:
		var v uint64
		v, u.Rest, err = msgp.ReadUint64Bytes(u.Rest)
		return strconv.AppendUint(b, v, 10), err
	case msgp.Float32Type:
		var v float32
		v, u.Rest, err = msgp.ReadFloat32Bytes(u.Rest)
		return jsjson.AppendNumber(b, float64(v)), err
	case msgp.Float64Type:
		var v float64
		v, u.Rest, err = msgp.ReadFloat64Bytes(u.Rest)
		return jsjson.AppendNumber(b, v), err
	case msgp.StrType:
		var v []byte
		v, u.Rest, err = msgp.ReadStringZC(u.Rest)
		return jsjson.AppendString(b, v), err
	case msgp.BinType:
		var v []byte
		if v, u.Rest, err = msgp.ReadBytesZC(u.Rest); err != nil {
			return nil, err
		}
		return u.binary(b, v)
	case msgp.ArrayType:
		return u.array(b, depth)
	case msgp.MapType:
		return u.object(b, depth)
	}
	return nil, fmt.Errorf("a message holds a value of an unknown kind (0x%02x)", u.Rest[0])
}

// binary puts a binary part aside.
func (u *Decoder) binary(b, part []byte) ([]byte, error) {
	if u.MaxAttachments > 0 && len(u.Attachments) >= u.MaxAttachments {
		return nil, ErrAttachments
	}
	b = append(b, `{"_placeholder":true,"num":`...)
	b = append(strconv.AppendInt(b, int64(len(u.Attachments)), 10), '}')
	u.Attachments = append(u.Attachments, bytes.Clone(part))
	return b, nil
}

func (u *Decoder) array(b []byte, depth int) ([]byte, error) {
	n, rest, err := msgp.ReadArrayHeaderBytes(u.Rest)
	if err != nil {
		return nil, err
	}
	u.Rest = rest
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

func (u *Decoder) object(b []byte, depth int) ([]byte, error) {
	n, rest, err := msgp.ReadMapHeaderBytes(u.Rest)
	if err != nil {
		return nil, err
	}
	u.Rest = rest
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
func (u *Decoder) key(b []byte) ([]byte, error) {
	var err error
	switch msgp.NextType(u.Rest) {
	case msgp.StrType:
		var k []byte
		k, u.Rest, err = msgp.ReadStringZC(u.Rest)
		return jsjson.AppendString(b, k), err
	case msgp.IntType, msgp.UintType:
		var k int64
		k, u.Rest, err = msgp.ReadInt64Bytes(u.Rest)
		return strconv.AppendQuote(b, strconv.FormatInt(k, 10)), err
	}
	return nil, errors.New("a message holds an object with a key that is no text")
}

// extension takes a MessagePack extension off the front.
func extension(b []byte) (kind int8, data, rest []byte, is bool) {
	if len(b) == 0 {
		return 0, nil, nil, false
	}
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
func (u *Decoder) extension(b []byte, kind int8, data []byte, sized bool) ([]byte, error) {
	switch {
	case kind == 0 && sized:
		return u.binary(b, data)
	case kind == 0 && len(data) == 1:
		return nil, errUndefined
	case kind == 0 && len(data) == 8:
		return jsjson.AppendTime(b, time.UnixMilli(int64(binary.BigEndian.Uint64(data)))), nil
	case kind == -1 && len(data) == 4:
		return jsjson.AppendTime(b, time.Unix(int64(binary.BigEndian.Uint32(data)), 0)), nil
	case kind == -1 && len(data) == 8:
		v := binary.BigEndian.Uint64(data)
		return jsjson.AppendTime(b, time.Unix(int64(v&(1<<34-1)), int64(v>>34))), nil
	case kind == -1 && len(data) == 12:
		return jsjson.AppendTime(b, time.Unix(int64(binary.BigEndian.Uint64(data[4:])), int64(binary.BigEndian.Uint32(data)))), nil
	}
	b = append(strconv.AppendInt(append(b, '['), int64(kind), 10), ',')
	b, err := u.binary(b, data)
	return append(b, ']'), err
}
