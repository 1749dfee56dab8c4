package lease

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/devops-insights/devops-insights/test/wire"
)

// holder returns who has the lease.
func holder(ctx context.Context, l *Mongo) (string, error) {
	var d struct {
		Holder string `bson:"holder"`
	}
	err := l.collection.FindOne(ctx, bson.D{{Key: "_id", Value: l.id}}).Decode(&d)
	return d.Holder, err
}

// database connects to the database of a URI.
func database(uri string, set ...func(*options.ClientOptions)) *mongo.Database {
	GinkgoHelper()
	o := options.Client().ApplyURI(uri).SetServerSelectionTimeout(2 * time.Second).SetConnectTimeout(2 * time.Second)
	for _, f := range set {
		f(o)
	}
	client, err := mongo.Connect(o)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func(ctx SpecContext) { _ = client.Disconnect(ctx) })
	return client.Database("leases")
}

var _ = DescribeTableSubtree("the lease in the database", Ordered, ContinueOnFailure, func(start func(wire.TB) *wire.Server) {
	var server *wire.Server
	BeforeAll(func() { server = start(GinkgoTB()) })
	of := func(db *mongo.Database, api, name string, term time.Duration) *Mongo {
		return NewMongo(db, Options{API: api, Holder: name, Term: term})
	}

	It("is held by one, renewed, given back and taken", func(ctx SpecContext) {
		db := database(server.Database("lease"))
		a, b := of(db, "acme", "a", time.Minute), of(db, "acme", "b", time.Minute)
		for range 2 {
			Expect(a.Acquire(ctx)).To(Equal(time.Minute))
		}
		_, err := b.Acquire(ctx)
		Expect(err).To(MatchError(ErrHeld))
		Expect(err).To(MatchError(ContainSubstring(": a")), "it says who has it")
		Expect(of(db, "other", "b", time.Minute).Acquire(ctx)).To(Equal(time.Minute), "another api has a lease of its own")
		first := a.Epoch()
		Expect(b.Epoch()).To(Equal(first), "who asks learns whose turn it is")
		Expect(b.Release(ctx)).To(Succeed())
		Expect(holder(ctx, a)).To(Equal("a"), "who does not hold it cannot give it back")
		Expect(a.Release(ctx)).To(Succeed())
		Expect(a.Acquire(ctx)).To(Equal(time.Minute))
		Expect(a.Epoch()).To(Equal(first), "nobody else had a turn in between")
		Expect(a.Release(ctx)).To(Succeed())
		Expect(b.Acquire(ctx)).To(Equal(time.Minute))
		Expect(b.Epoch()).To(BeNumerically(">", first))
		Expect(a.Acquire(ctx)).Error().To(MatchError(ErrHeld))
		Expect(a.Epoch()).To(Equal(b.Epoch()))
	})

	It("has a later epoch even after somebody has deleted the record", func(ctx SpecContext) {
		db := database(server.Database("lease"))
		a := of(db, "deleted", "a", time.Minute)
		Eventually(func() error { _, err := a.Acquire(ctx); return err }, "20s").Should(Succeed())
		_, err := a.collection.DeleteOne(ctx, bson.D{{Key: "_id", Value: a.id}})
		Expect(err).NotTo(HaveOccurred())
		b := of(db, "deleted", "b", time.Minute)
		Expect(b.Acquire(ctx)).To(Equal(time.Minute))
		Expect(b.Epoch()).To(BeNumerically(">", a.Epoch()))
	})

	It("of an instance that is gone is taken when its time is over", func(ctx SpecContext) {
		db := database(server.Database("lease"))
		gone := of(db, "crashed", "gone", time.Second)
		Eventually(func() error { _, err := gone.Acquire(ctx); return err }, "20s").Should(Succeed())
		b := of(db, "crashed", "b", time.Minute)
		_, err := b.Acquire(ctx)
		Expect(err).To(MatchError(ErrHeld))
		Eventually(func() error { _, err := b.Acquire(ctx); return err }, "10s", "50ms").Should(Succeed())
	})

	It("goes to one of many that ask at once", func(ctx SpecContext) {
		db := database(server.Database("lease"))
		var got atomic.Int32
		var rush sync.WaitGroup
		for i := range 16 {
			rush.Go(func() {
				defer GinkgoRecover()
				_, err := of(db, "rush", string(rune('a'+i)), time.Minute).Acquire(ctx)
				if err == nil {
					got.Add(1)
				} else {
					Expect(err).To(MatchError(ErrHeld))
				}
			})
		}
		rush.Wait()
		Expect(got.Load()).To(BeEquivalentTo(1))
	})

	It("as an earlier version wrote it is respected, and taken when its time is over", func(ctx SpecContext) {
		db := database(server.Database("lease"))
		l := of(db, "old", "a", time.Minute)
		var hello struct {
			Now time.Time `bson:"localTime"`
		}
		Expect(db.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello)).To(Succeed())
		_, err := l.collection.InsertOne(ctx, bson.D{{Key: "_id", Value: "poller:old"}, {Key: "holder", Value: "before"}, {Key: "expiresAt", Value: hello.Now.Add(time.Second)}})
		Expect(err).NotTo(HaveOccurred())
		_, err = l.Acquire(ctx)
		Expect(err).To(MatchError(ErrHeld))
		Eventually(func() error { _, err := l.Acquire(ctx); return err }, "10s", "50ms").Should(Succeed())
		Expect(l.Acquire(ctx)).To(Equal(time.Minute))
	})
},
	Entry("with change streams", func(tb wire.TB) *wire.Server { return wire.Start(tb) }),
	Entry("FerretDB", func(tb wire.TB) *wire.Server { return wire.FerretDB(tb) }),
)

var _ = It("a database that does not answer is not that another has the lease, and the question ends within half of the term", func(ctx SpecContext) {
	server := wire.Start(GinkgoTB())
	proxy := server.Through(GinkgoTB())
	l := NewMongo(database(proxy.URI(server.Database("lease"))), Options{API: "acme", Term: time.Second})
	Expect(l.Acquire(ctx)).To(Equal(time.Second))
	proxy.Hang()
	began := time.Now()
	_, err := l.Acquire(ctx)
	Expect(err).To(HaveOccurred())
	Expect(err).NotTo(MatchError(ErrHeld))
	Expect(time.Since(began)).To(BeNumerically("<", 10*time.Second), "far less than the driver waits by itself")
})
