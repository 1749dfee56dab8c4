package boltstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	logtest "github.com/sirupsen/logrus/hooks/test"
	bolt "go.etcd.io/bbolt"

	"github.com/devops-insights/devops-insights/store"
)

// fill makes a file with rows of two regions and returns how many there are.
func fill(path string, o Options) (rows int) {
	GinkgoHelper()
	o.Path = path
	s, err := Open(o)
	Expect(err).NotTo(HaveOccurred())
	at := time.Now().Add(-time.Hour)
	var saved []*write
	for n := range 300 {
		for _, source := range []string{"eu-west", "us-east"} {
			w := newWrite(source, fmt.Sprintf(`{"n":%d,"pad":"%0400d"}`, n, n))
			w.sample.At = at.Add(time.Duration(n) * time.Second)
			saved = append(saved, w)
		}
	}
	for part := range slices.Chunk(saved, maxBatch) { // in few commits
		Expect(s.inWriter(context.Background(), func() error { s.commit(part); return nil })).To(Succeed())
	}
	for _, w := range saved {
		Expect(w.err).NotTo(HaveOccurred())
		Expect(w.changed).To(BeTrue())
		rows++
	}
	fillPast(s)
	fillAlerts(s)
	Expect(s.Close()).To(Succeed())
	return rows
}

// The numbers of intervals and chunks that fillPast stores.
const (
	filledIntervals = 400
	filledChunks    = 600
)

// filledRecords is the number of records that fillAlerts stores.
const filledRecords = 40

// fillAlerts stores what is kept for alerting, each twice.
func fillAlerts(s *Store) {
	GinkgoHelper()
	for version := range int64(2) {
		data := []byte(fmt.Sprintf(`"%d %06000d"`, version+1, 0))
		Expect(s.PutLedger(context.Background(), store.Ledger{API: "acme", Term: 1, Version: version + 1, Data: data})).To(Succeed())
		for n := range filledRecords {
			Expect(s.PutRecord(context.Background(), incident(n, version+1))).To(Succeed())
		}
	}
}

// readAlerts counts the records that can be read, and looks whether they and the
// ledger are what was stored last.
func readAlerts(s *Store) (records int, ledger bool) {
	GinkgoHelper()
	all, err := s.FindRecords(context.Background(), store.RecordQuery{Kind: store.RecordIncident, Limit: 100_000})
	if err == nil {
		for _, r := range all {
			Expect(r.Version).To(BeEquivalentTo(2))
		}
	}
	l, err := s.Ledger(context.Background(), "acme")
	if err == nil {
		Expect(l.Version).To(BeEquivalentTo(2))
	}
	return len(all), err == nil
}

// fillPast stores what is kept beside the rows, some of it twice.
func fillPast(s *Store) {
	GinkgoHelper()
	ctx, begin := context.Background(), time.Now().UTC().Truncate(24*time.Hour).Add(-30*24*time.Hour)
	for _, source := range []string{"eu-west", "us-east"} {
		for round := range 2 {
			var all []store.Interval
			for n := range filledIntervals / 2 {
				from := begin.Add(time.Duration(n) * time.Minute)
				all = append(all, store.Interval{API: "acme", Source: source, From: from, To: from.Add(time.Duration(round) * time.Minute), State: store.StateDown, Reason: "TIMEOUT", Latency: make([]byte, 100)})
			}
			Expect(s.PutOutcomes(ctx, 1, all)).To(Succeed())
			m, err := s.Mark(ctx, "acme", source)
			Expect(err).NotTo(HaveOccurred())
			m.To, m.Fields = begin, []string{"n", "m"}
			var chunks []store.Chunk
			for n := range filledChunks / 4 {
				for _, field := range m.Fields {
					chunks = append(chunks, store.Chunk{API: "acme", Source: source, Field: field, Tier: store.TierMinute, Start: begin.Add(time.Duration(n) * time.Hour), Data: bytes.Repeat([]byte{byte(round)}, 300)})
				}
			}
			Expect(s.PutChunks(ctx, 1, m, chunks)).To(Succeed())
		}
	}
}

// readPast counts what can be read of what fillPast has stored, and that it is
// what was stored last.
func readPast(s *Store) (intervals, chunks int, err error) {
	GinkgoHelper()
	ctx := context.Background()
	for _, source := range []string{"eu-west", "us-east"} {
		err = errors.Join(err, s.ScanOutcomes(ctx, "acme", source, time.Time{}, time.Time{}, func(i store.Interval) error {
			Expect(i.To.Sub(i.From)).To(Equal(time.Minute))
			intervals++
			return nil
		}))
		for _, field := range []string{"n", "m"} {
			err = errors.Join(err, s.ScanChunks(ctx, store.ChunkQuery{API: "acme", Source: source, Field: field, Tier: store.TierMinute}, func(c store.Chunk) error {
				Expect(c.Data).To(Equal(bytes.Repeat([]byte{1}, 300)))
				chunks++
				return nil
			}))
		}
	}
	return intervals, chunks, err
}

func sample(source, data string, at time.Time) store.Sample {
	return store.Sample{API: "acme", Source: source, Data: json.RawMessage(data), At: at}
}

// overwrite damages the file: garbage in the pages with the given flag, in all
// or in every so many of them.
func overwrite(path string, flag uint16, every int) {
	GinkgoHelper()
	b, err := os.ReadFile(path)
	Expect(err).NotTo(HaveOccurred())
	page, seen := os.Getpagesize(), 0
	for at := 2 * page; at+page <= len(b); at += page {
		if uint16(b[at+8])|uint16(b[at+9])<<8 != flag {
			continue
		}
		if seen++; seen%every == 0 {
			copy(b[at:], bytes.Repeat([]byte{0xa5}, page))
		}
	}
	Expect(seen).To(BeNumerically(">=", every))
	Expect(os.WriteFile(path, b, 0o600)).To(Succeed())
}

var _ = Describe("a damaged file", func() {
	var path string
	BeforeEach(func() { path = filepath.Join(GinkgoT().TempDir(), "test.db") })

	It("is whole as long as nothing happens to it", func() {
		rows := fill(path, Options{})
		Expect(Check(path)).To(Equal(Findings{Latest: 2, Rows: rows, Intervals: filledIntervals, Chunks: filledChunks, Ledgers: 1, Records: filledRecords}))
		before, after, err := Compact(path)
		Expect(err).NotTo(HaveOccurred())
		Expect(after).To(BeNumerically("<=", before))
		Expect(Check(path)).To(Equal(Findings{Latest: 2, Rows: rows, Intervals: filledIntervals, Chunks: filledChunks, Ledgers: 1, Records: filledRecords}))
	})

	DescribeTable("ends no process, whatever is damaged", func(damage func()) {
		rows := fill(path, Options{})
		damage()
		s, err := Open(Options{Path: path, Retention: -1})
		if err != nil {
			Expect(err).To(MatchError(ErrDamaged))
			Expect(err.Error()).To(ContainSubstring("devops-insights store repair"))
		} else {
			all, err := store.History(context.Background(), s, store.Query{API: "acme", Limit: 10_000})
			changed, saveErr := s.Save(context.Background(), sample("eu-west", `"new"`, time.Now()))
			Expect(saveErr).NotTo(HaveOccurred(), "dashboards hear of it all the same")
			Expect(changed).To(BeTrue())
			if err != nil {
				Expect(s.Stats().Cause).NotTo(BeEmpty())
			}
			if intervals, chunks, err := readPast(s); err == nil && len(all) > 0 { // an empty file begins anew
				Expect([]int{intervals, chunks}).To(Equal([]int{filledIntervals, filledChunks}), "what is missing must be said")
			}
			_, _ = s.Mark(context.Background(), "acme", "eu-west")
			readAlerts(s)
			_ = s.PutLedger(context.Background(), store.Ledger{API: "acme", Term: 1, Version: 3, Data: []byte(`{}`)})
			_ = s.PutRecord(context.Background(), incident(0, 3))
			_, _ = s.DeleteRecords(context.Background(), store.RecordIncident, incident(2, 1).At, 10)
			_ = s.PutOutcomes(context.Background(), 2, []store.Interval{{API: "acme", Source: "eu-west", From: time.Now(), To: time.Now(), State: store.StateUp}})
			_, _ = s.Import(context.Background(), []store.Metric{{API: "acme", Source: "eu-west", Data: json.RawMessage(`1`), Hash: "x", CreatedAt: time.Now()}})
			_ = s.sweep()
			Expect(s.Close()).To(Succeed())
		}
		_, _ = Check(path) // what it finds depends on the damage; it must come back
		fixed, err := Repair(path)
		if err != nil {
			Expect(err.Error()).To(ContainSubstring("nothing in it can be saved"))
			return
		}
		Expect(fixed.Regions).To(BeNumerically(">", 0))
		Expect(fixed.Rows).To(BeNumerically("<=", rows+2))
		Expect(Check(path)).To(Equal(Findings{Latest: fixed.Regions, Rows: fixed.Rows, Intervals: fixed.Intervals, Chunks: fixed.Chunks, Ledgers: fixed.Ledgers, Records: fixed.Records}))
		Expect(fixed.Old).To(BeAnExistingFile())
		again, err := Open(Options{Path: path, Retention: -1})
		Expect(err).NotTo(HaveOccurred())
		Expect(store.History(context.Background(), again, store.Query{API: "acme", Limit: 10_000})).To(HaveLen(fixed.Rows))
		Expect(again.Save(context.Background(), sample("eu-west", `"after"`, time.Now()))).To(BeTrue())
		Expect(again.Close()).To(Succeed())
	},
		Entry("one leaf", func() { overwrite(path, 0x02, 5) }),
		Entry("every second leaf", func() { overwrite(path, 0x02, 2) }),
		Entry("all branches", func() { overwrite(path, 0x01, 1) }),
		Entry("the list of free pages", func() { overwrite(path, 0x10, 1) }),
		Entry("the file cut to half", func() {
			info, err := os.Stat(path)
			Expect(err).NotTo(HaveOccurred())
			Expect(os.Truncate(path, info.Size()/2)).To(Succeed())
		}),
		Entry("the file cut to nothing", func() { Expect(os.Truncate(path, 0)).To(Succeed()) }),
		Entry("the file cut to one page", func() { Expect(os.Truncate(path, 4096)).To(Succeed()) }),
		Entry("the file cut to a few bytes", func() { Expect(os.Truncate(path, 100)).To(Succeed()) }),
		Entry("both first pages", func() {
			b, err := os.ReadFile(path)
			Expect(err).NotTo(HaveOccurred())
			copy(b, make([]byte, 2*os.Getpagesize()))
			Expect(os.WriteFile(path, b, 0o600)).To(Succeed())
		}),
		Entry("something else altogether", func() { Expect(os.WriteFile(path, bytes.Repeat([]byte("no store "), 5000), 0o600)).To(Succeed()) }),
	)

	It("loses no row where only the trees are damaged", func() {
		rows := fill(path, Options{})
		overwrite(path, 0x01, 1)
		fixed, err := Repair(path)
		Expect(err).NotTo(HaveOccurred())
		Expect(fixed.Rows).To(Equal(rows))
		Expect([]int{fixed.Intervals, fixed.Chunks, fixed.Ledgers, fixed.Records}).To(Equal([]int{filledIntervals, filledChunks, 1, filledRecords}))
		s, err := Open(Options{Path: path, Retention: -1})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(s.Close)
		Expect(s.Latest(context.Background(), "acme", "eu-west")).To(HaveField("Data", ContainSubstring(`"n":299`)))
		all, err := s.AllLatest(context.Background(), "acme")
		Expect(err).NotTo(HaveOccurred())
		intervals, chunks, err := readPast(s)
		Expect(err).NotTo(HaveOccurred())
		Expect([]int{intervals, chunks}).To(Equal([]int{filledIntervals, filledChunks}), "in their newest versions")
		records, ledger := readAlerts(s)
		Expect(records).To(Equal(filledRecords))
		Expect(ledger).To(BeTrue())
		Expect(incidents(s, "acme")).To(Equal(incidents(s, "")), "the index is whole again")
		Expect(s.Mark(context.Background(), "acme", "eu-west")).To(HaveField("Fields", []string{"n", "m"}))
		Expect(s.PutOutcomes(context.Background(), 0, []store.Interval{{API: "acme", Source: "eu-west"}})).To(MatchError(store.ErrFenced))
		Expect([]string{all[0].Source, all[1].Source}).To(Equal([]string{"eu-west", "us-east"}), "the order of their first storing")
	})

	It("is not touched while a process uses it", func() {
		s, err := Open(Options{Path: path})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(s.Close)
		_, err = Check(path)
		Expect(err).To(MatchError(ErrLocked))
		_, _, err = Compact(path)
		Expect(err).To(MatchError(ErrLocked))
		_, err = Repair(path)
		Expect(err).To(MatchError(ErrLocked))
	})
})

var _ = Describe("a file that is lost under the running store", func() {
	var (
		path string
		s    *Store
		news chan string
	)
	BeforeEach(func() {
		path = filepath.Join(GinkgoT().TempDir(), "test.db")
		fill(path, Options{})
		var err error
		s, err = Open(Options{Path: path, Retention: -1, InspectInterval: 10 * time.Millisecond})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(s.Close)
		news = make(chan string, 16)
		ctx, cancel := context.WithCancel(context.Background())
		over, ready := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(over)
			_ = s.Watch(ctx, func() { close(ready) }, func(_ context.Context, c store.Change) error {
				if !c.Snapshot {
					news <- string(c.Data)
				}
				return nil
			})
		}()
		Eventually(ready).Should(BeClosed())
		DeferCleanup(func() { cancel(); <-over })
	})

	goesOn := func() {
		GinkgoHelper()
		for _, value := range []string{`1`, `1`, `2`} {
			_, err := s.Save(context.Background(), sample("eu-west", value, time.Now()))
			Expect(err).NotTo(HaveOccurred())
		}
		Eventually(news).Should(Receive(Equal("1")))
		Eventually(news).Should(Receive(Equal("2")))
		Consistently(news, "50ms").ShouldNot(Receive())
	}

	It("is noticed when it was deleted", func() {
		Expect(os.Remove(path)).To(Succeed())
		Eventually(func() string { return s.Stats().Cause }, "10s").Should(ContainSubstring("deleted or replaced"))
		Expect(s.Stats().Damaged).To(BeTrue())
		goesOn()
		err := s.PutOutcomes(context.Background(), 2, []store.Interval{{API: "acme", Source: "eu-west", From: time.Now(), To: time.Now(), State: store.StateUp}})
		class, text := Explain(err)
		Expect(class).To(Equal(s.Stats().Class), "one cause for whoever asks")
		Expect(text).To(Equal(s.Stats().Cause))
	})

	DescribeTable("is noticed when it was cut, and the history says so, every time", func(pages int) {
		Expect(os.Truncate(path, int64(pages*os.Getpagesize()))).To(Succeed())
		Eventually(func() string { return s.Stats().Cause }, "10s").Should(ContainSubstring("damaged"))
		for range 3 {
			asked := make(chan error, 1)
			go func() {
				_, err := store.History(context.Background(), s, store.Query{API: "acme", Limit: 1000})
				asked <- err
			}()
			Eventually(asked, "10s").Should(Receive(MatchError(ErrDamaged)))
		}
		goesOn()
		closed := make(chan error, 1)
		go func() { closed <- s.Close() }()
		Eventually(closed, "10s").Should(Receive(Succeed()))
	},
		Entry("to a few pages", 4),
		Entry("to the first page", 1),
		Entry("to nothing", 0),
	)
})

var _ = It("says that the disk does not answer while a write does not end, and that it is well again", func(ctx SpecContext) {
	log, logs := logtest.NewNullLogger()
	s, err := Open(Options{Path: filepath.Join(GinkgoT().TempDir(), "test.db"), StuckAfter: 40 * time.Millisecond, Logger: log})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(s.Close)
	Expect(s.Save(ctx, sample("eu-west", `1`, time.Now()))).To(BeTrue())
	Expect(s.Stats()).To(Equal(Stats{}))
	other, err := s.db.Begin(true) // bbolt has one writer: the next one waits
	Expect(err).NotTo(HaveOccurred())
	saved := make(chan bool, 1)
	go func() {
		changed, err := s.Save(ctx, sample("eu-west", `2`, time.Now()))
		saved <- changed && err == nil
	}()
	behind := make(chan error, 100) // those that come later do not hide it
	for range cap(behind) {
		go func() { behind <- s.update(func(*bolt.Tx) error { return nil }) }()
	}
	Eventually(func() string { return s.Stats().Cause }, "10s").Should(Equal("the disk does not answer"))
	Consistently(func() int { return len(logs.AllEntries()) }, "100ms").Should(Equal(1), "it is said once")
	Expect(other.Rollback()).To(Succeed())
	Eventually(saved, "10s").Should(Receive(BeTrue()))
	Eventually(func() int { return len(behind) }, "20s").Should(Equal(cap(behind)))
	Eventually(s.Stats, "10s").Should(Equal(Stats{}))
	Expect(logs.LastEntry().Message).To(ContainSubstring("writes its file again"))
})
