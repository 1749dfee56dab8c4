package api

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/jsjson"
	"github.com/devops-insights/devops-insights/store/past"
)

const (
	defaultIncidents = 100
	mostIncidents    = 500
	// recordPage is how many incidents are read at once, and maxLooked how many for
	// one answer: those of other regions are passed by.
	recordPage = 100
	maxLooked  = 5000
)

// findRecords looks into what the store has noted.
func (a *API) findRecords(ctx context.Context, q store.RecordQuery) (found []store.Record, err error) {
	ctx, cancel := context.WithTimeout(ctx, a.Timeout)
	defer cancel()
	err = a.question(ctx, func(ctx context.Context) (err error) {
		if found, err = a.Alerting.Incidents.FindRecords(ctx, q); err != nil {
			return &problem{status: errNoRecords.status, sentence: errNoRecords.sentence, cause: err}
		}
		return nil
	})
	return found, err
}

// incidents answers with incidents, newest first.
func (a *API) incidents(c *gin.Context) error {
	p, err := readParams(c.Request, "api", "source", "from", "to", "limit", "cursor")
	if err != nil {
		return err
	}
	of, err := a.scope(p)
	if err != nil {
		return err
	}
	q := store.RecordQuery{Kind: store.RecordIncident, API: of.api}
	if q.From, q.To, err = p.span(q.From, q.To); err != nil {
		return err
	}
	limit, err := p.count("limit", defaultIncidents, mostIncidents)
	if err != nil {
		return err
	}
	if q.Before, err = incidentPlace(p["cursor"], of); err != nil {
		return err
	}
	if err := a.known(a.Alerting.Incidents != nil); err != nil {
		return err
	}
	found, next, err := a.collect(c.Request.Context(), q, of, limit)
	if err != nil {
		return err
	}
	b := append(listOf(of.api, found), `,"next":`...)
	if next == nil {
		return a.sendBody(c, typeJSON, append(b, "null}"...), 0)
	}
	text := strconv.FormatInt(next.At.UnixMilli(), 10) + ":" + next.ID
	return a.sendBody(c, typeJSON, append(jsjson.AppendString(b, cursor(of, orderIncidents, text)), '}'), 0)
}

// orderIncidents is the order of the cursors of incidents.
const orderIncidents = "incidents"

// incidentPlace returns the place that a cursor is of.
func incidentPlace(cursor string, of scope) (place store.RecordPlace, err error) {
	text, err := row(cursor, of, orderIncidents)
	if err != nil || text == "" {
		return place, err
	}
	at, id, _ := strings.Cut(text, ":")
	ms, err := strconv.ParseInt(at, 10, 64)
	return store.RecordPlace{At: time.UnixMilli(ms).UTC(), ID: id, API: of.api}, err
}

// collect reads incidents of the regions that are asked for, up to limit, and says
// behind which record others may be.
func (a *API) collect(ctx context.Context, q store.RecordQuery, of scope, limit int) (all []alert.Alert, next *store.RecordPlace, err error) {
	q.Limit = recordPage
	for looked := 0; ; {
		found, err := a.findRecords(ctx, q)
		if err != nil || len(found) == 0 {
			return all, nil, err
		}
		for _, r := range found {
			if len(all) == limit || looked == maxLooked {
				return all, &q.Before, nil
			}
			looked, q.Before = looked+1, r.Place()
			var one alert.Incident
			if json.Unmarshal(r.Data, &one) == nil && (of.source == "" || one.Region == of.source) {
				all = append(all, one.Alert)
			}
		}
	}
}

// incident answers with one incident, what happened to it, and what changed in the
// value.
func (a *API) incident(c *gin.Context) error {
	of, err := a.listScope(c)
	if err != nil {
		return err
	}
	if err := a.known(a.Alerting.Incidents != nil); err != nil {
		return err
	}
	id := c.Param("id")
	found, err := a.findRecords(c.Request.Context(), store.RecordQuery{Kind: store.RecordIncident, API: of.api, ID: id, Limit: 1})
	if err != nil {
		return err
	}
	var one alert.Incident
	if len(found) == 0 || json.Unmarshal(found[0].Data, &one) != nil {
		return missing("There is no incident %s of the api %s: /api/v1/incidents lists those that there are", past.Short(id), of.api)
	}
	changes, err := a.changesOf(c.Request.Context(), &one, of)
	if err != nil {
		return err
	}
	b := one.AppendJSON(nil)
	return a.sendBody(c, typeJSON, changes.append(b[:len(b)-1]), 0)
}
