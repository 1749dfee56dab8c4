package api

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/outcome"
	"github.com/devops-insights/devops-insights/store/past"
	"github.com/devops-insights/devops-insights/store/rollup"
)

// The fields of a report: as many as are told where none is named, and as many as
// may be named.
const (
	reportFields    = 5
	maxReportFields = 20
)

// report is what a month was like.
type report struct {
	api      string
	from, to time.Time
	partial  bool // the month is not over
	regions  []regionReport
	fields   []string // those of all regions
}

type regionReport struct {
	source  string
	uptime  outcome.Uptime
	changes int64
	values  []fieldReport
}

// fieldReport is the distribution of a field; numbers that are not known are nil.
type fieldReport struct {
	field    string
	p50, p95 *float64
}

// report answers with the report of a month.
func (a *API) report(c *gin.Context) error {
	p, err := readParams(c.Request, "api", "month", "source", "format", "fields")
	if err != nil {
		return err
	}
	of, err := a.scope(p)
	if err != nil {
		return err
	}
	now := a.Now()
	r := report{api: of.api}
	if r.from, r.to, err = month(p["month"], now); err != nil {
		return err
	}
	r.partial = r.to.After(now)
	format, err := p.format(c.Request, "json", "md", "csv")
	if err != nil {
		return err
	}
	named, err := p.fields(maxReportFields)
	if err != nil {
		return err
	}
	err = a.aboutPast(c, func(ctx context.Context) error {
		for _, at := range of.places() {
			one, err := a.reportOf(ctx, at, named, r.from, r.to)
			if err != nil {
				return err
			}
			r.regions = append(r.regions, one)
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.collect()
	c.Writer.Header().Add("Vary", "Accept")
	switch format {
	case "md":
		return a.sendBody(c, typeMarkdown, r.markdown(), 0)
	case "csv":
		c.Header("Content-Disposition", fmt.Sprintf(`attachment; filename="report-%s.csv"`, r.from.Format("2006-01")))
		return a.sendBody(c, typeCSV, r.csv(), 0)
	}
	return a.sendBody(c, typeJSON, r.json(), 0)
}

// month returns the range of a month, of the one before now where none is named.
func month(text string, now time.Time) (from, to time.Time, err error) {
	if text == "" {
		y, m, _ := now.UTC().Date()
		from = time.Date(y, m-1, 1, 0, 0, 0, 0, time.UTC)
	} else if from, err = time.Parse("2006-01", text); err != nil || from.Year() < 1 {
		return from, to, &past.ParamError{Param: "month", Value: text, Reason: "allowed is a month such as 2026-11"}
	}
	if from.After(now) {
		return from, to, &past.ParamError{Param: "month", Value: text, Reason: "it has not begun: allowed are months up to " + now.UTC().Format("2006-01")}
	}
	return from, from.AddDate(0, 1, 0), nil
}

func (a *API) reportOf(ctx context.Context, at place, named []string, from, to time.Time) (r regionReport, err error) {
	r.source = at.region
	if r.uptime, err = outcome.Measure(ctx, a.Past, at.api, at.region, from, to, a.Now()); err != nil {
		return r, err
	}
	mark, err := a.Past.Mark(ctx, at.api, at.region)
	if err != nil {
		return r, err
	}
	fields, most := named, maxReportFields
	if fields == nil {
		fields, most = mark.Fields, reportFields
	}
	for _, field := range fields {
		if len(r.values) == most {
			break
		}
		field = strings.TrimPrefix(field, "data.")
		value := fieldReport{field: field}
		var isText bool
		if value.p50, isText, err = a.whole(ctx, at, field, rollup.AggP50, from, to); err != nil {
			return r, err
		}
		if isText && named == nil {
			continue
		}
		if value.p95, _, err = a.whole(ctx, at, field, rollup.AggP95, from, to); err != nil {
			return r, err
		}
		r.values = append(r.values, value)
	}
	r.changes, err = a.changes(ctx, at, mark.Fields, from, to)
	return r, err
}

// whole returns one number of a whole range; wrong: the field is none that has one.
func (a *API) whole(ctx context.Context, at place, field string, agg rollup.Agg, from, to time.Time) (v *float64, wrong bool, err error) {
	s, err := rollup.Read(ctx, a.Past, rollup.SeriesQuery{
		API: at.api, Source: at.region, Field: field, From: from, To: to, Step: to.Sub(from), Agg: agg,
	}, a.Now())
	if mistake := (*rollup.QueryError)(nil); errors.As(err, &mistake) {
		return nil, true, nil
	}
	if err != nil || len(s.Points) == 0 || !s.Points[0].OK {
		return nil, false, err
	}
	return &s.Points[0].Value, false, nil
}

// changes returns how many rows there were: the field that most of them have tells,
// and where no fields are known, the rows themselves.
func (a *API) changes(ctx context.Context, at place, fields []string, from, to time.Time) (most int64, err error) {
	for _, field := range fields[:min(len(fields), reportFields)] {
		n, _, err := a.whole(ctx, at, field, rollup.AggCount, from, to)
		if err != nil {
			return 0, err
		}
		if n != nil {
			most = max(most, int64(*n+0.5))
		}
	}
	if len(fields) > 0 {
		return most, nil
	}
	q := store.Query{API: at.api, Source: at.region, From: from, To: to.Add(-time.Millisecond), Limit: maxRows, OldestFirst: true}
	err = a.History.Scan(ctx, q, func(store.Metric) error { most++; return nil })
	return most, err
}

// collect notes the fields of all regions.
func (r *report) collect() {
	seen := map[string]bool{}
	for _, one := range r.regions {
		for _, v := range one.values {
			if !seen[v.field] {
				seen[v.field] = true
				r.fields = append(r.fields, v.field)
			}
		}
	}
}
