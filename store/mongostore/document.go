package mongostore

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/devops-insights/devops-insights/store"
)

// document is one document of either collection, as mongoose has it.
type document struct {
	ID        any           `bson:"_id"`
	API       string        `bson:"api"`
	Source    string        `bson:"source"`
	Data      bson.RawValue `bson:"data"`
	Hash      string        `bson:"hash"`
	CreatedAt time.Time     `bson:"createdAt"`
	UpdatedAt time.Time     `bson:"updatedAt"`
}

func (d *document) metric() store.Metric {
	text := json.RawMessage("null")
	if d.Data.Type != 0 {
		text, _ = appendJSON(room(d.Data.Value), d.Data)
	}
	return store.Metric{
		API: d.API, Source: d.Source, Data: text, Hash: d.Hash,
		CreatedAt: store.Milliseconds(d.CreatedAt), UpdatedAt: store.Milliseconds(d.UpdatedAt),
	}
}

// room is space for the text of a value, which is about as long.
func room(value []byte) []byte { return make([]byte, 0, len(value)+len(value)/8) }

// incoming is a sample on its way into the database.
type incoming struct {
	store.Sample
	value any             // the data as BSON keeps it
	json  json.RawMessage // the text that it will read as
	hash  string          // of that text
	at    time.Time
}

func prepare(s store.Sample) (incoming, error) {
	value, err := decodeJSON(s.Data)
	if err != nil {
		return incoming{}, fmt.Errorf("%w: %w", store.ErrRefused, err)
	}
	kind, data, err := bson.MarshalValue(value)
	if err != nil {
		return incoming{}, fmt.Errorf("the data cannot be stored: %w: %w", store.ErrRefused, err)
	}
	text, _ := appendJSON(room(data), bson.RawValue{Type: kind, Value: data})
	return incoming{Sample: s, value: value, json: text, hash: store.Hash(text), at: store.Milliseconds(s.At)}, nil
}

// row is the document of the value in either collection.
func (in incoming) row(id any) bson.D {
	return bson.D{
		{Key: "_id", Value: id}, {Key: "api", Value: in.API}, {Key: "source", Value: in.Source},
		{Key: "data", Value: in.value}, {Key: "hash", Value: in.hash},
		{Key: "createdAt", Value: in.at}, {Key: "updatedAt", Value: in.at}, {Key: "__v", Value: int32(0)},
	}
}

// rowID is the idempotency key of a change: the value that replaces a certain
// state of the region. Whoever writes the same change again, after a crash or
// at the same time, writes the same history row.
func (in incoming) rowID(previous *document) bson.ObjectID {
	state := "none"
	if previous != nil {
		state = fmt.Sprint(previous.Hash, previous.UpdatedAt.UnixMilli())
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %s %s", in.API, in.Source, state, in.hash))
	return bson.ObjectID(sum[:12])
}

// created is when the region was first stored.
func (in incoming) created(previous *document) time.Time {
	if previous == nil {
		return in.at
	}
	return store.Milliseconds(previous.CreatedAt)
}
