package mongostore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/internal/retention"
)

// Keep says how much is kept of a tier.
type Keep struct {
	// Age is the age at which points are deleted, a whole chunk of them at a
	// time. Zero: never.
	Age time.Duration
	// Bytes is the size from which the oldest are deleted. Zero: no bound.
	Bytes int64
}

// The bounds of one deletion, and of the deletions of one look.
const (
	deleteBatch   = 1000
	deleteBatches = 200
)

// sweeper deletes what is older than it is kept, and the oldest of what is more,
// until the store is closed. Rows that are too old the database deletes, where it
// has TTL indexes.
func (s *Store) sweeper() {
	age := retention.New(time.Now)
	ticker := time.NewTicker(s.sweepInterval())
	defer ticker.Stop()
	for {
		select {
		case <-s.stopping.Done():
			return
		case <-ticker.C:
		}
		if err := s.sweep(s.stopping, age); err != nil && !errors.Is(err, errNotArchived) && !s.closed() {
			s.opts.Logger.WithError(err).Warn("old history could not be deleted, and is tried again")
		}
	}
}

// sweepInterval is short enough to archive rows before the database deletes
// them.
func (s *Store) sweepInterval() time.Duration {
	every := s.opts.SweepInterval
	if s.opts.Archive != nil && s.expires > 0 {
		every = min(every, max(archiveMargin(s.expires)/4, time.Second))
	}
	return every
}

func (s *Store) sweep(ctx context.Context, age *retention.Clock) error {
	if s.sweeps && s.opts.Archive == nil { // instances that do it at once do each other no harm
		if err := s.deleteRows(ctx, age.Horizon(s.opts.Retention)); err != nil {
			return err
		}
	}
	if !s.opts.Leads() {
		s.archiving.works(s)
		return nil
	}
	if s.opts.Archive != nil && s.expires > 0 {
		if err := s.archiveAged(ctx, age); err != nil {
			return err
		}
	}
	if err := s.sweepSize(ctx); err != nil {
		return err
	}
	for _, tier := range store.Tiers() {
		if err := s.sweepTier(ctx, tier, age); err != nil {
			return err
		}
	}
	s.archiving.works(s)
	return nil
}

// deleteRows deletes the rows that are older than a time.
func (s *Store) deleteRows(ctx context.Context, before time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, 3*s.opts.ConnectTimeout)
	defer cancel()
	result, err := s.history.DeleteMany(ctx, bson.D{{Key: "createdAt", Value: bson.D{{Key: "$lt", Value: before}}}})
	if err == nil {
		s.deleted.Add(uint64(result.DeletedCount))
	}
	return err
}

// Deleted returns how many rows this instance has deleted, since the start: not
// those that the database deletes itself by its TTL index.
func (s *Store) Deleted() uint64 { return s.deleted.Load() }

// sweepSize deletes the oldest rows where there are more than Options.Size, and
// archives them first.
func (s *Store) sweepSize(ctx context.Context) error {
	if s.opts.Size <= 0 {
		return nil
	}
	more, err := s.tooMany(ctx)
	if err != nil {
		return fmt.Errorf("the size of %s is not known: %w", s.history.Name(), err)
	}
	dated := bounds{dated: true}
	if s.opts.Archive != nil && s.sweeps {
		return s.archiveAndDelete(ctx, dated, more)
	}
	for range deleteBatches {
		if more < 1 || !s.opts.Leads() {
			return nil
		}
		oldest, err := oldestOf(ctx, s.history, bson.D{{Key: "createdAt", Value: dated.query()}}, "createdAt", min(more, deleteBatch))
		if err != nil || len(oldest) == 0 {
			return err
		}
		if s.opts.Archive != nil {
			if err := s.archiveUntil(ctx, oldest[len(oldest)-1].Created.Time()); err != nil {
				return err
			}
		}
		if err := s.deleteHistory(ctx, oldest); err != nil {
			return err
		}
		more -= len(oldest)
	}
	return nil
}

// sampled is how many rows at either end say how large a row is.
const sampled = 100

// tooMany returns how many rows there are beyond Options.Size: by their number
// and the average of some. The sizes that databases tell hold what was deleted,
// some of them for ever.
func (s *Store) tooMany(ctx context.Context) (int, error) {
	count, average, err := s.rows(ctx)
	if err != nil || count == 0 {
		return 0, err
	}
	return int(math.Ceil(float64(count) - float64(s.opts.Size)/max(average, 1))), nil
}

// Size returns about how many rows there are and how many bytes they have. It reads
// some of them: ask it every minute at most.
func (s *Store) Size(ctx context.Context) (rows, bytes int64, err error) {
	rows, average, err := s.rows(ctx)
	return rows, int64(float64(rows) * average), err
}

// rows returns the number of rows and the average size of some.
func (s *Store) rows(ctx context.Context) (count int64, average float64, err error) {
	if count, err = s.history.EstimatedDocumentCount(ctx); err != nil {
		return 0, 0, err
	}
	var rows, size int64
	for _, direction := range []int{1, -1} {
		some := options.Find().SetSort(bson.D{{Key: "createdAt", Value: direction}}).SetLimit(sampled)
		err := s.documents(ctx, s.history, bson.D{}, some, func(raw bson.Raw) error {
			rows, size = rows+1, size+int64(len(raw))
			return nil
		})
		if err != nil {
			return 0, 0, err
		}
	}
	if rows == 0 {
		return 0, 0, nil
	}
	return count, float64(size) / float64(rows), nil
}

// sweepTier deletes chunks of a tier that are too old, or too many.
func (s *Store) sweepTier(ctx context.Context, tier store.Tier, age *retention.Clock) error {
	keep := s.opts.Tiers[tier]
	of := bson.D{{Key: "tier", Value: tier}}
	if keep.Age > 0 {
		old := append(of[:1:1], bson.E{Key: "start", Value: bson.D{{Key: "$lte", Value: age.Horizon(keep.Age).Add(-tier.Span())}}})
		if err := s.deleteChunks(ctx, old, func([]oldDocument) int { return deleteBatch }); err != nil {
			return err
		}
	}
	if keep.Bytes <= 0 {
		return nil
	}
	cursor, err := s.chunks.Aggregate(ctx, mongo.Pipeline{
		{{Key: "$match", Value: of}}, {{Key: "$group", Value: bson.D{{Key: "_id", Value: nil}, {Key: "size", Value: bson.D{{Key: "$sum", Value: "$size"}}}}}},
	})
	var sums []struct{ Size int64 }
	if err == nil {
		err = cursor.All(ctx, &sums)
	}
	if err != nil || len(sums) == 0 {
		return err
	}
	more := sums[0].Size - keep.Bytes
	return s.deleteChunks(ctx, of, func(oldest []oldDocument) (n int) {
		for ; n < len(oldest) && more > 0; n++ {
			more -= oldest[n].Size
		}
		return n
	})
}

// deleteChunks deletes the oldest chunks that match, as many of each batch as
// take says.
func (s *Store) deleteChunks(ctx context.Context, filter bson.D, take func([]oldDocument) int) error {
	for range deleteBatches {
		if !s.opts.Leads() {
			return nil
		}
		oldest, err := oldestOf(ctx, s.chunks, filter, "start", deleteBatch)
		if err != nil {
			return err
		}
		n := min(take(oldest), len(oldest))
		if n == 0 {
			return nil
		}
		if err := deleteAll(ctx, s.chunks, oldest[:n]); err != nil || n < deleteBatch {
			return err
		}
	}
	return nil
}

// oldDocument is what is known of a document before it is deleted.
type oldDocument struct {
	ID      bson.RawValue `bson:"_id"`
	Created bson.DateTime `bson:"createdAt"`
	Size    int64         `bson:"size"`
}

// oldestOf returns the first documents by a field.
func oldestOf(ctx context.Context, c *mongo.Collection, filter bson.D, by string, most int) (all []oldDocument, err error) {
	cursor, err := c.Find(ctx, filter, options.Find().SetSort(bson.D{{Key: by, Value: 1}}).SetLimit(int64(most)).
		SetProjection(bson.D{{Key: by, Value: 1}, {Key: "size", Value: 1}}))
	if err == nil {
		err = cursor.All(ctx, &all)
	}
	return all, err
}

func deleteAll(ctx context.Context, c *mongo.Collection, all []oldDocument) error {
	ids := make(bson.A, len(all))
	for i, d := range all {
		ids[i] = d.ID
	}
	_, err := c.DeleteMany(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}})
	return err
}

// deleteHistory deletes rows and counts them.
func (s *Store) deleteHistory(ctx context.Context, all []oldDocument) error {
	err := deleteAll(ctx, s.history, all)
	if err == nil {
		s.deleted.Add(uint64(len(all)))
	}
	return err
}
