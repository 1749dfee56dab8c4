package rollup

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store"
)

const (
	yearOfRows = 365 * 2880 // one every 30 s
	day        = 24 * time.Hour
)

var year = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// yearStore is an embedded store with a year of one region, rolled up. It is made
// once and kept for further runs where BENCH_DIR names a directory.
func yearStore(b *testing.B) (s imported, now time.Time) {
	b.Helper()
	g := NewWithT(b)
	now = year.Add(365 * day).Add(time.Hour)
	path := filepath.Join(os.Getenv("BENCH_DIR"), "year.db")
	if os.Getenv("BENCH_DIR") == "" {
		path = filepath.Join(b.TempDir(), "year.db")
	}
	_, missing := os.Stat(path)
	s = openEmbeddedAt(b, g, path)
	if missing == nil {
		return s, now
	}
	ctx := context.Background()
	var rows []store.Metric
	began := time.Now()
	for i := range yearOfRows {
		data := []byte(sampleValue(i))
		at := year.Add(time.Duration(i) * 30 * time.Second)
		rows = append(rows, store.Metric{API: "acme", Source: "eu-west", Data: data, Hash: store.Hash(data), CreatedAt: at, UpdatedAt: at})
		if len(rows) == 5000 || i == yearOfRows-1 {
			_, err := s.Import(ctx, rows)
			g.Expect(err).NotTo(HaveOccurred())
			rows = rows[:0]
		}
	}
	fmt.Printf("imported a year in %s\n", time.Since(began).Round(time.Millisecond))
	began = time.Now()
	at := now.UnixMilli()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	runnerOn(s, 1, &at).round(ctx)
	runtime.ReadMemStats(&after)
	took := time.Since(began)
	fmt.Printf("rolled up a year in %s: %.1f µs a row, %d MB from the system\n", took.Round(time.Millisecond),
		float64(took.Microseconds())/yearOfRows, (after.Sys-before.Sys)>>20)
	return s, now
}

func benchmarkYear(b *testing.B, read func(context.Context, Reader, SeriesQuery, time.Time) error, step time.Duration, aggs ...Agg) {
	s, now := yearStore(b)
	for _, agg := range aggs {
		b.Run(string(agg), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				q := SeriesQuery{API: "acme", Source: "eu-west", Field: "results.stats.server.cpu_load", From: year, To: year.Add(365 * day), Step: step, Agg: agg}
				if err := read(context.Background(), s, q, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func readSeries(ctx context.Context, r Reader, q SeriesQuery, now time.Time) error {
	_, err := Read(ctx, r, q, now)
	return err
}

// readRows answers by the rows alone.
func readRows(ctx context.Context, r Reader, q SeriesQuery, now time.Time) error {
	return readSeries(ctx, notRolledUp{r}, q, now)
}

// notRolledUp is a store without tiers.
type notRolledUp struct{ Reader }

func (notRolledUp) Mark(context.Context, string, string) (store.Mark, error) {
	return store.Mark{}, nil
}

func (notRolledUp) ScanChunks(context.Context, store.ChunkQuery, func(store.Chunk) error) error {
	return nil
}

const year1000 = 365 * day / 1000

func BenchmarkSeriesOfAYear(b *testing.B) { benchmarkYear(b, readSeries, year1000, Aggs()...) }

func BenchmarkSeriesOfAYearByHours(b *testing.B) {
	benchmarkYear(b, readSeries, 9*time.Hour, AggAvg, AggP95)
}

func BenchmarkSeriesOfAYearByRows(b *testing.B) { benchmarkYear(b, readRows, year1000, AggAvg, AggP95) }

// BenchmarkFold is the cost of a row, without that of reading it.
func BenchmarkFold(b *testing.B) {
	fields := newExtractor(FieldOptions{}, nil)
	w := &watch{spans: []watched{{from: 0, to: 1 << 60, numbers: true, texts: true}}}
	f := folder{fields: fields, watch: w, step: 60_000, emit: func(int64, []Stat) error { return nil }}
	var data [][]byte
	for i := range 1000 {
		data = append(data, []byte(sampleValue(i)))
	}
	b.ReportAllocs()
	for i := range b.N {
		if err := f.row(int64(i)*30_000, data[i%1000]); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMinute is what a minute of one region costs, in which there were two
// rows of 20 fields: folding it and storing it durably.
func BenchmarkMinute(b *testing.B) {
	g := NewWithT(b)
	s := openEmbedded(b, g)
	now := year.UnixMilli()
	r := runnerOn(s, 1, &now)
	b.ReportAllocs()
	for i := range b.N {
		at := year.Add(time.Duration(i) * time.Minute)
		b.StopTimer()
		s.save(at, sampleValue(2*i), at)
		s.save(at.Add(30*time.Second), sampleValue(2*i+1), at)
		now = at.Add(2 * time.Minute).UnixMilli()
		b.StartTimer()
		r.round(context.Background())
	}
	mark, err := s.Mark(context.Background(), "acme", "eu-west")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(mark.To).To(Equal(year.Add(time.Duration(b.N) * time.Minute)))
}

// BenchmarkRowsOfAMonth makes history rows of a month of minutes.
func BenchmarkRowsOfAMonth(b *testing.B) {
	s, _ := yearStore(b)
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		q := store.Query{API: "acme", Source: "eu-west", From: year.Add(100 * day), To: year.Add(130 * day), Limit: 50_000}
		err := Rows(context.Background(), s, q, time.Time{}, func(store.Metric) error { n++; return nil })
		if err != nil || n != 30*24*60+1 {
			b.Fatal(n, err)
		}
	}
}

// BenchmarkSeriesBetweenMinutes begins and ends its steps within minutes, of which
// the rows tell.
func BenchmarkSeriesBetweenMinutes(b *testing.B) {
	s, now := yearStore(b)
	from := year.Add(100*day + 123*time.Millisecond)
	for _, c := range []struct{ length, step time.Duration }{{day, time.Minute}, {day, 5 * time.Minute}, {30 * day, time.Hour}} {
		b.Run(c.step.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				q := SeriesQuery{API: "acme", Source: "eu-west", Field: "results.stats.server.cpu_load", From: from, To: from.Add(c.length), Step: c.step, Agg: AggAvg}
				if err := readSeries(context.Background(), s, q, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
