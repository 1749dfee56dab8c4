package mongostore

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/devops-insights/devops-insights/store"
)

// head returns that of a region, nil where it has none.
func (s *Store) head(ctx context.Context, r regionID) (*head, error) {
	if s.closed() {
		return nil, store.ErrClosed
	}
	var h head
	err := s.heads.FindOne(ctx, bson.D{{Key: "_id", Value: r}}).Decode(&h)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, nil
	}
	if err != nil {
		return nil, s.failure(s.heads.Name()+" could not be read", err)
	}
	return &h, nil
}

// LastOutcome implements store.Outcomes.
func (s *Store) LastOutcome(ctx context.Context, api, source string) (store.Interval, error) {
	h, err := s.head(ctx, regionID{api, source})
	if err != nil {
		return store.Interval{}, err
	}
	if h == nil {
		return store.Interval{}, store.ErrNotFound
	}
	return h.Last.of(h.ID), nil
}

// ScanOutcomes implements store.Outcomes.
func (s *Store) ScanOutcomes(ctx context.Context, api, source string, from, to time.Time, each func(store.Interval) error) error {
	r := regionID{api, source}
	// The head first: what leaves it meanwhile is found where it goes to.
	h, err := s.head(ctx, r)
	if h == nil || err != nil {
		return err
	}
	m := merge{region: r, from: from, to: to, heads: inTimeOrder(append(slices.Clone(h.Pending), h.Last)), each: each}
	if !from.IsZero() {
		first := bson.D{{Key: "$lte", Value: from}}
		if err := s.intervals(ctx, r, first, options.Find().SetSort(bson.D{{Key: "from", Value: -1}}).SetLimit(1), m.keep); err != nil {
			return err
		}
	}
	var when bson.D
	if !from.IsZero() {
		when = append(when, bson.E{Key: "$gt", Value: from})
	}
	if !to.IsZero() {
		when = append(when, bson.E{Key: "$lt", Value: to})
	}
	if err := s.intervals(ctx, r, when, options.Find().SetSort(bson.D{{Key: "from", Value: 1}}), m.next); err != nil {
		return err
	}
	return m.end()
}

// intervals calls each with intervals that are not in the head. An error of each
// ends it and is returned.
func (s *Store) intervals(ctx context.Context, r regionID, from bson.D, o *options.FindOptionsBuilder, each func(interval) error) error {
	filter := r.filter()
	if from != nil {
		filter = append(filter, bson.E{Key: "from", Value: from})
	}
	return s.decodeEach(ctx, s.outcomes, filter, o, func(raw bson.Raw) error {
		var i interval
		if err := bson.Unmarshal(raw, &i); err != nil {
			return err
		}
		if err := each(i); err != nil {
			return handlerError{err}
		}
		return nil
	})
}

// merge joins the intervals of the head with the others, in the order of time.
type merge struct {
	region   regionID
	from, to time.Time
	heads    []interval // in the order of time
	each     func(store.Interval) error
	kept     []interval // began by from, and not handed on yet
}

// keep takes the interval that began last before the time that is asked for.
func (m *merge) keep(i interval) error {
	m.kept = append(m.kept, i)
	return nil
}

// next takes the intervals from then on.
func (m *merge) next(i interval) error {
	if err := m.until(i.From); err != nil {
		return err
	}
	if len(m.heads) > 0 && m.heads[0].From.Equal(i.From) && m.heads[0].Version >= i.Version {
		return nil // the one of the head follows
	}
	if len(m.heads) > 0 && m.heads[0].From.Equal(i.From) {
		m.heads = m.heads[1:]
	}
	return m.hand(i)
}

// until hands on what begins before a time.
func (m *merge) until(t time.Time) error {
	for len(m.kept) > 0 {
		k := m.kept[0]
		m.kept = nil
		if err := m.next(k); err != nil {
			return err
		}
	}
	for len(m.heads) > 0 && m.heads[0].From.Before(t) {
		i := m.heads[0]
		m.heads = m.heads[1:]
		if err := m.hand(i); err != nil {
			return err
		}
	}
	return nil
}

// end hands on what is left.
func (m *merge) end() error {
	if err := m.until(time.Time{}); err != nil {
		return err
	}
	for _, i := range m.heads {
		if err := m.hand(i); err != nil {
			return err
		}
	}
	return nil
}

// hand hands an interval on, if a part of it lies in the time.
func (m *merge) hand(i interval) error {
	if !m.to.IsZero() && !i.From.Before(m.to) || i.From.Before(m.from) && !i.To.After(m.from) {
		return nil
	}
	return m.each(i.of(m.region))
}
