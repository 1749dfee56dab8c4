package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/past"
)

// The limits of /history.
const (
	defaultRows = 1000
	maxRows     = 1_000_000
	maxColumns  = 100
)

// historyQuery is a question for rows.
type historyQuery struct {
	of     scope
	query  store.Query // without Limit
	order  string
	format string
	limit  int      // 0: all
	fields []string // of CSV; none: those that are found
	closed bool     // no row can be added any more but late ones
}

func (a *API) historyQuery(r *http.Request) (h historyQuery, p params, err error) {
	p, err = readParams(r, "api", "source", "from", "to", "limit", "cursor", "order", "format", "fields")
	if err != nil {
		return h, p, err
	}
	if h.of, err = a.scope(p); err != nil {
		return h, p, err
	}
	h.query = store.Query{API: h.of.api, Source: h.of.source}
	if h.query.From, h.query.To, err = p.span(h.query.From, h.query.To); err != nil {
		return h, p, err
	}
	if h.order, err = p.choice("order", "asc", "desc"); err != nil {
		return h, p, err
	}
	h.query.OldestFirst = h.order == "asc"
	if h.format, err = p.format(r, "json", "ndjson", "csv"); err != nil {
		return h, p, err
	}
	if h.query.After, err = row(p["cursor"], h.of, h.order); err != nil {
		return h, p, err
	}
	rows := 0
	if h.format == "json" {
		rows = defaultRows
	}
	if h.limit, err = p.count("limit", rows, maxRows); err != nil {
		return h, p, err
	}
	if h.fields, err = p.fields(maxColumns); err != nil {
		return h, p, err
	}
	if h.fields != nil && h.format != "csv" {
		return h, p, badRequest(`The parameter "fields" is %s, and the format %s: fields are for format=csv`, past.Short(p["fields"]), h.format)
	}
	h.closed = !h.query.To.IsZero() && h.query.To.Before(a.Now().Add(-store.LateAfter))
	return h, p, nil
}

// fields returns the paths of a list with commas.
func (p params) fields(most int) ([]string, error) {
	if p["fields"] == "" {
		return nil, nil
	}
	all := strings.Split(p["fields"], ",")
	if len(all) > most {
		return nil, badRequest(`The parameter "fields" names %d fields: at most %d are allowed`, len(all), most)
	}
	for i := range all {
		if all[i] = strings.TrimSpace(all[i]); all[i] == "" || len(all[i]) > 500 {
			return nil, badRequest(`The parameter "fields" is %s: allowed are the paths of fields with commas between them, such as status,latency_ms`, past.Short(p["fields"]))
		}
	}
	return all, nil
}

// history answers with rows.
func (a *API) history(c *gin.Context) error {
	ctx := c.Request.Context()
	h, p, err := a.historyQuery(c.Request)
	if err != nil {
		return err
	}
	var planned plan
	var rows rowWriter
	err = a.question(ctx, func(ctx context.Context) (err error) {
		if planned, err = a.plan(ctx, h); err != nil {
			return err
		}
		rows, err = a.rowWriter(ctx, h, planned.head)
		return err
	})
	if err != nil {
		return err
	}
	header := c.Writer.Header()
	header.Add("Vary", "Accept")
	header.Set("Access-Control-Expose-Headers", "Link, ETag, Retry-After")
	next := ""
	if planned.more {
		next = cursor(h.of, h.order, planned.last.ID)
		header.Set("Link", fmt.Sprintf(`<%s?%s>; rel="next"`, c.Request.URL.EscapedPath(), withCursor(p, next)))
	}
	header.Set("Cache-Control", "no-store")
	if planned.tag != "" {
		if table, ok := rows.(*csvRows); ok {
			planned.tag = newFingerprint(append([]string{planned.tag}, table.paths...)...).tag()
		}
		header.Set("Cache-Control", "private, no-cache") // kept, and asked about each time
		if unchanged(c, planned.tag) {
			return nil
		}
	}
	if !planned.whole {
		if !a.exports.take(ctx, a.Wait) {
			return busy("exports")
		}
		defer a.exports.free()
	}
	free, err := a.reserve(ctx, planned.size())
	if err != nil {
		return err
	}
	defer free()
	header.Set("Content-Type", rows.contentType())
	if h.format == "csv" {
		header.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="history-%s.csv"`, orAll(h.query.Source)))
	}
	c.Status(http.StatusOK)
	if c.Request.Method == http.MethodHead {
		c.Writer.WriteHeaderNow()
		return nil
	}
	a.send(c, h, planned, rows, next)
	return nil
}

func orAll(source string) string {
	if source == "" {
		return "all"
	}
	return source
}

// withCursor returns the parameters of the next question.
func withCursor(p params, next string) string {
	values := url.Values{}
	for name, value := range p {
		values.Set(name, value)
	}
	values.Set("cursor", next)
	return values.Encode()
}

// send writes the rows. From here on an error ends the connection: an answer that
// is not complete must not look complete.
func (a *API) send(c *gin.Context, h historyQuery, planned plan, rows rowWriter, next string) {
	ctx := c.Request.Context()
	out := a.newOutput(c.Writer)
	out.buf = rows.begin(out.buf)
	count := 0
	page := planned.head
	for len(page) > 0 {
		ended := false
		for _, m := range page {
			last, behind := planned.ends(m, h.query.OldestFirst)
			if ended = last || behind; !behind {
				out.buf = rows.row(out.buf, m, count == 0)
				count++
			}
			out.flush(outputSize)
			if ended {
				break
			}
		}
		if out.err != nil || planned.whole || ended {
			break
		}
		var err error
		if page, err = planned.rest.next(ctx); err != nil {
			a.Logger.WithError(err).WithFields(logrus.Fields{"path": c.Request.URL.Path, "request_id": c.Request.Header.Get("X-Request-Id")}).Warn("an answer broke off: the history cannot be read")
			panic(http.ErrAbortHandler)
		}
	}
	out.buf = rows.end(out.buf, count, next)
	out.flush(0)
	if out.err != nil {
		panic(http.ErrAbortHandler)
	}
}
