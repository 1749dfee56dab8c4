// Package observed puts observers around a store: they are told when each of its
// operations begins and how it ends. It changes nothing of what the store does.
package observed

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/devops-insights/devops-insights/store"
)

// The operations of a store, as an Observer is told of them.
const (
	Save         = "save"
	Latest       = "latest"
	AllLatest    = "all_latest"
	Scan         = "scan"
	Refresh      = "refresh"
	Ping         = "ping"
	PutOutcomes  = "put_outcomes"
	LastOutcome  = "last_outcome"
	ScanOutcomes = "scan_outcomes"
	Mark         = "mark"
	PutChunks    = "put_chunks"
	ScanChunks   = "scan_chunks"
	Import       = "import"

	Ledger        = "ledger"
	PutLedger     = "put_ledger"
	PutRecord     = "put_record"
	FindRecords   = "find_records"
	DeleteRecords = "delete_records"
)

// Operations returns the names of all operations.
func Operations() []string {
	return []string{
		Save, Latest, AllLatest, Scan, Refresh, Ping,
		PutOutcomes, LastOutcome, ScanOutcomes, Mark, PutChunks, ScanChunks, Import,
		Ledger, PutLedger, PutRecord, FindRecords, DeleteRecords,
	}
}

// Observer is told of the operations of a store, from many goroutines at once.
type Observer interface {
	// Began is told of an operation right before it, with the api and the region
	// that it is about, empty where that is none or several. The context that it
	// returns goes with the operation, and ended is called with its error. What
	// was not found, and what the caller itself ended, is no error: ended is
	// called with nil.
	Began(ctx context.Context, op, api, source string) (_ context.Context, ended func(error))
}

// Whole is a store with all that it keeps of the past, and for alerting.
type Whole interface {
	store.Store
	store.Past
	store.Alerts
}

// Store returns inner with observers, of which the first is told first. The time
// of a scan includes what its caller does with the rows. Watch, which goes on
// until it is told to end, is not observed. Without observers it returns inner.
func Store(inner Whole, observers ...Observer) Whole {
	observers = slices.DeleteFunc(slices.Clone(observers), func(o Observer) bool { return o == nil })
	if len(observers) == 0 {
		return inner
	}
	return &observedStore{Whole: inner, observers: observers}
}

// observedStore passes Watch and Close on as they are.
type observedStore struct {
	Whole
	observers []Observer
}

// during runs an operation between the calls of the observers.
func (s *observedStore) during(ctx context.Context, op, api, source string, run func(context.Context) error) error {
	ended := make([]func(error), len(s.observers))
	for i, o := range s.observers {
		ctx, ended[i] = o.Began(ctx, op, api, source)
	}
	err := run(ctx)
	told := err
	if errors.Is(err, store.ErrNotFound) {
		told = nil
	}
	for _, f := range slices.Backward(ended) {
		f(told)
	}
	return err
}

// scan is during for an operation that calls each: an error of each is the
// caller's own.
func scan[T any](ctx context.Context, s *observedStore, op, api, source string, each func(T) error, run func(context.Context, func(T) error) error) error {
	var own error
	err := s.during(ctx, op, api, source, func(ctx context.Context) error {
		err := run(ctx, func(v T) error {
			own = each(v)
			return own
		})
		if own != nil {
			own = err // as the store words it
			return nil
		}
		return err
	})
	if own != nil {
		return own
	}
	return err
}

func (s *observedStore) Save(ctx context.Context, sample store.Sample) (changed bool, err error) {
	err = s.during(ctx, Save, sample.API, sample.Source, func(ctx context.Context) error {
		changed, err = s.Whole.Save(ctx, sample)
		return err
	})
	return changed, err
}

func (s *observedStore) Latest(ctx context.Context, api, source string) (m store.Metric, err error) {
	err = s.during(ctx, Latest, api, source, func(ctx context.Context) error {
		m, err = s.Whole.Latest(ctx, api, source)
		return err
	})
	return m, err
}

func (s *observedStore) AllLatest(ctx context.Context, api string) (all []store.Metric, err error) {
	err = s.during(ctx, AllLatest, api, "", func(ctx context.Context) error {
		all, err = s.Whole.AllLatest(ctx, api)
		return err
	})
	return all, err
}

func (s *observedStore) Scan(ctx context.Context, q store.Query, each func(store.Metric) error) error {
	return scan(ctx, s, Scan, q.API, q.Source, each, func(ctx context.Context, each func(store.Metric) error) error {
		return s.Whole.Scan(ctx, q, each)
	})
}

func (s *observedStore) Refresh(ctx context.Context) error {
	return s.during(ctx, Refresh, "", "", s.Whole.Refresh)
}

// Ping asks the store whether it is there; one that cannot be asked so is read.
func (s *observedStore) Ping(ctx context.Context) error {
	return s.during(ctx, Ping, "", "", func(ctx context.Context) error {
		if p, ok := s.Whole.(interface{ Ping(context.Context) error }); ok {
			return p.Ping(ctx)
		}
		_, err := s.Whole.AllLatest(ctx, "")
		return err
	})
}

func (s *observedStore) PutOutcomes(ctx context.Context, term int64, intervals []store.Interval) error {
	api, source := "", ""
	if len(intervals) > 0 {
		api, source = intervals[0].API, intervals[0].Source
	}
	for _, i := range intervals {
		if i.Source != source {
			source = ""
		}
		if i.API != api {
			api = ""
		}
	}
	return s.during(ctx, PutOutcomes, api, source, func(ctx context.Context) error {
		return s.Whole.PutOutcomes(ctx, term, intervals)
	})
}

func (s *observedStore) LastOutcome(ctx context.Context, api, source string) (i store.Interval, err error) {
	err = s.during(ctx, LastOutcome, api, source, func(ctx context.Context) error {
		i, err = s.Whole.LastOutcome(ctx, api, source)
		return err
	})
	return i, err
}

func (s *observedStore) ScanOutcomes(ctx context.Context, api, source string, from, to time.Time, each func(store.Interval) error) error {
	return scan(ctx, s, ScanOutcomes, api, source, each, func(ctx context.Context, each func(store.Interval) error) error {
		return s.Whole.ScanOutcomes(ctx, api, source, from, to, each)
	})
}

func (s *observedStore) Mark(ctx context.Context, api, source string) (m store.Mark, err error) {
	err = s.during(ctx, Mark, api, source, func(ctx context.Context) error {
		m, err = s.Whole.Mark(ctx, api, source)
		return err
	})
	return m, err
}

func (s *observedStore) PutChunks(ctx context.Context, term int64, m store.Mark, chunks []store.Chunk) error {
	return s.during(ctx, PutChunks, m.API, m.Source, func(ctx context.Context) error {
		return s.Whole.PutChunks(ctx, term, m, chunks)
	})
}

func (s *observedStore) ScanChunks(ctx context.Context, q store.ChunkQuery, each func(store.Chunk) error) error {
	return scan(ctx, s, ScanChunks, q.API, q.Source, each, func(ctx context.Context, each func(store.Chunk) error) error {
		return s.Whole.ScanChunks(ctx, q, each)
	})
}

func (s *observedStore) Import(ctx context.Context, rows []store.Metric) (added int, err error) {
	api := ""
	if len(rows) > 0 {
		api = rows[0].API
	}
	err = s.during(ctx, Import, api, "", func(ctx context.Context) error {
		added, err = s.Whole.Import(ctx, rows)
		return err
	})
	return added, err
}
