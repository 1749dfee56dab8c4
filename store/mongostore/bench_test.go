package mongostore

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/test/wire"
)

// benchOpen opens a store over a server of its own.
func benchOpen(b *testing.B) *Store {
	b.Helper()
	server := wire.Start(b)
	s, err := Open(context.Background(), Options{URL: server.Database(fmt.Sprint("bench_", os.Getpid())), Retention: 1000 * time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	return s
}

// benchFill stores rows of history, one each second, the newest one now: the
// first 2000 are those of the api "quiet", all others those of "acme"; both
// have six regions.
func benchFill(b *testing.B, s *Store, rows int) (from time.Time) {
	b.Helper()
	ctx := context.Background()
	from = time.Now().Add(-time.Duration(rows) * time.Second).Truncate(time.Second)
	regions := map[string]incoming{}
	var batch []any
	for i := range rows {
		api, source := "acme", fmt.Sprint("region-", i%6)
		if i < 2000 {
			api = "quiet"
		}
		in, err := prepare(store.Sample{
			API: api, Source: source, At: from.Add(time.Duration(i) * time.Second),
			Data: json.RawMessage(fmt.Sprintf(`{"n":%d,"pad":%q}`, i, strings.Repeat("x", 200))),
		})
		if err != nil {
			b.Fatal(err)
		}
		regions[api+source] = in
		batch = append(batch, in.row(bson.NewObjectID()))
		if len(batch) == 5000 || i == rows-1 {
			if _, err := s.history.InsertMany(ctx, batch); err != nil {
				b.Fatal(err)
			}
			batch = batch[:0]
		}
	}
	for _, in := range regions {
		if _, err := s.latest.InsertOne(ctx, in.row(bson.NewObjectID())); err != nil {
			b.Fatal(err)
		}
	}
	return from
}

// BenchmarkHistory asks for 1000 rows, however many are stored; the time is
// that of the server too. A million rows are for a real MongoDB: set
// MONGODB_TEST_URI and BENCH_ROWS.
func BenchmarkHistory(b *testing.B) {
	counts := []int{10_000, 50_000}
	if text := os.Getenv("BENCH_ROWS"); text != "" {
		var more int
		if _, err := fmt.Sscan(text, &more); err != nil {
			b.Fatalf("BENCH_ROWS=%s is no number", text)
		}
		counts = append(counts, more)
	}
	for _, rows := range slices.Compact(counts) {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			s := benchOpen(b)
			from := benchFill(b, s, rows)
			middle := from.Add(time.Duration(rows/2) * time.Second)
			for _, ask := range []struct {
				name  string
				query store.Query
			}{
				{"ask=region", store.Query{API: "acme", Source: "region-1", Limit: 1000}},
				{"ask=region+range", store.Query{API: "acme", Source: "region-1", Limit: 1000, From: middle, To: middle.Add(time.Hour)}},
				{"ask=api", store.Query{API: "acme", Limit: 1000}},
				{"ask=api+range", store.Query{API: "acme", Limit: 1000, From: middle, To: middle.Add(time.Hour)}},
				{"ask=quiet-api", store.Query{API: "quiet", Limit: 1000}},
			} {
				b.Run(ask.name, func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						if found, err := store.History(context.Background(), s, ask.query); err != nil || len(found) == 0 {
							b.Fatal(len(found), err)
						}
					}
				})
			}
		})
	}
}

// BenchmarkJSON is the way of a recorded answer into the database's form and
// back.
func BenchmarkJSON(b *testing.B) {
	data, err := os.ReadFile("../../test/contract/testdata/payload-us-east.json")
	if err != nil {
		b.Fatal(err)
	}
	b.Run("way=in", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if _, err := prepare(store.Sample{API: "acme", Source: "us-east", Data: data}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("way=out", func(b *testing.B) {
		in, err := prepare(store.Sample{API: "acme", Source: "us-east", Data: data})
		if err != nil {
			b.Fatal(err)
		}
		kind, value, err := bson.MarshalValue(in.value)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if text, err := stringify(bson.RawValue{Type: kind, Value: value}, ""); err != nil || len(text) == 0 {
				b.Fatal("nothing came back")
			}
		}
	})
}
