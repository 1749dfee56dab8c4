package mongostore

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/jsjson"
)

// document is one document of either collection, as mongoose has it. Its
// values lie where they were read.
type document struct {
	id              bson.RawValue
	api, source     string
	data            bson.RawValue
	hash            string
	created         time.Time
	dated           bool // it has a createdAt
	updated         time.Time
	hashAsStored    bson.RawValue
	updatedAsStored bson.RawValue
}

// parse reads a document. An error names the first field of a wrong type; the
// document holds the others then. Fields that are missing are no error.
func parse(raw bson.Raw) (d document, err error) {
	wrong := func(field string, v bson.RawValue) {
		if err == nil && v.Type != bson.TypeNull && v.Type != bson.TypeUndefined {
			err = fmt.Errorf("its %s is of the type %s", field, v.Type)
		}
	}
	text := func(into *string, field string, v bson.RawValue) {
		if v.Type == bson.TypeString {
			*into = string(jsjson.Valid(textOf(v)))
			return
		}
		wrong(field, v)
	}
	date := func(into *time.Time, field string, v bson.RawValue) {
		if v.Type == bson.TypeDateTime {
			*into = time.UnixMilli(v.DateTime()).UTC()
			return
		}
		wrong(field, v)
	}
	broken := walk(raw, func(m member) error {
		switch string(m.key) {
		case "_id":
			d.id = m.value
		case "api":
			text(&d.api, "api", m.value)
		case "source":
			text(&d.source, "source", m.value)
		case "data":
			d.data = m.value
		case "hash":
			d.hashAsStored = m.value
			text(&d.hash, "hash", m.value)
		case "createdAt":
			d.dated = m.value.Type == bson.TypeDateTime
			date(&d.created, "createdAt", m.value)
		case "updatedAt":
			d.updatedAsStored = m.value
			date(&d.updated, "updatedAt", m.value)
		}
		return nil
	})
	if broken != nil {
		err = broken
	}
	if err == nil && (d.api == "" || d.source == "") {
		err = errNoRegion
	}
	return d, err
}

var errNoRegion = fmt.Errorf("it has no api or no source")

// metric is the document as the rest of the program has it, in memory of its
// own.
func (d *document) metric() (store.Metric, error) {
	m := store.Metric{
		API: d.api, Source: d.source, Data: json.RawMessage("null"), Hash: d.hash, CreatedAt: d.created, UpdatedAt: d.updated,
	}
	if d.data.Type != 0 {
		text, err := stringify(d.data, d.hash)
		if err != nil {
			return store.Metric{}, err
		}
		m.Data = text
	}
	if m.Hash == "" {
		m.Hash = store.Hash(m.Data)
	}
	return m, nil
}

// version is what identifies a state of a region: what a write compares with.
type version struct {
	id            any
	hash, updated any // as they are stored, nil where they are not
	hashText      string
	updatedAt     time.Time
	createdAt     time.Time // zero where the document has none
}

// versionOf takes the version out of a document, also where some of its fields
// are of a wrong type: the next value mends them.
func versionOf(d document) *version {
	v := &version{id: clone(d.id), hashText: d.hash, updatedAt: d.updated, createdAt: d.created}
	if d.hashAsStored.Type != 0 {
		v.hash = clone(d.hashAsStored)
	}
	if d.updatedAsStored.Type != 0 {
		v.updated = clone(d.updatedAsStored)
	}
	return v
}

// filter matches the document while it is in this state.
func (v *version) filter() bson.D {
	is := func(value any) bson.D { return bson.D{{Key: "$eq", Value: value}} }
	return bson.D{{Key: "_id", Value: v.id}, {Key: "hash", Value: is(v.hash)}, {Key: "updatedAt", Value: is(v.updated)}}
}

// clone takes a value out of the memory that it was read into.
func clone(v bson.RawValue) bson.RawValue {
	return bson.RawValue{Type: v.Type, Value: append([]byte(nil), v.Value...)}
}

// incoming is a sample on its way into the database.
type incoming struct {
	store.Sample
	value any             // the data as BSON keeps it
	json  json.RawMessage // the text that it will read as
	hash  string          // of that text
	at    time.Time
}

func prepare(s store.Sample) (incoming, error) {
	value, err := decodeJSON(jsjson.Valid(s.Data))
	if err != nil {
		return incoming{}, fmt.Errorf("%w: %w", store.ErrRefused, err)
	}
	kind, data, err := bson.TypeNull, []byte(nil), error(nil)
	if value != nil { // the driver has no value for null alone
		kind, data, err = bson.MarshalValue(value)
	}
	if err != nil {
		return incoming{}, fmt.Errorf("the data cannot be stored: %w: %w", store.ErrRefused, err)
	}
	w := writer{b: textBuffer(data), exact: true}
	if err := w.root(bson.RawValue{Type: kind, Value: data}); err != nil {
		return incoming{}, fmt.Errorf("the data cannot be stored: %w: %w", store.ErrRefused, err)
	}
	return incoming{Sample: s, value: value, json: w.b, hash: store.Hash(w.b), at: store.Milliseconds(s.At)}, nil
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
// at the same time, writes the same history row. occurrence tells states apart
// that look the same, because a clock was set back between them.
func (in incoming) rowID(previous *version, occurrence int64) bson.ObjectID {
	state := "none"
	if previous != nil {
		state = fmt.Sprint(previous.hashText, previous.updatedAt.UnixMilli())
	}
	if occurrence > 1 {
		state = fmt.Sprint(state, " ", occurrence)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %s %s", in.API, in.Source, state, in.hash))
	return bson.ObjectID(sum[:12])
}

// change is what is announced when the value has replaced the previous state.
func (in incoming) change(previous *version) store.Change {
	m := store.Metric{API: in.API, Source: in.Source, Data: in.json, Hash: in.hash, CreatedAt: in.at, UpdatedAt: in.at}
	if previous != nil && !previous.createdAt.IsZero() {
		m.CreatedAt = previous.createdAt
	}
	return store.Change{Metric: m}
}
