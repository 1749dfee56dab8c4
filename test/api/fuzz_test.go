// Package api asks the HTTP API anything. It is apart from the specs of the API,
// because fuzzing builds all that a package needs anew, and their validator of
// OpenAPI needs much.
package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/devops-insights/devops-insights/app/api"
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
		{"series", "source[$ne]=x&field=%00&step=9e999", ""},
	} {
		f.Add(seed.path, seed.query, seed.accept)
	}
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
	api.New(api.Options{Catalog: func() store.Catalog { return catalog }, History: db, Past: db, Now: now}).Register(func(path string, h gin.HandlerFunc) { r.GET(path, h) })
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
