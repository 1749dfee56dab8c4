package engine

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"math"
	"time"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/digest"
	"github.com/devops-insights/devops-insights/store/outcome"
	"github.com/devops-insights/devops-insights/store/past"
)

// pastPoll is a poll as it must have been.
type pastPoll struct {
	poll
	at    time.Time
	rowAt time.Time // since when the value is what it is
}

// pastPolls returns the polls of a region from a time to another one, oldest first.
func pastPolls(ctx context.Context, r past.Reader, api, region string, from, to time.Time) iter.Seq2[pastPoll, error] {
	return func(yield func(pastPoll, error) bool) {
		rows, stop := newRows(ctx, r, api, region, from, to)
		defer stop()
		err := r.ScanOutcomes(ctx, api, region, from, to, func(iv store.Interval) error {
			if iv.Polls <= 0 {
				return nil // nobody polled
			}
			p := pastPoll{poll: poll{region: region, state: iv.State, reason: iv.Reason, latency: typicalLatency(iv.Latency)}}
			step := max(iv.To.Sub(iv.From)/time.Duration(iv.Polls), time.Millisecond)
			first := int64(0)
			if iv.From.Before(from) {
				first = int64((from.Sub(iv.From) + step - 1) / step)
			}
			for i := first; i < iv.Polls; i++ {
				p.at = iv.From.Add(time.Duration(i) * step)
				if !p.at.Before(to) {
					return nil
				}
				p.came, p.data, p.changed = false, nil, false
				if iv.State != store.StateUnknown && iv.Failures < iv.Polls {
					if err := rows.upTo(p.at); err != nil {
						return err
					}
					p.came, p.data, p.rowAt, p.changed = true, rows.data, rows.at, rows.changed
					rows.changed = false
				}
				if !yield(p, nil) {
					return errStopped
				}
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStopped) {
			yield(pastPoll{}, err)
		}
	}
}

// errStopped ends a scan of which nobody wants more.
var errStopped = errors.New("stopped")

// rows are the values of a region in the order of time.
type rows struct {
	next    func() (store.Metric, error, bool)
	ahead   *store.Metric // the first one that is not in force yet
	data    []byte
	at      time.Time
	changed bool // it has changed since the first one
}

// newRows returns the rows that were in force from a time on.
func newRows(ctx context.Context, r past.Reader, api, region string, from, to time.Time) (*rows, func()) {
	scan := func(q store.Query) iter.Seq2[store.Metric, error] {
		return func(yield func(store.Metric, error) bool) {
			err := r.Scan(ctx, q, func(m store.Metric) error {
				if m.Data = bytes.Clone(m.Data); !yield(m, nil) {
					return errStopped
				}
				return nil
			})
			if err != nil && !errors.Is(err, errStopped) {
				yield(store.Metric{}, err)
			}
		}
	}
	next, stop := iter.Pull2(func(yield func(store.Metric, error) bool) {
		before := store.Query{API: api, Source: region, To: from.Add(-time.Millisecond), Limit: 1}
		within := store.Query{API: api, Source: region, From: from, To: to, OldestFirst: true, Limit: math.MaxInt}
		for _, q := range []store.Query{before, within} {
			for m, err := range scan(q) {
				if !yield(m, err) || err != nil {
					return
				}
			}
		}
	})
	return &rows{next: next}, stop
}

// upTo goes on to the row that was in force at a time.
func (r *rows) upTo(at time.Time) error {
	for {
		if r.ahead == nil {
			m, err, ok := r.next()
			if err != nil || !ok {
				return err
			}
			r.ahead = &m
		}
		if r.ahead.CreatedAt.After(at) {
			return nil
		}
		r.changed = r.data != nil
		r.data, r.at, r.ahead = r.ahead.Data, r.ahead.CreatedAt, nil
	}
}

// typicalLatency returns the median of an interval's latencies; 0: none is known.
func typicalLatency(encoded []byte) time.Duration {
	d := digest.New()
	if len(encoded) == 0 || d.MergeBinary(encoded) != nil || d.Weight() <= 0 {
		return 0
	}
	return time.Duration(d.Quantile(0.5) * float64(time.Millisecond))
}

// uptimeThen tells how long regions were up before a time in the past.
type uptimeThen struct {
	ctx   context.Context // of the replay
	opts  ReplayOptions
	now   time.Time
	err   error // the first one
	known map[stretch]shareThen
}

// shareThen is a share as of a time.
type shareThen struct {
	share
	at time.Time
}

func (u *uptimeThen) percent(region string, window time.Duration) (percent float64, known bool) {
	if region != "" {
		s := u.measure(stretch{region, window})
		return s.percent, s.known
	}
	n := 0
	for _, r := range u.opts.Regions {
		if s := u.measure(stretch{r.Name, window}); s.known {
			percent += s.percent
			n++
		}
	}
	if n == 0 {
		return 0, false
	}
	return percent / float64(n), true
}

// measure measures as often as a gauge does.
func (u *uptimeThen) measure(s stretch) share {
	before, measured := u.known[s]
	if measured && u.now.Sub(before.at) < validFor(s.window) {
		return before.share
	}
	found, err := outcome.Measure(u.ctx, u.opts.Past, u.opts.API, s.region, u.now.Add(-s.window), u.now, u.now)
	if err != nil {
		if u.err == nil {
			u.err = err
		}
		return share{}
	}
	up, known := found.Ratio()
	now := shareThen{share: share{percent: 100 * up, known: known}, at: u.now}
	u.known[s] = now
	return now.share
}

func (*uptimeThen) measured(string, time.Duration) bool { return true }
