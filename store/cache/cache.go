// Package cache answers for the latest values from memory, so that any number
// of dashboards that connect at once ask the database once. It is told of
// changes by those who hear of them, and knows neither them nor the database.
package cache

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/devops-insights/devops-insights/store"
)

// Shared holds values for several processes, for a moment. Both methods are
// quick and may fail without a word: the database is asked then.
type Shared interface {
	Get(ctx context.Context, api string) []byte
	Put(ctx context.Context, api string, values []byte)
}

// Options configures a Reader.
type Options struct {
	// Reader is asked for what is not in memory. Required.
	Reader store.Reader
	// MaxAge is how long values may be served that nobody has noted or
	// confirmed meanwhile. Required.
	MaxAge func() time.Duration
	// Shared is asked before the Reader when values have become old. Nil: there
	// is none.
	Shared Shared
	// Timeout bounds one question to the Reader, which others wait for too.
	// Zero: 10 s.
	Timeout time.Duration
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// Reader is a store.Reader over another one. Its methods may be called from
// any goroutine.
type Reader struct {
	o       Options
	asking  singleflight.Group
	changes atomic.Uint64 // noted or suspected
	mu      sync.Mutex
	entries map[string]*entry
}

// entry holds the values of one api, in the order of their first storing.
type entry struct {
	values  []store.Metric
	read    time.Time // when the store was asked last; zero: ask it
	version int       // grows with Forget
	// doubted: the next answer comes from the store itself. The first one does
	// too: a client may come from a process that knows more than the shared
	// values did a moment ago.
	doubted bool
}

// New returns a Reader with nothing in memory.
func New(o Options) *Reader {
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Reader{o: o, entries: make(map[string]*entry)}
}

func (r *Reader) entry(api string) *entry {
	e := r.entries[api]
	if e == nil {
		e = &entry{doubted: true}
		r.entries[api] = e
	}
	return e
}

// Note takes a value that was stored.
func (r *Reader) Note(m store.Metric) {
	r.changes.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entry(m.API).take(m)
}

// take keeps the newer one of two values of a region.
func (e *entry) take(m store.Metric) {
	for i, old := range e.values {
		if old.Source == m.Source {
			if !m.UpdatedAt.Before(old.UpdatedAt) {
				if m.CreatedAt.IsZero() || m.CreatedAt.After(old.CreatedAt) {
					m.CreatedAt = old.CreatedAt
				}
				values := append([]store.Metric(nil), e.values...) // readers have the old list
				values[i] = m
				e.values = values
			}
			return
		}
	}
	e.values = append(e.values[:len(e.values):len(e.values)], m)
}

// Forget makes the next question about the api go to the store itself.
func (r *Reader) Forget(api string) {
	r.changes.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entry(api)
	e.read = time.Time{}
	e.version++
	e.doubted = true
}

// AllLatest implements store.Reader.
func (r *Reader) AllLatest(ctx context.Context, api string) ([]store.Metric, error) {
	for {
		r.mu.Lock()
		e := r.entry(api)
		values, read, version := e.values, e.read, e.version
		r.mu.Unlock()
		if !read.IsZero() && r.o.Now().Sub(read) < r.o.MaxAge() {
			return values, nil
		}
		// A question that began before Forget does not answer one after it.
		again, err := r.once(ctx, fmt.Sprint("latest ", version, " ", api), func(ctx context.Context) (any, error) {
			return r.fill(ctx, api, version)
		})
		if err != nil {
			return nil, err
		}
		if again == nil {
			continue // forgotten meanwhile
		}
		return again.([]store.Metric), nil
	}
}

// fill asks for the values and merges them with what was noted meanwhile. It
// returns nil where they were forgotten meanwhile.
func (r *Reader) fill(ctx context.Context, api string, version int) (any, error) {
	began := r.o.Now()
	var values []store.Metric
	r.mu.Lock()
	doubted, shared := r.entry(api).doubted, false
	r.mu.Unlock()
	if r.o.Shared != nil && !doubted {
		shared = json.Unmarshal(r.o.Shared.Get(ctx, api), &values) == nil
	}
	if !shared {
		var err error
		if values, err = r.o.Reader.AllLatest(ctx, api); err != nil {
			return nil, err
		}
		if text, err := json.Marshal(values); err == nil && r.o.Shared != nil {
			r.o.Shared.Put(ctx, api, text)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entry(api)
	noted := e.values
	e.values = values
	for _, m := range noted {
		e.take(m)
	}
	if e.version != version {
		return nil, nil
	}
	e.read, e.doubted = began, false
	return append([]store.Metric{}, e.values...), nil
}

// Latest implements store.Reader.
func (r *Reader) Latest(ctx context.Context, api, source string) (store.Metric, error) {
	all, err := r.AllLatest(ctx, api)
	if err != nil {
		return store.Metric{}, err
	}
	for _, m := range all {
		if m.Source == source {
			return m, nil
		}
	}
	return store.Metric{}, fmt.Errorf("%s, %s: %w", api, source, store.ErrNotFound)
}

// History implements store.Reader. It keeps nothing: the same question from
// several at once is asked once, unless something changed in between.
func (r *Reader) History(ctx context.Context, q store.Query) ([]store.Metric, error) {
	key := fmt.Sprintf("history %d %q %q %d %d %d", r.changes.Load(), q.API, q.Source, q.From.UnixMilli(), q.To.UnixMilli(), q.Limit)
	rows, err := r.once(ctx, key, func(ctx context.Context) (any, error) { return r.o.Reader.History(ctx, q) })
	if err != nil {
		return nil, err
	}
	return rows.([]store.Metric), nil
}

// once asks a question for all who have it at this moment; one who does not
// wait any longer does not end it for the others.
func (r *Reader) once(ctx context.Context, key string, ask func(context.Context) (any, error)) (any, error) {
	answer := r.asking.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.o.Timeout)
		defer cancel()
		return ask(ctx)
	})
	select {
	case a := <-answer:
		return a.Val, a.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

var _ store.Reader = (*Reader)(nil)
