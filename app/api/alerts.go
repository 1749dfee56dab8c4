package api

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/jsjson"
	"github.com/devops-insights/devops-insights/store/past"
)

// alerts answers with the alerts of now.
func (a *API) alerts(c *gin.Context) error {
	p, err := readParams(c.Request, "api", "source", "state")
	if err != nil {
		return err
	}
	of, err := a.scope(p)
	if err != nil {
		return err
	}
	state := alert.State("")
	if p["state"] != "" {
		word, err := p.choice("state", string(alert.Firing), string(alert.Pending), string(alert.Resolved))
		if err != nil {
			return err
		}
		state = alert.State(word)
	}
	if err := a.known(a.Alerting.Alerts != nil); err != nil {
		return err
	}
	var found []alert.Alert
	for _, one := range a.Alerting.Alerts.Alerts(of.api) {
		if (state == "" || one.State == state) && (of.source == "" || one.Region == of.source) {
			found = append(found, one)
		}
	}
	return a.sendBody(c, typeJSON, listOf(of.api, found).known(a.Alerting.Alerts.Failing()), 0)
}

// list is the text of an answer that has items, without its end.
type list []byte

func listOf[T interface{ AppendJSON(b []byte) []byte }](api string, items []T) list {
	b := append(jsjson.AppendString([]byte(`{"api":`), api), `,"items":[`...)
	for i, item := range items {
		if i > 0 {
			b = append(b, ',')
		}
		b = item.AppendJSON(b)
	}
	return append(b, ']')
}

// known ends a list of what is known: since when nothing new is heard, which may be
// never.
func (l list) known(failing time.Time) []byte {
	b := append(l, `,"staleSince":`...)
	if failing.IsZero() {
		return append(b, "null}"...)
	}
	return append(jsjson.AppendTime(b, failing), '}')
}

// ackBody is the body of an acknowledgement.
type ackBody struct {
	By      string `json:"by"`
	Comment string `json:"comment"`
}

func (*ackBody) members() string { return "by, comment" }

// acknowledge notes that somebody has taken an alert that fires on.
func (a *API) acknowledge(c *gin.Context, w *write) error {
	of, err := a.writeScope(c, w)
	if err != nil {
		return err
	}
	var body ackBody
	if err := readBody(c, &body); err != nil {
		return err
	}
	if w.who.Name = body.By; body.By == "" {
		return badRequest(`The body needs "by": the name of the person who takes the alert on`)
	}
	if err := a.known(a.Alerting.Alerts != nil && a.Alerting.Acknowledgements != nil); err != nil {
		return err
	}
	one, err := a.firing(c.Request.Context(), of.api, w.id)
	if err != nil {
		return err
	}
	err = a.handOn(c, w, "The alert was not acknowledged", func(ctx context.Context) error {
		ack, err := a.Alerting.Acknowledgements.Acknowledge(ctx, of.api, one.Incident, body.Comment, w.who)
		one.Ack = &ack
		return err
	})
	if err != nil {
		return err
	}
	sendWritten(c, http.StatusOK, one)
	return nil
}

// firing returns the alert that fires and has an id, or whose incident has it.
func (a *API) firing(ctx context.Context, api, id string) (alert.Alert, error) {
	known := false
	for _, one := range a.Alerting.Alerts.Alerts(api) {
		if one.ID != id && one.Incident != id {
			continue
		}
		if known = true; one.State == alert.Firing {
			return one, nil
		}
	}
	if !known && a.Alerting.Incidents != nil {
		found, err := a.findRecords(ctx, store.RecordQuery{Kind: store.RecordIncident, API: api, ID: id, Limit: 1})
		if err != nil {
			return alert.Alert{}, err
		}
		known = len(found) > 0
	}
	if known {
		return alert.Alert{}, conflict("The alert %s does not fire: only one that fires can be acknowledged", past.Short(id))
	}
	return alert.Alert{}, missing("There is no alert and no incident %s of the api %s: /api/v1/alerts lists those that there are", past.Short(id), api)
}
