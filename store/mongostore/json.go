package mongostore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// Values cross between JSON text and BSON as they do in JavaScript: a database
// that mongoose wrote reads as the text that Node would send, and what is
// written here reads the same there.

// decodeJSON turns JSON text into what the driver stores: objects as bson.D
// with their keys in JavaScript's order, numbers as JavaScript keeps them.
func decodeJSON(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := decodeNext(d)
	if err != nil {
		return nil, fmt.Errorf("the data is not JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the data is not JSON: text follows the value")
	}
	return v, nil
}

func decodeNext(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '[' {
			return decodeArray(d)
		}
		return decodeObject(d)
	case json.Number:
		return number(t), nil
	}
	return token, nil // a string, a bool or nil
}

func decodeArray(d *json.Decoder) (any, error) {
	list := bson.A{}
	for d.More() {
		v, err := decodeNext(d)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := d.Token()
	return list, err
}

func decodeObject(d *json.Decoder) (any, error) {
	members := bson.D{}
	at := make(map[string]int)
	indexes := false
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		key, _ := token.(string)
		v, err := decodeNext(d)
		if err != nil {
			return nil, err
		}
		if i, again := at[key]; again { // the last one counts, in the first one's place
			members[i].Value = v
			continue
		}
		at[key] = len(members)
		members = append(members, bson.E{Key: key, Value: v})
		indexes = indexes || isIndex(key)
	}
	if indexes {
		slices.SortStableFunc(members, inScriptOrder)
	}
	_, err := d.Token()
	return members, err
}

// isIndex reports whether JavaScript takes a key for an array index.
func isIndex(key string) bool {
	n, err := strconv.ParseUint(key, 10, 32)
	return err == nil && n < math.MaxUint32 && strconv.FormatUint(n, 10) == key
}

// inScriptOrder puts index keys first, by number; the others keep their order.
func inScriptOrder(a, b bson.E) int {
	switch x, y := isIndex(a.Key), isIndex(b.Key); {
	case x && y:
		m, _ := strconv.ParseUint(a.Key, 10, 32)
		n, _ := strconv.ParseUint(b.Key, 10, 32)
		return int(int64(m) - int64(n))
	case x:
		return -1
	case y:
		return 1
	}
	return 0
}

// exact is the largest integer up to which every one has a double.
const exact = 1 << 53

// number keeps an integer of 32 bits as such, one that a double cannot hold
// exactly as 64 bits, and everything else as the double that it is in
// JavaScript.
func number(n json.Number) any {
	if i, err := n.Int64(); err == nil && n != "-0" {
		switch {
		case i >= math.MinInt32 && i <= math.MaxInt32:
			return int32(i)
		case i > exact || i < -exact:
			return i
		}
		return float64(i)
	}
	f, _ := n.Float64() // out of range is infinite, as in JavaScript
	if f == math.Trunc(f) && math.Abs(f) <= math.MaxInt32 && (f != 0 || !math.Signbit(f)) {
		return int32(f)
	}
	return f
}

// appendJSON appends the text that JSON.stringify makes of a value as mongoose
// reads it. It reports false for what stringify leaves out of objects.
func appendJSON(b []byte, v bson.RawValue) ([]byte, bool) {
	switch v.Type {
	case bson.TypeDouble:
		return appendNumber(b, v.Double()), true
	case bson.TypeInt32:
		return strconv.AppendInt(b, int64(v.Int32()), 10), true
	case bson.TypeInt64:
		return strconv.AppendInt(b, v.Int64(), 10), true
	case bson.TypeString:
		return appendString(b, textOf(v)), true
	case bson.TypeSymbol:
		return appendString(b, v.Symbol()), true
	case bson.TypeBoolean:
		return strconv.AppendBool(b, v.Boolean()), true
	case bson.TypeNull:
		return append(b, "null"...), true
	case bson.TypeDateTime:
		return append(v.Time().UTC().AppendFormat(append(b, '"'), dateLayout), '"'), true
	case bson.TypeObjectID:
		return appendString(b, v.ObjectID().Hex()), true
	case bson.TypeEmbeddedDocument:
		return appendObject(b, v.Document()), true
	case bson.TypeArray:
		return appendArray(b, v.Array()), true
	case bson.TypeDecimal128:
		return append(appendString(append(b, `{"$numberDecimal":`...), v.Decimal128().String()), '}'), true
	case bson.TypeBinary:
		_, data := v.Binary()
		text, _ := json.Marshal(data) // base64, as Binary.toJSON has it
		return append(b, text...), true
	case bson.TypeUndefined:
		return b, false
	}
	return append(b, "{}"...), true // code, regular expressions, timestamps: objects without members
}

// dateLayout is Date.toJSON.
const dateLayout = "2006-01-02T15:04:05.000Z"

// textOf is the string of a value, where it lies: behind its length, before a
// zero byte.
func textOf(v bson.RawValue) []byte {
	if len(v.Value) < 5 {
		return nil
	}
	return v.Value[4 : len(v.Value)-1]
}

func appendObject(b []byte, doc bson.Raw) []byte {
	start := len(b)
	b = append(b, '{')
	ok := walk(doc, func(key []byte, v bson.RawValue) {
		before := len(b)
		if before > start+1 {
			b = append(b, ',')
		}
		b = append(appendString(b, key), ':')
		var kept bool
		if b, kept = appendJSON(b, v); !kept {
			b = b[:before]
		}
	})
	if !ok {
		return append(b[:start], "null"...)
	}
	return append(b, '}')
}

func appendArray(b []byte, list bson.RawArray) []byte {
	start := len(b)
	b = append(b, '[')
	ok := walk(list, func(_ []byte, v bson.RawValue) {
		if len(b) > start+1 {
			b = append(b, ',')
		}
		var kept bool
		if b, kept = appendJSON(b, v); !kept {
			b = append(b, "null"...)
		}
	})
	if !ok {
		return append(b[:start], "null"...)
	}
	return append(b, ']')
}

// walk calls each with the members of a document or array where they lie, and
// reports whether it is whole.
func walk(doc []byte, each func(key []byte, v bson.RawValue)) bool {
	_, rest, ok := bsoncore.ReadLength(doc)
	for ok && len(rest) > 1 {
		var e bsoncore.Element
		if e, rest, ok = bsoncore.ReadElement(rest); !ok {
			return false
		}
		key, err := e.KeyBytesErr()
		if err != nil {
			return false
		}
		v, err := e.ValueErr()
		if err != nil {
			return false
		}
		each(key, bson.RawValue{Type: bson.Type(v.Type), Value: v.Data})
	}
	return ok && len(rest) == 1
}

// appendNumber writes a double as ECMAScript's Number::toString does.
func appendNumber(b []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(b, "null"...)
	}
	if f == 0 {
		return append(b, '0')
	}
	if a := math.Abs(f); a >= 1e-6 && a < 1e21 {
		return strconv.AppendFloat(b, f, 'f', -1, 64)
	}
	text := strconv.FormatFloat(f, 'e', -1, 64)
	mantissa, exponent, _ := strings.Cut(text, "e")
	sign := exponent[:1]
	return append(b, mantissa+"e"+sign+strings.TrimLeft(exponent[1:], "0")...)
}

// appendString quotes as JSON.stringify does: U+2028, <, > and & stay.
func appendString[T string | []byte](b []byte, s T) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c >= 0x20:
			b = append(b, c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c == '\r':
			b = append(b, '\\', 'r')
		case c == '\t':
			b = append(b, '\\', 't')
		case c == '\b':
			b = append(b, '\\', 'b')
		case c == '\f':
			b = append(b, '\\', 'f')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(b, '"')
}
