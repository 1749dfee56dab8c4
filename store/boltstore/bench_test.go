package boltstore

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/devops-insights/devops-insights/store"
)

// benchData is a JSON object of about size bytes, different for each n.
func benchData(n, size int) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"n":%d,"pad":%q}`, n, strings.Repeat("x", size)))
}

func benchOpen(b *testing.B) *Store {
	b.Helper()
	s, err := Open(Options{Path: filepath.Join(b.TempDir(), "b.db"), Retention: -1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	return s
}

// benchFill stores rows of history, one each second: the first 2000 are those
// of the api "quiet", all others those of "acme"; both have six regions.
func benchFill(b *testing.B, s *Store, rows, size int) (from time.Time) {
	b.Helper()
	s.db.NoSync = true // nobody pulls a plug here
	defer func() { s.db.NoSync = false }()
	from = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	var batch []*write
	for i := range rows {
		api := "acme"
		if i < 2000 {
			api = "quiet"
		}
		data := benchData(i, size)
		batch = append(batch, &write{
			sample: store.Sample{API: api, Source: fmt.Sprint("region-", i%6), Data: data, At: from.Add(time.Duration(i) * time.Second)},
			hash:   store.Hash(data), done: make(chan struct{}),
		})
		if len(batch) == 10_000 || i == rows-1 {
			s.commit(batch)
			if err := batch[0].err; err != nil {
				b.Fatal(err)
			}
			batch = batch[:0]
		}
	}
	return from
}

// BenchmarkHistory asks for 1000 rows, however many are stored.
func BenchmarkHistory(b *testing.B) {
	for _, rows := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			if rows == 1_000_000 && testing.Short() {
				b.Skip("-short: a million rows take a while to store, and more than half a gigabyte of disk")
			}
			s := benchOpen(b)
			from := benchFill(b, s, rows, 256)
			middle := from.Add(time.Duration(rows/2) * time.Second)
			for _, ask := range []struct {
				name  string
				query store.Query
			}{
				{"ask=region", store.Query{API: "acme", Source: "region-1", Limit: 1000}},
				{"ask=region+range", store.Query{API: "acme", Source: "region-1", Limit: 1000, From: from, To: middle.Add(4000 * time.Second)}},
				{"ask=api", store.Query{API: "acme", Limit: 1000}},
				{"ask=api+range", store.Query{API: "acme", Limit: 1000, From: middle, To: middle.Add(time.Hour)}},
				{"ask=quiet-api", store.Query{API: "quiet", Limit: 1000}},
				{"ask=unknown-api", store.Query{API: "unknown", Limit: 1000}},
			} {
				b.Run(ask.name, func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						found, err := store.History(context.Background(), s, ask.query)
						if err != nil || len(found) != 1000 && ask.query.API != "unknown" {
							b.Fatal(len(found), err)
						}
					}
				})
			}
		})
	}
}

// BenchmarkHistory4KB asks for 1000 rows as large as real answers.
func BenchmarkHistory4KB(b *testing.B) {
	s := benchOpen(b)
	benchFill(b, s, 10_000, 4000)
	b.ReportAllocs()
	for b.Loop() {
		rows, err := store.History(context.Background(), s, store.Query{API: "acme", Source: "region-1", Limit: 1000})
		if err != nil || len(rows) != 1000 {
			b.Fatal(len(rows), err)
		}
	}
}

func BenchmarkLatest(b *testing.B) {
	s := benchOpen(b)
	benchFill(b, s, 10_000, 4000)
	b.Run("read=one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Latest(context.Background(), "acme", "region-1"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("read=all", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if all, err := s.AllLatest(context.Background(), "acme"); err != nil || len(all) != 6 {
				b.Fatal(len(all), err)
			}
		}
	})
}

// BenchmarkSave saves a 4 KB value of one region; a changed one is on the disk
// when it returns.
func BenchmarkSave(b *testing.B) {
	for _, changed := range []bool{false, true} {
		b.Run(fmt.Sprintf("changed=%t", changed), func(b *testing.B) {
			s := benchOpen(b)
			values := []json.RawMessage{benchData(0, 4000), benchData(1, 4000)}
			save := func(n int) {
				sample := store.Sample{API: "acme", Source: "region-1", Data: values[n%2], At: time.Now()}
				if did, err := s.Save(context.Background(), sample); err != nil || did != (changed || n == 0) {
					b.Fatal(did, err)
				}
			}
			save(0)
			b.ReportAllocs()
			for n := 1; b.Loop(); n++ {
				if changed {
					save(n)
				} else {
					save(2)
				}
			}
		})
	}
}
