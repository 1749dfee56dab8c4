package mongostore

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/devops-insights/devops-insights/store"
)

// errConflict says that another writer changed the region first.
var errConflict = errors.New("another writer was first")

// attempts bounds how often a write is tried against other writers; each
// failure means that one of them succeeded.
const attempts = 20

// Save implements store.Writer. The history row is written before the latest
// value, under a key that the change alone decides: whoever repeats the change,
// after a crash in between or at the same time, writes the same row, and the
// condition on the latest value lets one of them through. In a deployment with
// transactions the two are one.
//
// An error may mean that the answer was lost and the value is stored. The next
// Save of the region finds that out and announces the change then; one of the
// same value reports true.
func (s *Store) Save(ctx context.Context, sample store.Sample) (bool, error) {
	if s.closed() {
		return false, store.ErrClosed
	}
	r := s.regions.of(sample.API, sample.Source)
	if err := r.lock(ctx); err != nil {
		return false, err
	}
	defer r.unlock()
	if err := s.local.gate.Acquire(ctx, 1); err != nil {
		return false, err
	}
	defer s.local.gate.Release(1)
	for range attempts {
		changed, err := s.saveOnce(ctx, r, sample)
		if !errors.Is(err, errConflict) {
			return changed, err
		}
	}
	return false, errors.New("the value could not be stored: other writers were first every time; only one instance should poll a region")
}

// saveOnce stores the sample unless the region has its value, or returns errConflict.
func (s *Store) saveOnce(ctx context.Context, r *regionState, sample store.Sample) (changed bool, err error) {
	hash, in, err := r.memo.prepare(sample)
	if err != nil {
		return false, err
	}
	previous, err := s.state(ctx, sample.API, sample.Source)
	if err != nil {
		return false, err
	}
	confirmed, wasStored := r.confirm(previous)
	if wasStored {
		s.local.Send(confirmed, s.stopping.Done())
	}
	if previous != nil && previous.hashText == hash {
		return wasStored, nil
	}
	if in == nil {
		made, err := prepare(sample)
		if err != nil {
			return false, err
		}
		in = &made
	}
	c := in.change(previous)
	written := s.streaming.await(region{sample.API, sample.Source})
	err = s.replaceAndMark(ctx, *in, previous)
	written(err == nil)
	switch {
	case errors.Is(err, errConflict):
		return false, err
	case err != nil:
		if !refused(err) {
			r.unconfirmed = &c
		}
		return false, s.failure("the value could not be stored", err)
	}
	r.unconfirmed = nil
	s.local.Send(c, s.stopping.Done())
	return true, nil
}

// replaceAndMark stores a change. Where its row belongs to a time that may have
// been rolled up, the mark is taken back: with the row where there are
// transactions, else after it, and what happens in between is provided for.
func (s *Store) replaceAndMark(ctx context.Context, in incoming, previous *version) error {
	r := regionID{in.API, in.Source}
	late, err := s.late(ctx, r, in.at)
	if late = late || err != nil; !late || s.transactions {
		return s.replace(ctx, in, previous, late)
	}
	row, err := s.beginLate(ctx, r, in.at)
	if err != nil {
		return err
	}
	err = s.replace(ctx, in, previous, false)
	if err == nil {
		return s.endLate(ctx, r, row)
	}
	// The row may have been written: it was late, whether or not this caller still
	// waits. Failing that, Mark goes on when it has been late for long.
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = s.endLate(after, r, row)
	return err
}

func (s *Store) replace(ctx context.Context, in incoming, previous *version, late bool) error {
	if !s.transactions {
		return s.write(ctx, in, previous)
	}
	session, err := s.client.StartSession()
	if err != nil {
		return err
	}
	defer session.EndSession(context.WithoutCancel(ctx))
	_, err = session.WithTransaction(ctx, func(ctx context.Context) (any, error) {
		if _, err := s.history.InsertOne(ctx, in.row(bson.NewObjectID())); err != nil {
			return nil, err
		}
		if err := s.writeLatest(ctx, in, previous); err != nil || !late {
			return nil, err
		}
		return nil, s.endLate(ctx, regionID{in.API, in.Source}, lateRow{At: in.at.Truncate(time.Minute)})
	})
	return err
}

// write writes row and latest value in this order, or returns errConflict and
// leaves nothing of its own behind.
func (s *Store) write(ctx context.Context, in incoming, previous *version) error {
	id, repeated, err := s.writeRow(ctx, in, previous)
	if err != nil {
		return err
	}
	err = s.writeLatest(ctx, in, previous)
	if errors.Is(err, errConflict) && !repeated {
		return errors.Join(err, s.removeRow(ctx, in, id))
	}
	return err
}

// writeRow writes the history row of a change, unless it is there: repeated.
func (s *Store) writeRow(ctx context.Context, in incoming, previous *version) (id bson.ObjectID, repeated bool, err error) {
	id = in.rowID(previous, 1)
	_, err = s.history.InsertOne(ctx, in.row(id))
	if !mongo.IsDuplicateKeyError(err) || previous == nil {
		return id, err != nil, ignoreDuplicate(err)
	}
	// The row is of this change, or of one that looked the same: each time that
	// the region came to its present state has left a row too.
	states, err := s.history.CountDocuments(ctx, bson.D{
		{Key: "api", Value: in.API}, {Key: "source", Value: in.Source},
		{Key: "createdAt", Value: previous.updatedAt}, {Key: "hash", Value: previous.hashText},
	})
	if err != nil || states <= 1 {
		return id, true, err
	}
	id = in.rowID(previous, states)
	_, err = s.history.InsertOne(ctx, in.row(id))
	return id, err != nil, ignoreDuplicate(err)
}

// ignoreDuplicate is for rows that may be there already.
func ignoreDuplicate(err error) error {
	if mongo.IsDuplicateKeyError(err) {
		return nil
	}
	return err
}

func (s *Store) writeLatest(ctx context.Context, in incoming, previous *version) error {
	if previous == nil {
		_, err := s.latest.InsertOne(ctx, in.row(bson.NewObjectID()))
		if mongo.IsDuplicateKeyError(err) {
			return errConflict
		}
		return err
	}
	set := bson.D{{Key: "data", Value: in.value}, {Key: "hash", Value: in.hash}, {Key: "updatedAt", Value: in.at}}
	if previous.createdAt.IsZero() {
		set = append(set, bson.E{Key: "createdAt", Value: in.at})
	}
	result, err := s.latest.UpdateOne(ctx, previous.filter(), bson.D{{Key: "$set", Value: set}})
	switch {
	case err != nil:
		return err
	case result.MatchedCount == 0:
		return errConflict
	}
	return nil
}

// removeRow removes the row of a change that did not come to be; the row of the
// same change by somebody else stays.
func (s *Store) removeRow(ctx context.Context, in incoming, id bson.ObjectID) error {
	current, err := s.state(ctx, in.API, in.Source)
	if err != nil {
		return err
	}
	if current != nil && current.hashText == in.hash {
		return nil
	}
	_, err = s.history.DeleteOne(ctx, bson.D{{Key: "_id", Value: id}})
	return err
}
