// Package poller fetches one sample per region on a schedule, notices by the
// store's answer whether it changed, and reports failures. A Source is a
// function, so that another kind of upstream changes nothing here. It knows
// nothing of what becomes of the samples.
package poller

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/discard"
)

// Source fetches one sample of one region: compact JSON text. Its errors are
// best of type *Error.
type Source func(ctx context.Context) (json.RawMessage, error)

// Target is one region to poll.
type Target struct {
	// API and Source name the sample in the store, both in lower case.
	API, Source string
	// Host is the upstream's name and port, to be shown; empty where it has none.
	Host string
	// Fetch fetches it.
	Fetch Source
	// Wait returns when Fetch may be called: the timeout counts from then, so
	// that a rate limit makes a poll late and never a failure. Nil: at once.
	Wait func(ctx context.Context) error
	// Interval is the time between two polls. Zero: Options.Interval.
	Interval time.Duration
	// Timeout bounds a poll, as Options.Timeout does. Zero: that one.
	Timeout time.Duration
	// Breaker tells how the circuit breaker of Fetch stands. Nil: it has none.
	Breaker func() BreakerState
}

// Saver is what the poller needs of a store.
type Saver interface {
	Save(ctx context.Context, s store.Sample) (changed bool, err error)
}

// Result is what one poll brought.
type Result struct {
	API, Source string
	// Host is that of the Target.
	Host string
	// Began is when the upstream was asked, and Ended when its answer was there,
	// or the failure: the time of the sample. Their difference is measured by
	// the monotonic clock.
	Began, Ended time.Time
	// Next is when the next poll is planned, at the time of Ended's clock, and
	// Interval the usual time between two polls. Where the process was held up
	// after Ended, Next is when the poll would have been planned otherwise.
	Next     time.Time
	Interval time.Duration
	// Timeout is what bounded the question, and then the storing. A failure that
	// took clearly longer is one of a process that was held up (stopped, frozen),
	// and says nothing of the upstream. Zero: nothing bounded them.
	Timeout time.Duration
	// Data is the value; nil where the upstream brought none.
	Data json.RawMessage
	// Err says in one sentence what failed; see Error.Text. Nil: nothing did. With
	// CodeStore there is a Data that could not be stored.
	Err *Error
	// Unwatched reports that the poll failed because our own network did: nothing
	// was learnt of the upstream. The Poller leaves it false; who hears of the poll
	// may set it before others do.
	Unwatched bool
	// Changed reports that the value differs from the one before, and is stored.
	Changed bool
	// Consecutive counts the failures since the last good poll, this one too; 0
	// for a good one.
	Consecutive int
}

// Options configures a Poller. Targets and Saver are required.
type Options struct {
	Targets []Target
	Saver   Saver
	// Interval is the time between two polls of a region. Zero: 30 s.
	Interval time.Duration
	// Timeout bounds one question to the upstream with its retries, and then the
	// storing of the answer. At most 80 % of the region's interval. Zero: that,
	// but at least a second; the polls that fall into it are left out.
	Timeout time.Duration
	// MaxBackoff bounds how long an upstream is left alone that asks for it with
	// Retry-After. Zero: 5 minutes.
	MaxBackoff time.Duration
	// Jitter is the share of the interval by which a poll may come earlier or
	// later. Zero: 0.05; negative: none.
	Jitter float64
	// StartWithin spreads the first polls. Zero: 2 s, at most the interval.
	StartWithin time.Duration
	// MayStore is asked right before a value is stored; one that comes when it
	// says no is dropped. Nil: every value is stored.
	MayStore func() bool
	// OnPoll hears of every poll whose result counts: not of one that MayStore
	// dropped, nor of one that the end of Run cut off. The next poll of the region
	// waits for it. Nil: nobody hears.
	OnPoll func(context.Context, Result)
	// Observe is told of every poll that OnPoll would hear of, once the upstream
	// has answered and before the value is stored: of the result so far. The
	// context that it returns goes with the storing, and done is called with the
	// result. Nil: nobody is told.
	Observe func(context.Context, Result) (_ context.Context, done func(Result))
	// Logger receives one line where a region begins to fail, fails for another
	// reason, or recovers, one an hour in between, and at debug one for each poll.
	// Nil: discarded.
	Logger logrus.FieldLogger
	// Now is the clock of the samples. Nil: time.Now.
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	o.Interval = cmp.Or(o.Interval, 30*time.Second)
	o.MaxBackoff = cmp.Or(max(o.MaxBackoff, 0), 5*time.Minute)
	o.Jitter = cmp.Or(o.Jitter, 0.05)
	o.StartWithin = cmp.Or(max(o.StartWithin, 0), 2*time.Second)
	if o.MayStore == nil {
		o.MayStore = func() bool { return true }
	}
	if o.Observe == nil {
		o.Observe = func(ctx context.Context, _ Result) (context.Context, func(Result)) { return ctx, func(Result) {} }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = discard.Logger()
	}
	return o
}

// Poller polls its targets while Run runs.
type Poller struct {
	opts Options

	mu      sync.Mutex
	targets []Target
	running *run // nil unless Run runs
}

// New checks the options; an error says which one, its value and what is
// allowed.
func New(o Options) (*Poller, error) {
	o = o.withDefaults()
	if o.Interval < 0 {
		return nil, fmt.Errorf("poller: the interval %s is negative", o.Interval)
	}
	if o.Jitter > 0.5 {
		return nil, fmt.Errorf("poller: a jitter of %g is too much: up to 0.5 of the interval is allowed", o.Jitter)
	}
	if o.Saver == nil {
		return nil, errors.New("poller: a Saver is required")
	}
	if err := checkTargets(o.Targets); err != nil {
		return nil, err
	}
	return &Poller{opts: o, targets: o.Targets}, nil
}

// follow polls one target, the i-th of n: one goroutine, so never two polls at
// once.
func (p *Poller) follow(ctx context.Context, f *follower, i, n int) {
	if !f.awaitEarlier(ctx) {
		return
	}
	t := f.target.Load()
	interval := p.interval(t)
	in := &incident{log: p.opts.Logger.WithFields(logrus.Fields{"api": t.API, "region": t.Source}), maxBackoff: p.opts.MaxBackoff}
	plan, first := newSchedule(time.Now(), i, n, interval, p.opts.StartWithin, p.opts.Jitter)
	timer := time.NewTimer(first)
	defer timer.Stop()
	var patience time.Time // until when the upstream has asked to be left alone
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.gone:
			return
		case <-f.changed:
			t = f.target.Load()
			if next := p.interval(t); next != interval {
				interval = next
				plan, first = newSchedule(time.Now(), i, n, interval, p.opts.StartWithin, p.opts.Jitter)
				timer.Reset(max(first, time.Until(patience)))
			}
			continue
		case <-timer.C:
			if f.isGone() {
				return
			}
			t = f.target.Load()
		}
		r, counts := p.poll(ctx, *t, p.timeout(t.Timeout, interval))
		if ctx.Err() != nil {
			return
		}
		pause := min(retryAfter(r.Err), p.opts.MaxBackoff)
		patience = time.Now().Add(pause)
		wait := plan.next(time.Now(), pause)
		timer.Reset(wait)
		if counts {
			r.Next, r.Interval = p.opts.Now().Add(wait), interval
			if most := r.Ended.Add(r.Timeout + leastTimeout + wait); r.Next.After(most) {
				r.Next = most // not the storing took so long
			}
			p.report(ctx, in, r)
		}
	}
}

// leastTimeout is the least that Timeout stands for when it is not set. With an
// interval of 100 ms, a busy machine would take a good upstream for a slow one.
const leastTimeout = time.Second

// timeout returns the time for a poll: own is that of its target, 0: it has none.
func (p *Poller) timeout(own, interval time.Duration) time.Duration {
	share := interval * 8 / 10
	if bound := cmp.Or(own, p.opts.Timeout); bound > 0 {
		return min(bound, share)
	}
	return max(share, leastTimeout)
}

// poll asks once, and stores the answer. The result counts unless the poller
// stops, or another instance polls.
func (p *Poller) poll(ctx context.Context, t Target, timeout time.Duration) (r Result, counts bool) {
	if t.Wait != nil {
		if err := guard(func() error { return t.Wait(ctx) }); err != nil && ctx.Err() != nil {
			return r, false // the poller stops
		}
	}
	r = Result{API: t.API, Source: t.Source, Host: t.Host, Began: p.opts.Now(), Timeout: timeout}
	err := guard(func() (err error) {
		bounded, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		r.Data, err = t.Fetch(bounded)
		return err
	})
	r.Ended = p.opts.Now()
	if err != nil {
		r.Data = nil
	}
	if err != nil {
		r.Err = asError(err)
	}
	if !p.opts.MayStore() { // it is neither a value nor a failure
		return r, false
	}
	ctx, done := p.opts.Observe(ctx, r)
	if r.Err == nil {
		if err := guard(func() error { return p.save(ctx, &r) }); err != nil {
			r.Err = asError(err)
		}
	}
	done(r)
	return r, true
}

func (p *Poller) save(ctx context.Context, r *Result) error {
	// As much time again: what a slow upstream leaves says nothing of the store.
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	changed, err := p.opts.Saver.Save(ctx, store.Sample{API: r.API, Source: r.Source, Data: r.Data, At: r.Ended})
	if err != nil {
		return &Error{Code: CodeStore, Text: "the value could not be stored", Detail: cut(err.Error()), Cause: err}
	}
	r.Changed = changed
	return nil
}

// panicText is what dashboards learn of a fault in the program.
const panicText = "the poll ended with a fault of the program"

// panicked is a fault in the program, with its stack for the log.
type panicked struct {
	value any
	stack string
}

// Error returns the value, which may hold anything.
func (p *panicked) Error() string { return fmt.Sprint(p.value) }

// guard turns a panic into the failure of one poll.
func guard(run func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &Error{Code: CodePanic, Text: panicText, Cause: &panicked{v, string(debug.Stack())}}
		}
	}()
	return run()
}

// report logs where a region begins to fail or recovers, at debug every poll, and
// tells OnPoll.
func (p *Poller) report(ctx context.Context, in *incident, r Result) {
	if r.Err == nil {
		in.end()
		in.log.WithFields(logrus.Fields{"changed": r.Changed, "duration_ms": r.Ended.Sub(r.Began).Milliseconds()}).Debug("a region was polled")
	} else {
		in.note(r.Err)
	}
	if p.opts.OnPoll == nil {
		return
	}
	r.Consecutive = in.failures
	fault := guard(func() error {
		p.opts.OnPoll(ctx, r)
		return nil
	})
	if fault != nil {
		in.log.WithFields(logrus.Fields{"err_class": string(CodePanic), "panic": fmt.Sprint(errors.Unwrap(fault)), "stack": stackOf(fault)}).
			Error("the result of a poll could not be reported")
	}
}
