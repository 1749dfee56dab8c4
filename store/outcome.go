package store

import (
	"context"
	"errors"
	"time"
)

// State is what polling found out about a region.
type State string

// The states of a region.
const (
	// StateUp is a region that answers, and whose value says that it is well.
	StateUp State = "up"
	// StateDegraded is a region that answers that it is not quite well.
	StateDegraded State = "degraded"
	// StateDown is a region that does not answer, or answers that it is down.
	StateDown State = "down"
	// StateUnknown is a region that nobody polled.
	StateUnknown State = "unknown"
)

// Interval is a time during which the state of a region and the reason for it
// stayed the same.
type Interval struct {
	API, Source string
	// From is the poll that found the state, and To the last one that confirmed
	// it, or the next one that did not: From is part of the interval, To is not.
	// Whole milliseconds in UTC.
	From, To time.Time
	// Until is when the next poll must have come for the state to hold until
	// then. A poll that comes later leaves an unknown interval from To on.
	Until time.Time
	State State
	// Reason is the poller's code of the failure, or the value's own words where
	// the value says that it is not up. Empty with StateUp and StateUnknown.
	Reason string
	// Polls counts the polls of the interval, and Failures those that brought no
	// value.
	Polls, Failures int64
	// Latency holds how long the polls took, in milliseconds: a digest.Digest as
	// it encodes itself. Empty: none was counted.
	Latency []byte
}

// ErrFenced is returned to a writer whose term is over: another instance has
// taken over, and what this one would write is no longer its to write.
var ErrFenced = errors.New("another instance has taken over since")

// Outcomes is the side of a store that keeps the results of polling.
type Outcomes interface {
	// PutOutcomes stores intervals of one or more regions, all or none where the
	// store can. An interval replaces the one of its api, source and From. term
	// numbers the writer's time in office: where a region has been written by a
	// later term nothing of it is written, and the error is ErrFenced. Who takes
	// over stores the newest interval again under the new term before anything
	// else, which fences the writer before.
	PutOutcomes(ctx context.Context, term int64, intervals []Interval) error
	// LastOutcome returns the region's interval with the latest From, or
	// ErrNotFound.
	LastOutcome(ctx context.Context, api, source string) (Interval, error)
	// ScanOutcomes calls each for the intervals of a region of which a part lies
	// in the time from (part of it) to (not part of it), oldest first. The zero
	// time is no bound. An error of each ends it and is returned.
	ScanOutcomes(ctx context.Context, api, source string, from, to time.Time, each func(Interval) error) error
}
