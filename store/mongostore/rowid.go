package mongostore

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"github.com/devops-insights/devops-insights/store"
)

// rowID is the place of a row in the history: its createdAt and its _id, which
// may be of any type.
type rowID struct {
	at    int64 // milliseconds
	dated bool  // false: the row has no createdAt
	id    bson.RawValue
}

// String returns the ID as it is given out: milliseconds or "none", the type of
// the _id and its bytes.
func (r rowID) String() string {
	at := "none"
	if r.dated {
		at = strconv.FormatInt(r.at, 10)
	}
	return at + "." + hex.EncodeToString([]byte{byte(r.id.Type)}) + hex.EncodeToString(r.id.Value)
}

// parseRowID reads an ID that String has returned.
func parseRowID(text string) (r rowID, err error) {
	at, id, found := strings.Cut(text, ".")
	raw, err := hex.DecodeString(id)
	if err != nil || !found || len(raw) == 0 {
		return r, store.ErrBadID
	}
	r.id = bson.RawValue{Type: bson.Type(raw[0]), Value: raw[1:]}
	if r.dated = at != "none"; r.dated {
		if r.at, err = strconv.ParseInt(at, 10, 64); err != nil {
			return r, store.ErrBadID
		}
	}
	if place(r.id.Type) < 0 || !whole(r.id) || r.String() != text {
		return r, store.ErrBadID
	}
	return r, nil
}

// whole reports whether a value is one, with nothing behind it: it becomes part
// of a query.
func whole(v bson.RawValue) bool {
	_, rest, ok := bsoncore.ReadValue(v.Value, bsoncore.Type(v.Type))
	if !ok || len(rest) > 0 {
		return false
	}
	switch v.Type {
	case bson.TypeEmbeddedDocument:
		return bson.Raw(v.Value).Validate() == nil
	case bson.TypeCodeWithScope:
		_, scope, ok := v.CodeWithScopeOK()
		return ok && bson.Raw(scope).Validate() == nil
	}
	return true
}

// idTypes are the types that an _id may have, in the order of the server: values
// of the types in one row are sorted together.
func idTypes() [][]bson.Type {
	return [][]bson.Type{
		{bson.TypeMinKey},
		{bson.TypeUndefined},
		{bson.TypeNull},
		{bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128},
		{bson.TypeString, bson.TypeSymbol},
		{bson.TypeEmbeddedDocument},
		{bson.TypeBinary},
		{bson.TypeObjectID},
		{bson.TypeBoolean},
		{bson.TypeDateTime},
		{bson.TypeTimestamp},
		{bson.TypeDBPointer},
		{bson.TypeJavaScript},
		{bson.TypeCodeWithScope},
		{bson.TypeMaxKey},
	}
}

// place is that of a type in the order of the server, -1 where there is none.
func place(t bson.Type) int {
	for i, types := range idTypes() {
		for _, each := range types {
			if each == t {
				return i
			}
		}
	}
	return -1
}

// notUntil matches no document of which the _id is this one or before it in a
// direction; others that are not behind it isBehind tells. A comparison finds
// values that are sorted together only, so it is turned around. Of ObjectIDs,
// which nearly all are, we know the order: they need no condition that could keep
// a server from using its index.
func (r rowID) notUntil(direction int) bson.D {
	compare := "$lte"
	if direction < 0 {
		compare = "$gte"
	}
	if r.id.Type == bson.TypeObjectID {
		return nil
	}
	return bson.D{{Key: "_id", Value: bson.D{{Key: "$not", Value: bson.D{{Key: compare, Value: r.id}}}}}}
}

// isBehind reports whether an _id of those that notUntil lets pass is behind this
// one.
func (r rowID) isBehind(id bson.RawValue, direction int) bool {
	if id.Type == bson.TypeObjectID && r.id.Type == bson.TypeObjectID {
		return compareIDs(id, r.id)*direction > 0
	}
	return (place(id.Type)-place(r.id.Type))*direction >= 0
}

// createdAt is the time of the row as a query has it.
func (r rowID) createdAt() any {
	if !r.dated {
		return nil
	}
	return bson.DateTime(r.at)
}

// idOf is the ID of a row that was read.
func idOf(created time.Time, dated bool, id bson.RawValue) string {
	return rowID{at: created.UnixMilli(), dated: dated, id: id}.String()
}
