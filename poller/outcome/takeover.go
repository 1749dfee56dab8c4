package outcome

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/store"
)

// tolerance is how far the clocks of two instances may be apart without a word.
const tolerance = 10 * time.Second

// takeOver learns what the store holds of the regions of which that is not known
// yet, and makes it this writer's: the newest interval is stored again under its
// term, and from then on the writer before cannot change anything.
func (r *Recorder) takeOver(ctx context.Context) error {
	r.mu.Lock()
	term := r.term
	var sources []string
	for source, g := range r.regions {
		if !g.known {
			sources = append(sources, source)
		}
	}
	r.mu.Unlock()
	slices.Sort(sources)
	for _, source := range sources {
		newest, err := r.takeOverRegion(ctx, term, source)
		if err != nil {
			return err
		}
		if newest != nil && time.Until(newest.To) > tolerance {
			r.opts.Logger.WithFields(logrus.Fields{"region": source, "until": newest.To.Format(time.RFC3339)}).
				Warn("the results of polls reach into the future: the clock of this machine is behind, or was ahead; new ones follow from there on")
		}
		r.mu.Lock()
		if g := r.regions[source]; newest == nil {
			g.known = true
		} else {
			g.link(*newest)
			g.limit(r.opts.MaxHeld)
		}
		r.mu.Unlock()
	}
	return nil
}

// takeOverRegion returns the newest interval; nil where there is none.
func (r *Recorder) takeOverRegion(ctx context.Context, term int64, source string) (*store.Interval, error) {
	seen, err := r.newest(ctx, source)
	if err != nil || seen == nil {
		return nil, err
	}
	if err := r.store(ctx, term, []store.Interval{*seen}); err != nil {
		return nil, err
	}
	now, err := r.newest(ctx, source)
	if err != nil || now == nil || now.From.Equal(seen.From) {
		return now, err
	}
	// The writer before was not done yet. What it wrote since is complete now, but
	// for the end of the interval that was seen, which it no longer has.
	return r.mend(ctx, term, source, seen.From)
}

func (r *Recorder) newest(ctx context.Context, source string) (newest *store.Interval, err error) {
	err = r.call(ctx, func(ctx context.Context) error {
		iv, err := r.opts.Store.LastOutcome(ctx, r.opts.API, source)
		newest = &iv
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return newest, err
}

// mend closes holes between the intervals from a time on, and returns the newest
// one.
func (r *Recorder) mend(ctx context.Context, term int64, source string, from time.Time) (*store.Interval, error) {
	var before *store.Interval
	var changed []store.Interval
	err := r.call(ctx, func(ctx context.Context) error {
		before, changed = nil, nil
		return r.opts.Store.ScanOutcomes(ctx, r.opts.API, source, from, time.Time{}, func(iv store.Interval) error {
			if before != nil && before.To.Before(iv.From) {
				changed = append(changed, closeHole(*before, iv)...)
			}
			before = &iv
			return nil
		})
	})
	if err != nil || len(changed) == 0 {
		return before, err
	}
	return before, r.store(ctx, term, changed)
}

// closeHole returns what fills the time between two intervals: the first one
// where its state holds until then, else an unknown one.
func closeHole(before, after store.Interval) []store.Interval {
	if !after.From.After(before.Until) {
		before.To = after.From
		return []store.Interval{before}
	}
	before.To = later(before.To, before.From.Add(time.Millisecond))
	return []store.Interval{before, {
		API: before.API, Source: before.Source, From: before.To, To: later(after.From, before.To), Until: after.From, State: store.StateUnknown,
	}}
}
