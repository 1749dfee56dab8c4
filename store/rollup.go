package store

import (
	"context"
	"errors"
	"time"
)

// Tier is a resolution in which the history is kept beside its rows.
type Tier string

// The tiers, the finest first. Their points begin at whole minutes, hours and
// days of UTC.
const (
	TierMinute Tier = "1m"
	TierHour   Tier = "1h"
	TierDay    Tier = "1d"
)

// Tiers returns all tiers, the finest first.
func Tiers() []Tier { return []Tier{TierMinute, TierHour, TierDay} }

// Step returns the time of one point.
func (t Tier) Step() time.Duration {
	switch t {
	case TierMinute:
		return time.Minute
	case TierHour:
		return time.Hour
	}
	return 24 * time.Hour
}

// Span returns the time of one Chunk: an hour of minutes, a day of hours, 32
// days of days. A chunk begins at a multiple of it since 1970.
func (t Tier) Span() time.Duration {
	switch t {
	case TierMinute:
		return time.Hour
	case TierHour:
		return 24 * time.Hour
	}
	return 32 * 24 * time.Hour
}

// Chunk holds the points of one field of a region, of one tier and one Span.
type Chunk struct {
	API, Source string
	// Field is the path of the field in the value, for example
	// "results.stats.server.cpu_load".
	Field string
	Tier  Tier
	// Start is when the Span begins, in UTC.
	Start time.Time
	// Data holds the points as package rollup encodes them. A store never looks
	// into it.
	Data []byte
	// Damaged is set by ScanChunks where there is a chunk whose Data is not what
	// was stored any more; there is none then.
	Damaged bool
}

// Mark says how far the rows of a region have been rolled up.
type Mark struct {
	API, Source string
	// To is the whole minute in UTC before which all rows are in the tiers; zero
	// before the first.
	To time.Time
	// Revision changes with each late row and each PutChunks: what has been read
	// before it may not be complete any more.
	Revision int64
	// Fields are the paths that were found in the values, in the order in which
	// they were found.
	Fields []string
}

// ErrConflict is returned to a writer that has not seen what the store holds by
// now: it has to read and begin again.
var ErrConflict = errors.New("the store holds something newer than was read")

// LateAfter is the age from which a row that is saved is late: it may belong to
// a time that has been rolled up, or is just being.
const LateAfter = 30 * time.Second

// ChunkQuery selects chunks of a field.
type ChunkQuery struct {
	API, Source, Field string
	Tier               Tier
	// From and To bound the times of the points: every chunk is meant whose Span
	// has a part in it. To is not part of it. The zero time is no bound.
	From, To time.Time
}

// Rollups is the side of a store that keeps tiers. Whoever saves a row that is
// older than LateAfter, or older than the region's Mark.To, takes the mark back
// to the row's minute and changes its Revision, in the same transaction where
// the store has them, else right after the row.
type Rollups interface {
	// Mark returns how far a region has been rolled up. Of one that has not been
	// the mark has names only, and no error.
	Mark(ctx context.Context, api, source string) (Mark, error)
	// PutChunks stores chunks of one region, each in the place of the one of its
	// field, tier and Start, and then its mark. m is the mark as it was read with
	// To and Fields as they are from now on; where the store's has another
	// Revision by now the error is ErrConflict, and where a later term has
	// written ErrFenced. In both cases nothing is changed, or, in a store without
	// transactions, only chunks, which the next PutChunks puts right.
	PutChunks(ctx context.Context, term int64, m Mark, chunks []Chunk) error
	// ScanChunks calls each for the chunks that match, oldest first. Data is
	// valid during the call only. An error of each ends it and is returned.
	ScanChunks(ctx context.Context, q ChunkQuery, each func(Chunk) error) error
}

// Importer is the side of a store that takes rows of another one.
type Importer interface {
	// Import adds history rows as they are: their times, and Data with its Hash.
	// A row of which api, source, CreatedAt and Hash are there already is left
	// out, so that importing again adds nothing. The latest value of a region is
	// replaced where it is older than the newest row. No change is announced. It
	// returns how many rows were added.
	Import(ctx context.Context, rows []Metric) (added int, err error)
}

// Past is what a store keeps of the past beside its rows.
type Past interface {
	Outcomes
	Rollups
	Importer
}
