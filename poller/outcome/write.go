package outcome

import (
	"context"
	"errors"
	"time"

	"github.com/devops-insights/devops-insights/store"
)

const (
	// maxBatch bounds the intervals of a region in one write. What has been tried
	// is not joined any more, see limit.
	maxBatch = 100
	// minPause and maxPause are the times after a failure until the next try.
	minPause, maxPause = 500 * time.Millisecond, 8 * time.Second
	// leastEvery is the least time between two writes of states that go on.
	leastEvery = time.Second
	// fencedPause is that time after another instance has written.
	fencedPause = 10 * time.Second
)

// write is the goroutine that writes, until ctx ends; then it writes what waits.
func (r *Recorder) write(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			flushing, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.opts.FlushTimeout)
			defer cancel()
			for r.waits() && r.step(flushing) {
			}
			return
		case <-timer.C:
		case <-r.wake:
		}
		if wait, needed := r.due(time.Now()); !needed || wait > 0 {
			if needed {
				timer.Reset(wait)
			}
			continue
		}
		r.step(ctx)
		r.signal() // there may be more
	}
}

// due tells how long the next write may wait, and whether there is any.
func (r *Recorder) due(now time.Time) (wait time.Duration, needed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	every, changed := r.opts.Every, false
	for _, g := range r.regions {
		last := g.last()
		switch {
		case !g.known || len(g.held) > 1 || last != nil && !last.tried:
			changed, needed = true, true // a region to take over, or a change of state
		case last != nil && last.dirty:
			every, needed = min(every, max(g.interval, leastEvery)), true
		}
	}
	at := r.written.Add(every)
	if changed {
		at = now
	}
	return max(at.Sub(now), r.retry.Sub(now), 0), needed
}

// waits reports whether anything is to be written.
func (r *Recorder) waits() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, g := range r.regions {
		if last := g.last(); last != nil && (last.dirty || len(g.held) > 1) {
			return true
		}
	}
	return false
}

// step takes over what is not known yet, or writes one batch, and reports
// whether it could.
func (r *Recorder) step(ctx context.Context) bool {
	err := r.takeOver(ctx)
	if err == nil {
		err = r.put(ctx)
	}
	if errors.Is(err, errNotMine) {
		r.later(minPause)
		return false
	}
	r.note(ctx, err)
	return err == nil
}

// errNotMine ends a write that this instance must not make.
var errNotMine = errors.New("another instance writes")

func (r *Recorder) later(pause time.Duration) {
	r.mu.Lock()
	r.retry = time.Now().Add(pause)
	r.mu.Unlock()
}

// note takes the result of a write. A failure is logged when it begins, when
// another instance has written, and when it is over.
func (r *Recorder) note(ctx context.Context, err error) {
	r.mu.Lock()
	now, since := time.Now(), r.failing
	fenced := errors.Is(err, store.ErrFenced)
	switch {
	case err == nil:
		r.failing, r.retry, r.pause, r.written, r.dropped = time.Time{}, time.Time{}, 0, now, false
	case fenced:
		r.giveUp()
		r.retry = now.Add(fencedPause)
	default:
		r.pause = min(max(2*r.pause, minPause), maxPause)
		r.retry = now.Add(r.pause)
	}
	if err != nil && since.IsZero() && ctx.Err() == nil {
		r.failing = now
	}
	r.mu.Unlock()
	log := r.opts.Logger.WithError(err)
	switch {
	case err == nil && !since.IsZero():
		r.opts.Logger.WithField("duration_ms", now.Sub(since).Milliseconds()).Info("the results of polls are stored again")
	case fenced && since.IsZero():
		log.Warn("the results of polls are another instance's to store: what waited is given up")
	case err != nil && since.IsZero() && ctx.Err() == nil:
		log.Warn("the results of polls cannot be stored: they wait")
	}
}

// Failing returns since when the store does not take the results of polls; zero
// where it does.
func (r *Recorder) Failing() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failing
}

// call bounds one call of the store.
func (r *Recorder) call(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, r.opts.Timeout)
	defer cancel()
	return do(ctx)
}

// store writes intervals, if this instance may.
func (r *Recorder) store(ctx context.Context, term int64, intervals []store.Interval) error {
	if !r.opts.MayStore() {
		return errNotMine
	}
	return r.call(ctx, func(ctx context.Context) error { return r.opts.Store.PutOutcomes(ctx, term, intervals) })
}

// put writes the oldest intervals of each region that wait.
func (r *Recorder) put(ctx context.Context) error {
	var batch []*entry
	var intervals []store.Interval
	r.mu.Lock()
	term := r.term
	for _, g := range r.regions {
		for _, e := range g.held[:min(len(g.held), maxBatch)] {
			if e.dirty {
				batch, intervals = append(batch, e), append(intervals, e.interval())
				e.dirty, e.tried = false, true // what comes meanwhile makes it dirty again
			}
		}
	}
	r.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	err := r.store(ctx, term, intervals)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		for _, e := range batch {
			e.dirty = true
		}
		return err
	}
	for _, g := range r.regions {
		g.forget()
	}
	return nil
}
