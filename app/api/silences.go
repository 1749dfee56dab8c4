package api

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/quiet"
)

// silences answers with the silences that are not over.
func (a *API) silences(c *gin.Context) error {
	of, err := a.listScope(c)
	if err != nil {
		return err
	}
	if err := a.known(a.Alerting.Silences != nil); err != nil {
		return err
	}
	return a.sendBody(c, typeJSON, listOf(of.api, a.Alerting.Silences.Silences(of.api)).known(a.Alerting.Silences.Failing()), 0)
}

// listScope returns what a question is about that has no parameter but api.
func (a *API) listScope(c *gin.Context) (scope, error) {
	p, err := readParams(c.Request, "api")
	if err != nil {
		return scope{}, err
	}
	return a.scope(p)
}

// silenceBody is the body of a new silence.
type silenceBody struct {
	ID       string `json:"id"`
	Matchers []struct {
		Name    string `json:"name"`
		Value   string `json:"value"`
		IsRegex bool   `json:"isRegex"`
		IsEqual *bool  `json:"isEqual"` // as Alertmanager has it: true where it is not given
	} `json:"matchers"`
	spanBody
	CreatedBy string `json:"createdBy"`
	Comment   string `json:"comment"`
}

func (*silenceBody) members() string {
	return "id, matchers (each with name, value, isRegex, isEqual), startsAt, endsAt, duration, createdBy, comment"
}

func (b *silenceBody) silence() (n quiet.NewSilence, err error) {
	n = quiet.NewSilence{ID: b.ID, Comment: b.Comment}
	for _, m := range b.Matchers {
		n.Matchers = append(n.Matchers, alert.Matcher{Name: m.Name, Value: m.Value, IsRegex: m.IsRegex, IsEqual: m.IsEqual == nil || *m.IsEqual})
	}
	n.StartsAt, n.EndsAt, n.For, err = b.read()
	return n, err
}

// addSilence makes a silence.
func (a *API) addSilence(c *gin.Context, w *write) error {
	of, err := a.writeScope(c, w)
	if err != nil {
		return err
	}
	var body silenceBody
	if err := readBody(c, &body); err != nil {
		return err
	}
	w.id, w.who.Name = body.ID, body.CreatedBy
	n, err := body.silence()
	if err != nil {
		return err
	}
	if body.CreatedBy == "" {
		return errCreatedBy
	}
	if err := a.known(a.Alerting.Silences != nil); err != nil {
		return err
	}
	var s alert.Silence
	fresh := false
	err = a.handOn(c, w, "The silence was not made", func(ctx context.Context) (err error) {
		s, fresh, err = a.Alerting.Silences.AddSilence(ctx, of.api, n, w.who)
		return err
	})
	if err != nil {
		return err
	}
	sendWritten(c, created(fresh), s)
	return nil
}

var errCreatedBy = &problem{status: http.StatusBadRequest, sentence: `The body needs "createdBy": the name of the person who wants it`}

// endSilence ends a silence.
func (a *API) endSilence(c *gin.Context, w *write) error {
	of, err := a.ended(c, w)
	if err != nil {
		return err
	}
	if err := a.known(a.Alerting.Silences != nil); err != nil {
		return err
	}
	var s alert.Silence
	err = a.handOn(c, w, "The silence was not ended", func(ctx context.Context) (err error) {
		s, err = a.Alerting.Silences.EndSilence(ctx, of.api, w.id, w.who)
		return err
	})
	if err != nil {
		return err
	}
	sendWritten(c, http.StatusOK, s)
	return nil
}
