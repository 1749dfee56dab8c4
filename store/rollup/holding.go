package rollup

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/devops-insights/devops-insights/store"
)

// Reader is the side of a store that answers questions about the past; see
// package store for the methods. A store that has the method Latest as well is
// asked for values that have held for longer than rows are kept.
type Reader interface {
	Scan(ctx context.Context, q store.Query, each func(store.Metric) error) error
	Mark(ctx context.Context, api, source string) (store.Mark, error)
	ScanChunks(ctx context.Context, q store.ChunkQuery, each func(store.Chunk) error) error
	ScanOutcomes(ctx context.Context, api, source string, from, to time.Time, each func(store.Interval) error) error
}

// latest is what a Reader may have as well.
type latest interface {
	Latest(ctx context.Context, api, source string) (store.Metric, error)
}

// region is one region of a store.
type region struct {
	Reader
	api, source string
}

// scan calls each for the rows from a time to another one that is not part of it,
// oldest first.
func (r region) scan(ctx context.Context, from, to int64, each func(store.Metric) error) error {
	q := store.Query{API: r.api, Source: r.source, From: timeOf(from), To: timeOf(to - 1), OldestFirst: true, Limit: math.MaxInt}
	return r.Scan(ctx, q, each)
}

// edge returns the oldest row, or the newest one before a time.
func (r region) edge(ctx context.Context, before time.Time, oldest bool) (row store.Metric, ok bool, err error) {
	q := store.Query{API: r.api, Source: r.source, Limit: 1, OldestFirst: oldest}
	if !oldest {
		q.To = before.Add(-time.Millisecond)
	}
	err = r.Scan(ctx, q, func(m store.Metric) error {
		row, ok = m, true
		return nil
	})
	return row, ok, err
}

// holding returns the values that hold at a time: those of the newest row before
// it, else, where rows are not kept for so long, the latest value, else what the
// tiers tell.
func (r region) holding(ctx context.Context, fields *extractor, at int64) (held, error) {
	row, ok, err := r.edge(ctx, timeOf(at), false)
	if err != nil {
		return held{}, err
	}
	if store, can := r.Reader.(latest); !ok && can {
		if row, ok, err = r.latestBefore(ctx, store, at); err != nil {
			return held{}, err
		}
	}
	if ok {
		return held{fields.read(row.Data), row.UpdatedAt.UnixMilli()}, nil
	}
	return r.carried(ctx, fields, at)
}

func (r region) latestBefore(ctx context.Context, l latest, at int64) (store.Metric, bool, error) {
	row, err := l.Latest(ctx, r.api, r.source)
	if errors.Is(err, store.ErrNotFound) {
		return row, false, nil
	}
	return row, err == nil && row.UpdatedAt.UnixMilli() < at, err
}

// carried returns the last values that the tiers have before a time.
func (r region) carried(ctx context.Context, fields *extractor, at int64) (held, error) {
	for _, look := range []struct {
		tier store.Tier
		back time.Duration
	}{
		{store.TierMinute, 2 * time.Hour}, {store.TierMinute, 48 * time.Hour},
		{store.TierHour, 40 * 24 * time.Hour}, {store.TierDay, 10_000 * 24 * time.Hour},
	} {
		h, ok, err := r.lastPoints(ctx, fields, look.tier, at-look.back.Milliseconds(), at)
		if ok || err != nil {
			return h, err
		}
	}
	return held{}, nil
}

// lastPoints returns the last values of the newest points of a time. A field that
// has none there is gone.
func (r region) lastPoints(ctx context.Context, fields *extractor, tier store.Tier, from, to int64) (h held, ok bool, err error) {
	values := make([]value, len(fields.paths))
	newest := int64(math.MinInt64)
	for i, field := range fields.paths {
		if !fields.wanted[i].member && !fields.wanted[i].element {
			continue
		}
		err := r.points(ctx, field, tier, from, to, func(p *point) error {
			if p.at+tier.Step().Milliseconds() > to || p.at < newest {
				return nil
			}
			if p.at > newest {
				newest = p.at
				clear(values)
			}
			values[i] = p.last()
			return nil
		})
		if err != nil && !errors.Is(err, errDamaged) { // what is left tells enough
			return held{}, false, err
		}
	}
	return held{values, newest}, newest > math.MinInt64, nil
}

// last returns the value at the end of the stat.
func (s *Stat) last() value {
	if s.IsText {
		return value{kind: textual, text: s.Text}
	}
	return value{kind: numeric, number: s.Last}
}

// points calls each for the points of a field of which a part lies in a time. A
// point is valid during the call only.
func (r region) points(ctx context.Context, field string, tier store.Tier, from, to int64, each func(*point) error) error {
	q := store.ChunkQuery{API: r.api, Source: r.source, Field: field, Tier: tier, From: timeOf(from), To: timeOf(to)}
	var d decoder
	return r.ScanChunks(ctx, q, func(c store.Chunk) error {
		d.open(c)
		for d.scan() {
			if d.at+d.step <= from || d.at >= to {
				continue
			}
			if err := each(&d.point); err != nil {
				return err
			}
		}
		return d.err
	})
}

func timeOf(milliseconds int64) time.Time { return time.UnixMilli(milliseconds).UTC() }

// first returns where the oldest point of a field in a time begins. It asks for
// more and more at a time: a store may read all that it is asked for.
func (r region) first(ctx context.Context, field string, tier store.Tier, from, to int64) (at int64, ok bool, err error) {
	length := tier.Span().Milliseconds()
	if from == earliest {
		length = to - from // it is anywhere
	}
	for ; !ok && from < to; length *= 8 {
		end := min(to, from+length)
		err = r.points(ctx, field, tier, from, end, func(p *point) error {
			if ok = p.at < end; ok {
				at = p.at
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			return 0, false, err
		}
		from = end
	}
	return at, ok, nil
}
