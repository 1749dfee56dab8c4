package outcome_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/devops-insights/devops-insights/poller"
	"github.com/devops-insights/devops-insights/poller/outcome"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/boltstore"
)

// BenchmarkIngest is a poll that brings a changed value of 4 kB, on the embedded
// store: storing alone, and with its result recorded too.
func BenchmarkIngest(b *testing.B) {
	for _, recorded := range []bool{false, true} {
		b.Run(fmt.Sprint("recorded=", recorded), func(b *testing.B) {
			s, err := boltstore.Open(boltstore.Options{Path: filepath.Join(b.TempDir(), "b.db"), Retention: -1})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = s.Close() })
			c, err := outcome.NewClassifier("status", []string{"ok"}, nil)
			if err != nil {
				b.Fatal(err)
			}
			r, err := outcome.New(outcome.Options{Store: s, Classifier: c, API: "acme", Sources: []string{"us-east"}})
			if err != nil {
				b.Fatal(err)
			}
			pad, n := strings.Repeat("x", 4096), 0
			poll := func(ctx context.Context) error {
				for b.Loop() {
					n++
					began := time.Now()
					data := json.RawMessage(fmt.Sprintf(`{"status":"ok","n":%d,"pad":%q}`, n, pad))
					if _, err := s.Save(ctx, store.Sample{API: "acme", Source: "us-east", Data: data, At: began}); err != nil {
						return err
					}
					if recorded {
						r.Record(poller.Result{API: "acme", Source: "us-east", Data: data, Began: began, Ended: time.Now(), Next: began.Add(time.Second), Interval: time.Second})
					}
				}
				return nil
			}
			if err := r.During(b.Context(), 0, poll); err != nil {
				b.Fatal(err)
			}
		})
	}
}
