package mongostore

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/devops-insights/devops-insights/store"
)

// A ledger is one document of metrics_alerts. A write replaces the version that
// it follows, in one step, so that of two writers one alone gets through, and
// none whose term is over.

// ledger is the document of an API in metrics_alerts.
type ledger struct {
	ID      string      `bson:"_id"` // the API
	Term    int64       `bson:"term"`
	Version int64       `bson:"version"`
	Data    bson.Binary `bson:"data"` // JSON text, byte for byte
}

// Ledger implements store.Ledgers.
func (s *Store) Ledger(ctx context.Context, api string) (store.Ledger, error) {
	raw, err := s.one(ctx, s.ledgers, api)
	if err != nil {
		return store.Ledger{}, err
	}
	l, err := decodeLedger(raw)
	if err != nil {
		s.unreadable.add(s.opts.Logger, s.ledgers.Name(), raw.Lookup("_id"), err)
		return store.Ledger{}, store.ErrNotFound
	}
	return l, nil
}

// PutLedger implements store.Ledgers.
func (s *Store) PutLedger(ctx context.Context, l store.Ledger) error {
	if err := l.Check(); err != nil {
		return err
	}
	if s.closed() {
		return store.ErrClosed
	}
	put := func() (bool, error) { return s.insert(ctx, s.ledgers, newLedger(l)) }
	if l.Version > 1 {
		put = func() (bool, error) { return s.follow(ctx, l) }
	}
	for range attempts {
		if done, err := put(); done || err != nil {
			return err
		}
		raw, err := s.one(ctx, s.ledgers, l.API)
		if errors.Is(err, store.ErrNotFound) && l.Version == 1 {
			continue // it was there a moment ago
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		before, unreadable := decodeLedger(raw)
		if raw == nil || unreadable == nil {
			return refuseLedger(before, l)
		}
		if l.Version > 1 {
			return refuseLedger(store.Ledger{}, l)
		}
		if done, err := s.replaceUnreadable(ctx, s.ledgers, raw, newLedger(l)); done || err != nil {
			return err
		}
	}
	return fmt.Errorf("the ledger of %s: %w", l.API, store.ErrConflict)
}

func newLedger(l store.Ledger) ledger {
	return ledger{ID: l.API, Term: l.Term, Version: l.Version, Data: bson.Binary{Data: l.Data}}
}

func decodeLedger(raw bson.Raw) (store.Ledger, error) {
	var d ledger
	if raw == nil {
		return store.Ledger{}, nil
	}
	if err := bson.Unmarshal(raw, &d); err != nil {
		return store.Ledger{}, err
	}
	l := store.Ledger{API: d.ID, Term: d.Term, Version: d.Version, Data: d.Data.Data}
	return l, l.Check()
}

// follow replaces the version before l, and reports whether it was there.
func (s *Store) follow(ctx context.Context, l store.Ledger) (done bool, err error) {
	result, err := s.ledgers.UpdateOne(ctx, bson.D{
		{Key: "_id", Value: l.API}, {Key: "version", Value: l.Version - 1}, {Key: "term", Value: bson.D{{Key: "$lte", Value: l.Term}}},
	}, bson.D{{Key: "$set", Value: bson.D{
		{Key: "term", Value: l.Term}, {Key: "version", Value: l.Version}, {Key: "data", Value: bson.Binary{Data: l.Data}},
	}}})
	if err != nil {
		return false, s.failure("the ledger could not be stored", err)
	}
	return result.MatchedCount > 0, nil
}

// refuseLedger says why a ledger does not follow the one that is there.
func refuseLedger(before, l store.Ledger) error {
	if before.Version > 0 && before.Term > l.Term {
		return fmt.Errorf("the ledger of %s is written by term %d, not by %d: %w", l.API, before.Term, l.Term, store.ErrFenced)
	}
	return fmt.Errorf("the ledger of %s has the version %d, so that %d does not follow: %w", l.API, before.Version, l.Version, store.ErrConflict)
}

// one returns the document with an _id, or ErrNotFound.
func (s *Store) one(ctx context.Context, c *mongo.Collection, id string) (bson.Raw, error) {
	if s.closed() {
		return nil, store.ErrClosed
	}
	raw, err := c.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, store.ErrNotFound
	}
	if err != nil {
		return nil, s.failure(c.Name()+" could not be read", err)
	}
	return raw, nil
}

// insert stores a new document, and reports whether there was none.
func (s *Store) insert(ctx context.Context, c *mongo.Collection, document any) (done bool, err error) {
	_, err = c.InsertOne(ctx, document)
	if mongo.IsDuplicateKeyError(err) {
		return false, nil
	}
	if err != nil {
		return false, s.failure(c.Name()+" could not be written", err)
	}
	return true, nil
}

// replaceUnreadable puts a document in the place of one that cannot be read, and
// reports whether that was still as it was read.
func (s *Store) replaceUnreadable(ctx context.Context, c *mongo.Collection, raw bson.Raw, document any) (done bool, err error) {
	filter := bson.D{{Key: "_id", Value: raw.Lookup("_id")}}
	for _, name := range []string{"term", "version", "at", "data"} {
		is := bson.D{{Key: "$exists", Value: false}}
		if v, err := raw.LookupErr(name); err == nil {
			is = bson.D{{Key: "$eq", Value: v}}
		}
		filter = append(filter, bson.E{Key: name, Value: is})
	}
	result, err := c.ReplaceOne(ctx, filter, document)
	if err != nil {
		return false, s.failure(c.Name()+" could not be written", err)
	}
	return result.MatchedCount > 0, nil
}
