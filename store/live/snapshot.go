package live

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/devops-insights/devops-insights/store"
)

// Snapshot is the newest value of one region or of all, at one moment. It is
// shared by all who ask at that time: nobody may change it.
type Snapshot struct {
	// Values are in the order in which the regions were first stored.
	Values []store.Metric
	// sequence is that of the newest news when it was made.
	sequence uint64

	once    sync.Once
	encoded any
	err     error
}

// Encoded returns what encode makes of the values. It is called once for a
// snapshot, however many ask.
func (s *Snapshot) Encoded(encode func(values []store.Metric) (any, error)) (any, error) {
	s.once.Do(func() { s.encoded, s.err = encode(s.Values) })
	return s.encoded, s.err
}

// Snapshot returns the newest value of a region of an API, or with an empty
// source those of all its regions. While the store cannot be read it returns what is known; see Age.
// ErrNotFound says that the region has no value, any other error that the
// store was never read.
func (v *View) Snapshot(ctx context.Context, api, source string) (*Snapshot, error) {
	if err := v.freshen(ctx); err != nil {
		return nil, err
	}
	return v.snapshot(api, source)
}

func (v *View) snapshot(name, source string) (*Snapshot, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	a := v.apis[name]
	if source == "" {
		if a == nil {
			return &Snapshot{sequence: v.count}, nil
		}
		return a.snapshot(v.count), nil
	}
	r := a.region(source)
	if r == nil || !r.known || !r.served {
		return nil, fmt.Errorf("%s, %s: %w", name, source, store.ErrNotFound)
	}
	if r.one == nil {
		r.one = &Snapshot{sequence: r.sequence, Values: []store.Metric{r.value}}
	}
	return r.one, nil
}

// Known returns the values of all regions of an API as they are in memory,
// without a look into the store. Nobody may change them.
func (v *View) Known(api string) []store.Metric {
	s, _ := v.snapshot(api, "") // of all regions there always is one
	return s.Values
}

// Version counts the news so far: what was read before it grew may be out of
// date.
func (v *View) Version() uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.count
}

// Age returns how long ago the store was last known to hold the values that
// are served: with a complete feed, when it last brought something or was
// compared. It reports false before the first time.
func (v *View) Age() (time.Duration, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.o.Now().Sub(v.confirmed), !v.confirmed.IsZero()
}

// freshen looks into the store where other writers may have changed it: at most
// once in MaxAge, for all who ask meanwhile. A complete feed needs none.
func (v *View) freshen(ctx context.Context) error {
	if v.fresh() {
		return nil
	}
	_, known := v.Age()
	if err := v.shared(ctx, "answer", func(ctx context.Context) error {
		if v.fresh() {
			return nil // since the one before who asked
		}
		return v.Refresh(ctx)
	}); err != nil && !known {
		return err
	}
	return ctx.Err()
}

// fresh reports whether answers need no look into the store.
func (v *View) fresh() bool {
	age, known := v.Age()
	return known && (age < v.o.MaxAge || v.o.Complete())
}

// Refresh compares with the store, and sends to the dashboards of this process
// what they have missed. Those who ask for it at one time share one look; who
// does not wait any longer does not end it for the others.
func (v *View) Refresh(ctx context.Context) error {
	return v.shared(ctx, "compare", func(ctx context.Context) error {
		v.mu.Lock()
		v.comparing, v.began = true, v.count
		v.mu.Unlock()
		err := v.o.Feed.Refresh(ctx)
		v.mu.Lock()
		defer v.mu.Unlock()
		v.comparing = false
		if err == nil {
			v.confirmed = v.o.Now()
		}
		return err
	})
}

// shared does a thing once for all who want it at one time.
func (v *View) shared(ctx context.Context, what string, do func(context.Context) error) error {
	done := v.refreshing.DoChan(what, func() (any, error) {
		v.mu.Lock()
		if err := v.life.Err(); err != nil {
			v.mu.Unlock()
			return nil, err
		}
		v.looks.Add(1)
		v.mu.Unlock()
		defer v.looks.Done()
		ctx, cancel := context.WithTimeout(v.life, v.o.Timeout)
		defer cancel()
		return nil, do(ctx)
	})
	select {
	case r := <-done:
		return r.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}
