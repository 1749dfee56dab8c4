package mongostore

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/devops-insights/devops-insights/store"
)

// errBeaten says that another writer changed the region first.
var errBeaten = errors.New("another writer was first")

// attempts bounds how often a write is tried against other writers; each
// failure means that one of them succeeded.
const attempts = 20

// Save implements store.Writer. The history row is written before the latest
// value, under a key that the change alone decides: whoever repeats the change,
// after a crash in between or at the same time, writes the same row, and the
// condition on the latest value lets one of them through. In a deployment with
// transactions the two are one.
func (s *Store) Save(ctx context.Context, sample store.Sample) (bool, error) {
	if s.closed() {
		return false, store.ErrClosed
	}
	if same, err := s.unchanged(ctx, sample); err != nil || same {
		return false, err
	}
	in, err := prepare(sample)
	if err != nil {
		return false, err
	}
	s.seen.note(sample, in.hash)
	for range attempts {
		previous, err := s.state(ctx, in.API, in.Source)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return false, err
		}
		if previous != nil && previous.Hash == in.hash {
			return false, nil
		}
		err = s.replace(ctx, in, previous)
		if errors.Is(err, errBeaten) {
			continue
		}
		if err != nil {
			return false, s.failure("the value could not be stored", err)
		}
		s.own.announce(store.Change{Metric: store.Metric{
			API: in.API, Source: in.Source, Data: in.json, Hash: in.hash, CreatedAt: in.created(previous), UpdatedAt: in.at,
		}}, s.stop)
		return true, nil
	}
	return false, errors.New("the value could not be stored: other writers were first every time; only one instance should poll a region")
}

func (s *Store) replace(ctx context.Context, in incoming, previous *document) error {
	if !s.transactions {
		return s.write(ctx, in, previous)
	}
	session, err := s.client.StartSession()
	if err != nil {
		return err
	}
	defer session.EndSession(context.WithoutCancel(ctx))
	_, err = session.WithTransaction(ctx, func(ctx context.Context) (any, error) {
		if _, err := s.history.InsertOne(ctx, in.row(in.rowID(previous))); err != nil {
			return nil, err
		}
		return nil, s.writeLatest(ctx, in, previous)
	})
	if mongo.IsDuplicateKeyError(err) {
		// The row is there already: of the same change by somebody else, or of
		// one that was cut off before there were transactions.
		return s.write(ctx, in, previous)
	}
	return err
}

// write writes row and latest value in this order, or returns errBeaten and
// leaves nothing of its own behind.
func (s *Store) write(ctx context.Context, in incoming, previous *document) error {
	id := in.rowID(previous)
	_, err := s.history.InsertOne(ctx, in.row(id))
	repeated := mongo.IsDuplicateKeyError(err)
	if err != nil && !repeated {
		return err
	}
	err = s.writeLatest(ctx, in, previous)
	if errors.Is(err, errBeaten) && !repeated {
		return errors.Join(err, s.takeBack(ctx, in, id))
	}
	return err
}

func (s *Store) writeLatest(ctx context.Context, in incoming, previous *document) error {
	if previous == nil {
		_, err := s.latest.InsertOne(ctx, in.row(bson.NewObjectID()))
		if mongo.IsDuplicateKeyError(err) {
			return errBeaten
		}
		return err
	}
	result, err := s.latest.UpdateOne(ctx,
		bson.D{{Key: "_id", Value: previous.ID}, {Key: "hash", Value: previous.Hash}, {Key: "updatedAt", Value: previous.UpdatedAt}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "data", Value: in.value}, {Key: "hash", Value: in.hash}, {Key: "updatedAt", Value: in.at}}}},
	)
	switch {
	case err != nil:
		return err
	case result.MatchedCount == 0:
		return errBeaten
	}
	return nil
}

// takeBack removes the row of a change that did not come to be; the row of the
// same change by somebody else stays.
func (s *Store) takeBack(ctx context.Context, in incoming, id bson.ObjectID) error {
	current, err := s.state(ctx, in.API, in.Source)
	if err != nil {
		return err
	}
	if current.Hash == in.hash {
		return nil
	}
	_, err = s.history.DeleteOne(ctx, bson.D{{Key: "_id", Value: id}})
	return err
}
