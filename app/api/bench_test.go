package api_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/devops-insights/devops-insights/app/api"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/boltstore"
)

// benchRows is how many rows of 1 kB there are.
const benchRows = 20_000

// BenchmarkExport sends rows of 1 kB from the embedded store, in rows a second, and
// what that takes in proportion to reading them only.
func BenchmarkExport(b *testing.B) {
	gin.SetMode(gin.ReleaseMode)
	db, err := boltstore.Open(boltstore.Options{Path: filepath.Join(b.TempDir(), "history.db"), Retention: -1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	var rows []store.Metric
	for i := range benchRows {
		rows = append(rows, row("eu-west", fmt.Sprintf(`{"status":"ok","n":%d,"pad":"%s"}`, i, bytes.Repeat([]byte("x"), 960)), i))
		if len(rows) == 2000 {
			if _, err := db.Import(b.Context(), rows); err != nil {
				b.Fatal(err)
			}
			rows = rows[:0]
		}
	}
	r := gin.New()
	api.New(api.Options{Catalog: served, History: db, Past: db}).Register(func(path string, h gin.HandlerFunc) { r.GET(path, h) })
	web := httptest.NewServer(r)
	b.Cleanup(web.Close)
	read := func() {
		err := db.Scan(context.Background(), store.Query{API: "acme", Limit: 1 << 30, OldestFirst: true}, func(store.Metric) error { return nil })
		if err != nil {
			b.Fatal(err)
		}
	}
	for _, query := range []string{"format=ndjson", "format=csv", "format=csv&fields=status,n", "format=ndjson&to=2026-11-24T00:00:00Z"} {
		b.Run(query, func(b *testing.B) {
			for b.Loop() {
				resp, err := http.Get(web.URL + "/api/v1/history?" + query)
				if err != nil {
					b.Fatal(err)
				}
				n, err := io.Copy(io.Discard, resp.Body)
				if err != nil || n < benchRows*50 {
					b.Fatal(n, err)
				}
				_ = resp.Body.Close()
			}
			b.ReportMetric(float64(benchRows*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
	b.Run("reading only", func(b *testing.B) {
		for b.Loop() {
			read()
		}
		b.ReportMetric(float64(benchRows*b.N)/b.Elapsed().Seconds(), "rows/s")
	})
}
