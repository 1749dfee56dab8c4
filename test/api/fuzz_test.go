// Package api asks the HTTP API anything. It is apart from the specs of the API,
// because fuzzing builds all that a package needs anew, and their validator of
// OpenAPI needs much.
package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/devops-insights/devops-insights/app/api"
	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/quiet"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/boltstore"
)

// FuzzQuestions asks anything: nothing panics, and every answer is one of those
// that are described.
func FuzzQuestions(f *testing.F) {
	for _, seed := range []struct{ path, query, accept string }{
		{"history", "source=eu-west&from=1&to=2026-11-25T10:00:00Z&limit=3&cursor=AAAA&order=desc&format=csv&fields=a,b%5C.c", "text/csv;q=0.5"},
		{"series", "source=eu-west&field=n&from=1795597200&to=1795600800.5&step=1d12h&agg=p95", "*/*"},
		{"uptime", "source=US-EAST&window=1..2", ""},
		{"report", "month=2026-11&format=md&fields=n", "application/json, text/markdown"},
		{"badge/eu-west/status.svg", "", ""},
		{"badge/eu-west/uptime/30d.svg", "", ""},
		{"openapi.json", "", ""},
		{"uptime", "api=other&source=mars", ""},
		{"alerts", "source=eu-west&state=firing", ""},
		{"incidents", "from=1&to=2&limit=3&cursor=AAAA", ""},
		{"incidents/00aa-1", "api=acme", ""},
		{"silences", "", ""},
		{"maintenance", "api=other", ""},
		{"series", "source[$ne]=x&field=%00&step=9e999", ""},
	} {
		f.Add(seed.path, seed.query, seed.accept)
	}
	r := serve(f)
	f.Fuzz(func(t *testing.T, path, query, accept string) {
		request := httptest.NewRequest(http.MethodGet, "/api/v1/", http.NoBody)
		request.URL.Path, request.URL.RawQuery = "/api/v1/"+path, query
		request.Header.Set("Accept", accept)
		answer := httptest.NewRecorder()
		r.ServeHTTP(answer, request)
		switch answer.Code {
		case http.StatusOK, http.StatusBadRequest, http.StatusNotFound, http.StatusRequestEntityTooLarge:
		default:
			t.Fatalf("%s?%s: %d %s", path, query, answer.Code, answer.Body)
		}
	})
}

// FuzzWrites wants to write anything: nothing panics, and what is refused is told so.
func FuzzWrites(f *testing.F) {
	for _, seed := range []struct{ method, path, body string }{
		{http.MethodPost, "silences", `{"id":"a","matchers":[{"name":"region","value":"eu-.+","isRegex":true,"isEqual":false}],"startsAt":"1","endsAt":"2026-11-26T00:00:00Z","createdBy":"Jo","comment":"c"}`},
		{http.MethodPost, "silences", `{"matchers":[{"name":"a","value":"(a{1000}){1000}","isRegex":true}],"duration":"1h","createdBy":"Jo"}`},
		{http.MethodPost, "maintenance", `{"id":"w","title":"t","regions":["eu-west"],"duration":"1d12h","announce":"0s","createdBy":"Jo"}`},
		{http.MethodPost, "alerts/00aa/acknowledge", `{"by":"Jo","comment":"\u0000"}`},
		{http.MethodDelete, "silences/a", ""},
		{http.MethodDelete, "maintenance/w", ""},
	} {
		f.Add(seed.method, seed.path, "by=Jo", seed.body)
	}
	r := serve(f)
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		request := httptest.NewRequest(http.MethodPost, "/api/v1/", strings.NewReader(body))
		request.Method, request.URL.Path, request.URL.RawQuery = method, "/api/v1/"+path, query
		request.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		r.ServeHTTP(answer, request)
		switch answer.Code {
		case http.StatusOK, http.StatusCreated, http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusRequestEntityTooLarge:
		default:
			t.Fatalf("%s %s?%s: %d %s", method, path, query, answer.Code, answer.Body)
		}
		if answer.Code >= http.StatusBadRequest && answer.Code != http.StatusNotFound && !strings.Contains(answer.Body.String(), `"error":"`) {
			t.Fatalf("%s %s?%s: %d without a sentence", method, path, query, answer.Code)
		}
	})
}

// firing has one alert.
type firing struct{}

func (firing) Alerts(string) []alert.Alert {
	return []alert.Alert{{ID: "00aa", Incident: "00aa-1", API: "acme", Region: "eu-west", State: alert.Firing}}
}

func (firing) Failing() time.Time { return time.Time{} }

// serve serves the API over a store of its own.
func serve(f *testing.F) *gin.Engine {
	f.Helper()
	gin.SetMode(gin.ReleaseMode)
	db, err := boltstore.Open(boltstore.Options{Path: filepath.Join(f.TempDir(), "history.db"), Retention: -1})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = db.Close() })
	at := time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)
	row := func(source, data string) store.Metric {
		return store.Metric{API: "acme", Source: source, Data: json.RawMessage(data), Hash: store.Hash([]byte(data)), CreatedAt: at, UpdatedAt: at}
	}
	if _, err := db.Import(f.Context(), []store.Metric{row("eu-west", `{"n":1,"status":"ok"}`), row("us-east", `[1,"=x"]`)}); err != nil {
		f.Fatal(err)
	}
	now := func() time.Time { return at.Add(time.Hour) }
	r := gin.New()
	r.UseRawPath, r.RedirectTrailingSlash = true, false // as the program has it
	catalog := store.Catalog{{Name: "acme"}, {Name: "other", Regions: []store.Region{{Name: "mars"}}}}
	for _, name := range store.Regions() {
		catalog[0].Regions = append(catalog[0].Regions, store.Region{Name: name})
	}
	all := func() store.Catalog { return catalog }
	words, err := quiet.New(quiet.Options{Store: db, Catalog: all, Now: now, Timeout: time.Minute})
	if err != nil {
		f.Fatal(err)
	}
	answers := api.New(api.Options{Catalog: all, History: db, Past: db, Now: now, Alerting: api.Alerting{
		Alerts: firing{}, Incidents: db, Silences: words, Maintenance: words, Acknowledgements: words,
	}})
	answers.Register(func(path string, h gin.HandlerFunc) { r.GET(path, h) })
	for _, route := range answers.AlertRoutes(true) {
		for method, h := range map[string]gin.HandlerFunc{http.MethodGet: route.Get, http.MethodPost: route.Post, http.MethodDelete: route.Delete} {
			if h != nil {
				r.Handle(method, route.Path, h)
			}
		}
	}
	return r
}
