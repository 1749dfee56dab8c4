package rollup

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Agg says which number a step of a series is of all that was in it.
type Agg string

// The numbers of a step.
const (
	AggAvg Agg = "avg" // weighted by time
	AggMin Agg = "min"
	AggMax Agg = "max"
	// AggLast is the last value that was watched in the step.
	AggLast Agg = "last"
	// AggP50, AggP95 and AggP99 are the values below or at which the field was for
	// that share of the time, within digest.Accuracy.
	AggP50 Agg = "p50"
	AggP95 Agg = "p95"
	AggP99 Agg = "p99"
	// AggCount is the number of rows, which are changes of the value.
	AggCount Agg = "count"
)

// Aggs returns all numbers that a series can be of.
func Aggs() []Agg {
	return []Agg{AggAvg, AggMin, AggMax, AggLast, AggP50, AggP95, AggP99, AggCount}
}

// quantile returns the share that the Agg asks for.
func (a Agg) quantile() (q float64, ok bool) {
	switch a {
	case AggP50:
		return 0.5, true
	case AggP95:
		return 0.95, true
	case AggP99:
		return 0.99, true
	}
	return 0, false
}

// of returns the number of what was in a step, and false for a gap.
func (a Agg) of(s *Stat) (float64, bool) {
	if a == AggCount {
		return s.Rows, !s.empty()
	}
	if s.Held == 0 || s.IsText {
		return 0, false
	}
	switch a {
	case AggMin:
		return s.Min, true
	case AggMax:
		return s.Max, true
	case AggLast:
		return s.Last, true
	}
	if q, ok := a.quantile(); ok {
		return s.Quantile(q), true
	}
	return s.Avg(), true
}

// MaxPoints bounds the points of a series.
const MaxPoints = 11_000

// SeriesQuery asks for one field of a region in steps of equal length: those that
// begin at From, From + Step and so on before To. Each stands for the Step from
// there on.
type SeriesQuery struct {
	API, Source, Field string
	// From and To bound the steps; milliseconds count.
	From, To time.Time
	// Step is the length of a step, in whole milliseconds.
	Step time.Duration
	Agg  Agg
}

// Series is the answer to a SeriesQuery.
type Series struct {
	// Tier is the resolution of the older part of the numbers: raw, or the
	// coarsest store.Tier that is not longer than a step and still has the range.
	// The ends of steps are made of finer tiers or rows where those are there, and
	// what no tier has yet is always made of rows.
	Tier     string
	From, To time.Time
	Step     time.Duration
	Points   []Point
}

// TierRaw is the Tier of a series that is made of rows alone.
const TierRaw = "raw"

// Point is one step of a series.
type Point struct {
	// At is when the step begins.
	At    time.Time
	Value float64
	// OK is false for a gap: nothing is known of the step.
	OK bool
}

// QueryError tells what is wrong about a query.
type QueryError struct {
	// Param is the part of the query: field, from, to, step or agg.
	Param string
	// Reason is a sentence that says what is allowed.
	Reason string
}

// Error implements error.
func (e *QueryError) Error() string { return e.Param + ": " + e.Reason }

// check returns the number of the steps.
func (q SeriesQuery) check() (int, error) {
	refuse := func(param, reason string, args ...any) (int, error) {
		return 0, &QueryError{Param: param, Reason: fmt.Sprintf(reason, args...)}
	}
	year := func(t time.Time) bool { return t.Year() < 0 || t.Year() > 9999 }
	switch {
	case q.Field == "":
		return refuse("field", "it is missing: the path of a number in the values, such as results.stats.server.cpu_load")
	case !slices.Contains(Aggs(), q.Agg):
		return refuse("agg", "%q is none of %s", q.Agg, strings.Trim(fmt.Sprint(Aggs()), "[]"))
	case year(q.From):
		return refuse("from", "a time beyond the year 9999 or before the year 0")
	case year(q.To):
		return refuse("to", "a time beyond the year 9999 or before the year 0")
	case !q.From.Before(q.To):
		return refuse("to", "%s is not after from, which is %s", q.To.UTC().Format(time.RFC3339Nano), q.From.UTC().Format(time.RFC3339Nano))
	case q.Step < time.Millisecond || q.Step%time.Millisecond != 0:
		return refuse("step", "%s is no positive number of whole milliseconds", q.Step)
	}
	step := q.Step.Milliseconds()
	n := (q.To.UnixMilli() - q.From.UnixMilli() + step - 1) / step
	if n > MaxPoints {
		least := time.Duration(((q.To.UnixMilli()-q.From.UnixMilli())/MaxPoints + 1)) * time.Millisecond
		if least > time.Second {
			least = least.Truncate(time.Second) + time.Second
		}
		return refuse("step", "%s makes %d points of this range; %d are allowed: take a step of at least %s or a shorter range", q.Step, n, MaxPoints, least)
	}
	return int(n), nil
}
