package mongostore

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// leaseName is the collection of the leases; the Node backend has none such.
const leaseName = "devops_insights_leases"

// Lease is the right to poll an api, kept in the database and timed by the
// database's own clock.
type Lease struct {
	collection *mongo.Collection
	id, holder string
	length     time.Duration
}

// Lease returns the lease for polling an api. holder names this instance and
// no other; length is how long the lease lasts without renewal.
func (s *Store) Lease(api, holder string, length time.Duration) *Lease {
	return &Lease{
		collection: s.latest.Database().Collection(leaseName),
		id:         "poller:" + api, holder: holder, length: length,
	}
}

// Acquire takes or renews the lease and returns how long it lasts. It reports
// held where another instance has it.
func (l *Lease) Acquire(ctx context.Context) (length time.Duration, held bool, err error) {
	// The time is the server's: the clocks of the instances may differ.
	var hello struct {
		Now time.Time `bson:"localTime"`
	}
	if err := l.collection.Database().RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello); err != nil {
		return 0, false, fmt.Errorf("the time of the database cannot be asked for: %w", err)
	}
	filter := bson.D{{Key: "_id", Value: l.id}, {Key: "$or", Value: bson.A{
		bson.D{{Key: "holder", Value: l.holder}},
		bson.D{{Key: "expiresAt", Value: bson.D{{Key: "$lte", Value: hello.Now}}}},
	}}}
	update := bson.D{{Key: "$set", Value: bson.D{
		{Key: "holder", Value: l.holder}, {Key: "expiresAt", Value: hello.Now.Add(l.length)},
	}}}
	_, err = l.collection.UpdateOne(ctx, filter, update, options.UpdateOne().SetUpsert(true))
	switch {
	case mongo.IsDuplicateKeyError(err): // the document is there and does not match
		return 0, true, nil
	case err != nil:
		return 0, false, fmt.Errorf("the lease %s cannot be written: %w", l.id, err)
	}
	return l.length, false, nil
}

// Release gives the lease back where this instance has it.
func (l *Lease) Release(ctx context.Context) error {
	_, err := l.collection.DeleteOne(ctx, bson.D{{Key: "_id", Value: l.id}, {Key: "holder", Value: l.holder}})
	return err
}
