package engine

import (
	"cmp"
	"context"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/rule"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/discard"
	"github.com/devops-insights/devops-insights/store/past"
)

// Store is what the engine needs of a store: the ledger, and the records of
// incidents.
type Store interface {
	store.Ledgers
	PutRecord(ctx context.Context, r store.Record) error
	DeleteRecords(ctx context.Context, kind store.RecordKind, before time.Time, max int) (deleted int, err error)
}

// Receiver is somebody who is told.
type Receiver struct {
	// Name is that of the settings.
	Name string
	// Severities are those that it wants; empty: all.
	Severities []alert.Severity
}

// Region is a region that is polled.
type Region struct {
	Name string
	// Interval is the usual time between two polls.
	Interval time.Duration
}

// Quiet knows what people have said about alerts. It is asked often and must not
// wait for anything.
type Quiet interface {
	// Suppression says why an alert with these labels is not told now; nil: it is.
	Suppression(labels map[string]string, now time.Time) *alert.Suppression
	// Ack is who has taken an incident on; nil: nobody.
	Ack(incident string) *alert.Ack
}

// ReceiverFailure is a receiver that does not take messages.
type ReceiverFailure struct {
	// Receiver is its name.
	Receiver string
	// Since is when it began to fail.
	Since time.Time
	// Class is why, in a word. It holds no address.
	Class string
}

// Options configures an Engine. API and Store are required.
type Options struct {
	API   string
	Store Store
	// Past tells how long regions were up, and when their values changed. Nil:
	// nothing of that is known.
	Past past.Reader
	// Rules, Receivers and Regions can be changed by Update.
	Rules     []*rule.Compiled
	Receivers []Receiver
	Regions   []Region
	// MayStore is asked right before the store is written. Nil: it always may be.
	MayStore func() bool
	// Quiet says what is not to be told. Nil: everything is.
	Quiet Quiet
	// Await is called once by each term, before it decides anything; polls are kept
	// meanwhile. An error, such as that of ctx, ends the term. Nil: nothing is waited
	// for.
	Await func(ctx context.Context) error
	// Offline reports whether this machine's own network fails. Nil: it never does.
	Offline func() bool
	// Failing lists the receivers that fail now. Nil: none does.
	Failing func() []ReceiverFailure
	// OnChange is called after each write of the ledger, and must not wait. Nil:
	// nobody is told.
	OnChange func()
	// Now is the wall clock. Nil: time.Now.
	Now func() time.Time
	// Elapsed is a clock that only goes forward, from any beginning. Nil: the
	// process's monotonic clock, or Now where that is set.
	Elapsed func() time.Duration
	// Every is the time between two looks at what time alone changes. Zero: 1 s.
	Every time.Duration
	// Timeout bounds one call of the store. Zero: 5 s.
	Timeout time.Duration
	// FlushTimeout bounds the last write of During. Zero: 2 s.
	FlushTimeout time.Duration
	// FaultPause is the time after a fault in the program until alerting begins
	// anew. Zero: 1 minute.
	FaultPause time.Duration
	// Fault is told of a part that panicked, in the goroutine that it happened in.
	// Nil: it is logged.
	Fault func(part string, fault any)
	// Logger is told which alerts fire and are over, once that is in the store, when
	// the ledger cannot be written, of messages that are given up, and of rules that
	// cannot be evaluated. Nil: nobody is.
	Logger logrus.FieldLogger
}

func (o Options) withDefaults() Options {
	o.Every = cmp.Or(max(o.Every, 0), time.Second)
	o.Timeout = cmp.Or(max(o.Timeout, 0), 5*time.Second)
	o.FlushTimeout = cmp.Or(max(o.FlushTimeout, 0), 2*time.Second)
	if o.MayStore == nil {
		o.MayStore = func() bool { return true }
	}
	if o.Quiet == nil {
		o.Quiet = loud{}
	}
	if o.Await == nil {
		o.Await = func(context.Context) error { return nil }
	}
	if o.Offline == nil {
		o.Offline = func() bool { return false }
	}
	if o.Failing == nil {
		o.Failing = func() []ReceiverFailure { return nil }
	}
	if o.OnChange == nil {
		o.OnChange = func() {}
	}
	if o.Elapsed == nil {
		o.Elapsed = elapsed(o.Now)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = discard.Logger()
	}
	o.FaultPause = cmp.Or(max(o.FaultPause, 0), time.Minute)
	if o.Fault == nil {
		o.Fault = logFault(o.Logger)
	}
	return o
}

// elapsed returns a clock that goes forward: the time since now. time.Since
// reads the monotonic clock where both times have it.
func elapsed(now func() time.Time) func() time.Duration {
	if now == nil {
		now = time.Now
	}
	began := now()
	return func() time.Duration { return now().Sub(began) }
}

// loud is a Quiet of nobody who has said anything.
type loud struct{}

func (loud) Suppression(map[string]string, time.Time) *alert.Suppression { return nil }
func (loud) Ack(string) *alert.Ack                                       { return nil }
