package past

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/devops-insights/devops-insights/store/jsjson"
	"github.com/devops-insights/devops-insights/store/rollup"
)

// SeriesQuestion asks for one field of a region over time.
type SeriesQuestion struct {
	API, Source, Field string
	// From and To bound the range; From is part of it, To is not. To zero: now.
	// From zero: a day before To or a little earlier, at a multiple of Step since
	// 1970, so that the same question has the same steps a moment later.
	From, To time.Time
	// Step is the length of a step. Zero: such that there are about 300.
	Step time.Duration
	// Agg is what a step tells; empty: avg.
	Agg string
}

// usual are the steps that are taken where none is asked for.
func usual() []time.Duration {
	return []time.Duration{
		time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 10 * time.Minute,
		30 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, day, 7 * day, 30 * day,
	}
}

// usualPoints is about how many points there are where no step is asked for.
const usualPoints = 300

// maxField bounds the path of a field.
const maxField = 500

func (q SeriesQuestion) withDefaults(now time.Time) SeriesQuestion {
	if q.To.IsZero() {
		q.To = now.UTC().Truncate(time.Millisecond)
	}
	begins := !q.From.IsZero()
	if !begins {
		q.From = q.To.Add(-day)
	}
	q.Agg = cmp.Or(strings.ToLower(q.Agg), string(rollup.AggAvg))
	if q.Step == 0 {
		for _, q.Step = range usual() {
			if q.To.Sub(q.From)/q.Step <= usualPoints {
				break
			}
		}
	}
	if step := q.Step.Milliseconds(); !begins && step > 0 {
		at := q.From.UnixMilli()
		q.From = time.UnixMilli(at - (at%step+step)%step).UTC()
	}
	return q
}

// Series answers a SeriesQuestion. What the asker did wrong is a *ParamError.
func Series(ctx context.Context, r Reader, q SeriesQuestion, now time.Time) (SeriesAnswer, error) {
	q = q.withDefaults(now)
	agg := rollup.Agg(q.Agg)
	switch {
	case q.Source == "":
		return SeriesAnswer{}, &ParamError{Param: "source", Reason: "it is missing: the region is expected"}
	case q.Field == "" || len(q.Field) > maxField:
		return SeriesAnswer{}, &ParamError{Param: "field", Value: q.Field, Reason: fmt.Sprintf("the path of a number in the values is expected, such as results.stats.server.cpu_load, of at most %d bytes", maxField)}
	case !slices.Contains(rollup.Aggs(), agg):
		return SeriesAnswer{}, &ParamError{Param: "agg", Value: q.Agg, Reason: "allowed are " + aggs()}
	case !inYears(q.From):
		return SeriesAnswer{}, &ParamError{Param: "from", Reason: "it is before the year 1"}
	}
	s, err := rollup.Read(ctx, r, rollup.SeriesQuery{
		API: q.API, Source: q.Source, Field: q.Field, From: q.From, To: q.To, Step: q.Step, Agg: agg,
	}, now)
	if wrong := (*rollup.QueryError)(nil); errors.As(err, &wrong) {
		return SeriesAnswer{}, &ParamError{Param: wrong.Param, Reason: wrong.Reason}
	}
	return SeriesAnswer{Question: q, Series: s}, err
}

func aggs() string {
	var names []string
	for _, a := range rollup.Aggs() {
		names = append(names, string(a))
	}
	return strings.Join(names, ", ")
}

// SeriesAnswer is a series with the question that it answers, defaults filled in.
type SeriesAnswer struct {
	Question SeriesQuestion
	rollup.Series
}

// AppendJSON appends the answer as a JSON object.
func (s SeriesAnswer) AppendJSON(b []byte) []byte {
	q := s.Question
	b = slices.Grow(b, 300+64*len(s.Points))
	b = jsjson.AppendString(append(b, `{"api":`...), q.API)
	b = jsjson.AppendString(append(b, `,"source":`...), q.Source)
	b = jsjson.AppendString(append(b, `,"field":`...), q.Field)
	b = jsjson.AppendString(append(b, `,"agg":`...), q.Agg)
	b = jsjson.AppendString(append(b, `,"tier":`...), s.Tier)
	b = jsjson.AppendTime(append(b, `,"from":`...), s.From)
	b = jsjson.AppendTime(append(b, `,"to":`...), s.To)
	b = jsjson.AppendNumber(append(b, `,"step":`...), s.Step.Seconds())
	b = append(b, `,"points":[`...)
	for i, p := range s.Points {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsjson.AppendTime(append(b, `{"at":`...), p.At)
		b = append(b, `,"value":`...)
		if p.OK {
			b = jsjson.AppendNumber(b, p.Value)
		} else {
			b = append(b, "null"...)
		}
		b = append(b, '}')
	}
	return append(b, "]}"...)
}
