// Package store holds the types in which the poller and the socket layer meet:
// a Metric as it is kept, a Change as it is announced, a Query over the
// history, and the small interfaces that every store fulfils. It never knows
// who uses it, and the values it keeps stay the upstream's own bytes.
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
}

// Change tells that a region's latest value was replaced by a different one.
// It is announced only after it is durable.
type Change struct {
	Metric
}

// Query selects rows of the history, newest first.
type Query struct {
	API string
	// Source limits the rows to one region; empty selects all of them.
	Source string
	// From and To bound CreatedAt, both inclusive; the zero time is no bound.
	From, To time.Time
	// Limit is the largest number of rows; it must be positive.
	Limit int
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
	// History returns the rows that match, newest first; rows of the same
	// millisecond come in no certain order.
	History(ctx context.Context, q Query) ([]Metric, error)
}

// Feed is the side of a store that announces changes.
type Feed interface {
	// Watch calls handle for each change that becomes durable after Watch was
	// entered, one at a time and in the order of the commits, until ctx ends
	// (it then returns ctx.Err()), the store is closed (ErrClosed) or handle
	// returns an error (that error). ready, if not nil, is called once when
	// changes from now on will be seen.
	Watch(ctx context.Context, ready func(), handle func(context.Context, Change) error) error
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
