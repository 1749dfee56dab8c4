package mongostore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/internal/retention"
)

// The database deletes rows by its own clock and waits for nobody. So rows are
// archived a while before: a day, or half the retention where that is less than
// two days. An archive that cannot be written for longer than this loses rows,
// and the log says from when on. What is saved or imported at a time that has
// been archived already is in the database only.

// Archive takes rows before they are deleted.
type Archive interface {
	// Append returns when the rows are durable. They are in the order of the
	// history; after an error, or a crash, the same rows come again, perhaps with
	// others between them.
	Append(rows []store.Metric) error
}

// archiveMargin is how long before the database deletes them rows are archived.
func archiveMargin(expires time.Duration) time.Duration { return min(24*time.Hour, expires/2) }

// The bounds of what is handed over at once.
const (
	archiveRows  = 1000
	archiveBytes = 8 << 20
)

// firstDate is the least that is one to all servers: the year 1.
const firstDate = bson.DateTime(-62135596800000)

// archived is the document in metrics_archive: how far rows have been archived.
type archived struct {
	ID    string `bson:"_id"`
	After string `bson:"after"` // the ID of the last row
}

const archivedID = "history"

// archiveAged archives the rows that the database will soon delete, or, where it
// deletes none, archives and deletes those that are too old.
func (s *Store) archiveAged(ctx context.Context, age *retention.Clock) error {
	if s.sweeps {
		return s.archiveAndDelete(ctx, bounds{to: age.Horizon(s.expires)}, math.MaxInt)
	}
	return s.archiveUntil(ctx, age.Horizon(s.expires-archiveMargin(s.expires)))
}

// archiveAndDelete archives the oldest rows within bounds and deletes the very
// same, up to most of them.
func (s *Store) archiveAndDelete(ctx context.Context, within bounds, most int) error {
	for most > 0 && s.opts.Leads() {
		rows, err := s.nextToArchive(ctx, "", within)
		if err != nil {
			return s.archiving.failed(s, nil, err)
		}
		rows = rows[:min(len(rows), most)]
		if len(rows) == 0 {
			break
		}
		if err := s.opts.Archive.Append(rows); err != nil {
			return s.archiving.failed(s, rows, err)
		}
		old := make([]oldDocument, len(rows))
		for i, m := range rows {
			id, err := parseRowID(m.ID)
			if err != nil {
				return err
			}
			old[i].ID = id.id
		}
		if err := s.deleteHistory(ctx, old); err != nil {
			return err
		}
		most -= len(rows)
	}
	return nil
}

// archiveUntil archives, in the order of the history, the rows up to a time that
// have not been.
func (s *Store) archiveUntil(ctx context.Context, to time.Time) error {
	for s.opts.Leads() {
		before, err := s.archivedUntil(ctx)
		if err != nil {
			return s.archiving.failed(s, nil, err)
		}
		rows, err := s.nextToArchive(ctx, before.After, bounds{to: to})
		if err == nil && len(rows) > 0 {
			err = s.archive(ctx, before, rows)
		}
		if errors.Is(err, errConflict) {
			continue // another instance has archived meanwhile
		}
		if err != nil {
			return s.archiving.failed(s, rows, err)
		}
		if len(rows) == 0 {
			return nil
		}
	}
	return nil
}

func (s *Store) archivedUntil(ctx context.Context) (a archived, err error) {
	err = s.archives.FindOne(ctx, bson.D{{Key: "_id", Value: archivedID}}).Decode(&a)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return archived{}, nil
	}
	return a, err
}

// nextToArchive returns the rows behind one, in the order of the history.
func (s *Store) nextToArchive(ctx context.Context, after string, within bounds) (rows []store.Metric, err error) {
	size := 0
	p := parts{scan{store: s, base: bson.D{}, within: within, direction: 1, limit: archiveRows, each: func(m store.Metric) error {
		rows, size = append(rows, m), size+len(m.Data)
		if size > archiveBytes {
			return errEnough
		}
		return nil
	}}}
	err = p.all(ctx, after)
	if errors.Is(err, errEnough) {
		err = nil
	}
	return rows, err
}

// archive hands rows over and notes that, or returns errConflict.
func (s *Store) archive(ctx context.Context, before archived, rows []store.Metric) error {
	if err := s.opts.Archive.Append(rows); err != nil {
		return err
	}
	last := rows[len(rows)-1].ID
	if before.ID == "" {
		_, err := s.archives.InsertOne(ctx, archived{archivedID, last})
		if mongo.IsDuplicateKeyError(err) {
			return errConflict
		}
		return err
	}
	result, err := s.archives.UpdateOne(ctx, bson.D{{Key: "_id", Value: archivedID}, {Key: "after", Value: before.After}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "after", Value: last}}}})
	if err == nil && result.MatchedCount == 0 {
		return errConflict
	}
	return err
}

// archiving is how the archive is doing.
type archiving struct {
	mu    sync.Mutex
	since time.Time
	cause string
	said  time.Time
}

// ArchiveFailing returns since when rows that will soon be deleted cannot be
// archived, with a sentence about why and what will be lost; zero when they can.
func (s *Store) ArchiveFailing() (since time.Time, cause string) {
	s.archiving.mu.Lock()
	defer s.archiving.mu.Unlock()
	return s.archiving.since, s.archiving.cause
}

// failed notes that rows could not be archived, and says so at once and every
// hour. It returns the error as the sweeper reports it.
func (a *archiving) failed(s *Store, rows []store.Metric, err error) error {
	if s.closed() {
		return nil
	}
	cause := fmt.Sprintf("rows of %s cannot be archived, and are not deleted: %v", s.history.Name(), err)
	if len(rows) > 0 && !s.sweeps && s.expires > 0 {
		lost := rows[0].CreatedAt.Add(s.expires)
		cause = fmt.Sprintf("rows of %s from %s on cannot be archived: the database deletes them from %s on, and what is not archived by then is lost: %v",
			s.history.Name(), rows[0].CreatedAt.Format(time.RFC3339), lost.Format(time.RFC3339), err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.since.IsZero() {
		a.since = time.Now()
	}
	a.cause = cause
	if time.Since(a.said) > time.Hour || a.said.IsZero() {
		a.said = time.Now()
		s.opts.Logger.WithError(err).Error(cause)
	}
	return errNotArchived
}

// works notes that everything is archived that this instance has to archive.
func (a *archiving) works(s *Store) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.since.IsZero() {
		s.opts.Logger.WithField("duration_ms", time.Since(a.since).Milliseconds()).Info("rows are archived again")
	}
	a.since, a.cause, a.said = time.Time{}, "", time.Time{}
}

// errNotArchived ends a look for old rows: why has been said.
var errNotArchived = errors.New("rows could not be archived")
