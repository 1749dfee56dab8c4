package mongostore

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/devops-insights/devops-insights/store"
)

// mark is the document of a region in metrics_rollup_marks.
type mark struct {
	ID       regionID  `bson:"_id"`
	To       time.Time `bson:"to"`
	Revision int64     `bson:"revision"`
	Fields   []string  `bson:"fields"`
	// Late are rows that are just being stored, or were when their writer died.
	Late map[string]lateRow `bson:"late"`
	// Term is the latest that has written chunks, and Claim counts its writes and
	// those of all others. The last one was finished if Done is its number; until
	// then it may still be writing chunks, of each tier from ClaimFrom on.
	Term      int64                    `bson:"term"`
	Claim     int64                    `bson:"claim"`
	Done      int64                    `bson:"done"`
	ClaimFrom map[store.Tier]time.Time `bson:"claimFrom"`
	// Aborted are the writes that were not finished when the next one began: the
	// chunks which they have made count as soon as somebody else has written them.
	Aborted []int64 `bson:"aborted"`
}

// lateRow is one that is about to be stored at a time that may have been rolled
// up.
type lateRow struct {
	ID    string    `bson:"-"`
	At    time.Time `bson:"at"` // its minute
	Since time.Time `bson:"since"`
}

// lateFor is how long the storing of a late row may take. Whoever has not
// finished by then has died: the row is stored, or will not be.
const lateFor = 10 * time.Minute

// withLists is the mark with lists where it has none: what is null in the
// database cannot be added to.
func (m mark) withLists() mark {
	if m.Fields == nil {
		m.Fields = []string{}
	}
	if m.Late == nil {
		m.Late = map[string]lateRow{}
	}
	if m.Aborted == nil {
		m.Aborted = []int64{}
	}
	if m.ClaimFrom == nil {
		m.ClaimFrom = map[store.Tier]time.Time{}
	}
	return m
}

func (r regionID) key() bson.D { return bson.D{{Key: "_id", Value: r}} }

// readMark returns the mark of a region, one that is zero where it has none.
func (s *Store) readMark(ctx context.Context, r regionID) (m mark, found bool, err error) {
	if s.closed() {
		return m, false, store.ErrClosed
	}
	err = s.marks.FindOne(ctx, r.key()).Decode(&m)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return mark{ID: r}, false, nil
	}
	if err != nil {
		return m, false, s.failure(s.marks.Name()+" could not be read", err)
	}
	m.To = m.To.UTC()
	return m, true, nil
}

// Mark implements store.Rollups.
func (s *Store) Mark(ctx context.Context, api, source string) (store.Mark, error) {
	r := regionID{api, source}
	m, _, err := s.readMark(ctx, r)
	ended := false
	for id, late := range m.Late {
		if time.Since(late.Since) > lateFor && err == nil {
			late.ID, ended = id, true
			err = s.endLate(ctx, r, late)
		}
	}
	if ended && err == nil {
		m, _, err = s.readMark(ctx, r)
	}
	if err != nil {
		return store.Mark{}, err
	}
	to := m.To
	for _, late := range m.Late {
		if late.At.Before(to) {
			to = late.At.UTC()
		}
	}
	s.rolledUp.set(r, to)
	return store.Mark{API: api, Source: source, To: to, Revision: m.Revision, Fields: m.Fields}, nil
}

// late reports whether a row that is about to be stored may belong to a time
// that has been rolled up, or is just being.
func (s *Store) late(ctx context.Context, r regionID, at time.Time) (bool, error) {
	if time.Since(at) > store.LateAfter {
		return true, nil
	}
	to, known := s.rolledUp.get(r)
	if !known {
		m, err := s.Mark(ctx, r.API, r.Source)
		if err != nil {
			return false, err
		}
		to = m.To
	}
	return at.Before(to), nil
}

// beginLate notes that a late row is about to be stored: until endLate the mark
// is not beyond it, whoever rolls up meanwhile, and whether or not this process
// lives to say that the row is there.
func (s *Store) beginLate(ctx context.Context, r regionID, at time.Time) (lateRow, error) {
	late := lateRow{ID: bson.NewObjectID().Hex(), At: at.UTC().Truncate(time.Minute), Since: time.Now()}
	err := s.changeMark(ctx, r, bson.D{{Key: "$set", Value: bson.D{{Key: "late." + late.ID, Value: late}}}},
		mark{ID: r, Late: map[string]lateRow{late.ID: late}})
	return late, err
}

// endLate takes the mark back to a late row, which beginLate has noted if it has
// an ID. Whoever rolls up just now has to
// begin again.
func (s *Store) endLate(ctx context.Context, r regionID, late lateRow) error {
	s.rolledUp.forget(r)
	back := bson.D{
		{Key: "$min", Value: bson.D{{Key: "to", Value: late.At}}},
		{Key: "$inc", Value: bson.D{{Key: "revision", Value: int64(1)}}},
	}
	if late.ID != "" {
		back = append(back, bson.E{Key: "$unset", Value: bson.D{{Key: "late." + late.ID, Value: ""}}})
	}
	return s.changeMark(ctx, r, back, mark{ID: r, Revision: 1})
}

// changeMark updates a mark, or makes it where there is none.
func (s *Store) changeMark(ctx context.Context, r regionID, update bson.D, made mark) error {
	for range attempts {
		result, err := s.marks.UpdateOne(ctx, r.key(), update)
		if err != nil {
			return s.failure("the roll-up could not be taken back for a late row", err)
		}
		if result.MatchedCount > 0 {
			return nil
		}
		_, err = s.marks.InsertOne(ctx, made.withLists())
		if !mongo.IsDuplicateKeyError(err) {
			return err
		}
	}
	return errConflict
}

// rolledUp remembers how far the regions have been rolled up, for a while.
type rolledUp struct {
	mu sync.Mutex
	of map[regionID]rolledUpTo
}

type rolledUpTo struct {
	to   time.Time
	read time.Time
}

// rememberFor is longer than the time between two runs of the roll-up, which
// read the marks. Other instances roll up only when this one's lease has gone,
// so that a row of this one can be behind their mark only if their clocks are
// ahead by half a minute.
const rememberFor = 90 * time.Second

func (r *rolledUp) set(region regionID, to time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == nil {
		r.of = make(map[regionID]rolledUpTo)
	}
	r.of[region] = rolledUpTo{to, time.Now()}
}

func (r *rolledUp) get(region regionID) (to time.Time, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, known := r.of[region]
	return at.to, known && time.Since(at.read) < rememberFor
}

func (r *rolledUp) forget(region regionID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.of, region)
}
