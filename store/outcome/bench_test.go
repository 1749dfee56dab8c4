package outcome_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/boltstore"
	"github.com/devops-insights/devops-insights/store/digest"
	"github.com/devops-insights/devops-insights/store/outcome"
)

const year = 365 * 24 * time.Hour

// benchYear is a year of a region on the embedded store: n intervals with their
// latencies, and a row of 300 bytes for each change.
func benchYear(b *testing.B, n int) *boltstore.Store {
	b.Helper()
	s, err := boltstore.Open(boltstore.Options{Path: filepath.Join(b.TempDir(), "b.db"), Retention: -1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	d := digest.New()
	for ms := range 300 {
		d.Add(float64(20+ms), 1)
	}
	latency, _ := d.AppendBinary(nil)
	states := []store.State{store.StateUp, store.StateDown, store.StateUp, store.StateDegraded}
	words := []string{"ok", "down", "ok", "degraded"}
	lasts := year / time.Duration(n)
	var intervals []store.Interval
	var rows []store.Metric
	for i := range n {
		from := epoch.Add(time.Duration(i) * lasts)
		intervals = append(intervals, store.Interval{
			API: "acme", Source: "eu-west", From: from, To: from.Add(lasts), Until: from.Add(lasts + time.Minute),
			State: states[i%4], Reason: words[i%4], Polls: 100, Latency: latency,
		})
		data := json.RawMessage(fmt.Sprintf(`{"status":%q,"n":%d,"pad":"%0250d"}`, words[i%4], i, 0))
		rows = append(rows, store.Metric{API: "acme", Source: "eu-west", Data: data, Hash: store.Hash(data), CreatedAt: from, UpdatedAt: from})
	}
	for part := 0; part < n; part += 1000 {
		if err := s.PutOutcomes(b.Context(), 0, intervals[part:min(n, part+1000)]); err != nil {
			b.Fatal(err)
		}
		if _, err := s.Import(b.Context(), rows[part:min(n, part+1000)]); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

// BenchmarkUptimeOfAYear compares Measure with the same figures out of the rows
// of the history, which is what there was before there were intervals.
func BenchmarkUptimeOfAYear(b *testing.B) {
	for _, n := range []int{5_000, 20_000} {
		s := benchYear(b, n)
		now := epoch.Add(year)
		b.Run(fmt.Sprintf("of=intervals/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				u, err := outcome.Measure(context.Background(), s, "acme", "eu-west", time.Time{}, time.Time{}, now)
				if err != nil || u.Count != n/4 {
					b.Fatal(err, u.Count)
				}
			}
		})
		b.Run(fmt.Sprintf("of=rows/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				lasted := make(map[string]time.Duration)
				var status string
				var since time.Time
				err := s.Scan(context.Background(), store.Query{API: "acme", Source: "eu-west", Limit: n, OldestFirst: true}, func(m store.Metric) error {
					var data struct{ Status string }
					if err := json.Unmarshal(m.Data, &data); err != nil {
						return err
					}
					lasted[status] += m.CreatedAt.Sub(since)
					status, since = data.Status, m.CreatedAt
					return nil
				})
				if err != nil || len(lasted) != 4 {
					b.Fatal(err, lasted)
				}
			}
		})
	}
}
