package mongostore

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// errOtherOrder says that an object has its members in another order in
// JavaScript than it is stored in.
var errOtherOrder = errors.New("the members read in another order")

// keyOrder looks at the keys of an object one after another: nearly always
// they read as they are stored.
type keyOrder struct {
	named bool   // a key that is no index has come
	index []byte // the index key that came last
}

// follows reports whether a key may stand behind those before. Index keys come
// first in JavaScript, by number; and of what looks like a reference to another
// document the driver makes a class with an order of its own.
func (o *keyOrder) follows(key []byte) bool {
	if len(key) == 0 || key[0] > '9' || (key[0] != '$' && key[0] < '0') || (key[0] != '$' && !isIndex(string(key))) {
		o.named = true
		return true
	}
	if key[0] == '$' || o.named {
		return false
	}
	later := len(key) > len(o.index) || len(key) == len(o.index) && bytes.Compare(key, o.index) > 0
	o.index = key
	return later
}

// inOrder returns the members of an object in the order of JavaScript.
func inOrder(doc []byte) ([]member, error) {
	var all []member
	err := walk(doc, func(m member) error {
		all = append(all, m)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if r, ok := asReference(all); ok {
		all = r
	}
	slices.SortStableFunc(all, func(a, b member) int {
		return inScriptOrder(bson.E{Key: string(a.key)}, bson.E{Key: string(b.key)})
	})
	return all, nil
}

// asReference returns what toJSON of the driver's DBRef makes of an object, if
// the driver takes it for one.
func asReference(all []member) (_ []member, ok bool) {
	var collection, id, db *bson.RawValue
	var fields []member
	for _, m := range all {
		switch string(m.key) {
		case "$ref":
			collection = &m.value
		case "$id":
			id = &m.value
		case "$db":
			db = &m.value
		default:
			if len(m.key) > 0 && m.key[0] == '$' {
				return nil, false
			}
			fields = append(fields, m)
		}
	}
	text := func(v *bson.RawValue) bool { return v.Type == bson.TypeString || v.Type == bson.TypeSymbol }
	null := func(v *bson.RawValue) bool {
		return v == nil || v.Type == bson.TypeNull || v.Type == bson.TypeUndefined
	}
	if collection == nil || !text(collection) || null(id) || !null(db) && !text(db) {
		return nil, false
	}
	if null(db) {
		db = nil
	}
	return reference(string(textOf(*collection)), *id, fields, db), true
}

// reference returns the members of a reference to another document.
func reference(collection string, id bson.RawValue, fields []member, db *bson.RawValue) []member {
	if before, after, found := strings.Cut(collection, "."); found && !strings.Contains(after, ".") {
		collection, db = after, textValue(before)
	}
	all := append([]member{{[]byte("$ref"), *textValue(collection)}, {[]byte("$id"), id}}, fields...)
	if db != nil {
		all = append(all, member{[]byte("$db"), *db})
	}
	return all
}

// textValue is a text as BSON has it.
func textValue(s string) *bson.RawValue {
	kind, data, _ := bson.MarshalValue(s) // a text always encodes
	return &bson.RawValue{Type: kind, Value: data}
}
