package mongostore

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/jsjson"
)

// stringify returns the text that JSON.stringify makes of a value as mongoose
// reads it. hash is that of the text that was stored, where it is known.
//
// One kind of value has two readings. Integers that no double holds exactly are
// stored by this package as 64 bits and read as they were; mongoose reads such
// values as objects of two halves, and so do we where it wrote them, or somebody
// else. The hash tells which text it was.
func stringify(v bson.RawValue, hash string) ([]byte, error) {
	w := writer{b: textBuffer(v.Value)}
	if err := w.root(v); err != nil {
		return nil, err
	}
	if !w.long {
		return w.b, nil
	}
	exact := writer{b: textBuffer(v.Value), exact: true}
	if err := exact.root(v); err == nil && store.Hash(exact.b) == hash {
		return exact.b, nil
	}
	return w.b, nil
}

// textBuffer is space for the text of a value, which is about as long.
func textBuffer(value []byte) []byte { return make([]byte, 0, len(value)+len(value)/8) }

// writer appends JSON text to b.
type writer struct {
	b     []byte
	exact bool // 64-bit integers as their digits, whatever their size
	long  bool // one came that mongoose does not read as a number
}

var errBroken = errors.New("its data is not whole")

func (w *writer) root(v bson.RawValue) error {
	kept, err := w.value(v, maxDepth)
	if !kept {
		w.b = append(w.b, "null"...)
	}
	return err
}

// value appends one value. kept is false for what stringify leaves out of
// objects.
func (w *writer) value(v bson.RawValue, depth int) (kept bool, err error) {
	switch v.Type {
	case bson.TypeString:
		w.b = jsjson.AppendString(w.b, textOf(v))
	case bson.TypeDouble:
		w.b = jsjson.AppendNumber(w.b, v.Double())
	case bson.TypeInt32:
		w.b = strconv.AppendInt(w.b, int64(v.Int32()), 10)
	case bson.TypeInt64:
		w.integer(v.Int64())
	case bson.TypeBoolean:
		w.b = strconv.AppendBool(w.b, v.Boolean())
	case bson.TypeNull:
		w.b = append(w.b, "null"...)
	case bson.TypeDateTime:
		w.b = jsjson.AppendDate(w.b, v.DateTime())
	case bson.TypeEmbeddedDocument:
		return true, w.object(v.Value, depth)
	case bson.TypeArray:
		return true, w.array(v.Value, depth)
	case bson.TypeUndefined:
		return false, nil
	default:
		return true, w.special(v, depth)
	}
	return true, nil
}

// special appends what JSON does not know, as the toJSON of the class has it
// that the JavaScript driver makes of the type.
func (w *writer) special(v bson.RawValue, depth int) error {
	switch v.Type {
	case bson.TypeSymbol:
		w.b = jsjson.AppendString(w.b, textOf(v))
	case bson.TypeObjectID:
		w.b = jsjson.AppendString(w.b, v.ObjectID().Hex())
	case bson.TypeDecimal128:
		w.b = append(jsjson.AppendString(append(w.b, `{"$numberDecimal":`...), v.Decimal128().String()), '}')
	case bson.TypeBinary:
		subtype, data, ok := v.BinaryOK()
		if !ok {
			return errBroken
		}
		w.binary(subtype, data)
	case bson.TypeTimestamp:
		t, i := v.Timestamp()
		w.b = strconv.AppendUint(append(w.b, `{"$timestamp":"`...), uint64(t)<<32|uint64(i), 10)
		w.b = append(w.b, `"}`...)
	case bson.TypeJavaScript:
		w.b = append(jsjson.AppendString(append(w.b, `{"code":`...), textOf(v)), '}')
	case bson.TypeCodeWithScope:
		code, scope, ok := v.CodeWithScopeOK()
		if !ok {
			return errBroken
		}
		w.b = append(jsjson.AppendString(append(w.b, `{"code":`...), code), `,"scope":`...)
		if err := w.object(scope, depth); err != nil {
			return err
		}
		w.b = append(w.b, '}')
	case bson.TypeDBPointer:
		collection, id, ok := v.DBPointerOK()
		if !ok {
			return errBroken
		}
		kind, data, err := bson.MarshalValue(id)
		if err != nil {
			return err
		}
		return w.members(reference(collection, bson.RawValue{Type: kind, Value: data}, nil, nil), depth)
	default: // regular expressions, the least and the greatest key: objects without members
		w.b = append(w.b, "{}"...)
	}
	return nil
}

// integer appends a 64-bit integer: what a double holds exactly is a number in
// JavaScript, what it does not is an object.
func (w *writer) integer(i int64) {
	if i >= -exact && i <= exact || w.exact {
		w.b = strconv.AppendInt(w.b, i, 10)
		return
	}
	w.long = true
	w.b = strconv.AppendInt(append(w.b, `{"low":`...), int64(int32(i)), 10) // #nosec G115 -- the lower half is meant
	w.b = strconv.AppendInt(append(w.b, `,"high":`...), i>>32, 10)
	w.b = append(w.b, `,"unsigned":false}`...)
}

// The subtypes of binary values that read differently.
const subtypeUUID = 4

func (w *writer) binary(subtype byte, data []byte) {
	w.b = append(w.b, '"')
	if subtype == subtypeUUID && len(data) == 16 {
		for i, part := range [][]byte{data[:4], data[4:6], data[6:8], data[8:10], data[10:]} {
			if i > 0 {
				w.b = append(w.b, '-')
			}
			w.b = hex.AppendEncode(w.b, part)
		}
	} else {
		w.b = base64.StdEncoding.AppendEncode(w.b, data)
	}
	w.b = append(w.b, '"')
}

// textOf is the string of a value, where it lies: after its length and before a
// zero byte.
func textOf(v bson.RawValue) []byte {
	if len(v.Value) < 5 {
		return nil
	}
	return v.Value[4 : len(v.Value)-1]
}

// member is one of an object, where it lies.
type member struct {
	key   []byte
	value bson.RawValue
}

func (w *writer) object(doc []byte, depth int) error {
	if depth == 0 {
		return errTooDeep
	}
	begin := len(w.b)
	w.b = append(w.b, '{')
	first := true
	var order keyOrder
	err := walk(doc, func(m member) error {
		if !order.follows(m.key) {
			return errOtherOrder
		}
		return w.member(m, &first, depth)
	})
	if errors.Is(err, errOtherOrder) {
		w.b = w.b[:begin]
		members, err := inOrder(doc)
		if err != nil {
			return err
		}
		return w.members(members, depth)
	}
	w.b = append(w.b, '}')
	return err
}

func (w *writer) members(members []member, depth int) error {
	w.b = append(w.b, '{')
	first := true
	for _, m := range members {
		if err := w.member(m, &first, depth); err != nil {
			return err
		}
	}
	w.b = append(w.b, '}')
	return nil
}

// member appends one of an object, unless stringify leaves it out.
func (w *writer) member(m member, first *bool, depth int) error {
	before := len(w.b)
	if !*first {
		w.b = append(w.b, ',')
	}
	w.b = append(jsjson.AppendString(w.b, m.key), ':')
	kept, err := w.value(m.value, depth-1)
	if !kept {
		w.b = w.b[:before]
		return err
	}
	*first = false
	return err
}

func (w *writer) array(list []byte, depth int) error {
	if depth == 0 {
		return errTooDeep
	}
	w.b = append(w.b, '[')
	first := true
	err := walk(list, func(m member) error {
		if !first {
			w.b = append(w.b, ',')
		}
		first = false
		kept, err := w.value(m.value, depth-1)
		if !kept {
			w.b = append(w.b, "null"...)
		}
		return err
	})
	w.b = append(w.b, ']')
	return err
}

// walk calls each with the members of a document or array where they lie.
func walk(doc []byte, each func(member) error) error {
	_, rest, ok := bsoncore.ReadLength(doc)
	for ok && len(rest) > 1 {
		var e bsoncore.Element
		if e, rest, ok = bsoncore.ReadElement(rest); !ok {
			return errBroken
		}
		key, err := e.KeyBytesErr()
		if err != nil {
			return errBroken
		}
		v, err := e.ValueErr()
		if err != nil {
			return errBroken
		}
		if err := each(member{key, bson.RawValue{Type: bson.Type(v.Type), Value: v.Data}}); err != nil {
			return err
		}
	}
	if !ok || len(rest) != 1 {
		return errBroken
	}
	return nil
}
