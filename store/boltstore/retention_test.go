package boltstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/sirupsen/logrus"
	bolt "go.etcd.io/bbolt"

	"github.com/devops-insights/devops-insights/store"
)

// shelf is an archive in memory, which fails on demand.
type shelf struct {
	mu   sync.Mutex
	rows []string
	err  error
}

func (a *shelf) Append(rows []store.Metric) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return a.err
	}
	for _, m := range rows {
		a.rows = append(a.rows, m.Source+" "+string(m.Data))
	}
	return nil
}

var _ = Describe("what is deleted", func() {
	var (
		now  time.Time
		path string
		ctx  context.Context
	)
	BeforeEach(func(c SpecContext) {
		now, path, ctx = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC), temporary(), context.Background()
	})
	opened := func(o Options) *Store {
		GinkgoHelper()
		o.Path, o.SweepInterval, o.Now = path, time.Hour, func() time.Time { return now }
		return open(o)
	}
	// rows stores n rows of a region in one commit.
	rows := func(s *Store, source string, n int, pad int) {
		GinkgoHelper()
		var all []store.Metric
		for i := range n {
			data := fmt.Sprintf(`{"n":%d,"pad":%q}`, i, strings.Repeat("x", pad))
			all = append(all, store.Metric{API: "acme", Source: source, Data: []byte(data), Hash: store.Hash([]byte(data)), CreatedAt: now.Add(time.Duration(i) * time.Second)})
		}
		Expect(s.Import(ctx, all)).To(Equal(n))
	}
	count := func(s *Store) int {
		GinkgoHelper()
		all, err := store.History(ctx, s, store.Query{API: "acme", Limit: 100_000})
		Expect(err).NotTo(HaveOccurred())
		return len(all)
	}
	// consistent closes the store and lets Check count everything again.
	consistent := func(s *Store) {
		GinkgoHelper()
		Expect(s.Close()).To(Succeed())
		found, err := Check(path)
		Expect(err).NotTo(HaveOccurred())
		Expect(found.Problems).To(BeEmpty())
	}

	It("are the oldest rows of a history that is too large, and no more", func() {
		s := opened(Options{Retention: -1, Size: 300_000})
		rows(s, "us-east", 3000, 400)
		before, err := s.Sizes(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(before.Rows.Count).To(BeEquivalentTo(3000))
		Expect(s.sweep()).To(Succeed())
		after, err := s.Sizes(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(after.Rows.Bytes).To(And(BeNumerically("<=", 300_000), BeNumerically(">", 299_000)))
		Expect(count(s)).To(BeEquivalentTo(after.Rows.Count))
		all, err := store.History(ctx, s, store.Query{API: "acme", Limit: 1})
		Expect(err).NotTo(HaveOccurred())
		Expect(string(all[0].Data)).To(HavePrefix(`{"n":2999,`))
		Expect(s.Latest(ctx, "acme", "us-east")).To(HaveField("Hash", all[0].Hash))
		consistent(s)
	})

	It("are chunks of a tier by age and by size, those of others stay", func() {
		s := opened(Options{Retention: -1, Tiers: map[store.Tier]Keep{store.TierMinute: {Age: 48 * time.Hour}, store.TierHour: {Bytes: 50_000}}})
		begin := now.Add(-32 * 24 * time.Hour)
		for _, source := range []string{"us-east", "eu-west"} {
			var chunks []store.Chunk
			for _, tier := range store.Tiers() {
				for at := firstSpan(tier, begin); at.Before(now); at = at.Add(tier.Span()) {
					chunks = append(chunks, store.Chunk{API: "acme", Source: source, Field: "n", Tier: tier, Start: at, Data: make([]byte, 2000)})
				}
			}
			Expect(s.PutChunks(ctx, 1, store.Mark{API: "acme", Source: source}, chunks)).To(Succeed())
		}
		now = now.Add(30 * time.Minute)
		Expect(s.sweep()).To(Succeed())
		first := make(map[store.Tier]time.Time)
		for _, tier := range store.Tiers() {
			Expect(s.ScanChunks(ctx, store.ChunkQuery{API: "acme", Source: "eu-west", Field: "n", Tier: tier}, func(c store.Chunk) error {
				if first[tier].IsZero() {
					first[tier] = c.Start
				}
				return nil
			})).To(Succeed())
		}
		sizes, err := s.Sizes(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(first[store.TierMinute]).To(Equal(now.Add(-30*time.Minute).Add(-48*time.Hour)), "the hour that is in part younger stays")
		Expect(sizes.Tiers[store.TierHour].Bytes).To(And(BeNumerically("<=", 50_000), BeNumerically(">", 47_000)))
		Expect(first[store.TierDay]).To(Equal(firstSpan(store.TierDay, begin)))
		consistent(s)
	})

	It("is bounded by sizes of a file that an older program has written, once they are counted", func() {
		s := opened(Options{Retention: -1})
		rows(s, "us-east", 12_000, 10)
		rows(s, "eu-west", 300, 10)
		want, err := s.Sizes(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(want.File).To(BeNumerically(">", want.Rows.Bytes))
		Expect(s.db.Update(func(tx *bolt.Tx) error { return older(tx) })).To(Succeed())
		Expect(s.Close()).To(Succeed())
		s = opened(Options{Retention: -1})
		Eventually(func() bool { all, err := s.Sizes(ctx); return err == nil && !all.Counting }, "30s").Should(BeTrue())
		Expect(s.Sizes(ctx)).To(And(HaveField("Rows", want.Rows), HaveField("Tiers", want.Tiers)))
		consistent(s)
	})

	It("is counted right while rows come and go", func() {
		s := opened(Options{Retention: -1})
		rows(s, "us-east", 12_000, 10)
		Expect(s.Close()).To(Succeed())
		db, _, err := openDB(path, &bolt.Options{})
		Expect(err).NotTo(HaveOccurred())
		Expect(db.Update(older)).To(Succeed())
		Expect(db.Update(prepare)).To(Succeed())
		s = &Store{db: db, opts: Options{Now: time.Now}.withDefaults(), stop: make(chan struct{})}
		step := func(do func(*txn) error) { GinkgoHelper(); Expect(s.modify(do)).To(Succeed()) }
		complete := false
		for part := 0; !complete; part++ {
			step(func(t *txn) error { complete = t.count(); return nil })
			for _, at := range []time.Duration{0, 6000 * time.Second, 20_000 * time.Second} {
				step(func(t *txn) error {
					return t.appendRow(record{API: "acme", Source: "us-east", Data: []byte("1"), Hash: store.Hash([]byte("1")), Created: now.Add(at).UnixMilli()})
				})
			}
			step(func(t *txn) error {
				c := t.Bucket(bucketByTime()).Cursor()
				k, _ := c.First()
				l, _ := c.Last()
				return t.deleteRows([][]byte{bytes.Clone(k), bytes.Clone(l)})
			})
			Expect(part).To(BeNumerically("<", 10))
		}
		Expect(db.Close()).To(Succeed())
		found, err := Check(path)
		Expect(err).NotTo(HaveOccurred())
		Expect(found.Problems).To(BeEmpty())
	})

	It("goes to the archive before, in the order of the history, and stays where that fails", func() {
		a, log := &shelf{err: errors.New("no room")}, &bytes.Buffer{}
		logger := logrus.New()
		logger.SetOutput(log)
		logger.SetFormatter(&logrus.JSONFormatter{})
		s := opened(Options{Retention: time.Hour, Archive: a, Logger: logger})
		rows(s, "us-east", 1100, 10)
		rows(s, "eu-west", 1100, 10)
		now = now.Add(3 * time.Hour)
		for range 3 {
			Expect(s.sweep()).To(Succeed())
		}
		Expect(count(s)).To(Equal(2200))
		Expect(strings.Count(log.String(), "cannot be archived")).To(Equal(1))
		Expect(s.Stats().ArchiveFailing).NotTo(BeZero())
		Expect(s.Stats().ArchiveCause).To(Equal("the file cannot be written"))
		a.err = nil
		Expect(s.sweep()).To(Succeed())
		Expect(count(s)).To(BeZero())
		Expect(s.Deleted()).To(BeEquivalentTo(2200))
		Expect(a.rows).To(HaveLen(2200))
		Expect(a.rows[:4]).To(Equal([]string{`us-east {"n":0,"pad":"xxxxxxxxxx"}`, `eu-west {"n":0,"pad":"xxxxxxxxxx"}`, `us-east {"n":1,"pad":"xxxxxxxxxx"}`, `eu-west {"n":1,"pad":"xxxxxxxxxx"}`}))
		Expect(s.Stats()).To(Equal(Stats{}))
		Expect(log.String()).To(ContainSubstring("can be archived again"))
		consistent(s)
	})

	It("waits until the tiers have it, where that is said, but not for ever, nor where there is too much", func() {
		s := opened(Options{Retention: time.Hour, AwaitRollup: 30 * time.Minute})
		rows(s, "us-east", 600, 10)
		rows(s, "eu-west", 600, 10)
		begin := now
		sweep := func() int {
			GinkgoHelper()
			Expect(s.sweep()).To(Succeed())
			return count(s)
		}
		now = now.Add(3 * time.Hour)
		Expect(sweep()).To(Equal(1200))
		m, err := s.Mark(ctx, "acme", "us-east")
		Expect(err).NotTo(HaveOccurred())
		m.To = begin.Add(5 * time.Minute)
		Expect(s.PutChunks(ctx, 1, m, nil)).To(Succeed())
		Expect(sweep()).To(Equal(900), "the half of one region")
		now = now.Add(29 * time.Minute)
		Expect(sweep()).To(Equal(900))
		m, err = s.Mark(ctx, "acme", "us-east")
		Expect(err).NotTo(HaveOccurred())
		Expect(s.PutChunks(ctx, 1, m, nil)).To(Succeed()) // it is being rolled up
		Expect(sweep()).To(Equal(900))
		now = now.Add(time.Minute)
		Expect(sweep()).To(Equal(300), "of the other one nothing is heard")
		now = now.Add(30 * time.Minute)
		Expect(sweep()).To(BeZero())
		rows(s, "sa-east", 600, 10)
		now = now.Add(3 * time.Hour)
		Expect(sweep()).To(Equal(600))
		Expect(s.Close()).To(Succeed())
		s = opened(Options{Retention: time.Hour, AwaitRollup: 30 * time.Minute, Size: 20_000})
		Expect(sweep()).To(BeNumerically("<", 200))
		consistent(s)
	})

	It("is everything behind a row that is damaged, which stays", func() {
		s := opened(Options{Retention: time.Hour})
		rows(s, "us-east", 100, 10)
		Expect(s.db.Update(func(tx *bolt.Tx) error {
			return tx.Bucket(bucketByTime()).Put(timeKey(now.UnixMilli(), 0), []byte{0xff})
		})).To(Succeed())
		now = now.Add(3 * time.Hour)
		Expect(s.sweep()).To(Succeed())
		Expect(count(s)).To(BeZero())
		Expect(s.Close()).To(Succeed())
		Expect(Check(path)).To(HaveField("Problems", ContainElement(ContainSubstring("is damaged"))))
	})

	It("is told apart where a row was deleted between pages", func() {
		s := opened(Options{Retention: time.Hour})
		rows(s, "us-east", 100, 10)
		page, err := store.History(ctx, s, store.Query{API: "acme", Limit: 10, OldestFirst: true})
		Expect(err).NotTo(HaveOccurred())
		now = now.Add(time.Hour + 20*time.Second)
		Expect(s.sweep()).To(Succeed())
		q := store.Query{API: "acme", Limit: 10, OldestFirst: true, After: page[9].ID}
		page, err = store.History(ctx, s, q)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(page[0].Data)).To(HavePrefix(`{"n":20,`))
		q.OldestFirst = false
		Expect(store.History(ctx, s, q)).To(BeEmpty())
	})
})

// firstSpan returns the beginning of the span in which a time is.
func firstSpan(tier store.Tier, at time.Time) time.Time {
	return time.UnixMilli(int64(spanOf(tier, at.UnixMilli())) * tier.Span().Milliseconds()).UTC()
}

// older makes a file what a program of layout 1 has written.
func older(tx *bolt.Tx) error {
	for _, name := range [][]byte{bucketOutcomes(), bucketRegions(), bucketFields(), bucketSeries(), bucketChunks(), bucketLedgers(), bucketRecords(), bucketRecordIndex()} {
		if err := tx.DeleteBucket(name); err != nil {
			return err
		}
	}
	meta := tx.Bucket(bucketMeta())
	return errors.Join(meta.Delete(sizesKey()), meta.Put([]byte("schema"), []byte{0, 0, 0, 0, 0, 0, 0, 1}))
}
