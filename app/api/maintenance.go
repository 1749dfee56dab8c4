package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/quiet"
)

// announceBefore is how long before it a window is announced where its body does
// not say, as in the settings.
const announceBefore = time.Hour

// windows answers with the maintenance that is not over.
func (a *API) windows(c *gin.Context) error {
	of, err := a.listScope(c)
	if err != nil {
		return err
	}
	if err := a.known(a.Alerting.Maintenance != nil); err != nil {
		return err
	}
	return a.sendBody(c, typeJSON, listOf(of.api, a.Alerting.Maintenance.Windows(of.api)).known(a.Alerting.Maintenance.Failing()), 0)
}

// windowBody is the body of a new window.
type windowBody struct {
	ID      string   `json:"id"`
	Title   string   `json:"title"`
	Regions []string `json:"regions"`
	spanBody
	Announce  string `json:"announce"`
	CreatedBy string `json:"createdBy"`
	Comment   string `json:"comment"`
}

func (*windowBody) members() string {
	return "id, title, regions, startsAt, endsAt, duration, announce, createdBy, comment"
}

func (b *windowBody) window() (n quiet.NewWindow, err error) {
	n = quiet.NewWindow{ID: b.ID, Title: b.Title, Comment: b.Comment}
	for _, region := range b.Regions {
		n.Regions = append(n.Regions, strings.ToLower(region))
	}
	if n.StartsAt, n.EndsAt, n.For, err = b.read(); err != nil {
		return n, err
	}
	if b.Announce == "0s" || b.Announce == "0" {
		return n, nil
	}
	n.Announce, err = durationMember("announce", b.Announce, announceBefore)
	return n, err
}

// addWindow plans a window of maintenance.
func (a *API) addWindow(c *gin.Context, w *write) error {
	of, err := a.writeScope(c, w)
	if err != nil {
		return err
	}
	var body windowBody
	if err := readBody(c, &body); err != nil {
		return err
	}
	w.id, w.who.Name = body.ID, body.CreatedBy
	n, err := body.window()
	if err != nil {
		return err
	}
	if body.CreatedBy == "" {
		return errCreatedBy
	}
	if err := a.known(a.Alerting.Maintenance != nil); err != nil {
		return err
	}
	var window alert.Window
	fresh := false
	err = a.handOn(c, w, "The maintenance was not planned", func(ctx context.Context) (err error) {
		window, fresh, err = a.Alerting.Maintenance.AddWindow(ctx, of.api, n, w.who)
		return err
	})
	if err != nil {
		return err
	}
	sendWritten(c, created(fresh), window)
	return nil
}

// endWindow ends a window of maintenance, or calls it off.
func (a *API) endWindow(c *gin.Context, w *write) error {
	of, err := a.ended(c, w)
	if err != nil {
		return err
	}
	if err := a.known(a.Alerting.Maintenance != nil); err != nil {
		return err
	}
	var window alert.Window
	err = a.handOn(c, w, "The maintenance was not ended", func(ctx context.Context) (err error) {
		window, err = a.Alerting.Maintenance.EndWindow(ctx, of.api, w.id, w.who)
		return err
	})
	if err != nil {
		return err
	}
	sendWritten(c, http.StatusOK, window)
	return nil
}
