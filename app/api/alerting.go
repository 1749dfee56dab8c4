package api

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/quiet"
	"github.com/devops-insights/devops-insights/store"
)

// Alerts knows the alerts of now; see mirror.Mirror.
type Alerts interface {
	Alerts(api string) []alert.Alert
	// Failing returns since when nothing new is heard; the zero time: it is.
	Failing() time.Time
}

// Records finds incidents; see store.Records.
type Records interface {
	FindRecords(ctx context.Context, q store.RecordQuery) ([]store.Record, error)
}

// Silences keeps silences; see quiet.Quiet.
type Silences interface {
	Silences(api string) []alert.Silence
	AddSilence(ctx context.Context, api string, n quiet.NewSilence, who quiet.Who) (s alert.Silence, created bool, err error)
	EndSilence(ctx context.Context, api, id string, who quiet.Who) (alert.Silence, error)
	Failing() time.Time
}

// Maintenance keeps windows of maintenance; see quiet.Quiet.
type Maintenance interface {
	Windows(api string) []alert.Window
	AddWindow(ctx context.Context, api string, n quiet.NewWindow, who quiet.Who) (w alert.Window, created bool, err error)
	EndWindow(ctx context.Context, api, id string, who quiet.Who) (alert.Window, error)
	Failing() time.Time
}

// Acknowledgements keeps who has taken incidents on; see quiet.Quiet.
type Acknowledgements interface {
	Acknowledge(ctx context.Context, api, incident, comment string, who quiet.Who) (alert.Ack, error)
}

// Alerting is what AlertRoutes needs. What is nil is answered with 503.
type Alerting struct {
	Alerts           Alerts
	Incidents        Records
	Silences         Silences
	Maintenance      Maintenance
	Acknowledgements Acknowledgements
	// Ready reports whether what the store keeps of alerts is being read. Nil: it is.
	Ready func() bool
	// Token is what clients of the public port must send to write. Empty: nobody
	// writes there.
	Token string
}

// Route is a path with the handlers of its methods; nil: the method is not served.
// Get serves HEAD too.
type Route struct {
	Path              string
	Get, Post, Delete gin.HandlerFunc
}

// AlertRoutes returns the paths of alerts. Where trusted is true, everybody who
// reaches them may write; else those who send the token.
func (a *API) AlertRoutes(trusted bool) []Route {
	write := func(action string, do func(*gin.Context, *write) error) gin.HandlerFunc {
		return a.handle(a.write(action, trusted, do))
	}
	return []Route{
		{Path: "/api/v1/alerts", Get: a.handle(a.alerts)},
		{Path: "/api/v1/alerts/:id/acknowledge", Post: write("acknowledge", a.acknowledge)},
		{Path: "/api/v1/incidents", Get: a.handle(a.incidents)},
		{Path: "/api/v1/incidents/:id", Get: a.handle(a.incident)},
		{Path: "/api/v1/silences", Get: a.handle(a.silences), Post: write("add_silence", a.addSilence)},
		{Path: "/api/v1/silences/:id", Delete: write("end_silence", a.endSilence)},
		{Path: "/api/v1/maintenance", Get: a.handle(a.windows), Post: write("add_maintenance", a.addWindow)},
		{Path: "/api/v1/maintenance/:id", Delete: write("end_maintenance", a.endWindow)},
	}
}

var (
	errNoAlerting = &problem{status: http.StatusServiceUnavailable, sentence: "Alerts are not known here yet: ask again later"}
	errNoRecords  = &problem{status: http.StatusServiceUnavailable, sentence: "The incidents cannot be read at this moment: ask again later"}
)

// known is an error where a part of alerting is not there, or not ready.
func (a *API) known(there bool) error {
	if !there || a.Alerting.Ready != nil && !a.Alerting.Ready() {
		return errNoAlerting
	}
	return nil
}
