package mongostore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/devops-insights/devops-insights/store"
)

// alertRecord is a document of metrics_alert_records.
type alertRecord struct {
	Key     string           `bson:"_id"` // ["kind","api","id"]
	Kind    store.RecordKind `bson:"kind"`
	API     string           `bson:"api"`
	ID      string           `bson:"id"`
	At      time.Time        `bson:"at"`
	Version int64            `bson:"version"`
	Data    bson.Binary      `bson:"data"` // JSON text, byte for byte
}

func newRecord(r store.Record) alertRecord {
	return alertRecord{
		Key: textID(r.Kind, r.API, r.ID), Kind: r.Kind, API: r.API, ID: r.ID,
		At: store.Milliseconds(r.At), Version: r.Version, Data: bson.Binary{Data: r.Data},
	}
}

func decodeRecord(raw bson.Raw) (store.Record, error) {
	var d alertRecord
	if err := bson.Unmarshal(raw, &d); err != nil {
		return store.Record{}, err
	}
	r := store.Record{Kind: d.Kind, API: d.API, ID: d.ID, At: d.At.UTC(), Version: d.Version, Data: bytes.Clone(d.Data.Data)}
	if d.Key != textID(r.Kind, r.API, r.ID) {
		return r, errors.New("its _id is not that of its kind, api and id")
	}
	return r, r.Check()
}

// PutRecord implements store.Records.
func (s *Store) PutRecord(ctx context.Context, r store.Record) error {
	if err := r.Check(); err != nil {
		return err
	}
	if s.closed() {
		return store.ErrClosed
	}
	document := newRecord(r)
	for range attempts {
		if done, err := s.putRecord(ctx, document); done || err != nil {
			return err
		}
		raw, err := s.one(ctx, s.records, document.Key)
		if errors.Is(err, store.ErrNotFound) {
			continue // it was there a moment ago
		}
		if err != nil {
			return err
		}
		before, unreadable := decodeRecord(raw)
		switch {
		case unreadable != nil:
			if done, err := s.replaceUnreadable(ctx, s.records, raw, document); done || err != nil {
				return err
			}
		case before.Version >= r.Version:
			return fmt.Errorf("the %s %s of %s has the version %d, not one below %d: %w", r.Kind, r.ID, r.API, before.Version, r.Version, store.ErrConflict)
		case !before.At.Equal(document.At):
			return fmt.Errorf("the %s %s of %s is of %s, which never changes: %w", r.Kind, r.ID, r.API, before.At.Format(time.RFC3339Nano), store.ErrRefused)
		}
	}
	return fmt.Errorf("the %s %s of %s could not be stored: other writers were first every time: %w", r.Kind, r.ID, r.API, store.ErrConflict)
}

// putRecord replaces a record with a lower version, or stores a new one; done is
// false where neither was possible.
func (s *Store) putRecord(ctx context.Context, d alertRecord) (done bool, err error) {
	result, err := s.records.UpdateOne(ctx, bson.D{
		{Key: "_id", Value: d.Key}, {Key: "version", Value: bson.D{{Key: "$lt", Value: d.Version}}}, {Key: "at", Value: d.At},
	}, bson.D{{Key: "$set", Value: bson.D{
		{Key: "kind", Value: d.Kind}, {Key: "api", Value: d.API}, {Key: "id", Value: d.ID}, {Key: "version", Value: d.Version}, {Key: "data", Value: d.Data},
	}}})
	if err != nil {
		return false, s.failure(s.records.Name()+" could not be written", err)
	}
	if result.MatchedCount > 0 {
		return true, nil
	}
	return s.insert(ctx, s.records, d)
}

// FindRecords implements store.Records.
func (s *Store) FindRecords(ctx context.Context, q store.RecordQuery) (found []store.Record, err error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	// Those that cannot be read do not count: the limit is not the server's.
	first := options.Find().SetBatchSize(int32(min(q.Limit, math.MaxInt16)))
	switch {
	case q.API == "":
		first.SetSort(newestFirst("at", "id", "api"))
	case q.ID == "":
		first.SetSort(newestFirst("at", "id"))
	}
	before := store.RecordPlace{At: store.Milliseconds(q.Before.At), ID: q.Before.ID, API: q.Before.API}
	err = s.decodeEach(ctx, s.records, recordFilter(q), first, func(raw bson.Raw) error {
		r, err := decodeRecord(raw)
		if err != nil || q.Before != (store.RecordPlace{}) && r.Place().Compare(before) >= 0 {
			return err
		}
		if found = append(found, r); len(found) == q.Limit {
			return handlerError{errEnough}
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	return found, nil
}

// recordFilter selects the records that match; of those at the time of the place
// behind which the answer begins, all.
func recordFilter(q store.RecordQuery) bson.D {
	filter := bson.D{{Key: "kind", Value: q.Kind}}
	switch {
	case q.API != "" && q.ID != "":
		filter = bson.D{{Key: "_id", Value: textID(q.Kind, q.API, q.ID)}}
	case q.API != "":
		filter = append(filter, bson.E{Key: "api", Value: q.API})
	case q.ID != "":
		filter = append(filter, bson.E{Key: "id", Value: q.ID})
	}
	to := q.To
	if before := q.Before.At; q.Before != (store.RecordPlace{}) && (to.IsZero() || before.Before(to)) {
		to = before
	}
	var when bson.D
	if !q.From.IsZero() {
		when = append(when, bson.E{Key: "$gte", Value: q.From})
	}
	if !to.IsZero() { // not every server finds the end of a range in an index that goes on behind it
		when = append(when, bson.E{Key: "$lt", Value: store.Milliseconds(to).Add(time.Millisecond)})
	}
	if when != nil {
		filter = append(filter, bson.E{Key: "at", Value: when})
	}
	return filter
}

// DeleteRecords implements store.Records.
func (s *Store) DeleteRecords(ctx context.Context, kind store.RecordKind, before time.Time, most int) (deleted int, err error) {
	if most < 1 {
		return 0, ctx.Err()
	}
	old := bson.D{{Key: "kind", Value: kind}, {Key: "at", Value: bson.D{{Key: "$lt", Value: before}}}}
	var ids bson.A
	oldest := options.Find().SetSort(bson.D{{Key: "at", Value: 1}, {Key: "id", Value: 1}, {Key: "api", Value: 1}}).
		SetLimit(int64(most)).SetProjection(bson.D{{Key: "_id", Value: 1}})
	err = s.documents(ctx, s.records, old, oldest, func(raw bson.Raw) error {
		id := raw.Lookup("_id")
		ids = append(ids, bson.RawValue{Type: id.Type, Value: bytes.Clone(id.Value)})
		return nil
	})
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	result, err := s.records.DeleteMany(ctx, append(old, bson.E{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}))
	if err != nil {
		return 0, s.failure("old records could not be deleted", err)
	}
	return int(result.DeletedCount), nil
}

// newestFirst orders by these fields, the highest values first.
func newestFirst(names ...string) (keys bson.D) {
	for _, name := range names {
		keys = append(keys, bson.E{Key: name, Value: int32(-1)})
	}
	return keys
}
