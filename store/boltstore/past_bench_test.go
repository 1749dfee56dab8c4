package boltstore

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/devops-insights/devops-insights/store"
)

// rowsEnv sets how many rows the benchmarks of large files make; the default is
// a tenth of a million.
const rowsEnv = "BENCH_ROWS"

func benchRows(b *testing.B) int {
	b.Helper()
	text := os.Getenv(rowsEnv)
	if text == "" {
		return 100_000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// applyRows is what a save wrote before there was anything beside the rows: the
// cost that BenchmarkIngest compares with.
func applyRows(tx *bolt.Tx, w *write) error {
	bucket := tx.Bucket(bucketLatest())
	key := latestKey(w.sample.API, w.sample.Source)
	at := store.Milliseconds(w.sample.At).UnixMilli()
	next := record{API: w.sample.API, Source: w.sample.Source, Hash: w.hash, Created: at, Updated: at, Data: w.sample.Data}
	var before record
	if old := bucket.Get(key); old != nil && before.read(old) == nil {
		if before.metric().Hash == w.hash {
			return nil
		}
		next.Created, next.First = before.Created, before.First
	} else if first, err := bucket.NextSequence(); err == nil {
		next.First = first
	}
	if err := bucket.Put(key, encode(next)); err != nil {
		return err
	}
	rows := tx.Bucket(bucketByTime())
	sequence, err := rows.NextSequence()
	if err != nil {
		return err
	}
	row := next
	row.Created, row.First = at, 0
	stamp := timeKey(at, sequence)
	if err := rows.Put(stamp, encode(row)); err != nil {
		return err
	}
	return tx.Bucket(bucketBySrc()).Put(rowKey(row.API, row.Source, stamp), nil)
}

// BenchmarkIngest compares a changed poll of 1 kB with what it cost before, in
// turns on two files: the save alone, and with its share of what is written
// beside it where six regions change every second: the extensions of their
// intervals every 5 s, and the minute's points of 20 fields in three tiers. The
// ratio without waiting for the disk is that of the processor's time.
func BenchmarkIngest(b *testing.B) {
	for _, sync := range []bool{true, false} {
		for _, beside := range []bool{false, true} {
			b.Run(fmt.Sprintf("sync=%t/beside=%t", sync, beside), func(b *testing.B) {
				before, after := benchOpen(b), benchOpen(b)
				before.db.NoSync, after.db.NoSync = !sync, !sync
				var spent [2]time.Duration
				at := time.Now()
				begin := at
				n := 0
				for b.Loop() {
					var writes []*write
					for region := range 6 {
						data := benchData(n, 1000)
						writes = append(writes, &write{
							sample: store.Sample{API: "acme", Source: fmt.Sprint("region-", region), Data: data, At: at},
							hash:   store.Hash(data), done: make(chan struct{}),
						})
					}
					for turn := range 2 {
						which, began := (turn+n)%2, time.Now()
						for _, w := range writes {
							var err error
							if which == 0 {
								err = before.update(func(tx *bolt.Tx) error { return applyRows(tx, w) })
							} else {
								_, err = after.apply([]*write{w})
							}
							if err != nil {
								b.Fatal(err)
							}
						}
						if which == 1 && beside {
							benchBeside(b, after, n, begin, at)
						}
						spent[which] += time.Since(began)
					}
					n, at = n+1, at.Add(time.Second)
				}
				b.ReportMetric(spent[1].Seconds()/spent[0].Seconds(), "ratio")
				b.ReportMetric(float64(spent[0].Microseconds())/float64(6*n), "µs-before")
				b.ReportMetric(float64(spent[1].Microseconds())/float64(6*n), "µs-after")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// benchBeside writes what is due in a second.
func benchBeside(b *testing.B, s *Store, second int, begin, at time.Time) {
	ctx := context.Background()
	if second%5 == 0 {
		var all []store.Interval
		for region := range 6 {
			all = append(all, store.Interval{API: "acme", Source: fmt.Sprint("region-", region), From: begin, To: at, Until: at, State: store.StateUp, Polls: int64(second), Latency: make([]byte, 150)})
		}
		if err := s.PutOutcomes(ctx, 1, all); err != nil {
			b.Fatal(err)
		}
	}
	if second%10 != 0 { // each of the regions once a minute
		return
	}
	m, err := s.Mark(ctx, "acme", fmt.Sprint("region-", second/10%6))
	if err != nil {
		b.Fatal(err)
	}
	m.To = at.Truncate(time.Minute)
	var chunks []store.Chunk
	for field := range 20 {
		name := fmt.Sprint("results.stats.field-", field)
		m.Fields = append(m.Fields[:field:field], name)
		for _, tier := range store.Tiers() {
			chunks = append(chunks, store.Chunk{API: m.API, Source: m.Source, Field: name, Tier: tier, Start: firstSpan(tier, at), Data: make([]byte, 1500)})
		}
	}
	if err := s.PutChunks(ctx, 1, m, chunks); err != nil {
		b.Fatal(err)
	}
}

// benchFile makes a file of rows, one each second, as large ones come about.
func benchFile(b *testing.B, rows, size int) (path string) {
	b.Helper()
	path = filepath.Join(b.TempDir(), "large.db")
	s, err := Open(Options{Path: path, Retention: -1})
	if err != nil {
		b.Fatal(err)
	}
	s.db.NoSync = true
	begin := time.Now().Add(-time.Duration(rows) * time.Second)
	for from := 0; from < rows; from += 50_000 {
		err := s.modify(func(t *txn) error {
			t.Bucket(bucketByTime()).FillPercent = 0.9
			for n := from; n < min(from+50_000, rows); n++ {
				data := benchData(n, size)
				at := begin.Add(time.Duration(n) * time.Second).UnixMilli()
				row := record{API: "acme", Source: fmt.Sprint("region-", n%6), Data: data, Hash: store.Hash(data), Created: at, Updated: at}
				if n >= rows-6 {
					if err := t.Bucket(bucketLatest()).Put(latestKey(row.API, row.Source), encode(row)); err != nil {
						return err
					}
				}
				if err := t.appendRow(row); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	s.db.NoSync = false
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	return path
}

// BenchmarkOpen opens a file of BENCH_ROWS rows, and closes it.
func BenchmarkOpen(b *testing.B) {
	rows := benchRows(b)
	path := benchFile(b, rows, 100)
	for b.Loop() {
		s, err := Open(Options{Path: path, Retention: -1})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.AllLatest(context.Background(), "acme"); err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(rows), "rows")
}

// BenchmarkScan reads BENCH_ROWS rows of 1 kB, oldest first, as an export does.
func BenchmarkScan(b *testing.B) {
	rows := benchRows(b)
	s, err := Open(Options{Path: benchFile(b, rows, 1000), Retention: -1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	for _, source := range []string{"", "region-1"} {
		b.Run("source="+source, func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				err := s.Scan(context.Background(), store.Query{API: "acme", Source: source, Limit: rows, OldestFirst: true}, func(store.Metric) error {
					n++
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// BenchmarkImport imports 1 kB rows of two regions, as a file of another store
// brings them, 1000 at a time.
func BenchmarkImport(b *testing.B) {
	s := benchOpen(b)
	at := time.Now().Add(-365 * 24 * time.Hour)
	n := 0
	for b.Loop() {
		var rows []store.Metric
		for range 1000 {
			data := benchData(n, 1000)
			rows = append(rows, store.Metric{API: "acme", Source: fmt.Sprint("region-", n%2), Data: data, Hash: store.Hash(data), CreatedAt: at.Add(time.Duration(n) * time.Second)})
			n++
		}
		if added, err := s.Import(context.Background(), rows); err != nil || added != 1000 {
			b.Fatal(added, err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkSweep compares saving into a file that has lost half of BENCH_ROWS rows
// of 1 kB at once with saving into the whole one: the list of free pages is
// written with every commit. Before that, it says what deleting a row costs.
func BenchmarkSweep(b *testing.B) {
	rows := benchRows(b)
	path := benchFile(b, rows, 1000)
	now := time.Now()
	s, err := Open(Options{Path: path, Retention: time.Duration(rows/2) * time.Second, SweepInterval: time.Hour, Now: func() time.Time { return now.Add(-time.Duration(rows) * time.Second) }})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	n := 0
	save := func() time.Duration {
		began := time.Now()
		for range 200 {
			data := benchData(rows+n, 1000)
			n++
			w := &write{sample: store.Sample{API: "acme", Source: "region-1", Data: data, At: now}, hash: store.Hash(data), done: make(chan struct{})}
			if _, err := s.apply([]*write{w}); err != nil {
				b.Fatal(err)
			}
		}
		return time.Since(began) / 200
	}
	whole := save()
	began := time.Now()
	for deleted := 0; deleted < rows/2; deleted += sweepBatch {
		old := outdated{}
		err := s.db.View(func(tx *bolt.Tx) error {
			c := tx.Bucket(bucketByTime()).Cursor()
			for k, _ := c.First(); k != nil && !old.full(); k, _ = c.Next() {
				old.keys = append(old.keys, append([]byte(nil), k...))
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.modify(func(t *txn) error { return t.deleteRows(old.keys) }); err != nil {
			b.Fatal(err)
		}
	}
	sweep := time.Since(began)
	for b.Loop() {
		half := save()
		b.ReportMetric(half.Seconds()/whole.Seconds(), "ratio")
		b.ReportMetric(float64(half.Microseconds()), "µs-after")
	}
	stats := s.db.Stats()
	b.ReportMetric(float64(stats.FreePageN), "free-pages")
	b.ReportMetric(float64(sweep.Microseconds())/float64(rows/2), "µs/deleted")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkChunks reads the hours of a year, and the minutes of a month, of one
// field beside 119 others.
func BenchmarkChunks(b *testing.B) {
	s := benchOpen(b)
	s.db.NoSync = true
	ctx, end := context.Background(), firstSpan(store.TierHour, time.Now())
	ranges := map[store.Tier]time.Duration{store.TierHour: 365 * 24 * time.Hour, store.TierMinute: 30 * 24 * time.Hour}
	for tier, length := range ranges {
		for at := end.Add(-length); at.Before(end); at = at.Add(tier.Span()) {
			for region := range 6 {
				m, err := s.Mark(ctx, "acme", fmt.Sprint("region-", region))
				if err != nil {
					b.Fatal(err)
				}
				var chunks []store.Chunk
				for field := range 20 {
					chunks = append(chunks, store.Chunk{API: m.API, Source: m.Source, Field: fmt.Sprint("field-", field), Tier: tier, Start: at, Data: make([]byte, 1500)})
				}
				if err := s.PutChunks(ctx, 1, m, chunks); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	for tier, length := range ranges {
		b.Run("tier="+string(tier), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				err := s.ScanChunks(ctx, store.ChunkQuery{API: "acme", Source: "region-3", Field: "field-7", Tier: tier, From: end.Add(-length), To: end}, func(store.Chunk) error {
					n++
					return nil
				})
				if err != nil || n != int(length/tier.Span()) {
					b.Fatal(n, err)
				}
			}
		})
	}
}
