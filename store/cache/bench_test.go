package cache

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/devops-insights/devops-insights/store"
)

// stored is a store of six regions that never change.
type stored []store.Metric

func (s stored) Latest(context.Context, string, string) (store.Metric, error) { return s[0], nil }

func (s stored) AllLatest(context.Context, string) ([]store.Metric, error) { return s, nil }

func (s stored) History(context.Context, store.Query) ([]store.Metric, error) { return s, nil }

func BenchmarkCache(b *testing.B) {
	var all stored
	at := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	for i := range 6 {
		data := json.RawMessage(fmt.Sprintf(`{"n":%d,"pad":%q}`, i, strings.Repeat("x", 4000)))
		all = append(all, store.Metric{API: "acme", Source: fmt.Sprint("region-", i), Data: data, Hash: store.Hash(data), CreatedAt: at, UpdatedAt: at})
	}
	r := New(Options{Reader: all, MaxAge: func() time.Duration { return time.Hour }})
	for _, read := range []struct {
		name string
		do   func(ctx context.Context) error
	}{
		{"read=all", func(ctx context.Context) error { _, err := r.AllLatest(ctx, "acme"); return err }},
		{"read=one", func(ctx context.Context) error { _, err := r.Latest(ctx, "acme", "region-5"); return err }},
		{"read=history", func(ctx context.Context) error {
			_, err := r.History(ctx, store.Query{API: "acme", Limit: 1000})
			return err
		}},
		{"read=all-after-change", func(ctx context.Context) error {
			r.Note(all[3])
			_, err := r.AllLatest(ctx, "acme")
			return err
		}},
	} {
		b.Run(read.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := read.do(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
