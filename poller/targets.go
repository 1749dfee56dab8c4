package poller

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// targetKey names a target in the store.
type targetKey struct{ api, source string }

func (t *Target) key() targetKey { return targetKey{t.API, t.Source} }

// checkTargets returns an error about the first target that cannot be polled.
func checkTargets(targets []Target) error {
	seen := make(map[targetKey]bool)
	for i, t := range targets {
		if t.Fetch == nil || t.API == "" || t.Source == "" {
			return fmt.Errorf("poller: target %d needs an API, a Source and a Fetch function", i)
		}
		if seen[t.key()] {
			return fmt.Errorf("poller: %s of %s is there twice: each target has a name of its own", t.Source, t.API)
		}
		seen[t.key()] = true
	}
	return nil
}

// run is one call of Run.
type run struct {
	ctx       context.Context
	work      sync.WaitGroup
	followers map[targetKey]*follower
	// leaving are those of targets that are gone, while their last poll is under
	// way.
	leaving map[targetKey]*follower
}

// follower polls one target.
type follower struct {
	target  atomic.Pointer[Target]
	changed chan struct{} // holds one: target is another one
	gone    chan struct{} // closed when the target is
	over    chan struct{} // closed when no poll is under way any more
	before  *follower     // that of the same target earlier on, whose poll may be under way
}

// Update replaces the targets, also while Run runs. A target that is there
// before and after keeps its place in time, and takes its new settings with its
// next poll; of one that is gone the poll under way is the last; a new one
// begins. With an error nothing changes.
func (p *Poller) Update(targets []Target) error {
	if err := checkTargets(targets); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.targets = targets
	if p.running != nil {
		p.running.set(p, targets)
	}
	return nil
}

// Targets returns the targets as they are now. Nobody may change them.
func (p *Poller) Targets() []Target {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.targets
}

// Finish polls nothing any more, and returns when the polls under way are over,
// or ctx ends.
func (p *Poller) Finish(ctx context.Context) {
	p.mu.Lock()
	p.targets = nil
	var last []*follower
	if p.running != nil {
		p.running.set(p, nil)
		last = slices.Collect(maps.Values(p.running.leaving))
	}
	p.mu.Unlock()
	for _, f := range last {
		select {
		case <-f.over:
		case <-ctx.Done():
		}
	}
}

// set follows these targets and no others. The caller holds the poller's lock.
func (r *run) set(p *Poller, targets []Target) {
	wanted := make(map[targetKey]bool)
	for i, t := range targets {
		wanted[t.key()] = true
		if f := r.followers[t.key()]; f != nil {
			f.target.Store(&t)
			select {
			case f.changed <- struct{}{}:
			default: // it has yet to see that there was a change before
			}
			continue
		}
		f := &follower{changed: make(chan struct{}, 1), gone: make(chan struct{}), over: make(chan struct{}), before: r.leaving[t.key()]}
		f.target.Store(&t)
		r.followers[t.key()] = f
		delete(r.leaving, t.key())
		r.work.Go(func() {
			defer close(f.over)
			p.follow(r.ctx, f, i, len(targets))
		})
	}
	for key, f := range r.followers {
		if !wanted[key] {
			close(f.gone)
			delete(r.followers, key)
			r.leaving[key] = f
		}
	}
}

// Run polls until ctx ends and every poll under way has stopped. It returns
// nil: being told to stop is no failure. It may be called again after that.
func (p *Poller) Run(ctx context.Context) error {
	r := &run{ctx: ctx, followers: make(map[targetKey]*follower), leaving: make(map[targetKey]*follower)}
	p.mu.Lock()
	p.running = r
	r.set(p, p.targets)
	p.mu.Unlock()
	<-ctx.Done()
	p.mu.Lock()
	p.running = nil
	p.mu.Unlock()
	r.work.Wait()
	return nil
}

// awaitEarlier waits for the last poll of the same target, and reports false
// where ctx ended meanwhile.
func (f *follower) awaitEarlier(ctx context.Context) bool {
	if f.before == nil {
		return true
	}
	select {
	case <-f.before.over:
		f.before = nil
		return true
	case <-ctx.Done():
		return false
	}
}

func (f *follower) isGone() bool {
	select {
	case <-f.gone:
		return true
	default:
		return false
	}
}

// interval is the time between two polls of a target.
func (p *Poller) interval(t *Target) time.Duration {
	if t.Interval > 0 {
		return t.Interval
	}
	return p.opts.Interval
}
