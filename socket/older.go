package socket

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/rollup"
)

// scan goes through the rows that match, newest first, and then, where the range
// goes back further than rows are kept, through those that the tiers tell of.
func (h *Hub) scan(ctx context.Context, q store.Query, each func(store.Metric) error) error {
	given := 0
	count := func(m store.Metric) error {
		given++
		return each(m)
	}
	if err := h.History.Scan(ctx, q, count); err != nil || h.Tiers == nil || given >= q.Limit {
		return err
	}
	q.Limit -= given
	if q.Source != "" {
		return h.scanTiers(ctx, q, each)
	}
	return h.scanTiersOfAll(ctx, q, each)
}

// scanTiers goes through the rows of one region that the tiers tell of.
func (h *Hub) scanTiers(ctx context.Context, q store.Query, each func(store.Metric) error) error {
	var oldest time.Time // where the rows begin
	err := h.History.Scan(ctx, store.Query{API: q.API, Source: q.Source, Limit: 1, OldestFirst: true}, func(m store.Metric) error {
		oldest = m.CreatedAt
		return nil
	})
	if err != nil || !oldest.IsZero() && !q.From.IsZero() && oldest.Sub(q.From) < time.Minute {
		return err // there is no room for a point
	}
	return rollup.Rows(ctx, h.Tiers, q, oldest, each)
}

// errRest ends a question of which the rest is not needed.
var errRest = errors.New("the rest is not needed")

// olderRow is a row of one region, or the error that ended them.
type olderRow struct {
	store.Metric
	err error
}

// scanTiersOfAll goes through the rows of all regions, newest first.
func (h *Hub) scanTiersOfAll(ctx context.Context, q store.Query, each func(store.Metric) error) error {
	var heads []olderRow
	var nexts []func() (olderRow, bool)
	api, _ := h.Catalog().Find(q.API)
	for _, source := range api.Sources() {
		one := q
		one.Source = source
		next, stop := iter.Pull(h.older(ctx, one))
		defer stop()
		if head, ok := next(); ok {
			heads, nexts = append(heads, head), append(nexts, next)
		}
	}
	for n := 0; n < q.Limit && len(heads) > 0; n++ {
		newest := 0
		for i, head := range heads {
			if head.err != nil {
				return head.err
			}
			if head.CreatedAt.After(heads[newest].CreatedAt) {
				newest = i
			}
		}
		if err := each(heads[newest].Metric); err != nil {
			return err
		}
		head, ok := nexts[newest]()
		if heads[newest] = head; !ok {
			heads = append(heads[:newest], heads[newest+1:]...)
			nexts = append(nexts[:newest], nexts[newest+1:]...)
		}
	}
	return nil
}

func (h *Hub) older(ctx context.Context, q store.Query) iter.Seq[olderRow] {
	return func(yield func(olderRow) bool) {
		err := h.scanTiers(ctx, q, func(m store.Metric) error {
			if !yield(olderRow{Metric: m}) {
				return errRest
			}
			return nil
		})
		if err != nil && !errors.Is(err, errRest) {
			yield(olderRow{err: err})
		}
	}
}
