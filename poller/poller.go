// Package poller fetches one sample per region on a schedule, notices by the
// store's answer whether it changed, and reports failures. A Source is a
// function, so that another kind of upstream touches nothing here. It never
// knows who listens.
package poller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/store"
)

// Source fetches one sample of one region: compact JSON text. Its errors are
// best of type *Error.
type Source func(ctx context.Context) (json.RawMessage, error)

// Target is one region to poll.
type Target struct {
	// API and Source name the sample in the store, both in lower case.
	API, Source string
	// Fetch fetches it.
	Fetch Source
	// Interval is the time between two polls. Zero: Options.Interval.
	Interval time.Duration
}

// Saver is what the poller needs of a store.
type Saver interface {
	Save(ctx context.Context, s store.Sample) (changed bool, err error)
}

// Failure is a poll that brought no value; the last good one stays.
type Failure struct {
	API, Source string
	Err         error
	Class       Class
	// HTTPStatus is the upstream's status, 0 without an answer.
	HTTPStatus int
	// Code is a short code such as ECONNREFUSED, empty without one.
	Code string
	// At is when the poll ended.
	At time.Time
	// Consecutive counts the failures since the last good poll, this one too.
	Consecutive int
}

// Options configures a Poller. Targets and Saver are required.
type Options struct {
	Targets []Target
	Saver   Saver
	// Interval is the time between two polls of a region. Zero: 30 s.
	Interval time.Duration
	// Timeout bounds one question to the upstream with its retries, and then the
	// storing of the answer. Zero, and at most: 80 % of the
	// region's interval.
	Timeout time.Duration
	// Jitter is the share of the interval by which a poll may come earlier or
	// later. Zero: 0.05; negative: none.
	Jitter float64
	// StartWithin spreads the first polls. Zero: 2 s, at most the interval.
	StartWithin time.Duration
	// OnFailure hears of every failed poll. Nil: nobody does.
	OnFailure func(context.Context, Failure)
	// Logger receives one line where a region begins to fail, fails in another
	// way, or recovers. Nil: discarded.
	Logger logrus.FieldLogger
	// Now is the clock of the samples. Nil: time.Now.
	Now func() time.Time
}

// Poller polls its targets while Run runs.
type Poller struct{ opts Options }

// health is what a target's goroutine remembers from poll to poll.
type health struct {
	failures int // since the last good poll
	class    Class
}

// New checks the options; an error says which one, its value and what is
// allowed.
func New(o Options) (*Poller, error) {
	if o.Interval == 0 {
		o.Interval = 30 * time.Second
	}
	if o.Interval < 0 {
		return nil, fmt.Errorf("poller: the interval %s is negative", o.Interval)
	}
	if o.Jitter == 0 {
		o.Jitter = 0.05
	}
	if o.Jitter > 0.5 {
		return nil, fmt.Errorf("poller: a jitter of %g is too much: up to 0.5 of the interval is allowed", o.Jitter)
	}
	if o.StartWithin <= 0 {
		o.StartWithin = 2 * time.Second
	}
	if o.Saver == nil {
		return nil, errors.New("poller: a Saver is required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		silent := logrus.New()
		silent.SetLevel(logrus.PanicLevel)
		o.Logger = silent
	}
	for i, t := range o.Targets {
		if t.Fetch == nil || t.API == "" || t.Source == "" {
			return nil, fmt.Errorf("poller: target %d needs an API, a Source and a Fetch function", i)
		}
	}
	return &Poller{opts: o}, nil
}

// Run polls until ctx ends and every poll under way has stopped. It returns
// nil: being told to stop is no failure.
func (p *Poller) Run(ctx context.Context) error {
	var work sync.WaitGroup
	for i, t := range p.opts.Targets {
		work.Go(func() { p.follow(ctx, i, t) })
	}
	work.Wait()
	return nil
}

// follow polls one target: one goroutine, so never two polls at once.
func (p *Poller) follow(ctx context.Context, i int, t Target) {
	var h health
	interval := t.Interval
	if interval <= 0 {
		interval = p.opts.Interval
	}
	plan, first := newSchedule(time.Now(), i, len(p.opts.Targets), interval, p.opts.StartWithin, p.opts.Jitter)
	timer := time.NewTimer(first)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		err := p.poll(ctx, &h, t, p.timeout(interval))
		if ctx.Err() != nil {
			return
		}
		timer.Reset(plan.next(time.Now(), min(retryAfter(err), 10*interval)))
	}
}

func (p *Poller) timeout(interval time.Duration) time.Duration {
	most := interval * 8 / 10
	if p.opts.Timeout > 0 {
		return min(p.opts.Timeout, most)
	}
	return most
}

func (p *Poller) poll(ctx context.Context, h *health, t Target, timeout time.Duration) error {
	bounded, cancel := context.WithTimeout(ctx, timeout)
	data, err := fetch(bounded, t.Fetch)
	cancel()
	if err == nil {
		// As much time again: what a slow upstream leaves says nothing of the store.
		saving, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		_, err = p.opts.Saver.Save(saving, store.Sample{API: t.API, Source: t.Source, Data: data, At: p.opts.Now()})
		if err != nil {
			err = &Error{Class: ClassStore, Err: fmt.Errorf("the value could not be stored: %w", err)}
		}
	}
	if ctx.Err() != nil {
		return err // the poller stops; that is not the upstream's failure
	}
	p.report(ctx, h, t, err)
	return err
}

// fetch turns a panic of one source into that source's failure.
func fetch(ctx context.Context, source Source) (data json.RawMessage, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &Error{Class: ClassPanic, Err: fmt.Errorf("the source panicked: %v\n%s", v, debug.Stack())}
		}
	}()
	return source(ctx)
}

func (p *Poller) report(ctx context.Context, h *health, t Target, err error) {
	before := *h
	if err == nil && before.failures == 0 {
		return
	}
	log := p.opts.Logger.WithFields(logrus.Fields{"api": t.API, "source": t.Source})
	if err == nil {
		*h = health{}
		log.WithField("failures", before.failures).Info("the upstream answers again")
		return
	}
	e := asError(err)
	*h = health{failures: before.failures + 1, class: e.Class}
	line := log.WithFields(logrus.Fields{"class": e.Class, "failures": h.failures, "status": e.HTTPStatus, "code": e.Code})
	if before.failures == 0 || before.class != e.Class {
		line.WithError(e).Warn("a poll failed; the last good value is still served")
	} else {
		line.WithError(e).Debug("a poll failed again")
	}
	if p.opts.OnFailure != nil {
		p.opts.OnFailure(ctx, Failure{
			API: t.API, Source: t.Source, Err: e, Class: e.Class, HTTPStatus: e.HTTPStatus, Code: e.Code,
			At: p.opts.Now(), Consecutive: h.failures,
		})
	}
}
