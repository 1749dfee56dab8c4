package mongostore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// index is one that the store relies on.
type index struct {
	collection *mongo.Collection
	keys       bson.D
	unique     bool
	ttl        int32 // seconds; 0: none
	needed     bool  // without it the store is wrong, not only slow
}

// indexSpec is what a database says of an index it has.
type indexSpec struct {
	Name   string `bson:"name"`
	Key    bson.D `bson:"key"`
	Unique bool   `bson:"unique"`
	TTL    *int64 `bson:"expireAfterSeconds"`
}

// indexes makes what is missing. Indexes with the same keys are accepted as
// they are, whatever their names; one that contradicts is an error, or, where
// only time is lost, a warning.
func (s *Store) indexes(ctx context.Context) error {
	s.expires = s.opts.Retention
	ascending := func(names ...string) (keys bson.D) {
		for _, name := range names {
			keys = append(keys, bson.E{Key: name, Value: int32(1)})
		}
		return keys
	}
	for _, want := range []index{
		{collection: s.latest, keys: ascending("api", "source"), unique: true, needed: true},
		{collection: s.history, keys: append(ascending("api", "source"), bson.E{Key: "createdAt", Value: int32(-1)})},
		{collection: s.history, keys: ascending("createdAt"), ttl: int32(s.opts.Retention.Seconds())},
		{collection: s.outcomes, keys: ascending("api", "source", "from"), unique: true, needed: true},
		{collection: s.chunks, keys: ascending("api", "source", "field", "tier", "start"), unique: true, needed: true},
		{collection: s.chunks, keys: ascending("tier", "start")},
		{collection: s.records, keys: ascending("kind", "at", "id", "api")}, // read backwards
		{collection: s.records, keys: ascending("kind", "api", "at", "id")},
	} {
		if err := s.index(ctx, want); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) index(ctx context.Context, want index) error {
	have, err := existing(ctx, want.collection)
	if err != nil {
		return fmt.Errorf("the indexes of %s cannot be listed: %w", want.collection.Name(), err)
	}
	at := slices.IndexFunc(have, func(x indexSpec) bool { return sameKeys(x.Key, want.keys) })
	if at >= 0 {
		return s.accept(want, have[at])
	}
	name := indexName(want.keys)
	spec := bson.D{{Key: "key", Value: want.keys}, {Key: "name", Value: name}}
	if want.unique {
		spec = append(spec, bson.E{Key: "unique", Value: true})
	}
	if want.ttl > 0 {
		spec = append(spec, bson.E{Key: "expireAfterSeconds", Value: want.ttl})
	}
	// mongoose asks for the background, and servers that compare options word
	// by word would call the same index a conflict.
	spec = append(spec, bson.E{Key: "background", Value: true})
	err = want.collection.Database().RunCommand(ctx, bson.D{
		{Key: "createIndexes", Value: want.collection.Name()}, {Key: "indexes", Value: bson.A{spec}},
	}).Err()
	switch {
	case err == nil:
		s.opts.Logger.WithField("index", name).Info("an index was made in " + want.collection.Name())
		return nil
	case mongo.IsDuplicateKeyError(err):
		return fmt.Errorf("%s holds several documents of one %s, and the unique index %v cannot be made; remove the older ones: %w",
			want.collection.Name(), strings.Join(names(want.keys), " and "), want.keys, err)
	case want.needed:
		return fmt.Errorf("the index %v of %s cannot be made: %w", want.keys, want.collection.Name(), err)
	}
	if want.ttl > 0 {
		s.sweeps = true
		s.opts.Logger.WithError(err).Warn("the database has no TTL indexes: this server deletes old history itself")
		return nil
	}
	s.opts.Logger.WithError(err).Warnf("the index %v of %s cannot be made: questions may be slow", want.keys, want.collection.Name())
	return nil
}

// indexName is the name that drivers give: each key and its direction.
func indexName(keys bson.D) string {
	parts := make([]string, len(keys))
	for i, k := range keys {
		parts[i] = fmt.Sprintf("%s_%v", k.Key, k.Value)
	}
	return strings.Join(parts, "_")
}

func names(keys bson.D) (all []string) {
	for _, k := range keys {
		all = append(all, k.Key)
	}
	return all
}

// accept judges an index that is there already.
func (s *Store) accept(want index, have indexSpec) error {
	name := want.collection.Name()
	switch {
	case want.unique && !have.Unique:
		return fmt.Errorf("the index %q of %s is not unique, so two instances could store the same twice; mend it with: db.%s.dropIndex(%q)",
			have.Name, name, name, have.Name)
	case want.ttl > 0 && have.TTL == nil:
		s.expires = 0
		s.opts.Logger.Warnf("the index %q of %s has no TTL, history is not deleted; mend it with: db.%s.dropIndex(%q) and a restart", have.Name, name, name, have.Name)
	case want.ttl > 0 && *have.TTL != int64(want.ttl):
		s.expires = time.Duration(*have.TTL) * time.Second
		s.opts.Logger.Warnf(`history is kept for %d s as the index %q says, not for %d s; change it with: db.runCommand({collMod: %q, index: {name: %q, expireAfterSeconds: %d}})`,
			*have.TTL, have.Name, want.ttl, name, have.Name, want.ttl)
	}
	return nil
}

// existing lists the indexes; of a collection that does not exist yet there
// are none.
func existing(ctx context.Context, c *mongo.Collection) ([]indexSpec, error) {
	cursor, err := c.Indexes().List(ctx)
	if code(err) == codeNamespaceNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []indexSpec
	err = cursor.All(ctx, &all)
	if code(err) == codeNamespaceNotFound {
		return nil, nil
	}
	return all, err
}

// sameKeys compares index keys, whose directions may be of any number type.
func sameKeys(a, b bson.D) bool {
	return slices.EqualFunc(a, b, func(x, y bson.E) bool {
		return x.Key == y.Key && fmt.Sprint(x.Value) == fmt.Sprint(y.Value)
	})
}
