package api

import (
	"context"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/devops-insights/devops-insights/store/past"
)

// series answers with one field of a region over time.
func (a *API) series(c *gin.Context) error {
	p, err := readParams(c.Request, "api", "source", "field", "from", "to", "step", "agg")
	if err != nil {
		return err
	}
	of, err := a.scope(p)
	if err != nil {
		return err
	}
	q := past.SeriesQuestion{API: of.api, Source: of.source, Field: p["field"], Agg: p["agg"]}
	// The field is a part of the value, which the rows call data.
	q.Field = strings.TrimPrefix(q.Field, "data.")
	if q.From, q.To, err = p.span(q.From, q.To); err != nil {
		return err
	}
	if q.Step, err = p.duration("step", 0); err != nil {
		return err
	}
	var s past.SeriesAnswer
	err = a.aboutPast(c, func(ctx context.Context) (err error) {
		s, err = past.Series(ctx, a.Past, q, a.Now())
		return err
	})
	if err != nil {
		return err
	}
	return a.sendBody(c, typeJSON, s.AppendJSON(nil), 0)
}

// uptime answers how long regions were up.
func (a *API) uptime(c *gin.Context) error {
	p, err := readParams(c.Request, "api", "source", "window")
	if err != nil {
		return err
	}
	of, err := a.scope(p)
	if err != nil {
		return err
	}
	q := past.UptimeQuestion{API: of.api, Sources: of.regions(), Window: p["window"]}
	var u past.UptimeAnswer
	err = a.aboutPast(c, func(ctx context.Context) (err error) {
		u, err = past.Uptime(ctx, a.Past, q, a.Now())
		return err
	})
	if err != nil {
		return err
	}
	return a.sendBody(c, typeJSON, u.AppendJSON(nil), 0)
}
