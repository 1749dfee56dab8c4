package lease

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

// Collection is the collection of the leases; the Node backend has none such.
const Collection = "devops_insights_leases"

// errRaced says that another instance changed the record between the look and
// the write.
var errRaced = errors.New("another instance changed the lease first")

// Mongo is the lease in MongoDB, timed by the server's clock: those of the
// instances may differ.
type Mongo struct {
	collection *mongo.Collection
	id         string
	opts       Options

	term    evidence // of the holder
	relies  evidence // of the holder, for as long as it may go on with the key in Redis alone
	witness evidence // of whoever has that key, as somebody saw it
	epoch   atomic.Int64
}

// NewMongo returns the lease of an api in the database.
func NewMongo(db *mongo.Database, o Options) *Mongo {
	o = o.withDefaults()
	// Whatever the connection string says: a lease that a new primary does not
	// know, or that an old one still shows, is none.
	settings := options.Collection().SetReadPreference(readpref.Primary()).SetWriteConcern(writeconcern.Majority())
	return &Mongo{collection: db.Collection(Collection, settings), id: "poller:" + o.API, opts: o}
}

// record is the document of a lease.
type record struct {
	Holder    string    `bson:"holder"`
	ExpiresAt time.Time `bson:"expiresAt"`
	// ReliesUntil is until when the holder may go on with the key in Redis,
	// should it lose the database.
	ReliesUntil time.Time `bson:"reliesUntil"`
	// RedisHolder was seen with the key in Redis, and may have it until
	// RedisUntil: said for instances that do not reach Redis.
	RedisHolder string    `bson:"redisHolder"`
	RedisUntil  time.Time `bson:"redisUntil"`
	// LastHolder had the lease last, or has it, and Epoch grows whenever that
	// becomes another one.
	LastHolder string `bson:"lastHolder"`
	Epoch      int64  `bson:"epoch"`
	// Milliseconds is the term of whoever wrote the record.
	Milliseconds int64 `bson:"term"`
	// Version changes with every write.
	Version int64 `bson:"version"`

	there time.Time // the database's time, from before the look
	found bool
}

// look reads the record and notes what follows from it.
func (m *Mongo) look(ctx context.Context) (record, error) {
	var hello struct {
		Now time.Time `bson:"localTime"`
	}
	if err := m.collection.Database().RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello); err != nil {
		return record{}, fmt.Errorf("the time of the database cannot be asked for: %w", err)
	}
	r := record{there: hello.Now}
	err := m.collection.FindOne(ctx, bson.D{{Key: "_id", Value: m.id}}).Decode(&r)
	r.found = err == nil
	if err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
		return record{}, fmt.Errorf("the lease %s cannot be read: %w", m.id, err)
	}
	now, most := time.Now(), reliance*max(m.opts.Term, time.Duration(r.Milliseconds)*time.Millisecond)
	m.epoch.Store(r.Epoch)
	m.term.see(r.Holder, r.ExpiresAt, r.there, now, most)
	m.relies.see(r.Holder, r.ReliesUntil, r.there, now, most)
	m.witness.see(r.RedisHolder, r.RedisUntil, r.there, now, most)
	return r, nil
}

// busy returns the error that names who holds the lease, or may hold the key in
// Redis; nil where nobody but this instance does.
func (m *Mongo) busy() error {
	now := time.Now()
	for _, e := range []*evidence{&m.term, &m.relies, &m.witness} {
		if e.lives(m.opts.Holder, now) {
			return e.held(now)
		}
	}
	return nil
}

// claim writes this instance into the record that was looked at; relies is for
// how long it may go on with the key in Redis alone, 0 where it has no key.
func (m *Mongo) claim(ctx context.Context, seen record, relies time.Duration) error {
	next := seen
	next.Holder, next.ExpiresAt = m.opts.Holder, seen.there.Add(m.opts.Term)
	next.ReliesUntil = seen.there.Add(relies)
	next.RedisHolder, next.RedisUntil = "", time.UnixMilli(0)
	next.follow(m.opts.Holder)
	return m.write(ctx, seen, next)
}

// follow notes who has the lease from now on. The epoch is not below the
// milliseconds of the database's clock: it grows even where somebody has deleted
// the record, so that writers of an epoch before stay fenced, and nobody else.
func (r *record) follow(holder string) {
	if r.LastHolder != holder {
		r.LastHolder, r.Epoch = holder, max(r.Epoch+1, r.there.UnixMilli())
	}
}

// Epoch is a number that is a larger one whenever this instance has held the
// lease, and another one since, as far as this instance has seen when it asked
// for the lease last. It may be called at any time.
func (m *Mongo) Epoch() int64 { return m.epoch.Load() }

// mark tells instances that do not reach Redis who has the key there.
func (m *Mongo) mark(ctx context.Context, seen record, holder string, lasts time.Duration) error {
	if seen.RedisHolder == holder && seen.RedisUntil.Sub(seen.there) > lasts/2 {
		return nil
	}
	next := seen
	next.RedisHolder, next.RedisUntil = holder, seen.there.Add(lasts)
	if holder != m.opts.Holder { // which does not poll yet
		next.follow(holder)
	}
	return m.write(ctx, seen, next)
}

// write replaces the record that was seen, and no other.
func (m *Mongo) write(ctx context.Context, seen, next record) error {
	fields := bson.D{
		{Key: "holder", Value: next.Holder}, {Key: "expiresAt", Value: next.ExpiresAt},
		{Key: "reliesUntil", Value: next.ReliesUntil},
		{Key: "redisHolder", Value: next.RedisHolder}, {Key: "redisUntil", Value: next.RedisUntil},
		{Key: "lastHolder", Value: next.LastHolder}, {Key: "epoch", Value: next.Epoch},
		{Key: "term", Value: m.opts.Term.Milliseconds()}, {Key: "version", Value: seen.Version + 1},
	}
	if !seen.found {
		_, err := m.collection.InsertOne(ctx, append(bson.D{{Key: "_id", Value: m.id}}, fields...))
		if mongo.IsDuplicateKeyError(err) {
			return errRaced
		}
		return m.wrote(next, err)
	}
	version := bson.E{Key: "version", Value: seen.Version}
	if seen.Version == 0 { // as written before there were versions
		version.Value = bson.D{{Key: "$exists", Value: false}}
	}
	filter := bson.D{{Key: "_id", Value: m.id}, {Key: "holder", Value: seen.Holder}, {Key: "expiresAt", Value: seen.ExpiresAt}, version}
	result, err := m.collection.UpdateOne(ctx, filter, bson.D{{Key: "$set", Value: fields}})
	if err == nil && result.MatchedCount == 0 {
		return errRaced
	}
	return m.wrote(next, err)
}

func (m *Mongo) wrote(next record, err error) error {
	if err != nil {
		return fmt.Errorf("the lease %s cannot be written: %w", m.id, err)
	}
	m.epoch.Store(next.Epoch)
	return nil
}

// races bounds how often a write is tried against other instances.
const races = 4

// bounded runs one attempt until it is decided, within half of the term.
func bounded(ctx context.Context, term time.Duration, attempt func(context.Context) (time.Duration, error)) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, term/2)
	defer cancel()
	for range races {
		got, err := attempt(ctx)
		if !errors.Is(err, errRaced) {
			return got, err
		}
	}
	return 0, &HeldError{}
}

// Acquire implements Lease.
func (m *Mongo) Acquire(ctx context.Context) (time.Duration, error) {
	return bounded(ctx, m.opts.Term, func(ctx context.Context) (time.Duration, error) {
		seen, err := m.look(ctx)
		if err != nil {
			return 0, err
		}
		if err := m.busy(); err != nil {
			return 0, err
		}
		if err := m.claim(ctx, seen, 0); err != nil {
			return 0, err
		}
		return m.opts.Term, nil
	})
}

// Release implements Lease.
func (m *Mongo) Release(ctx context.Context) error {
	for _, field := range []struct{ holder, until string }{{"redisHolder", "redisUntil"}, {"holder", "expiresAt"}} {
		_, err := m.collection.UpdateOne(ctx,
			bson.D{{Key: "_id", Value: m.id}, {Key: field.holder, Value: m.opts.Holder}},
			bson.D{
				{Key: "$set", Value: bson.D{{Key: field.holder, Value: ""}, {Key: field.until, Value: time.UnixMilli(0)}}},
				{Key: "$inc", Value: bson.D{{Key: "version", Value: int64(1)}}},
			})
		if err != nil {
			return fmt.Errorf("the lease %s cannot be given back: %w", m.id, err)
		}
	}
	return nil
}

var _ Lease = (*Mongo)(nil)
