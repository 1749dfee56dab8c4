package socket

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"

	"github.com/devops-insights/devops-insights/store"
)

// collector takes the rows of a history answer, newest first, and keeps all of
// them while they fit into a number of bytes, else as many as do: see thinner.
type collector struct {
	most  int // bytes
	size  int
	rows  []store.Metric
	total int
	thin  *thinner // nil while all rows fit
}

// rowOverhead is what a row takes in an answer beside its data.
const rowOverhead = 192

func (c *collector) add(m store.Metric) {
	c.total++
	if c.thin != nil {
		c.thin.add(m)
		return
	}
	c.rows, c.size = append(c.rows, m), c.size+len(m.Data)+rowOverhead
	if c.size > c.most {
		c.thin = &thinner{most: c.most, pending: make(map[string]thinRow), every: [2]int{1, 1}}
		for _, m := range c.rows {
			c.thin.add(m)
		}
		c.rows = nil
	}
}

// result returns the rows that are kept and whether others were left out.
func (c *collector) result() (rows []store.Metric, thinned bool) {
	if c.thin == nil {
		return c.rows, false
	}
	rows = c.thin.result()
	return rows, len(rows) < c.total
}

// thinner keeps every second row, every fourth, every eighth and so on, evenly
// over the whole range, so that what is kept fits. The first row, the last one
// and those at which the status of a region changed stay; changes are thinned
// too where nothing else is left.
type thinner struct {
	most, size, total int
	kept              []thinRow
	pending           map[string]thinRow // the row before of each region: the next one tells its kind
	every, seen       [2]int             // by kind
}

type thinRow struct {
	store.Metric
	status string
	place  int // among all rows
	kind   int
	number int // among the rows of its kind
}

// The kinds of rows.
const (
	ordinary = iota
	statusChange
)

func (t *thinner) add(m store.Metric) {
	row := thinRow{Metric: m, status: statusOf(m.Data), place: t.total}
	t.total++
	newer, ok := t.pending[m.Source]
	t.pending[m.Source] = row
	if !ok {
		return
	}
	if newer.status != row.status {
		newer.kind = statusChange
	}
	t.keep(newer)
}

func (t *thinner) keep(r thinRow) {
	r.number = t.seen[r.kind]
	t.seen[r.kind]++
	if !t.stays(r) {
		return
	}
	t.kept = append(t.kept, r)
	t.size += len(r.Data) + rowOverhead
	for t.size > t.most && t.coarser() {
	}
}

// stays reports whether a row is kept; the newest of all always is.
func (t *thinner) stays(r thinRow) bool { return r.place == 0 || r.number%t.every[r.kind] == 0 }

// coarser leaves out every second row, of the changes only where one ordinary
// row is left, and reports false where nothing can be left out.
func (t *thinner) coarser() bool {
	for kind := range t.every {
		if t.every[kind] >= t.seen[kind] {
			continue
		}
		t.every[kind] *= 2
		t.kept = slices.DeleteFunc(t.kept, func(r thinRow) bool { return !t.stays(r) })
		t.size = 0
		for _, r := range t.kept {
			t.size += len(r.Data) + rowOverhead
		}
		return true
	}
	return false
}

// result ends with the oldest row of all.
func (t *thinner) result() []store.Metric {
	var oldest thinRow
	for _, r := range slices.SortedFunc(maps.Values(t.pending), byPlace) {
		if oldest.Data != nil {
			t.keep(oldest)
		}
		oldest = r
	}
	t.kept = append(t.kept, oldest)
	slices.SortFunc(t.kept, byPlace)
	rows := make([]store.Metric, len(t.kept))
	for i, r := range t.kept {
		rows[i] = r.Metric
	}
	return rows
}

func byPlace(a, b thinRow) int { return cmp.Compare(a.place, b.place) }

// statusOf returns the member "status" of a value as its JSON text, empty where
// there is none.
func statusOf(data json.RawMessage) string {
	var v struct {
		Status json.RawMessage `json:"status"`
	}
	_ = json.Unmarshal(data, &v) // what is no object has no status
	return string(v.Status)
}
