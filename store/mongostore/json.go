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

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Values cross between JSON text and BSON as they do in JavaScript: a database
// that mongoose wrote reads as the text that Node would send, and what is
// written here reads the same there.

// decodeJSON turns JSON text into what the driver stores: objects as bson.D
// with their keys in JavaScript's order, numbers as JavaScript keeps them.
func decodeJSON(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := decodeNext(d, maxDepth)
	if err != nil {
		return nil, fmt.Errorf("the data is not JSON: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the data is not JSON: text follows the value")
	}
	return v, nil
}

// maxDepth bounds how deep values lie within each other; MongoDB takes 180.
const maxDepth = 200

var errTooDeep = fmt.Errorf("values lie more than %d levels deep within each other", maxDepth)

func decodeNext(d *json.Decoder, depth int) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		if depth == 0 {
			return nil, errTooDeep
		}
		if t == '[' {
			return decodeArray(d, depth-1)
		}
		return decodeObject(d, depth-1)
	case json.Number:
		return number(t), nil
	}
	return token, nil // a string, a bool or nil
}

func decodeArray(d *json.Decoder, depth int) (any, error) {
	list := bson.A{}
	for d.More() {
		v, err := decodeNext(d, depth)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := d.Token()
	return list, err
}

func decodeObject(d *json.Decoder, depth int) (any, error) {
	members := bson.D{}
	at := make(map[string]int)
	indexes := false
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		key, _ := token.(string)
		v, err := decodeNext(d, depth)
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
