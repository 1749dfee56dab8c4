package mongostore

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/storetest"
	"github.com/devops-insights/devops-insights/test/wire"
)

// heard collects what a Watch announces, without what is no news: a snapshot of
// what was heard last.
type heard struct {
	mu        sync.Mutex
	values    []string
	last      map[string]string
	snapshots int
}

func (h *heard) take(c store.Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.Snapshot {
		h.snapshots++
	}
	if text := string(c.Data); !c.Snapshot || h.last[c.Source] != text {
		h.last[c.Source] = text
		h.values = append(h.values, c.Source+" "+text)
	}
}

func (h *heard) all() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.values...)
}

// follow watches a store until the spec ends.
func follow(s *Store) *heard {
	GinkgoHelper()
	h, watching, over := &heard{last: make(map[string]string)}, make(chan struct{}), make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		over <- s.Watch(ctx, func() { close(watching) }, func(_ context.Context, c store.Change) error {
			h.take(c)
			return nil
		})
	}()
	DeferCleanup(func() {
		cancel()
		Eventually(over, "10s").Should(Receive())
	})
	Eventually(watching, "20s").Should(BeClosed())
	return h
}

func save(s *Store, source string, n int) {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	changed, err := s.Save(ctx, store.Sample{API: "acme", Source: source, Data: json.RawMessage(fmt.Sprint(n)), At: time.Now()})
	Expect(err).NotTo(HaveOccurred())
	Expect(changed).To(BeTrue())
}

func numbers(source string, from, to int) (want []string) {
	for i := from; i <= to; i++ {
		want = append(want, fmt.Sprint(source, " ", i))
	}
	return want
}

var _ = Describe("the change stream", Ordered, ContinueOnFailure, func() {
	var server *wire.Server
	count := 0
	fresh := func() string {
		count++
		// A server that was written off is looked at again soon.
		return server.Database(fmt.Sprintf("watch_%d", count)) + "&heartbeatFrequencyMS=500"
	}
	BeforeAll(func() {
		server = wire.Start(GinkgoTB(), "--enable-test-commands")
		AddReportEntry("server", server.Name+" with fail points")
	})
	// fail arms the server's fail point for the next commands of a kind.
	fail := func(s *Store, times int, data bson.D) {
		GinkgoHelper()
		Expect(s.client.Database("admin").RunCommand(context.Background(), bson.D{
			{Key: "configureFailPoint", Value: "failCommand"},
			{Key: "mode", Value: bson.D{{Key: "times", Value: times}}},
			{Key: "data", Value: data},
		}).Err()).To(Succeed())
	}

	It("announces the changes of every writer to every instance, once and in order", func() {
		uri := fresh()
		a, b := open(uri), open(uri)
		ha, hb := follow(a), follow(b)
		for i := 1; i <= 30; i++ {
			save([]*Store{a, b}[i%2], "eu-west", i)
		}
		for _, h := range []*heard{ha, hb} {
			Eventually(h.all, "20s").Should(Equal(numbers("eu-west", 1, 30)))
			Consistently(h.all, "300ms").Should(HaveLen(30))
		}
		Expect(a.Mode().Following).To(Equal(ChangeStream))
	})

	It("says nothing about changes that are not of the value", func(ctx SpecContext) {
		s := open(fresh())
		save(s, "eu-west", 1)
		h := follow(s)
		_, err := s.latest.UpdateOne(ctx, bson.D{{Key: "source", Value: "eu-west"}}, bson.D{{Key: "$set", Value: bson.D{{Key: "note", Value: "x"}}}})
		Expect(err).NotTo(HaveOccurred())
		_, err = s.latest.DeleteOne(ctx, bson.D{{Key: "source", Value: "eu-west"}})
		Expect(err).NotTo(HaveOccurred())
		save(s, "us-east", 2)
		Eventually(h.all, "20s").Should(Equal([]string{"eu-west 1", "us-east 2"}), "the snapshot, and the change")
	})

	DescribeTable("misses and repeats nothing when the server fails", func(times int, data bson.D) {
		s := open(fresh(), func(o *Options) { o.MaxAwait = 50 * time.Millisecond })
		h := follow(s)
		save(s, "eu-west", 1)
		Eventually(h.all, "20s").Should(HaveLen(1))
		fail(s, times, data)
		for i := 2; i <= 10; i++ {
			save(s, "eu-west", i)
		}
		Eventually(h.all, "20s").Should(ContainElement("eu-west 10"))
		Consistently(h.all, "300ms").Should(Equal(numbers("eu-west", 1, 10)))
	},
		Entry("with a network error", 1, bson.D{{Key: "failCommands", Value: bson.A{"getMore"}}, {Key: "closeConnection", Value: true}}),
		Entry("with one that the driver does not mend", 3, bson.D{{Key: "failCommands", Value: bson.A{"getMore"}}, {Key: "errorCode", Value: 8000}}),
		Entry("with a primary that has stepped down", 1, bson.D{{Key: "failCommands", Value: bson.A{"getMore"}}, {Key: "errorCode", Value: 10107}, {Key: "errorLabels", Value: bson.A{"ResumableChangeStreamError"}}}),
		Entry("with slowness", 3, bson.D{{Key: "failCommands", Value: bson.A{"getMore"}}, {Key: "blockConnection", Value: true}, {Key: "blockTimeMS", Value: 300}}),
		Entry("when the stream is opened again, too", 4, bson.D{{Key: "failCommands", Value: bson.A{"getMore", "aggregate"}}, {Key: "errorCode", Value: 8000}}),
	)

	DescribeTable("compares the latest values when its place is lost", func(lost int) {
		s := open(fresh(), func(o *Options) { o.MaxAwait = 50 * time.Millisecond })
		save(s, "us-east", 7)
		h := follow(s)
		save(s, "eu-west", 1)
		Eventually(h.all, "20s").Should(Equal([]string{"us-east 7", "eu-west 1"}))
		fail(s, 1, bson.D{{Key: "failCommands", Value: bson.A{"getMore"}}, {Key: "errorCode", Value: lost}})
		for i := 2; i <= 5; i++ {
			save(s, "eu-west", i)
		}
		Eventually(h.all, "20s").Should(ContainElement("eu-west 5"))
		save(s, "eu-west", 6)
		Eventually(h.all, "20s").Should(ContainElement("eu-west 6"))
		seen := make(map[string]bool)
		for _, v := range h.all() {
			Expect(seen[v]).To(BeFalse(), "%s came twice: %v", v, h.all())
			seen[v] = true
		}
	},
		Entry("ChangeStreamHistoryLost", codeHistoryLost), Entry("ChangeStreamFatalError", codeFatalStream), Entry("InvalidResumeToken", codeInvalidResume),
	)

	It("goes on when its connection is silent without being closed", func() {
		uri := fresh()
		proxy := server.Through(GinkgoTB())
		direct := open(uri)
		s := open(proxy.URI(uri), func(o *Options) { o.MaxAwait, o.Silence = 50*time.Millisecond, 500*time.Millisecond })
		h := follow(s)
		save(direct, "eu-west", 1)
		Eventually(h.all, "20s").Should(HaveLen(1))
		proxy.Silence()
		for i := 2; i <= 5; i++ {
			save(direct, "eu-west", i)
		}
		Eventually(h.all, "30s").Should(Equal(numbers("eu-west", 1, 5)))
		Consistently(h.all, "300ms").Should(HaveLen(5))
	})

	It("misses and repeats nothing when the connection is cut in the middle of a batch", func() {
		uri := fresh()
		proxy := server.Through(GinkgoTB())
		direct := open(uri)
		s := open(proxy.URI(uri), func(o *Options) { o.MaxAwait = 50 * time.Millisecond })
		h := follow(s)
		save(direct, "eu-west", 1)
		Eventually(h.all, "20s").Should(HaveLen(1))
		proxy.CutNext(700) // an empty batch is shorter
		for i := 2; i <= 20; i++ {
			save(direct, "eu-west", i)
		}
		Eventually(h.all, "30s").Should(Equal(numbers("eu-west", 1, 20)))
		Consistently(h.all, "300ms").Should(HaveLen(20))
		Expect(proxy.HasCut()).To(BeTrue())
	})

	It("starts again when the collection is dropped", func(ctx SpecContext) {
		s := open(fresh(), func(o *Options) { o.MaxAwait = 50 * time.Millisecond })
		h := follow(s)
		save(s, "eu-west", 1)
		Eventually(h.all, "20s").Should(HaveLen(1))
		Expect(s.latest.Drop(ctx)).To(Succeed())
		save(s, "eu-west", 2)
		Eventually(h.all, "20s").Should(Equal(numbers("eu-west", 1, 2)))
		save(s, "eu-west", 3)
		Eventually(h.all, "20s").Should(Equal(numbers("eu-west", 1, 3)))
		Expect(s.Stream().Gaps).To(HaveKeyWithValue(GapInvalidated, BeNumerically(">=", 1)))
	})

	It("is opened again when it is silent about a write that is there", func() {
		s := open(fresh(), func(o *Options) { o.MaxAwait, o.Silence = 50*time.Millisecond, 200*time.Millisecond })
		save(s, "eu-west", 1)
		at := region{"acme", "eu-west"}
		w := &watcher{store: s, handed: map[region]string{at: "of an older value"}, heard: time.Now().Add(-time.Second)}
		silence := func() error { return nil }
		Expect(w.watchdog(context.Background(), silence)).To(MatchError(errSilent))
		Expect(s.Stream().Gaps).To(Equal(map[Gap]uint64{GapSilent: 1, GapHistoryLost: 0, GapInvalidated: 0}))
		Expect(w.needsSnapshot).To(BeTrue())
		Expect(w.watchdog(context.Background(), silence)).To(Succeed(), "not again before it had time to speak")
		w.heard, w.needsSnapshot = time.Now().Add(-time.Second), false
		Expect(w.watchdog(context.Background(), func() error {
			w.handed[at] = "of a newer value"
			return nil
		})).To(Succeed(), "a write of this very moment")
		Expect(w.needsSnapshot).To(BeFalse())
	})
})

var _ = Describe("a deployment without change streams", Ordered, func() {
	It("announces this process's own changes, and says why", func() {
		server := wire.Start(GinkgoTB(), "--standalone")
		s := open(server.Database("alone"))
		h := follow(s)
		for i := 1; i <= 5; i++ {
			save(s, "eu-west", i)
		}
		Eventually(h.all, "20s").Should(Equal(numbers("eu-west", 1, 5)))
		if s.Mode().Following == ChangeStream {
			Skip(server.Name + " has change streams even as a standalone server: the fallback is not reached here")
		}
		Expect(s.Mode().Why).NotTo(BeEmpty())
	})
})

var _ = It("is followed without a restart when the deployment becomes a replica set", func() {
	server := wire.Start(GinkgoTB(), "--standalone")
	uri := server.Database("becomes")
	s := open(uri, func(o *Options) { o.Retry, o.MaxAwait = 200*time.Millisecond, 50*time.Millisecond })
	h := follow(s)
	save(s, "eu-west", 1)
	Eventually(h.all, "20s").Should(Equal(numbers("eu-west", 1, 1)))
	Expect(s.Mode().Following).To(Equal(OwnChanges))
	server.Kill()
	server.Restart("--standalone")
	Eventually(func() string { return s.Mode().Following }, "30s").Should(Equal(ChangeStream))
	save(open(uri), "eu-west", 2)
	Eventually(h.all, "20s").Should(Equal(numbers("eu-west", 1, 2)))
})

var _ = Describe("FerretDB, which has neither change streams nor TTL indexes", Ordered, func() {
	var server *wire.Server
	count := 0
	BeforeAll(func() { server = wire.FerretDB(GinkgoTB()) })
	fresh := func() string {
		count++
		return server.Database(fmt.Sprintf("ferret_%d", count))
	}

	It("is followed by this process's own changes", func() {
		s := open(fresh())
		h := follow(s)
		for i := 1; i <= 5; i++ {
			save(s, "eu-west", i)
		}
		Eventually(h.all, "20s").Should(Equal(numbers("eu-west", 1, 5)))
		Expect(s.Mode()).To(Equal(Mode{OwnChanges, s.Mode().Why}))
		Expect(s.Mode().Why).To(ContainSubstring("changeStream"))
	})

	It("has its old history deleted by this server", func(ctx SpecContext) {
		s := open(fresh(), func(o *Options) { o.Retention, o.SweepInterval = time.Hour, 20*time.Millisecond })
		for i, age := range []time.Duration{2 * time.Hour, time.Minute} {
			_, err := s.Save(ctx, store.Sample{API: "acme", Source: "eu-west", Data: json.RawMessage(fmt.Sprint(i)), At: time.Now().Add(-age)})
			Expect(err).NotTo(HaveOccurred())
		}
		Eventually(func() ([]store.Metric, error) { return store.History(ctx, s, store.Query{API: "acme", Limit: 10}) }, "10s").Should(HaveLen(1))
	})

	It("refuses arrays inside arrays, and the error says that it is the value", func(ctx SpecContext) {
		s := open(fresh())
		_, err := s.Save(ctx, store.Sample{API: "acme", Source: "eu-west", Data: json.RawMessage(`[[1]]`), At: time.Now()})
		Expect(err).To(MatchError(store.ErrRefused))
	})

	It("takes a crash between row and value: the repeated change is one row", func(ctx SpecContext) {
		s := open(fresh())
		sample := store.Sample{API: "acme", Source: "eu-west", Data: json.RawMessage(`2`), At: time.Now()}
		save(s, "eu-west", 1)
		previous, err := s.state(ctx, "acme", "eu-west")
		Expect(err).NotTo(HaveOccurred())
		in, err := prepare(sample)
		Expect(err).NotTo(HaveOccurred())
		_, err = s.history.InsertOne(ctx, in.row(in.rowID(previous, 1))) // and then the process is killed
		Expect(err).NotTo(HaveOccurred())
		again := open(s.opts.URL)
		Expect(again.Save(ctx, sample)).To(BeTrue())
		Expect(again.Save(ctx, sample)).To(BeFalse())
		Expect(store.History(ctx, again, store.Query{API: "acme", Limit: 10})).To(HaveLen(2))
	})

	It("announces a change whose answer was lost when it is found to be stored", func(ctx SpecContext) {
		uri := fresh()
		proxy := server.Through(GinkgoTB())
		s := open(proxy.URI(uri))
		save(s, "eu-west", 1)
		h := follow(s)
		lose := func(source string, n int) store.Sample {
			GinkgoHelper()
			proxy.CutAnswer("nModified")
			sample := store.Sample{API: "acme", Source: source, Data: json.RawMessage(fmt.Sprint(n)), At: time.Now()}
			_, err := s.Save(ctx, sample)
			Expect(err).To(HaveOccurred())
			Expect(proxy.HasCut()).To(BeTrue())
			return sample
		}
		sample := lose("eu-west", 2)
		sample.At = sample.At.Add(time.Second)
		Expect(s.Save(ctx, sample)).To(BeTrue(), "the first attempt has stored it")
		Expect(s.Save(ctx, sample)).To(BeFalse())
		Eventually(h.all, "20s").Should(Equal(numbers("eu-west", 1, 2)))
		lose("eu-west", 3)
		save(s, "eu-west", 4)
		Eventually(h.all, "20s").Should(Equal(numbers("eu-west", 1, 4)), "the lost one comes before its successor")
		Expect(store.History(ctx, s, store.Query{API: "acme", Limit: 10})).To(HaveLen(4))
		Consistently(h.all, "100ms").Should(HaveLen(4))
	})

	storetest.Specs("FerretDB", func() storetest.Factory {
		uri := ""
		return func() store.Store {
			if uri == "" {
				uri = fresh()
			}
			return open(uri)
		}
	})
})
