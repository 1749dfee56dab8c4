package transfer

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/boltstore"
)

// fill opens an embedded store with rows of about 1 kB, of six regions.
func fill(tb testing.TB, rows int) *boltstore.Store {
	tb.Helper()
	db, err := boltstore.Open(boltstore.Options{Path: filepath.Join(tb.TempDir(), boltstore.FileName), Retention: -1})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	padding := strings.Repeat("x", 780)
	begin := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	var batch []store.Metric
	for i := range rows {
		data := fmt.Appendf(nil, `{"status":"ok","results":{"stats":{"server":{"cpus":4,"cpu_load":%d.5,"active_connections":%d}}},"padding":"%s"}`, i%100, i, padding)
		at := begin.Add(time.Duration(i) * 5 * time.Second)
		batch = append(batch, store.Metric{API: "acme", Source: store.Regions()[i%6], Data: data, Hash: store.Hash(data), CreatedAt: at, UpdatedAt: at})
		if len(batch) == 1000 || i == rows-1 {
			if _, err := db.Import(context.Background(), batch); err != nil {
				tb.Fatal(err)
			}
			batch = batch[:0]
		}
	}
	return db
}

// BenchmarkExport reports rows a second, of 1 kB each in NDJSON.
func BenchmarkExport(b *testing.B) {
	const rows = 200_000
	db := fill(b, rows)
	for _, c := range []struct {
		name   string
		format Format
		gzip   bool
	}{{"ndjson", NDJSON, false}, {"csv", CSV, false}, {"ndjson-gzip", NDJSON, true}, {"openmetrics", OpenMetrics, false}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				out, err := OpenOutput("-", io.Discard, OutputOptions{})
				if err != nil {
					b.Fatal(err)
				}
				r, err := Export(context.Background(), ExportOptions{Store: db, API: "acme", Format: c.format, Gzip: c.gzip, Output: out})
				if err != nil || r.Rows != rows {
					b.Fatal(r, err)
				}
				b.SetBytes(r.Bytes)
			}
			b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
