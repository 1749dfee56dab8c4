package rollup

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/devops-insights/devops-insights/store"
)

// This file is the reference: a history of which everything is known, and the
// plain, slow answers to what happened in a span of time.

type modelRow struct {
	at     int64
	fields map[string]float64
	status string
	late   time.Duration // after which it is saved
}

func (r modelRow) data() string {
	parts := []string{fmt.Sprintf(`"status":%q`, r.status)}
	for _, name := range []string{"a", "b.c"} {
		v, ok := r.fields[name]
		if !ok {
			continue
		}
		if name == "a" {
			parts = append(parts, fmt.Sprintf(`"a":%v`, v))
		} else {
			parts = append(parts, fmt.Sprintf(`"b":{"c":%v}`, v))
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

type model struct {
	from, to  int64
	rows      []modelRow // in their order
	intervals []store.Interval
}

// truth is what happened to a field in a span of time.
type truth struct {
	held   float64
	values []modelValue // in the order of time
	texts  []string
	rows   float64
}

type modelValue struct{ v, held float64 }

func (t truth) avg() float64 {
	sum := 0.0
	for _, v := range t.values {
		sum += v.v * v.held
	}
	return sum / t.held
}

func (t truth) min() float64 {
	return slices.MinFunc(t.values, func(a, b modelValue) int { return sign(a.v - b.v) }).v
}

func (t truth) max() float64 {
	return slices.MaxFunc(t.values, func(a, b modelValue) int { return sign(a.v - b.v) }).v
}

func (t truth) last() float64 { return t.values[len(t.values)-1].v }

func (t truth) quantile(q float64) float64 {
	sorted := slices.Clone(t.values)
	slices.SortFunc(sorted, func(a, b modelValue) int { return sign(a.v - b.v) })
	sum := 0.0
	for _, v := range sorted {
		if sum += v.held; sum >= q*t.held {
			return v.v
		}
	}
	return t.max()
}

func sign(v float64) int {
	switch {
	case v < 0:
		return -1
	case v > 0:
		return 1
	}
	return 0
}

// in looks at every span between two events.
func (m *model) in(field string, from, to int64) (t truth) {
	times := []int64{from, to}
	for _, r := range m.rows {
		if r.at >= from && r.at < to {
			times = append(times, r.at)
			if _, ok := r.fields[field]; ok || field == "status" {
				t.rows++
			}
		}
	}
	for _, i := range m.intervals {
		for _, at := range []int64{i.From.UnixMilli(), i.To.UnixMilli()} {
			if at > from && at < to {
				times = append(times, at)
			}
		}
	}
	slices.Sort(times)
	for i, at := range times[:len(times)-1] {
		held := float64(times[i+1] - at)
		row, ok := m.rowAt(at)
		numbers, texts := m.watchedAt(at)
		if held == 0 || !ok {
			continue
		}
		if field == "status" {
			if texts {
				t.held += held
				t.texts = append(t.texts, row.status)
			}
			continue
		}
		if v, ok := row.fields[field]; ok && numbers {
			t.held += held
			t.values = append(t.values, modelValue{v, held})
		}
	}
	return t
}

func (m *model) rowAt(at int64) (row modelRow, ok bool) {
	for _, r := range m.rows {
		if r.at <= at {
			row, ok = r, true
		}
	}
	return row, ok
}

func (m *model) watchedAt(at int64) (numbers, texts bool) {
	if len(m.intervals) == 0 || at < m.intervals[0].From.UnixMilli() {
		return true, true
	}
	var state store.Interval
	for _, i := range m.intervals {
		if i.From.UnixMilli() <= at {
			state = i
		}
	}
	if at >= state.To.UnixMilli() {
		return false, false
	}
	switch state.State {
	case store.StateUp, store.StateDegraded:
		return true, true
	case store.StateDown:
		return false, state.Failures == 0
	}
	return false, false
}

// newModel makes a history: values that hold, outages, values that say that they
// are down, times without polls, clocks that are set back, rows of one and the
// same millisecond, rows that are saved late, and fields that come and go.
func newModel(random *rand.Rand, from time.Time, length time.Duration) *model {
	m := &model{from: from.UnixMilli(), to: from.Add(length).UnixMilli()}
	at := m.from + random.Int64N(3_600_000)
	polled := at + random.Int64N(3_600_000) // before it there are rows only
	fields := map[string]float64{"a": 1}
	status := "ok"
	add := func(at int64) {
		r := modelRow{at: at, fields: map[string]float64{}, status: status}
		for k, v := range fields {
			r.fields[k] = v
		}
		if random.IntN(40) == 0 {
			r.late = time.Duration(random.IntN(4*3600)) * time.Second
		}
		m.rows = append(m.rows, r)
	}
	interval := func(from, to int64, state store.State, failed bool) {
		if n := len(m.intervals); n > 0 { // intervals do not go back with the clock
			from = max(from, m.intervals[n-1].To.UnixMilli())
		}
		if from >= to {
			return
		}
		i := store.Interval{From: timeOf(from), To: timeOf(to), State: state, Polls: 3}
		if failed {
			i.Failures = 3
		}
		if from >= polled {
			m.intervals = append(m.intervals, i)
		}
	}
	for at < m.to {
		span := int64(random.IntN(20*60_000)) + 1000
		switch random.IntN(8) {
		case 0: // nobody polls
			interval(at, at+span*3, store.StateUnknown, false)
			at += span * 3
			continue
		case 1: // polls fail
			interval(at, at+span, store.StateDown, true)
			at += span
			continue
		case 2: // the value says that it is down
			status = "down"
			add(at)
			interval(at, at+span, store.StateDown, false)
			at += span
			continue
		case 3: // the clock is set back
			at -= random.Int64N(60_000)
		case 4: // nothing is known, and nothing says so
			at += random.Int64N(100_000)
		}
		state := store.StateUp
		if status = "ok"; random.IntN(4) == 0 {
			status, state = "degraded", store.StateDegraded
		}
		interval(at, at+span, state, false)
		for t := at; t < at+span; t += 1 + random.Int64N(120_000) {
			switch random.IntN(12) {
			case 0:
				delete(fields, "a")
			case 1:
				fields["b.c"] = random.NormFloat64() * 1000
			case 2:
				delete(fields, "b.c")
			case 3: // within one millisecond
				fields["a"] = float64(1 + random.IntN(50))
				add(t)
				fields["a"] = -float64(1 + random.IntN(50))
			case 4: // the very same again
			default:
				fields["a"] = float64(random.IntN(100_000)) / 100
			}
			add(t)
		}
		at += span
	}
	slices.SortStableFunc(m.rows, func(a, b modelRow) int { return sign(float64(a.at - b.at)) })
	m.rows = slices.DeleteFunc(m.rows, func(r modelRow) bool { return r.at >= m.to })
	return m
}

// outcomes returns what a recorder has written by a time: the last interval goes
// as far as the last poll.
func (m *model) outcomes(now int64) (all []store.Interval) {
	for _, i := range m.intervals {
		if i.From.UnixMilli() >= now {
			break
		}
		if i.To.UnixMilli() > now {
			i.To = timeOf(max(i.From.UnixMilli(), now-now%30_000))
		}
		all = append(all, i)
	}
	return all
}

func near(a, b float64) bool { return a == b || math.Abs(a-b) <= 1e-9*max(math.Abs(a), math.Abs(b)) }
