package api

import (
	"context"
	"errors"
	"time"

	"github.com/devops-insights/devops-insights/store"
)

// A page is what is read from the store at once. Its rows are a multiple of what
// the embedded store reads at once.
const (
	pageRows  = 512
	pageBytes = 1 << 20
)

// errPageFull ends a Scan.
var errPageFull = errors.New("the page is full")

// pager reads rows page by page: no look into the store lasts as long as the
// client takes to read, and few rows are in memory.
type pager struct {
	history History
	timeout time.Duration
	query   store.Query // After and Limit move on
	left    int
	done    bool
	rows    []store.Metric // used again
}

// next returns the next rows, none at the end. They are valid until it is called
// again.
func (p *pager) next(ctx context.Context) ([]store.Metric, error) {
	if p.done || p.left == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	q := p.query
	q.Limit = min(p.left, pageRows)
	rows, size := p.rows[:0], 0
	err := p.history.Scan(ctx, q, func(m store.Metric) error {
		rows, size = append(rows, m), size+len(m.Data)
		if size >= pageBytes {
			return errPageFull
		}
		return nil
	})
	full := errors.Is(err, errPageFull)
	if err != nil && !full {
		return nil, err
	}
	p.rows = rows
	p.left -= len(rows)
	p.done = !full && len(rows) < q.Limit
	if len(rows) > 0 {
		p.query.After = rows[len(rows)-1].ID
	}
	return rows, nil
}

// plan is what is known of an answer before it is sent.
type plan struct {
	head  []store.Metric // its first page
	rest  *pager         // what follows head
	last  store.Metric   // its last row, where more is true; without data
	whole bool           // head is all
	more  bool           // rows follow that are not part of it
	tag   string         // empty: none
}

// size returns about how many bytes the answer takes while it is sent: one page of
// it and what is collected to be written.
func (p *plan) size() int {
	n := 4 * outputSize
	for _, m := range p.head {
		n += len(m.Data) + rowOverhead
	}
	return n
}

// rowOverhead is what a row takes beside its data.
const rowOverhead = 200

// maxPlanned bounds the rows that are read for an entity tag.
const maxPlanned = 2_000_000

// plan reads the first page, and looks at all others where the answer has to begin
// with what is found there: the place of the next one, and the entity tag.
func (a *API) plan(ctx context.Context, h historyQuery) (plan, error) {
	pages := pager{history: a.History, timeout: a.Timeout, query: h.query, left: maxPlanned}
	if h.limit > 0 {
		pages.left = h.limit + 1
	}
	var p plan
	sum := newFingerprint("history", h.of.api, h.of.source, h.order, h.format)
	sum.add(h.fields...)
	count := 0
	for {
		rows, err := pages.next(ctx)
		if err != nil {
			return p, err
		}
		if h.limit > 0 && count+len(rows) > h.limit {
			rows, p.more = rows[:h.limit-count], true
		}
		if count == 0 {
			p.head, pages.rows = rows, nil
			rest := pages
			p.rest = &rest
		}
		for _, m := range rows {
			sum.add(m.ID, m.Source, m.Hash)
			p.last = store.Metric{ID: m.ID, CreatedAt: m.CreatedAt}
		}
		count += len(rows)
		ended := len(rows) == 0 || p.more || pages.done || pages.left == 0
		if ended || h.limit == 0 && !h.closed {
			p.whole = ended && count == len(p.head)
			break
		}
	}
	switch {
	case h.limit > 0:
		p.rest.left = h.limit - len(p.head)
		if p.more {
			sum.add("more")
		}
	default:
		p.rest.left = unlimited
	}
	if !p.more {
		p.last = store.Metric{}
	}
	if h.closed && count < maxPlanned {
		p.tag = sum.tag()
	}
	return p, nil
}

// unlimited is more rows than any store has.
const unlimited = 1 << 40

// ends reports whether a row is the last one that was planned, or lies behind it:
// the cursor of the answer is that of the planned one, also when rows have come or
// gone since.
func (p *plan) ends(m store.Metric, oldestFirst bool) (last, behind bool) {
	if p.last.ID == "" || m.ID == p.last.ID {
		return p.last.ID != "", false
	}
	if oldestFirst {
		return false, m.CreatedAt.After(p.last.CreatedAt)
	}
	return false, m.CreatedAt.Before(p.last.CreatedAt)
}
