package mongostore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// CheckRead reads one latest value, which need not exist, from the database, and
// notes how long that takes: it says what can be expected of the change stream.
// The error is an UnreachableError.
func (s *Store) CheckRead(ctx context.Context, api, source string) error {
	began := time.Now()
	defer func() { s.took.Store(int64(time.Since(began))) }()
	err := s.latest.FindOne(ctx, bson.D{{Key: "api", Value: api}, {Key: "source", Value: source}}).Err()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil
	}
	return Cause(err, s.opts.URL)
}

// CheckWrite asks for a write that changes nothing, and so needs no room: a host
// that is no primary, a majority that does not answer, a user who may not write
// and a locked database are found out by it. The error is an UnreachableError.
func (s *Store) CheckWrite(ctx context.Context) error {
	nobody := bson.D{{Key: "_id", Value: "devops-insights: nothing has this id"}}
	_, err := s.latest.UpdateOne(ctx, nobody, bson.D{{Key: "$set", Value: bson.D{{Key: "checked", Value: true}}}})
	return Cause(err, s.opts.URL)
}

// StreamHealth says how the change stream is doing.
type StreamHealth struct {
	// Opened is since when it is open; zero while it is not.
	Opened time.Time
	// Answered is when the server answered last, and be it that there is nothing
	// new: it does so at least once in MaxAwait. Opening it anew is no answer of
	// the stream. Zero: not yet.
	Answered time.Time
	// Awaited is when the oldest change of this process was stored that the stream
	// has not brought yet; zero where it has brought all.
	Awaited time.Time
	// Err is why it is not open; nil while it is, and before the first attempt.
	Err error
	// Gaps counts, since the start, the times after which the latest values were read
	// again because the stream had missed changes, or may have. Every reason is
	// there from the start.
	Gaps map[Gap]uint64
}

// Gap says why a change stream has missed changes, or may have.
type Gap string

// The reasons for gaps.
const (
	// GapHistoryLost: the server did not know the place any more where the stream
	// was to go on.
	GapHistoryLost Gap = "history_lost"
	// GapSilent: the stream said nothing of a write that the database shows.
	GapSilent Gap = "silent"
	// GapInvalidated: the collection was dropped or renamed.
	GapInvalidated Gap = "invalidated"
)

// Stream returns how the change stream is doing. It asks nobody.
func (s *Store) Stream() StreamHealth {
	h := &s.streaming
	h.mu.Lock()
	defer h.mu.Unlock()
	now := StreamHealth{Opened: h.opened, Answered: h.answered, Err: h.err, Gaps: map[Gap]uint64{GapHistoryLost: 0, GapSilent: 0, GapInvalidated: 0}}
	if now.Answered.IsZero() { // the first opening is an answer, a later one may be all that is answered
		now.Answered = h.opened
	}
	for reason, n := range h.gaps {
		now.Gaps[reason] = n
	}
	for _, at := range h.awaited {
		if now.Awaited.IsZero() || at.Before(now.Awaited) {
			now.Awaited = at
		}
	}
	return now
}

// streaming is what is known of the change stream.
type streaming struct {
	mu       sync.Mutex
	opened   time.Time
	answered time.Time
	err      error
	awaited  map[region]time.Time // since when a change that was stored here is to come
	gaps     map[Gap]uint64
}

func (h *streaming) gap(reason Gap) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.gaps == nil {
		h.gaps = make(map[Gap]uint64)
	}
	h.gaps[reason]++
}

func (h *streaming) open() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.opened, h.err = time.Now(), nil
}

func (h *streaming) answer() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answered = time.Now()
}

// end notes that there is no stream; a nil error, that there should be none.
func (h *streaming) end(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.opened, h.err = time.Time{}, err
	if err == nil {
		clear(h.awaited)
	}
}

// await notes that a change is about to be stored which the stream then has to
// bring: it may do so before the write has returned. written takes how the write
// ended; the time counts from then.
func (h *streaming) await(at region) (written func(stored bool)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.opened.IsZero() || !h.awaited[at].IsZero() {
		return func(bool) {}
	}
	if h.awaited == nil {
		h.awaited = make(map[region]time.Time)
	}
	h.awaited[at] = time.Now()
	return func(stored bool) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if _, waits := h.awaited[at]; waits && stored {
			h.awaited[at] = time.Now()
		} else {
			delete(h.awaited, at)
		}
	}
}

// brought notes that the stream is at a change of the region, whoever made it, or
// that the region was read.
func (h *streaming) brought(at region) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.awaited, at)
}

// errNoAnswer says that the server, which answers within MaxAwait, does not.
func errNoAnswer(after time.Duration) error {
	return fmt.Errorf("the change stream got no answer within %s: %w", after.Round(time.Millisecond), context.DeadlineExceeded)
}
