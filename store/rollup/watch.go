package rollup

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/devops-insights/devops-insights/store"
)

// watch tells which time was watched, going forward. Numbers count while the
// region was up or degraded, texts while polls brought values, also those that
// say that the region is down.
type watch struct {
	spans []watched
	at    int
}

type watched struct {
	from, to       int64 // milliseconds
	numbers, texts bool
	assumed        bool // nothing is known: it was before the first outcome
}

// assumedFor is how long a value is taken to hold at a time of which there are no
// outcomes. It is for how long the rows of such a time are kept by default, and
// bounds what a row of a clock that was years behind can do.
const assumedFor = 7 * 24 * time.Hour

var errEnough = errors.New("this is enough")

// scanner is store.Outcomes as it is read.
type scanner interface {
	ScanOutcomes(ctx context.Context, api, source string, from, to time.Time, each func(store.Interval) error) error
}

// watchOf reads what was watched of a time in milliseconds.
func watchOf(ctx context.Context, r scanner, api, source string, from, to int64) (*watch, error) {
	w := &watch{}
	covered := false // polling had begun when the time began
	err := r.ScanOutcomes(ctx, api, source, timeOf(from), timeOf(to), func(i store.Interval) error {
		s := spanOf(i)
		covered = covered || s.from <= from
		w.add(s)
		return nil
	})
	if err != nil || covered {
		return w, err
	}
	first, _, err := firstOutcome(ctx, r, api, source)
	if first > from {
		w.spans = append([]watched{{from: from, to: first, numbers: true, texts: true, assumed: true}}, w.spans...)
	}
	return w, err
}

// firstOutcome returns when polling of the region began, far in the future where
// it never did.
func firstOutcome(ctx context.Context, r scanner, api, source string) (at int64, ok bool, err error) {
	at = math.MaxInt64
	err = r.ScanOutcomes(ctx, api, source, time.Time{}, time.Time{}, func(i store.Interval) error {
		at, ok = i.From.UnixMilli(), true
		return errEnough
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return at, ok, err
}

func spanOf(i store.Interval) watched {
	up := i.State == store.StateUp || i.State == store.StateDegraded
	// Polls that fail bring no value: the text of the last one says nothing.
	texts := up || i.State == store.StateDown && i.Failures < i.Polls
	return watched{from: i.From.UnixMilli(), to: i.To.UnixMilli(), numbers: up, texts: texts}
}

// add appends a span. One that begins before another ends, after a clock was set
// back, ends it.
func (w *watch) add(s watched) {
	if n := len(w.spans); n > 0 {
		last := &w.spans[n-1]
		s.from = max(s.from, last.from)
		last.to = min(last.to, s.from)
		if last.to == s.from && last.numbers == s.numbers && last.texts == s.texts {
			last.to = max(last.to, s.to)
			return
		}
	}
	if s.to > s.from {
		w.spans = append(w.spans, s)
	}
}

// between returns for how many milliseconds of a time numbers and texts were
// watched, whose values hold since an earlier time. Each call is for a later time than the one before.
func (w *watch) between(from, to, since int64) (numbers, texts float64) {
	for w.at < len(w.spans) && w.spans[w.at].to <= from {
		w.at++
	}
	for _, s := range w.spans[w.at:] {
		if s.from >= to {
			break
		}
		if s.assumed {
			s.to = min(s.to, since+assumedFor.Milliseconds())
		}
		held := float64(max(0, min(s.to, to)-max(s.from, from)))
		if s.numbers {
			numbers += held
		}
		if s.texts {
			texts += held
		}
	}
	return numbers, texts
}
