// Package store holds the types in which the poller and the socket layer meet:
// a Metric as it is kept, a Change as it is announced, a Query over the
// history, and the small interfaces that every store fulfils. It knows
// nothing of its users, and the values it keeps stay the upstream's own bytes.
package store

import (
	"context"
	"crypto/sha1" // #nosec G505 -- the contract names SHA-1 for change detection, not for security.
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"time"
)

var (
	// ErrNotFound is returned by Latest when nothing is stored for the region.
	ErrNotFound = errors.New("nothing stored for this source")
	// ErrRefused is returned by Save for a value that the store will never
	// take, for example one that is too large.
	ErrRefused = errors.New("the store does not take this value")
	// ErrBadID is returned for a Query.After that the store has never given out.
	ErrBadID = errors.New("this is no id of a history row")
	// ErrClosed is returned by every method after Close.
	ErrClosed = errors.New("the store is closed")
)

// Sample is one answer of an upstream, on its way into a store.
type Sample struct {
	// API is the upstream's name in lower case, for example "acme".
	API string
	// Source is the region in lower case, for example "eu-west".
	Source string
	// Data is compact JSON text: the upstream's own bytes without white space
	// between tokens. See Hash.
	Data json.RawMessage
	// At is when the sample was taken. Stores keep whole milliseconds in UTC.
	At time.Time
}

// Metric is one stored value: the latest of a region or a row of its history.
type Metric struct {
	API    string
	Source string
	// Data is the JSON text as it was saved: byte for byte, or, in a store of
	// values, as JavaScript writes the same value.
	Data json.RawMessage
	// Hash is the lower-case hexadecimal SHA-1 of Data.
	Hash string
	// CreatedAt of a latest value is when its region was first stored; of a
	// history row, when the row was stored. UTC, whole milliseconds.
	CreatedAt time.Time
	// UpdatedAt is when the value last changed. UTC, whole milliseconds.
	UpdatedAt time.Time
	// ID names a row of the history within its store, in printable ASCII: where
	// Query.After goes on. Latest values have none.
	ID string
}

// Change tells that a region's latest value was replaced by a different one.
// It is announced only after it is durable.
type Change struct {
	Metric
	// Snapshot marks a value that was found in the store and not seen being
	// written: when a feed begins, when it may have missed something, and when
	// Refresh asks. Other processes are not to be told of it.
	Snapshot bool
}

// Query selects rows of the history, newest first unless OldestFirst is set.
type Query struct {
	API string
	// Source limits the rows to one region; empty selects all of them.
	Source string
	// From and To bound CreatedAt, both inclusive; the zero time is no bound.
	From, To time.Time
	// Limit is the largest number of rows; it must be positive.
	Limit int
	// OldestFirst turns the order around.
	OldestFirst bool
	// After is the ID of a row: only rows behind it, in the order that is asked
	// for, are meant. The row itself may have been deleted since. Empty: all. One
	// that is no ID of the store is ErrBadID.
	After string
}

// Writer is the side of a store that a poller needs.
type Writer interface {
	// Save stores the sample as the latest value and appends it to the history,
	// both or neither, if its hash differs from the latest one of the same api
	// and source. It reports whether it did. Two callers that save the same
	// value at once make one change and one row. When Save returns true the
	// change is durable.
	Save(ctx context.Context, s Sample) (changed bool, err error)
}

// Reader is the side of a store that answers questions.
type Reader interface {
	// Latest returns the newest value of one region, or ErrNotFound.
	Latest(ctx context.Context, api, source string) (Metric, error)
	// AllLatest returns the newest value of every stored region of the api, in
	// the order in which the regions were first stored.
	AllLatest(ctx context.Context, api string) ([]Metric, error)
	// Scan calls each for the rows that match, in a total order: by CreatedAt, the
	// time at which the sample was taken, and within one millisecond by an order
	// of the store's own that is always the same. It holds few of them in memory
	// at a time. An error of each ends it and is returned.
	Scan(ctx context.Context, q Query, each func(Metric) error) error
}

// History returns the rows of a Scan. Where they may be many, Scan itself is
// the better choice.
func History(ctx context.Context, r Reader, q Query) ([]Metric, error) {
	var rows []Metric
	err := r.Scan(ctx, q, func(m Metric) error {
		rows = append(rows, m)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// Feed is the side of a store that announces changes: a snapshot of what is
// stored, followed by the changes, in one order and from one goroutine. No wall
// clock decides anything: the order is the store's own.
type Feed interface {
	// Watch hands on the latest value of every stored region, of all apis, as
	// changes with Snapshot set; calls ready, if it is not nil, once; and then
	// hands on every change that becomes durable, in the order of the commits.
	// No change is lost, comes twice, or comes after a later one of its region.
	// A region that changes while the snapshot is taken may begin with that
	// change instead of a snapshot of it.
	//
	// Where the store has to begin again, because changes may have been missed,
	// it hands on a snapshot again. A snapshot may repeat what was handed on.
	//
	// handle is called from one goroutine, one change at a time, and must not
	// call Save or Refresh. Watch returns when ctx ends (ctx.Err()), the store
	// is closed (ErrClosed) or handle returns an error (that error).
	Watch(ctx context.Context, ready func(), handle func(context.Context, Change) error) error
	// Refresh asks every running Watch for a snapshot of all latest values, in
	// the order of its changes, and returns when each has handed it on. It
	// returns ctx.Err() when ctx ends before, the error when the store cannot
	// be read, and ErrClosed after Close. A store whose feed cannot miss
	// anything, because nobody else writes, may do nothing.
	Refresh(ctx context.Context) error
}

// Store is what a database package offers: the three sides and Close.
type Store interface {
	Writer
	Reader
	Feed
	io.Closer
}

// Hash returns the lower-case hexadecimal SHA-1 of data, by which changes are
// noticed. data is expected to be compact JSON, so that white space alone is
// no change.
func Hash(data []byte) string {
	sum := sha1.Sum(data) // #nosec G401 -- see the import.
	return hex.EncodeToString(sum[:])
}

// Milliseconds returns t in UTC cut to whole milliseconds, the precision of
// the wire and of every store.
func Milliseconds(t time.Time) time.Time {
	return t.UTC().Truncate(time.Millisecond)
}
