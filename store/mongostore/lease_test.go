package mongostore

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/devops-insights/devops-insights/test/wire"
)

// holder returns who has the lease.
func holder(ctx context.Context, l *Lease) (string, error) {
	var d struct {
		Holder string `bson:"holder"`
	}
	err := l.collection.FindOne(ctx, bson.D{{Key: "_id", Value: l.id}}).Decode(&d)
	return d.Holder, err
}

var _ = Describe("the lease in the database", Ordered, ContinueOnFailure, func() {
	var server *wire.Server
	BeforeAll(func() { server = wire.Start(GinkgoTB()) })

	It("is held by one, renewed, given back and taken", func(ctx SpecContext) {
		s := open(server.Database("lease"))
		a, b := s.Lease("acme", "a", time.Minute), s.Lease("acme", "b", time.Minute)
		for range 2 {
			length, held, err := a.Acquire(ctx)
			Expect(err).NotTo(HaveOccurred())
			Expect(held).To(BeFalse())
			Expect(length).To(Equal(time.Minute))
		}
		_, held, err := b.Acquire(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(held).To(BeTrue())
		_, held, err = s.Lease("other", "b", time.Minute).Acquire(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(held).To(BeFalse(), "another api has a lease of its own")
		Expect(b.Release(ctx)).To(Succeed())
		Expect(holder(ctx, a)).To(Equal("a"), "who does not hold it cannot give it back")
		Expect(a.Release(ctx)).To(Succeed())
		_, held, err = b.Acquire(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(held).To(BeFalse())
	})

	It("of an instance that is gone is taken when its time is over", func(ctx SpecContext) {
		s := open(server.Database("crashed"))
		_, _, err := s.Lease("acme", "gone", 300*time.Millisecond).Acquire(ctx)
		Expect(err).NotTo(HaveOccurred())
		b := s.Lease("acme", "b", time.Minute)
		Eventually(func() (bool, error) { _, held, err := b.Acquire(ctx); return held, err }, "10s", "50ms").Should(BeFalse())
	})

	It("goes to one of many that ask at once", func(ctx SpecContext) {
		s := open(server.Database("rush"))
		var got atomic.Int32
		var rush sync.WaitGroup
		for i := range 16 {
			rush.Go(func() {
				defer GinkgoRecover()
				_, held, err := s.Lease("acme", string(rune('a'+i)), time.Minute).Acquire(ctx)
				Expect(err).NotTo(HaveOccurred())
				if !held {
					got.Add(1)
				}
			})
		}
		rush.Wait()
		Expect(got.Load()).To(BeEquivalentTo(1))
	})
})
