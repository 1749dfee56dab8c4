// Package notepack translates between JSON text, with binary parts beside it,
// and MessagePack as Node's notepack.io has it, which servers of a cluster and
// clients with socket.io-msgpack-parser speak: undefined, dates and ArrayBuffers
// are extensions of type 0, and of type -1 from newer versions.
//
// In the text a placeholder as in Socket.IO's own encoding,
// {"_placeholder":true,"num":0}, stands for a binary part.
package notepack

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/tinylib/msgp/msgp"
)

// encoder turns JSON text with binary parts beside it into MessagePack, as
// Node's notepack.io writes the same value: keys in their order, numbers in
// the smallest form, binary parts in the place of their placeholders.
type encoder struct {
	tokens      *json.Decoder
	attachments [][]byte
	depth       int // how much deeper it may get
}

// ErrDepth is returned for a value that is nested deeper than allowed.
var ErrDepth = errors.New("a value is nested too deep")

// Undefined is how JavaScript's undefined is written.
const Undefined = "\xd4\x00\x00"

// AppendJSON appends a JSON value to b as MessagePack. It may be nested to depth.
func AppendJSON(b, text []byte, attachments [][]byte, depth int) ([]byte, error) {
	p := encoder{tokens: json.NewDecoder(bytes.NewReader(text)), attachments: attachments, depth: depth}
	p.tokens.UseNumber()
	first, err := p.tokens.Token()
	if err != nil {
		return nil, fmt.Errorf("a value is not JSON: %w", err)
	}
	return p.value(b, first)
}

func (p *encoder) value(b []byte, t json.Token) ([]byte, error) {
	if p.depth--; p.depth < 0 {
		return nil, ErrDepth
	}
	defer func() { p.depth++ }()
	switch t := t.(type) {
	case nil:
		return msgp.AppendNil(b), nil
	case bool:
		return msgp.AppendBool(b, t), nil
	case string:
		return msgp.AppendString(b, t), nil
	case json.Number:
		return appendNumber(b, t)
	case json.Delim:
		if t == '[' {
			return p.array(b)
		}
		return p.object(b)
	}
	return nil, fmt.Errorf("a value is not JSON: unexpected %v", t)
}

func (p *encoder) array(b []byte) ([]byte, error) {
	start, n := len(b), uint32(0)
	for ; p.tokens.More(); n++ {
		t, err := p.tokens.Token()
		if err == nil {
			b, err = p.value(b, t)
		}
		if err != nil {
			return nil, err
		}
	}
	_, err := p.tokens.Token()
	return slices.Insert(b, start, msgp.AppendArrayHeader(nil, n)...), err
}

func (p *encoder) object(b []byte) ([]byte, error) {
	start, n := len(b), uint32(0)
	placeholder, num := false, -1
	for ; p.tokens.More(); n++ {
		key, err := p.tokens.Token()
		if err != nil {
			return nil, err
		}
		t, err := p.tokens.Token()
		if err != nil {
			return nil, err
		}
		switch number, _ := t.(json.Number); {
		case key == "_placeholder" && t == true:
			placeholder = true
		case key == "num" && number != "":
			if num, err = strconv.Atoi(string(number)); err != nil {
				num = -1
			}
		}
		b = msgp.AppendString(b, key.(string))
		if b, err = p.value(b, t); err != nil {
			return nil, err
		}
	}
	if _, err := p.tokens.Token(); err != nil {
		return nil, err
	}
	if placeholder && len(p.attachments) > 0 {
		if num < 0 || num >= len(p.attachments) {
			return nil, errors.New("a placeholder names a binary part that is not there")
		}
		return msgp.AppendBytes(b[:start], p.attachments[num]), nil
	}
	return slices.Insert(b, start, msgp.AppendMapHeader(nil, n)...), nil
}

// appendNumber writes whole numbers as integers, however they were spelled,
// since JavaScript knows one kind of number only.
func appendNumber(b []byte, text json.Number) ([]byte, error) {
	if n, err := strconv.ParseUint(string(text), 10, 64); err == nil {
		return msgp.AppendUint64(b, n), nil
	}
	if n, err := strconv.ParseInt(string(text), 10, 64); err == nil && n != 0 {
		return msgp.AppendInt64(b, n), nil
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil && !math.IsInf(f, 0) {
		return nil, fmt.Errorf("a number cannot be sent: %w", err)
	}
	switch whole := math.Trunc(f) == f; {
	case whole && f >= 0 && f < 1<<63:
		return msgp.AppendUint64(b, uint64(f)), nil
	case whole && f < 0 && f >= -(1<<63):
		return msgp.AppendInt64(b, int64(f)), nil
	}
	return msgp.AppendFloat64(b, f), nil
}
