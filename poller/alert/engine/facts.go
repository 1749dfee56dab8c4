package engine

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/devops-insights/devops-insights/poller/alert/rule"
	"github.com/devops-insights/devops-insights/store"
)

// poll is what a poll brought, as the engine needs it.
type poll struct {
	passed  time.Duration // when it was recorded, by the clock that goes forward
	region  string
	came    bool            // a value came
	data    json.RawMessage // nil: it is not known
	changed bool            // it is known to differ from the one before
	state   store.State
	reason  string
	latency time.Duration
}

// watched is what this term has learnt of a region. The times are of the wall
// clock, and jump with it.
type watched struct {
	rule.Region
	interval time.Duration
	polled   bool
	// valued says that a value has come. Else Region.ValueAt is when the term began, or
	// when the own network was back: how old the last value is nobody knows.
	valued  bool
	changes int // of what is known but the time
}

// leastStale is the least time after which a value is stale.
const leastStale = 15 * time.Second

// take takes a poll.
func (w *watched) take(p poll, now time.Time) {
	w.polled = true
	w.changes++
	w.State, w.Reason, w.Latency, w.PolledAt = p.state, p.reason, p.latency, now
	switch p.state {
	case store.StateUp:
		w.Failures = 0
	case store.StateUnknown: // says nothing
	default:
		w.Failures++
	}
	if !p.came {
		return
	}
	w.valued, w.ValueAt = true, now
	if p.data == nil {
		return
	}
	if p.changed || w.Value != nil && !bytes.Equal(w.Data, p.data) {
		w.ChangedAt = now
	}
	if w.Value == nil || !bytes.Equal(w.Data, p.data) {
		w.Data, w.Value = p.data, rule.NewValue(p.data)
	}
}

// await begins to wait for a value.
func (w *watched) await(now time.Time) {
	w.valued, w.ValueAt = false, now
	w.changes++
}

// look judges by the time how old the value is.
func (w *watched) look(now time.Time) {
	stale := now.Sub(w.ValueAt) >= max(5*w.interval, leastStale)
	if stale != w.Stale {
		w.Stale = stale
		w.changes++
	}
}

// shift moves the times, as the wall clock has jumped by d.
func (w *watched) shift(d time.Duration) {
	for _, t := range []*time.Time{&w.ValueAt, &w.ChangedAt, &w.PolledAt} {
		if !t.IsZero() {
			*t = t.Add(d)
		}
	}
}

// silent reports whether nothing is known of the region in this term yet, not
// even that its value is stale.
func (w *watched) silent() bool { return !w.polled && !w.Stale }

// unsure reports whether the last value may be stale, or not.
func (w *watched) unsure() bool { return !w.valued && !w.Stale }

// supposed returns the region as it may be: what is not known is what is given.
func (w *watched) supposed(state store.State) rule.Region {
	r := w.Region
	if w.unknown() {
		r.State = state
	}
	if w.unsure() {
		r.Stale, r.ValueAt = true, time.Time{}
	}
	return r
}

// unknown reports whether the last poll has learnt nothing of the upstream.
func (w *watched) unknown() bool { return !w.polled || w.State == store.StateUnknown }
