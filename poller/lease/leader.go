package lease

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// releaseTimeout bounds the giving back at the end.
const releaseTimeout = 2 * time.Second

// LeaderOptions configures a Leader. Lease is required.
type LeaderOptions struct {
	Lease Lease
	// Wait is the time between two attempts while another instance has the
	// lease; half of it is by chance. Zero: 5 s. A sixth of the term or less
	// lets a Combined take over without a further wait.
	Wait time.Duration
	// Timeout bounds an attempt of an instance that does not hold the lease.
	// Zero: 15 s.
	Timeout time.Duration
	// Logger is told when the lease comes and goes. Nil: nothing is logged.
	Logger logrus.FieldLogger
}

func (o LeaderOptions) withDefaults() LeaderOptions {
	o.Wait = cmp.Or(max(o.Wait, 0), 5*time.Second)
	o.Timeout = cmp.Or(max(o.Timeout, 0), 15*time.Second)
	o.Logger = orSilent(o.Logger)
	return o
}

// Leader does work while this instance holds a lease.
type Leader struct {
	opts  LeaderOptions
	stamp func() stamp

	mu    sync.Mutex
	seen  Status
	began stamp         // before the lease was asked for
	valid time.Duration // for how long the work may go on from then; 0: not at all
	doubt chan struct{} // somebody found the term over
	terms uint64        // in office so far
}

// NewLeader returns a Leader that does not yet hold the lease.
func NewLeader(o LeaderOptions) *Leader {
	return &Leader{opts: o.withDefaults(), stamp: newStamps(), doubt: make(chan struct{}, 1)}
}

// Valid reports whether this instance holds the lease now, by clocks that count
// while the process is stopped. Whoever writes what the lease protects asks
// right before the write: a process that was stopped past its term goes on at
// the very instruction where it stopped, before any timer tells it.
func (l *Leader) Valid() bool {
	l.mu.Lock()
	valid := l.valid > 0 && l.stamp().since(l.began) < l.valid
	l.mu.Unlock()
	if !valid {
		select { // a clock that was set may say so wrongly: renewing tells
		case l.doubt <- struct{}{}:
		default:
		}
	}
	return valid
}

// Terms returns how often this instance has taken the lease so far.
func (l *Leader) Terms() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.terms
}

// Status says who has the lease, as far as this instance knows.
type Status struct {
	// Mine says that it is this instance.
	Mine bool
	// Holder is the name of another instance that has it; empty with Mine, and
	// where it is not known.
	Holder string
	// Until is when the term ends if it is not renewed; zero where it is not known.
	// It has a monotonic reading.
	Until time.Time
	// Asked is when somebody last had the lease for sure: this instance, or the one
	// that it asked about; zero: never since the start.
	Asked time.Time
	// Err is why nobody can tell at the moment; nil where somebody can.
	Err error
}

// Status returns what is known. It asks nobody.
func (l *Leader) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.seen
	s.Mine = l.valid > 0 && l.stamp().since(l.began) < l.valid
	return s
}

// see notes the outcome of asking for the lease, which another instance may have
// had all the time.
func (l *Leader) see(asked time.Time, term time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var other *HeldError
	switch {
	case err == nil:
		l.seen = Status{Until: asked.Add(term), Asked: asked}
	case errors.As(err, &other):
		l.seen = Status{Holder: other.Holder, Asked: asked}
		if other.For > 0 {
			l.seen.Until = asked.Add(other.For)
		}
	case errors.Is(err, ErrHeld):
		l.seen = Status{Asked: asked}
	default:
		l.seen.Err = err
	}
}

// workable is the part of a term in which the work goes on. The rest is for it
// to stop in.
func workable(term time.Duration) time.Duration { return term - term/6 }

func (l *Leader) hold(began stamp, term time.Duration) {
	l.mu.Lock()
	l.began, l.valid = began, workable(term)
	l.mu.Unlock()
}

// RunWhileLeader runs work while this instance holds the lease, and waits for
// the lease otherwise, until ctx ends or work returns an error of its own; the
// lease is then given back. The context of work is cancelled when the lease is lost, and
// before its term ends where it cannot be renewed: two instances never work at
// once, as long as work heeds its context.
func (l *Leader) RunWhileLeader(ctx context.Context, work func(context.Context) error) error {
	unable := trouble{log: l.opts.Logger}
	for ctx.Err() == nil {
		began, at := l.stamp(), time.Now()
		asking, cancel := context.WithTimeout(ctx, l.opts.Timeout)
		term, err := l.opts.Lease.Acquire(asking)
		cancel()
		if ctx.Err() == nil {
			l.see(at, term, err)
		}
		switch {
		case err == nil:
			unable.over("the lease can be asked for again")
			l.opts.Logger.Info("this instance polls: it has the lease")
			l.hold(began, term)
			l.mu.Lock()
			l.terms++
			l.mu.Unlock()
			if err := l.keepLease(ctx, at, term, work); err != nil {
				return err
			}
		case errors.Is(err, ErrHeld):
			unable.over("the lease can be asked for again")
		case ctx.Err() == nil:
			unable.note(err, "the lease cannot be asked for: this instance does not poll")
		}
		sleep(ctx, l.opts.Wait/2+rand.N(l.opts.Wait/2+1))
	}
	return nil
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// keepLease works and renews until the lease is lost or ctx ends; it began at
// the given time.
func (l *Leader) keepLease(ctx context.Context, began time.Time, term time.Duration, work func(context.Context) error) error {
	working, cancel := context.WithCancel(ctx)
	defer cancel()
	// Whatever a renewal does, the work ends in time.
	end := time.AfterFunc(time.Until(began.Add(workable(term))), cancel)
	defer end.Stop()
	over := make(chan error, 1)
	go func() { over <- work(working) }()
	defer l.release(ctx)
	wait := time.NewTimer(time.Until(began.Add(term / 3)))
	defer wait.Stop()
	delayed := trouble{log: l.opts.Logger}
	for backoff := term / 60; ; {
		select {
		case err := <-over:
			if ctx.Err() == nil && working.Err() != nil {
				l.opts.Logger.Error("the lease could not be renewed: this instance stops polling before it ends")
				err = nil // it was told to stop
			}
			return err
		case <-ctx.Done():
			return <-over
		case <-working.Done():
			l.opts.Logger.Error("the lease could not be renewed: this instance stops polling before it ends")
			return ignore(<-over)
		case <-wait.C:
		case <-l.doubt:
		}
		mark, asked := l.stamp(), time.Now()
		renewed, err := l.opts.Lease.Acquire(working)
		if working.Err() == nil {
			l.see(asked, renewed, err)
		}
		switch {
		case err == nil:
			delayed.over("the lease is renewed again")
			began, term, backoff = asked, renewed, renewed/60
			if !end.Reset(time.Until(began.Add(workable(term)))) {
				continue // too late: the work is being stopped
			}
			l.hold(mark, term)
			wait.Reset(time.Until(began.Add(term / 3)))
		case errors.Is(err, ErrHeld):
			l.opts.Logger.WithError(err).Error("the lease was lost to another instance: this instance stops polling")
			cancel()
			return ignore(<-over)
		case working.Err() == nil:
			delayed.note(err, "the lease could not be renewed yet")
			wait.Reset(backoff)
			backoff = min(2*backoff, term/12)
		}
	}
}

// ignore drops what work returned when it was told to stop.
func ignore(error) error { return nil }

// release gives the lease back, once the work has ended.
func (l *Leader) release(ctx context.Context) {
	l.hold(stamp{}, 0)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	if err := l.opts.Lease.Release(ctx); err != nil {
		l.opts.Logger.WithError(err).Warn("the lease could not be given back and ends by itself")
	}
}

// trouble logs a failure when it begins, once an hour while it lasts, and its
// end.
type trouble struct {
	log           logrus.FieldLogger
	began, logged time.Time
}

func (t *trouble) note(err error, text string) {
	now := time.Now()
	if t.began.IsZero() {
		t.began = now
	} else if now.Sub(t.logged) < time.Hour {
		return
	}
	t.logged = now
	t.log.WithError(err).WithField("duration_ms", now.Sub(t.began).Milliseconds()).Warn(text)
}

func (t *trouble) over(text string) {
	if t.began.IsZero() {
		return
	}
	t.log.WithField("duration_ms", time.Since(t.began).Milliseconds()).Info(text)
	t.began = time.Time{}
}
