package engine

import (
	"context"
	"errors"
	"time"

	"github.com/devops-insights/devops-insights/poller"
	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/rule"
	"github.com/devops-insights/devops-insights/store"
)

// Engine decides which alerts of an API fire. Its methods may be called by
// several goroutines.
type Engine struct {
	opts Options
	wake chan struct{} // for the sender
}

// New returns an Engine. It decides while During runs.
func New(o Options) (*Engine, error) {
	o = o.withDefaults()
	if o.Store == nil || o.API == "" {
		return nil, errors.New("engine: a Store and an API are required")
	}
	return &Engine{opts: o, wake: make(chan struct{}, 1)}, nil
}

// Update replaces the rules, the receivers and the regions, also while During
// runs.
func (e *Engine) Update(rules []*rule.Compiled, receivers []Receiver, regions []Region) {}

// Record takes the result of a poll, and what was found of it. It never waits. It
// may be called by several goroutines, the results of one region in their order.
func (e *Engine) Record(r poller.Result, state store.State, reason string) {}

// During does the work, in which polls are recorded and messages are sent, as the
// writer of the given term, and decides meanwhile. When the work has ended it
// writes what is left, and returns the work's error. One During runs at a time.
func (e *Engine) During(ctx context.Context, term int64, work func(context.Context) error) error {
	return work(ctx)
}

// Pending returns the messages that are in the store and have not been delivered
// yet, in the order in which each receiver must hear them. There are none outside
// of During.
func (e *Engine) Pending() []alert.Message { return nil }

// Wake receives when Pending has changed.
func (e *Engine) Wake() <-chan struct{} { return e.wake }

// Delivered takes the keys of messages that their receivers have taken.
func (e *Engine) Delivered(keys ...string) {}

// GaveUp takes the key of a message that is not tried any more, and why.
func (e *Engine) GaveUp(key, why string) {}

// Firing returns the alerts that fire and are not suppressed, as they are in the
// store. There are none outside of During.
func (e *Engine) Firing() []alert.Alert { return nil }

// Failing returns since when the ledger cannot be written; zero where it can.
func (e *Engine) Failing() time.Time { return time.Time{} }
