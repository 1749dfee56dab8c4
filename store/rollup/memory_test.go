package rollup

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/devops-insights/devops-insights/store"
)

// memory is a store in memory, plain and slow, that does what package store says.
// Its failures are set by the specs.
type memory struct {
	rows    []store.Metric
	outcome []store.Interval
	mark    store.Mark
	term    int64
	chunks  map[string]store.Chunk
	// beforeMark, when set, is called between the chunks and the mark of a
	// PutChunks, in a store without transactions; an error ends it there.
	beforeMark func() error
	puts       int
}

func newMemory() *memory {
	return &memory{mark: store.Mark{API: "acme", Source: "eu-west"}, chunks: make(map[string]store.Chunk)}
}

// save adds a row, and takes the mark back where it is late.
func (m *memory) save(at time.Time, data string, now time.Time) {
	at = store.Milliseconds(at)
	m.rows = append(m.rows, store.Metric{API: "acme", Source: "eu-west", Data: []byte(data), CreatedAt: at, UpdatedAt: at})
	slices.SortStableFunc(m.rows, func(a, b store.Metric) int { return a.CreatedAt.Compare(b.CreatedAt) })
	if at.Before(m.mark.To) || now.Sub(at) > store.LateAfter {
		m.mark.Revision++
		if at.Before(m.mark.To) {
			m.mark.To = at.Truncate(time.Minute)
		}
	}
}

func (m *memory) record(all []store.Interval) { m.outcome = all }

func (m *memory) dieBeforeMark(dies bool) {
	m.beforeMark = nil
	if dies {
		m.beforeMark = func() error { return errKilled }
	}
}

func (m *memory) Scan(_ context.Context, q store.Query, each func(store.Metric) error) error {
	rows := slices.Clone(m.rows)
	if !q.OldestFirst {
		slices.Reverse(rows)
	}
	n := 0
	for _, r := range rows {
		if n == q.Limit || r.Source != q.Source || !q.From.IsZero() && r.CreatedAt.Before(q.From) || !q.To.IsZero() && r.CreatedAt.After(q.To) {
			continue
		}
		n++
		if err := each(r); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) Mark(_ context.Context, api, source string) (store.Mark, error) {
	if source != "eu-west" { // the one region there is
		return store.Mark{API: api, Source: source}, nil
	}
	mark := m.mark
	mark.Fields = slices.Clone(mark.Fields)
	return mark, nil
}

func (m *memory) PutChunks(_ context.Context, term int64, mark store.Mark, chunks []store.Chunk) error {
	m.puts++
	switch {
	case term < m.term:
		return store.ErrFenced
	case mark.Revision != m.mark.Revision:
		return store.ErrConflict
	}
	for _, c := range chunks {
		c.Data = bytes.Clone(c.Data)
		m.chunks[key(c)] = c
	}
	if m.beforeMark != nil {
		if err := m.beforeMark(); err != nil {
			return err
		}
	}
	m.term = term
	mark.Revision++
	mark.Fields = slices.Clone(mark.Fields)
	m.mark = mark
	return nil
}

func key(c store.Chunk) string {
	return c.Field + " " + string(c.Tier) + " " + strconv.FormatInt(c.Start.Unix(), 10)
}

func (m *memory) ScanChunks(_ context.Context, q store.ChunkQuery, each func(store.Chunk) error) error {
	var found []store.Chunk
	for _, c := range m.chunks {
		if c.Field == q.Field && c.Tier == q.Tier && (q.To.IsZero() || c.Start.Before(q.To)) && c.Start.Add(c.Tier.Span()).After(q.From) {
			found = append(found, c)
		}
	}
	slices.SortFunc(found, func(a, b store.Chunk) int { return a.Start.Compare(b.Start) })
	for _, c := range found {
		c.Data = bytes.Clone(c.Data)
		err := each(c)
		clear(c.Data) // it is valid during the call only
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) LastOutcome(context.Context, string, string) (store.Interval, error) {
	if len(m.outcome) == 0 {
		return store.Interval{}, store.ErrNotFound
	}
	return m.outcome[len(m.outcome)-1], nil
}

func (m *memory) ScanOutcomes(_ context.Context, _, _ string, from, to time.Time, each func(store.Interval) error) error {
	for _, i := range m.outcome {
		if !from.IsZero() && !i.To.After(from) || !to.IsZero() && !i.From.Before(to) {
			continue
		}
		if err := each(i); err != nil {
			return err
		}
	}
	return nil
}

// dump returns all chunks in an order of their own.
func (m *memory) dump() (all []store.Chunk) {
	for _, c := range m.chunks {
		if len(c.Data) > 1 {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b store.Chunk) int { return cmp.Compare(key(a), key(b)) })
	return all
}

var errKilled = errors.New("killed")

var _ played = (*memory)(nil)
