package rollup

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/fieldpath"
	"github.com/devops-insights/devops-insights/store/jsjson"
)

// Rows calls each for history rows that are made of the tiers: one for each point
// in which there were rows, at the time at which the point begins and with the
// last values of the fields that are kept, in the order in which they were found.
// Of each part of the range it takes the finest tier that still has it. Points
// that end after before, from which on there are rows, are left out; the zero time
// is no bound.
//
// q is as for store.Reader, of one region; it has no After. The rows have no ID.
func Rows(ctx context.Context, r Reader, q store.Query, before time.Time, each func(store.Metric) error) error {
	mark, err := r.Mark(ctx, q.API, q.Source)
	if err != nil || len(mark.Fields) == 0 {
		return err
	}
	rows := &rows{region: region{r, q.API, q.Source}, q: q, fields: mark.Fields, root: treeOf(mark.Fields), each: each}
	rows.from, rows.end = earliest, mark.To.UnixMilli()
	if !q.From.IsZero() {
		rows.from = q.From.UnixMilli()
	}
	if !before.IsZero() {
		rows.end = min(rows.end, before.UnixMilli())
	}
	if rows.from > rows.end-time.Minute.Milliseconds() {
		return nil
	}
	parts, err := rows.parts(ctx)
	if err != nil {
		return err
	}
	if q.OldestFirst {
		slices.Reverse(parts)
	}
	for _, part := range parts {
		if err := rows.part(ctx, part); err != nil {
			if errors.Is(err, errEnough) {
				return nil
			}
			return err
		}
	}
	return nil
}

// rows makes rows of points.
type rows struct {
	region
	q         store.Query
	fields    []string
	root      *tree
	each      func(store.Metric) error
	from, end int64 // milliseconds

	given  int
	values []value // of the points of a window, by step and field
	there  []bool  // whether a row was in the point
}

// part is a range of time of which one tier tells.
type part struct {
	tier     store.Tier
	from, to int64
}

// parts returns which tier tells of which part of the range, the newest first.
func (r *rows) parts(ctx context.Context) (all []part, err error) {
	end := r.end
	for _, tier := range store.Tiers() {
		end = floor(end, tier.Step())
		begin, err := r.begin(ctx, tier, end)
		if err != nil {
			return nil, err
		}
		if begin < end {
			all = append(all, part{tier, begin, end})
			end = begin
		}
	}
	return all, nil
}

// begin returns where a tier begins in the range, before an end: with the oldest
// point of the first field that has any. The fields are in the order in which they
// were found, so that no other begins before.
func (r *rows) begin(ctx context.Context, tier store.Tier, end int64) (int64, error) {
	const most = 8 // fields to ask for
	for _, field := range r.fields[:min(len(r.fields), most)] {
		if at, ok, err := r.first(ctx, field, tier, r.from, end); ok || err != nil {
			return at, err
		}
	}
	return end, nil
}

// earliest is a time before all others that a store can compare: the year 1.
const earliest = -62135596800000

// window is the time of which the points of all fields are held at once.
func window(tier store.Tier) time.Duration {
	switch tier {
	case store.TierMinute:
		return 24 * time.Hour
	case store.TierHour:
		return 32 * 24 * time.Hour
	}
	return 512 * 24 * time.Hour
}

func (r *rows) part(ctx context.Context, p part) error {
	length := window(p.tier).Milliseconds()
	if !r.q.To.IsZero() {
		p.to = min(p.to, r.q.To.UnixMilli()+1)
	}
	if r.q.OldestFirst {
		for at := floor(p.from, window(p.tier)); at < p.to; at += length {
			if err := r.window(ctx, p, at); err != nil {
				return err
			}
		}
		return nil
	}
	for at := floor(p.to-1, window(p.tier)); at+length > p.from; at -= length {
		if err := r.window(ctx, p, at); err != nil {
			return err
		}
	}
	return nil
}

func (r *rows) window(ctx context.Context, p part, at int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	step := p.tier.Step().Milliseconds()
	n, fields := int(window(p.tier).Milliseconds()/step), len(r.fields)
	r.values, r.there = slices.Grow(r.values[:0], n*fields)[:n*fields], slices.Grow(r.there[:0], n)[:n]
	clear(r.values)
	clear(r.there)
	from, to := max(p.from, at), min(p.to, at+window(p.tier).Milliseconds())
	for i, field := range r.fields {
		err := r.points(ctx, field, p.tier, from, to, func(m *point) error {
			step := int((m.at - at) / step)
			r.values[step*fields+i] = m.last()
			r.there[step] = r.there[step] || m.Rows > 0
			return nil
		})
		if err != nil {
			return err
		}
	}
	for i := range n {
		if !r.q.OldestFirst {
			i = n - 1 - i
		}
		if r.there[i] {
			if err := r.give(at+int64(i)*step, r.values[i*fields:(i+1)*fields]); err != nil {
				return err
			}
		}
	}
	return nil
}

// give hands a row on, if it is one of those that are asked for.
func (r *rows) give(at int64, values []value) error {
	if at < r.from {
		return nil
	}
	data := r.root.append(nil, values)
	if len(data) == 0 {
		return nil
	}
	err := r.each(store.Metric{
		API: r.api, Source: r.source, Data: data, Hash: store.Hash(data), CreatedAt: timeOf(at), UpdatedAt: timeOf(at),
	})
	if r.given++; err == nil && r.given >= r.q.Limit {
		return errEnough
	}
	return err
}

// tree is the shape of the values: the members of an object in their order.
type tree struct {
	name    string
	place   int // of the field that ends here, negative where none does
	members []*tree
}

func treeOf(paths []string) *tree {
	root := &tree{place: -1}
	for place, path := range paths {
		at := root
		for _, name := range fieldpath.Split(path) {
			i := slices.IndexFunc(at.members, func(t *tree) bool { return t.name == name })
			if i < 0 {
				i = len(at.members)
				at.members = append(at.members, &tree{name: name, place: -1})
			}
			at = at.members[i]
		}
		at.place = place
	}
	return root
}

// append appends the JSON text of the values, or nothing where there are none.
func (t *tree) append(b []byte, values []value) []byte {
	begin := len(b)
	for _, m := range t.members {
		before := len(b)
		if before == begin {
			b = append(b, '{')
		} else {
			b = append(b, ',')
		}
		b = append(jsjson.AppendString(b, m.name), ':')
		named := len(b)
		if b = m.append(b, values); len(b) == named {
			b = b[:before]
		}
	}
	if len(b) > begin {
		return append(b, '}')
	}
	if t.place < 0 {
		return b
	}
	switch v := values[t.place]; v.kind {
	case numeric:
		return jsjson.AppendNumber(b, v.number)
	case textual:
		return jsjson.AppendString(b, v.text)
	}
	return b
}
