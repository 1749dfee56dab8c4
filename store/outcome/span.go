package outcome

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/devops-insights/devops-insights/store"
)

// Scanner is what is needed of a store.
type Scanner interface {
	// LastOutcome returns the region's interval with the latest From, or
	// store.ErrNotFound.
	LastOutcome(ctx context.Context, api, source string) (store.Interval, error)
	// ScanOutcomes calls each for the intervals of a region of which a part lies
	// between the times, oldest first.
	ScanOutcomes(ctx context.Context, api, source string, from, to time.Time, each func(store.Interval) error) error
}

// Span is a time during which the state of a region stayed the same.
type Span struct {
	From, To time.Time
	State    store.State
	// Reasons are those of the intervals in it, each once and at most ten.
	Reasons []string
}

// Spans calls each for the spans of a region between the times, oldest first:
// without a hole, without an overlap, and two neighbours never have the same
// state. The first begins at from or with the first poll, and the last ends at
// to, at now, or with the last poll where the next one is not overdue; see the
// package. The zero time is no bound. An error of each ends it and is returned.
func Spans(ctx context.Context, r Scanner, api, source string, from, to, now time.Time, each func(Span) error) error {
	w, err := openWindow(ctx, r, api, source, from, to, now)
	if err != nil {
		return err
	}
	var held Span
	err = w.pieces(ctx, r, func(p piece) error {
		if !p.to.After(p.from) {
			return nil
		}
		if held.State == p.state {
			held.To = p.to
			held.Reasons = addReason(held.Reasons, p.reason)
			return nil
		}
		before := held
		held = Span{From: p.from, To: p.to, State: p.state, Reasons: addReason(nil, p.reason)}
		if before.State == "" {
			return nil
		}
		return each(before)
	})
	if err != nil || held.State == "" {
		return err
	}
	return each(held)
}

// maxReasons bounds the reasons that are listed of one span or incident.
const maxReasons = 10

func addReason(reasons []string, reason string) []string {
	if reason == "" || len(reasons) == maxReasons || slices.Contains(reasons, reason) {
		return reasons
	}
	return append(reasons, reason)
}

// window is the time of a region that is looked at.
type window struct {
	api, source string
	firstPoll   time.Time // zero: there is none
	from, to    time.Time
}

// piece is a part of the window in one state. Where an interval is cut at the
// edges of the window so is the piece. It may have no length: one poll.
type piece struct {
	from, to time.Time
	state    store.State
	reason   string
}

// errEnough ends a scan.
var errEnough = errors.New("enough")

// openWindow finds out which time counts.
func openWindow(ctx context.Context, r Scanner, api, source string, from, to, now time.Time) (window, error) {
	w := window{api: api, source: source, from: store.Milliseconds(from), to: store.Milliseconds(now)}
	if !to.IsZero() && to.Before(now) {
		w.to = store.Milliseconds(to)
	}
	last, err := r.LastOutcome(ctx, api, source)
	if errors.Is(err, store.ErrNotFound) {
		w.to = w.from
		return w, nil
	}
	if err != nil {
		return w, err
	}
	err = r.ScanOutcomes(ctx, api, source, time.Time{}, time.Time{}, func(iv store.Interval) error {
		w.firstPoll = iv.From
		return errEnough
	})
	if err != nil && !errors.Is(err, errEnough) {
		return w, err
	}
	if w.from.Before(w.firstPoll) {
		w.from = w.firstPoll
	}
	if last.To.Before(w.to) && !now.After(last.Until) {
		w.to = last.To
	}
	if w.to.Before(w.from) {
		w.to = w.from
	}
	return w, nil
}

// pieces calls each for all of the window, in order, with what no interval
// covers as unknown.
func (w window) pieces(ctx context.Context, r Scanner, each func(piece) error) error {
	if w.firstPoll.IsZero() {
		return nil
	}
	reached := w.from
	unknown := func(to time.Time) error {
		if !to.After(reached) {
			return nil
		}
		p := piece{from: reached, to: to, state: store.StateUnknown}
		reached = to
		return each(p)
	}
	// The scan has no end, so that the poll at the very end of the window is seen.
	err := r.ScanOutcomes(ctx, w.api, w.source, w.from, time.Time{}, func(iv store.Interval) error {
		if iv.From.After(w.to) || iv.From.Equal(w.to) && iv.To.After(w.to) {
			return errEnough
		}
		if err := unknown(iv.From); err != nil {
			return err
		}
		p := piece{from: reached, to: earlier(iv.To, w.to), state: iv.State, reason: iv.Reason}
		if p.to.Before(p.from) || p.to.Equal(p.from) && iv.From.Before(p.from) {
			return nil // before the window, or covered already: two writers may overlap
		}
		reached = p.to
		return each(p)
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	return unknown(w.to)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
