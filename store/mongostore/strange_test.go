package mongostore

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/test/wire"
)

var _ = Describe("documents that nobody should have written", Ordered, ContinueOnFailure, func() {
	var server *wire.Server
	count := 0
	fresh := func() string {
		count++
		return server.Database(fmt.Sprintf("strange_%d", count))
	}
	BeforeAll(func() { server = wire.Start(GinkgoTB()) })
	now := time.Date(2026, 11, 24, 3, 45, 1, 0, time.UTC)

	// document is a good one with some fields changed.
	document := func(source string, change ...bson.E) bson.D {
		d := bson.D{
			{Key: "_id", Value: bson.NewObjectID()}, {Key: "api", Value: "acme"}, {Key: "source", Value: source}, {Key: "data", Value: int32(1)},
			{Key: "hash", Value: store.Hash([]byte("1"))}, {Key: "createdAt", Value: now}, {Key: "updatedAt", Value: now},
		}
		for _, e := range change {
			for i := range d {
				if d[i].Key == e.Key {
					d[i] = e
				}
			}
		}
		return d
	}

	DescribeTable("hide no other, are counted, said once, and mended by the next value", func(ctx SpecContext, wrong bson.E) {
		log, lines := logtest.NewNullLogger()
		log.SetOutput(io.Discard)
		s := open(fresh(), func(o *Options) { o.Logger = log })
		for _, d := range []bson.D{document("eu-west"), document("us-east", wrong), document("sa-east")} {
			_, err := s.latest.InsertOne(ctx, d)
			Expect(err).NotTo(HaveOccurred())
			_, err = s.history.InsertOne(ctx, d)
			Expect(err).NotTo(HaveOccurred())
		}
		h := follow(s)
		Expect(h.all()).To(ConsistOf("eu-west 1", "sa-east 1"))
		for range 3 {
			Expect(s.AllLatest(ctx, "acme")).To(HaveLen(2))
			Expect(store.History(ctx, s, store.Query{API: "acme", Limit: 2})).To(HaveLen(2))
			_, err := s.Latest(ctx, "acme", "us-east")
			Expect(err).To(MatchError(store.ErrNotFound))
		}
		Expect(s.Unreadable()).To(Equal(2), "one in each collection")
		var said []string
		for _, e := range lines.AllEntries() {
			if e.Level == logrus.ErrorLevel {
				said = append(said, fmt.Sprint(e.Data["collection"], ": ", e.Data["error"]))
			}
		}
		Expect(said).To(HaveLen(2))
		Expect(said[0]).To(ContainSubstring(wrong.Key))
		save(s, "us-east", 2)
		Expect(s.AllLatest(ctx, "acme")).To(HaveLen(3))
		Eventually(h.all, "20s").Should(ContainElement("us-east 2"))
	},
		Entry("a number as hash", bson.E{Key: "hash", Value: int32(5)}),
		Entry("a text as createdAt", bson.E{Key: "createdAt", Value: "yesterday"}),
		Entry("a number as updatedAt", bson.E{Key: "updatedAt", Value: int64(5)}),
		Entry("an object as hash", bson.E{Key: "hash", Value: bson.D{{Key: "a", Value: int32(1)}}}),
		Entry("an array as updatedAt", bson.E{Key: "updatedAt", Value: bson.A{now}}),
	)

	It("may lack fields", func(ctx SpecContext) {
		s := open(fresh())
		_, err := s.latest.InsertOne(ctx, bson.D{{Key: "api", Value: "acme"}, {Key: "source", Value: "eu-west"}, {Key: "data", Value: "x"}, {Key: "hash", Value: nil}})
		Expect(err).NotTo(HaveOccurred())
		m, err := s.Latest(ctx, "acme", "eu-west")
		Expect(err).NotTo(HaveOccurred())
		Expect(string(m.Data)).To(Equal(`"x"`))
		Expect(m.Hash).To(Equal(store.Hash([]byte(`"x"`))))
		save(s, "eu-west", 2)
		save(s, "eu-west", 3)
		Expect(s.Unreadable()).To(BeZero())
	})

	It("have no say in how many rows of the history are found", func(ctx SpecContext) {
		s := open(fresh())
		for n := range 40 {
			d := document("eu-west", bson.E{Key: "createdAt", Value: now.Add(time.Duration(n) * time.Second)}, bson.E{Key: "data", Value: int32(n)})
			if n%4 != 0 {
				d = append(d[:4], bson.E{Key: "hash", Value: int32(5)}, d[5], d[6])
			}
			_, err := s.history.InsertOne(ctx, d)
			Expect(err).NotTo(HaveOccurred())
		}
		rows, err := store.History(ctx, s, store.Query{API: "acme", Limit: 5})
		Expect(err).NotTo(HaveOccurred())
		var texts []string
		for _, m := range rows {
			texts = append(texts, string(m.Data))
		}
		Expect(texts).To(Equal([]string{"36", "32", "28", "24", "20"}))
	})

	It("may hold the same time in many rows, whose order is one", func(ctx SpecContext) {
		s := open(fresh())
		for n := range 30 {
			_, err := s.history.InsertOne(ctx, document("eu-west", bson.E{Key: "data", Value: int32(n)}, bson.E{Key: "_id", Value: bson.ObjectID{byte(7 * n % 30)}}))
			Expect(err).NotTo(HaveOccurred())
		}
		ask := func(limit int) (texts []string) {
			rows, err := store.History(ctx, s, store.Query{API: "acme", Source: "eu-west", Limit: limit})
			Expect(err).NotTo(HaveOccurred())
			for _, m := range rows {
				texts = append(texts, string(m.Data))
			}
			return texts
		}
		all := ask(100)
		Expect(all).To(HaveLen(30))
		for limit := 1; limit < 30; limit++ {
			Expect(ask(limit)).To(Equal(all[:limit]))
		}
	})

	It("do not stop a Watch when they come as events", func(ctx SpecContext) {
		s := open(fresh())
		save(s, "eu-west", 1)
		h := follow(s)
		set := func(fields bson.D) {
			GinkgoHelper()
			_, err := s.latest.UpdateOne(ctx, ofRegion("acme", "eu-west"), bson.D{{Key: "$set", Value: fields}})
			Expect(err).NotTo(HaveOccurred())
		}
		set(bson.D{{Key: "hash", Value: int32(5)}, {Key: "data", Value: int32(2)}})
		set(bson.D{{Key: "hash", Value: store.Hash([]byte("3"))}, {Key: "data", Value: int32(3)}})
		_, err := s.latest.InsertOne(ctx, bson.D{{Key: "note", Value: "not a region"}})
		Expect(err).NotTo(HaveOccurred())
		save(s, "eu-west", 4)
		Eventually(h.all, "20s").Should(Equal([]string{"eu-west 1", "eu-west 3", "eu-west 4"}))
		Expect(s.Refresh(ctx)).To(Succeed())
		Expect(s.Unreadable()).To(Equal(2))
	})

	It("with bytes that are not UTF-8 read with U+FFFD, and polling the same value is one change at most", func(ctx SpecContext) {
		s := open(fresh())
		_, err := s.latest.InsertOne(ctx, document("eu-west", bson.E{Key: "data", Value: bson.D{{Key: "city", Value: "S\xe3o"}}}))
		if err != nil {
			Skip("this server does not take it: " + err.Error())
		}
		m, err := s.Latest(ctx, "acme", "eu-west")
		Expect(err).NotTo(HaveOccurred())
		Expect(string(m.Data)).To(Equal("{\"city\":\"S\ufffdo\"}"))
		sample := store.Sample{API: "acme", Source: "eu-west", Data: json.RawMessage("{\"city\":\"S\xe3o\"}"), At: time.Now()}
		_, err = s.Save(ctx, sample)
		Expect(err).NotTo(HaveOccurred())
		Expect(s.Save(ctx, sample)).To(BeFalse())
		sample.Data = json.RawMessage("{\"city\":\"S\ufffdo\"}")
		Expect(s.Save(ctx, sample)).To(BeFalse(), "the same value")
	})
})

var _ = Describe("two instances that save the same changes at once", Ordered, func() {
	for _, kind := range []struct {
		name   string
		atomic bool // FerretDB lets two conditional updates through at once
		start  func(wire.TB, ...string) *wire.Server
	}{
		{"with transactions", true, wire.Start},
		{"without", false, func(tb wire.TB, _ ...string) *wire.Server { return wire.FerretDB(tb) }},
	} {
		It("make one change and one row of each, "+kind.name, func(ctx SpecContext) {
			uri := kind.start(GinkgoTB()).Database("race")
			instances := []*Store{open(uri), open(uri)}
			var mu sync.Mutex
			stored := 0
			for n := range 20 {
				var both sync.WaitGroup
				for _, s := range instances {
					both.Go(func() {
						defer GinkgoRecover()
						ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
						defer cancel()
						changed, err := s.Save(ctx, store.Sample{API: "acme", Source: "eu-west", Data: json.RawMessage(fmt.Sprint(n)), At: time.Now()})
						Expect(err).NotTo(HaveOccurred())
						mu.Lock()
						defer mu.Unlock()
						if changed {
							stored++
						}
					})
				}
				both.Wait()
			}
			if kind.atomic {
				Expect(stored).To(Equal(20))
			}
			Expect(store.History(ctx, instances[0], store.Query{API: "acme", Limit: 100})).To(HaveLen(20))
		})
	}
})
