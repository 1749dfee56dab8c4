package mongostore

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/devops-insights/devops-insights/store"
)

// event is what is read of a change event, where it lies.
type event struct {
	operation string
	id        bson.RawValue // of the document
	document  bson.Raw      // as it was looked up; nil when it was deleted since
	updated   bson.Raw      // the fields that an update has set
}

// parseEvent reads an event; what it lacks stays empty.
func parseEvent(raw bson.Raw) (e event) {
	inner := func(v bson.RawValue) bson.Raw {
		if v.Type != bson.TypeEmbeddedDocument {
			return nil
		}
		return bson.Raw(v.Value)
	}
	_ = walk(raw, func(m member) error {
		switch string(m.key) {
		case "operationType":
			e.operation = string(textOf(m.value))
		case "documentKey":
			e.id = inner(m.value).Lookup("_id")
		case "fullDocument":
			e.document = inner(m.value)
		case "updateDescription":
			e.updated = inner(inner(m.value).Lookup("updatedFields"))
		}
		return nil
	})
	return e
}

// metric returns the value that the event announces; ok is false where it
// announces none. An update carries the new fields itself: the document is
// looked up later and may be a later version already.
func (e event) metric() (m store.Metric, ok bool, err error) {
	if e.document == nil {
		return m, false, nil
	}
	if e.operation == "update" && e.updated.Lookup("hash").Type == 0 {
		return m, false, nil // something else about it was changed
	}
	d, err := parse(e.document)
	if e.operation != "update" {
		if err != nil {
			return m, false, err
		}
		m, err = d.metric()
		return m, err == nil, err
	}
	set, setErr := parse(e.updated)
	if setErr != nil && setErr != errNoRegion {
		return m, false, setErr
	}
	if set.data.Type == 0 && set.hash != d.hash {
		return m, false, nil // only parts of this version are known, and its successor has an event of its own
	}
	d.hash = set.hash
	if set.data.Type != 0 {
		d.data = set.data
	}
	if !set.updated.IsZero() {
		d.updated = set.updated
	}
	if d.api == "" || d.source == "" {
		return m, false, errNoRegion
	}
	m, err = d.metric()
	return m, err == nil, err
}
