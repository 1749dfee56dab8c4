package outcome

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/poller"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/digest"
	"github.com/devops-insights/devops-insights/store/discard"
)

// Options configures a Recorder. Store, Classifier, API and Sources are
// required.
type Options struct {
	// Store keeps the intervals.
	Store store.Outcomes
	// Classifier says what the values of the Sources mean.
	Classifier *Classifier
	// API and Sources are the regions that are polled, see Recorder.Update. Results
	// of others are left out.
	API     string
	Sources []string
	// MayStore is asked right before the store is written. Nil: it always may be.
	MayStore func() bool
	// Every is how often a state that goes on is written again. Where regions are
	// polled more often it is their interval, but at least a second: else the
	// store would not know in time that they are still polled. Zero: 5 s.
	Every time.Duration
	// Timeout bounds one call of the store. Zero: 5 s.
	Timeout time.Duration
	// FlushTimeout bounds the writing at the end of During. Zero: 2 s.
	FlushTimeout time.Duration
	// MaxHeld bounds the intervals of a region that wait for the store. Zero:
	// 1000.
	MaxHeld int
	// Logger is told when the store does not take intervals. Nil: nobody is.
	Logger logrus.FieldLogger
}

func (o Options) withDefaults() Options {
	o.Every = cmp.Or(max(o.Every, 0), 5*time.Second)
	o.Timeout = cmp.Or(max(o.Timeout, 0), 5*time.Second)
	o.FlushTimeout = cmp.Or(max(o.FlushTimeout, 0), 2*time.Second)
	o.MaxHeld = max(cmp.Or(max(o.MaxHeld, 0), 1000), 4)
	if o.MayStore == nil {
		o.MayStore = func() bool { return true }
	}
	if o.Logger == nil {
		o.Logger = discard.Logger()
	}
	return o
}

// Recorder makes intervals of the results of polls, and keeps them in a store.
type Recorder struct {
	opts Options
	wake chan struct{} // something may have to be written

	mu      sync.Mutex
	term    int64
	regions map[string]*region // by source
	means   map[string]*Classifier
	written time.Time     // the last time that the store took something
	retry   time.Time     // the store is left alone until then
	pause   time.Duration // from the last failure to the next try
	failing time.Time     // since when the store does not take intervals
	dropped bool          // it was said that intervals are given up
}

// New returns a Recorder. It writes while During runs.
func New(o Options) (*Recorder, error) {
	o = o.withDefaults()
	if o.Store == nil || o.Classifier == nil || o.API == "" {
		return nil, errors.New("outcome: a Store, a Classifier and an API are required")
	}
	r := &Recorder{opts: o, wake: make(chan struct{}, 1), regions: make(map[string]*region), means: make(map[string]*Classifier)}
	for _, source := range o.Sources {
		r.regions[source], r.means[source] = new(region), o.Classifier
	}
	return r, nil
}

// Update adds regions to those that are polled, and replaces what their values
// mean, also while During runs. A region that is not named stays as it is: its
// last interval ends by itself where it is not polled any more.
func (r *Recorder) Update(means map[string]*Classifier) {
	r.mu.Lock()
	for source, c := range means {
		if r.regions[source] == nil {
			r.regions[source] = new(region)
		}
		r.means[source] = c
	}
	r.mu.Unlock()
	r.signal()
}

// leastDelay is the least that a poll may come late: an upstream has a second to
// answer, however short the interval is.
const leastDelay = 1500 * time.Millisecond

// Record takes the result of a poll, and returns the state that it means with its
// reason, as an interval has them; StateUnknown for a region that is not polled. It
// never waits for the store. It may be called by several goroutines, the results
// of one region in their order.
func (r *Recorder) Record(p poller.Result) (state store.State, reason string) {
	r.mu.Lock()
	means := r.means[p.Source]
	r.mu.Unlock()
	if means == nil || p.API != r.opts.API {
		return store.StateUnknown, ""
	}
	next := found(p, means)
	state, reason = next.State, next.Reason // read now: add may make it longer
	r.mu.Lock()
	g := r.regions[p.Source]
	// A value is of the moment at which it came, a failure of that at which the
	// upstream was asked in vain for the first time: tries and timeouts follow.
	found := p.Ended
	if p.Data == nil && !heldUp(p) {
		found = p.Began
	}
	at := g.timeOf(found)
	next.From, next.To = at, at
	next.Until = store.Milliseconds(at.Add(max(p.Next.Sub(found), 0) + max(p.Interval, leastDelay)))
	g.interval = p.Interval
	g.add(next)
	say := g.limit(r.opts.MaxHeld) && !r.dropped
	r.dropped = r.dropped || say
	r.mu.Unlock()
	if say {
		r.opts.Logger.WithField("intervals", r.opts.MaxHeld).
			Error("more results of polls wait for the store than are kept: the oldest become unknown")
	}
	r.signal()
	return state, reason
}

// heldUp reports whether the poll took clearly longer than it may: the process
// did not run meanwhile. Whether the upstream answered in time nobody knows.
func heldUp(p poller.Result) bool {
	return p.Timeout > 0 && p.Ended.Sub(p.Began) > p.Timeout+leastDelay
}

// found returns what one poll found, without its times.
func found(p poller.Result, means *Classifier) *entry {
	e := &entry{Interval: store.Interval{API: p.API, Source: p.Source, Polls: 1}}
	switch {
	case heldUp(p): // also with a value: it may be as old as the pause was long
		e.State, e.Failures = store.StateUnknown, 1
		return e
	case p.Data != nil: // also where it could not be stored
		e.State, e.Reason = means.State(p.Data)
	case p.Unwatched, p.Err != nil && p.Err.Code == poller.CodePanic:
		e.State, e.Failures = store.StateUnknown, 1
		return e // nothing was learnt of the upstream
	default:
		e.State, e.Failures = store.StateDown, 1
		if p.Err != nil {
			e.Reason = string(p.Err.Code)
		}
	}
	if p.Err == nil || !p.Err.NotAsked {
		e.latency = &latency{digest.New()}
		e.latency.digest.Add(float64(p.Ended.Sub(p.Began))/float64(time.Millisecond), 1)
	}
	return e
}

// States returns what the last poll of each region found, StateUnknown where
// none has been for longer than it may take, or none at all.
func (r *Recorder) States() map[string]store.State {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[string]store.State, len(r.regions))
	for source, g := range r.regions {
		all[source] = store.StateUnknown
		if last := g.last(); last != nil && time.Since(g.found) <= last.Until.Sub(g.at) {
			all[source] = last.State
		}
	}
	return all
}

func (r *Recorder) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// During does the work, in which polls are recorded, as the writer of the given
// term, and writes meanwhile. When the work has ended it writes what waits, and
// returns the work's error. What still waits from a former term is given up:
// somebody else has written since. One During runs at a time.
func (r *Recorder) During(ctx context.Context, term int64, work func(context.Context) error) error {
	r.begin(term)
	writing, stop := context.WithCancel(context.WithoutCancel(ctx))
	over := make(chan struct{})
	go func() {
		defer close(over)
		r.write(writing)
	}()
	defer func() {
		stop()
		<-over
	}()
	return work(ctx)
}

// begin prepares for a term.
func (r *Recorder) begin(term int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if term != r.term {
		r.giveUp()
	}
	r.term, r.retry, r.pause = term, time.Time{}, 0
	for _, g := range r.regions {
		g.known = false
	}
}

// giveUp forgets everything that is held. r.mu is held.
func (r *Recorder) giveUp() {
	for _, g := range r.regions {
		*g = region{}
	}
}
