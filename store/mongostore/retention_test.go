package mongostore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/archive"
	"github.com/devops-insights/devops-insights/store/ndjson"
	"github.com/devops-insights/devops-insights/test/wire"
)

// collected is an Archive in memory, which fails when it is told to.
type collected struct {
	mu   sync.Mutex
	rows []string
	fail error
}

func (c *collected) Append(rows []store.Metric) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail != nil {
		return c.fail
	}
	for _, m := range rows {
		c.rows = append(c.rows, string(m.Data))
	}
	return nil
}

func (c *collected) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.rows...)
}

func (c *collected) failing(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail = err
}

// aged stores rows of these ages, as numbers from 0 on.
func aged(ctx context.Context, s *Store, ages ...time.Duration) {
	GinkgoHelper()
	for i, age := range ages {
		Expect(s.Save(ctx, store.Sample{API: "acme", Source: "eu-west", Data: json.RawMessage(fmt.Sprint(i)), At: time.Now().Add(-age)})).To(BeTrue())
	}
}

func left(ctx context.Context, s *Store) (all []string) {
	GinkgoHelper()
	rows, err := store.History(ctx, s, store.Query{API: "acme", Limit: 100_000, OldestFirst: true})
	Expect(err).NotTo(HaveOccurred())
	for _, m := range rows {
		all = append(all, string(m.Data))
	}
	return all
}

var _ = Describe("what is kept", func() {
	for name, start := range servers {
		Context("on "+name, Ordered, ContinueOnFailure, func() {
			var server *wire.Server
			count := 0
			fresh := func() string {
				count++
				return server.Database(fmt.Sprintf("kept_%d", count))
			}
			BeforeAll(func() { server = start() })
			often := func(o *Options) { o.Retention, o.SweepInterval = time.Hour, 20*time.Millisecond }

			It("of a tier is bounded by age and by size, each by its own", func(ctx SpecContext) {
				s := open(fresh())
				now := time.Now().UTC()
				var chunks []store.Chunk
				for i := range 40 {
					for _, tier := range store.Tiers() {
						chunks = append(chunks, store.Chunk{
							API: "acme", Source: "eu-west", Field: "load", Tier: tier, Start: now.Truncate(tier.Span()).Add(-time.Duration(i) * tier.Span()),
							Data: make([]byte, 1000),
						})
					}
				}
				Expect(put(ctx, s, 1, now.Truncate(time.Minute), chunks...)).To(Succeed())
				var leads atomic.Bool
				sweeping := open(s.opts.URL, often, func(o *Options) {
					o.Leads = leads.Load
					o.Tiers = map[store.Tier]Keep{store.TierMinute: {Age: 10*time.Hour + time.Minute}, store.TierHour: {Bytes: 5500}}
				})
				kept := func(tier store.Tier) func() int {
					return func() (n int) {
						Expect(sweeping.ScanChunks(ctx, store.ChunkQuery{API: "acme", Source: "eu-west", Field: "load", Tier: tier}, func(store.Chunk) error {
							n++
							return nil
						})).To(Succeed())
						return n
					}
				}
				Consistently(kept(store.TierMinute), "200ms").Should(Equal(40), "it does not lead")
				leads.Store(true)
				Eventually(kept(store.TierMinute), "20s").Should(BeNumerically("~", 11, 1), "a chunk goes when all of it is too old")
				Eventually(kept(store.TierHour), "20s").Should(Equal(4), "of about 1200 bytes each")
				Expect(kept(store.TierDay)()).To(Equal(40))
				newest := now.Truncate(store.TierHour.Span())
				Expect(sweeping.ScanChunks(ctx, store.ChunkQuery{API: "acme", Source: "eu-west", Field: "load", Tier: store.TierHour, From: newest}, func(c store.Chunk) error {
					newest = c.Start
					return nil
				})).To(Succeed())
				Expect(newest).To(Equal(now.Truncate(store.TierHour.Span())), "the oldest went")
			})

			It("of the rows is bounded by size: the oldest go, and are archived before", func(ctx SpecContext) {
				s := open(fresh())
				var rows []store.Metric
				for i := range 300 {
					data := fmt.Sprintf(`{"n":%d,"pad":%q}`, i, strings.Repeat("x", 1000))
					rows = append(rows, store.Metric{API: "acme", Source: "eu-west", Data: json.RawMessage(data), CreatedAt: time.Now().Add(time.Duration(i-600) * time.Second)})
				}
				Expect(s.Import(ctx, rows)).To(Equal(300))
				a := &collected{}
				sweeping := open(s.opts.URL, often, func(o *Options) { o.Retention, o.Size, o.Archive = 100*time.Hour, 100_000, a })
				Eventually(func() int { return len(left(ctx, sweeping)) }, "20s").Should(BeNumerically("<", 150))
				Consistently(func() int { return len(left(ctx, sweeping)) }, "200ms").Should(BeNumerically(">", 50))
				Expect(sweeping.Close()).To(Succeed())
				kept := left(ctx, s)
				Expect(len(kept)).To(BeNumerically(">", 50))
				Expect(kept[len(kept)-1]).To(HavePrefix(`{"n":299,`))
				gone := a.all()
				for i := range 300 - len(kept) {
					Expect(gone[i]).To(HavePrefix(fmt.Sprintf(`{"n":%d,`, i)))
				}
			})

			It("deletes nothing by size that cannot be archived, and says so", func(ctx SpecContext) {
				log, lines := logtest.NewNullLogger()
				a := &collected{fail: errors.New("no space left on device")}
				s := open(fresh(), often, func(o *Options) { o.Retention, o.Size, o.Archive, o.Logger = 100*time.Hour, 1, a, log })
				aged(ctx, s, 3*time.Second, 2*time.Second, time.Second)
				Eventually(func() string { _, cause := s.ArchiveFailing(); return cause }, "20s").Should(ContainSubstring("no space left on device"))
				Consistently(func() []string { return left(ctx, s) }, "200ms").Should(HaveLen(3))
				said := 0
				for _, e := range lines.AllEntries() {
					if strings.Contains(e.Message, "cannot be archived") {
						said++
					}
				}
				Expect(said).To(Equal(1), "not with every look")
				a.failing(nil)
				Eventually(func() []string { return left(ctx, s) }, "20s").Should(BeEmpty())
				Expect(a.all()).To(Equal([]string{"0", "1", "2"}))
				Eventually(func() bool { since, cause := s.ArchiveFailing(); return since.IsZero() && cause == "" }, "20s").Should(BeTrue())
			})

			It("is archived once, by whoever leads, also after a takeover", func(ctx SpecContext) {
				uri := fresh()
				a, b := &collected{}, &collected{}
				var second atomic.Bool
				one := open(uri, often, func(o *Options) { o.Archive, o.Leads = a, func() bool { return !second.Load() } })
				open(uri, often, func(o *Options) { o.Archive, o.Leads = b, second.Load })
				// FerretDB deletes nothing: there they are archived when they are too old.
				old := 40 * time.Minute
				if one.sweeps {
					old = 70 * time.Minute
				}
				aged(ctx, one, old+3*time.Minute, old+2*time.Minute, old, time.Minute)
				Eventually(a.all, "20s").Should(Equal([]string{"0", "1", "2"}))
				Consistently(a.all, "100ms").Should(HaveLen(3))
				second.Store(true)
				Expect(one.Save(ctx, store.Sample{API: "acme", Source: "eu-west", Data: json.RawMessage(`4`), At: time.Now().Add(-old + time.Minute)})).To(BeTrue())
				Eventually(b.all, "20s").Should(Equal([]string{"4"}))
				Expect(a.all()).To(HaveLen(3))
			})
		})
	}

	It("says from when on rows will be lost that the database deletes and the archive does not take", func(ctx SpecContext) {
		a := &collected{fail: errors.New("read-only file system")}
		s := open(wire.Start(GinkgoTB()).Database("lost"), func(o *Options) { o.Retention, o.SweepInterval, o.Archive = time.Hour, 20*time.Millisecond, a })
		at := time.Now().Add(-40 * time.Minute).UTC()
		Expect(s.Save(ctx, store.Sample{API: "acme", Source: "eu-west", Data: json.RawMessage(`1`), At: at})).To(BeTrue())
		Eventually(func() string { _, cause := s.ArchiveFailing(); return cause }, "20s").Should(And(
			ContainSubstring("deletes them from "+at.Add(time.Hour).Format(time.RFC3339)), ContainSubstring("read-only file system")))
	})

	It("archives by the age at which the database deletes, whatever the setting says", func(ctx SpecContext) {
		uri := wire.Start(GinkgoTB()).Database("other")
		open(uri, func(o *Options) { o.Retention = time.Hour })
		a := &collected{}
		s := open(uri, func(o *Options) { o.Retention, o.SweepInterval, o.Archive = 100*time.Hour, 20*time.Millisecond, a })
		aged(ctx, s, 40*time.Minute, 20*time.Minute)
		Eventually(a.all, "20s").Should(Equal([]string{"0"}))
	})

	It("goes to the files of a day, from which it can be read again", func(ctx SpecContext) {
		dir := GinkgoT().TempDir()
		s := open(wire.Start(GinkgoTB()).Database("files"), func(o *Options) {
			o.Retention, o.SweepInterval, o.Archive = time.Hour, 20*time.Millisecond, archive.New(archive.Options{Dir: dir})
		})
		at := store.Milliseconds(time.Now().Add(-40 * time.Minute))
		Expect(s.Save(ctx, store.Sample{API: "acme", Source: "eu-west", Data: json.RawMessage(`{"a":1.5}`), At: at})).To(BeTrue())
		rows, err := store.History(ctx, s, store.Query{API: "acme", Limit: 1})
		Expect(err).NotTo(HaveOccurred())
		Eventually(func() (string, error) {
			f, err := archive.Open(dir + "/" + archive.FileName("acme", at))
			if err != nil {
				return "", err
			}
			defer func() { _ = f.Close() }()
			var b strings.Builder
			_, err = io.Copy(&b, f)
			return b.String(), err
		}, "20s").Should(Equal(string(ndjson.Append(nil, rows[0]))))
		Eventually(func() (int64, error) { return s.archives.CountDocuments(ctx, bson.D{}) }, "20s").Should(BeEquivalentTo(1))
	})
})
