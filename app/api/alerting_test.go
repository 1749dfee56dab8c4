package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/app/api"
	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/quiet"
	"github.com/devops-insights/devops-insights/store"
)

const token = "correct-horse-battery"

// decided is what an engine has decided.
type decided struct {
	all     []alert.Alert
	failing time.Time
}

func (d *decided) Alerts(api string) []alert.Alert {
	return slices.DeleteFunc(slices.Clone(d.all), func(a alert.Alert) bool { return a.API != api })
}

func (d *decided) Failing() time.Time { return d.failing }

// example returns an alert of a region; its incident is the first of its kind.
func example(id, region string, state alert.State) alert.Alert {
	began := now.Add(-time.Hour)
	return alert.Alert{
		ID: id, Incident: id + "-1", Rule: "region-down", API: "acme", Region: region, State: state, Severity: alert.Critical,
		Labels:  map[string]string{"alertname": "region-down", "api": "acme", "region": region, "severity": "critical"},
		Summary: region + " is down", PendingAt: began.Add(-time.Minute), StartedAt: &began,
	}
}

// away is a store of records that does not answer.
type away struct{ store.Records }

var errAway = errors.New("the database is away at 10.0.0.1")

func (away) PutRecord(context.Context, store.Record) error { return errAway }

func (away) FindRecords(context.Context, store.RecordQuery) ([]store.Record, error) {
	return nil, errAway
}

// serveAlerts starts an API with alerting; its alerts may be changed. change may
// change its options.
func serveAlerts(change ...func(*api.Options)) (*service, *decided) {
	GinkgoHelper()
	shown := &decided{all: []alert.Alert{
		example("00000000000000aa", "eu-west", alert.Firing), example("00000000000000bb", "us-east", alert.Pending), example("00000000000000cc", "", alert.Resolved),
	}}
	s := serve(append([]func(*api.Options){func(o *api.Options) {
		words := keeper(o.Past.(store.Records), o)
		o.Alerting = api.Alerting{
			Alerts: shown, Incidents: o.Past.(store.Records), Silences: words, Maintenance: words, Acknowledgements: words, Token: token,
		}
	}}, change...)...)
	return s, shown
}

// keeper returns what keeps people's words in a store.
func keeper(records store.Records, o *api.Options) *quiet.Quiet {
	GinkgoHelper()
	q, err := quiet.New(quiet.Options{Store: records, Catalog: served, Now: o.Now, Logger: o.Logger})
	Expect(err).NotTo(HaveOccurred())
	return q
}

// post sends JSON with the token, and further headers.
func (s *service) post(path, body string, headers ...string) answer {
	GinkgoHelper()
	return send(http.MethodPost, s.url+path, body, append([]string{"Content-Type", "application/json", "Authorization", "Bearer " + token}, headers...)...)
}

func (s *service) remove(path string) answer {
	GinkgoHelper()
	return ask(http.MethodDelete, s.url+path, "Authorization", "Bearer "+token)
}

// audited returns the lines of the log about writes.
func (s *service) audited() (lines []string) {
	for _, line := range strings.Split(string(s.logs.Contents()), "\n") {
		if strings.Contains(line, "audit=true") {
			lines = append(lines, line)
		}
	}
	return lines
}

// items returns the items of a list, after the answer was checked.
func (a answer) items() (all []map[string]any) {
	GinkgoHelper()
	for _, one := range a.json()["items"].([]any) {
		all = append(all, one.(map[string]any))
	}
	return all
}

// object returns the object of an answer of a status.
func (a answer) object(status int) (v map[string]any) {
	GinkgoHelper()
	Expect(a.StatusCode).To(Equal(status), a.body)
	Expect(json.Unmarshal([]byte(a.body), &v)).To(Succeed(), a.body)
	return v
}

const silence = `{"id":"deploy-17","matchers":[{"name":"region","value":"eu-west"}],"duration":"2h","createdBy":"Jo","comment":"deploy"}`

// record returns an incident as the engine stores it.
func record(one alert.Alert) store.Record {
	GinkgoHelper()
	data, err := json.Marshal(alert.Incident{Alert: one, Events: []alert.Event{
		{At: one.PendingAt, Kind: alert.EventPending}, {At: *one.StartedAt, Kind: alert.EventFiring}, {At: *one.StartedAt, Kind: alert.EventDelivered, By: "webhook"},
	}})
	Expect(err).NotTo(HaveOccurred())
	return store.Record{Kind: store.RecordIncident, API: one.API, ID: one.Incident, At: one.PendingAt, Version: 1, Data: data}
}

// keep stores incidents.
func (s *service) keep(all ...alert.Alert) {
	GinkgoHelper()
	for _, one := range all {
		Expect(s.PutRecord(context.Background(), record(one))).To(Succeed())
	}
}
