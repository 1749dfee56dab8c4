package outcome

import (
	"context"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/devops-insights/devops-insights/poller"
	"github.com/devops-insights/devops-insights/store"
)

// BenchmarkRecord is what a poll costs the poller with a recorded answer of an
// upstream; writing is another goroutine's. SHA-1 and a copy of the answer, which
// each poll needs anyway, are beside it for comparison.
func BenchmarkRecord(b *testing.B) {
	data, err := os.ReadFile("../../test/contract/testdata/payload-us-east.json")
	if err != nil {
		b.Fatal(err)
	}
	c, err := NewClassifier("status", []string{"ok"}, []string{"degraded"})
	if err != nil {
		b.Fatal(err)
	}
	r, err := New(Options{Store: newKept(), Classifier: c, API: "acme", Sources: []string{"us-east"}})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("record", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		err := r.During(context.Background(), 0, func(context.Context) error {
			at := time.Now()
			for b.Loop() {
				at = at.Add(interval)
				r.Record(poller.Result{API: "acme", Source: "us-east", Data: data, Began: at.Add(-time.Second), Ended: at, Next: at.Add(interval), Interval: interval})
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	})
	b.Run("hash", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if store.Hash(append(json.RawMessage(nil), data...)) == "" {
				b.Fatal("no hash")
			}
		}
	})
}
