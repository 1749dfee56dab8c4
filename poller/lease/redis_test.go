package lease

import (
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/redis/go-redis/v9"

	"github.com/devops-insights/devops-insights/test/wire"
)

func TestLease(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Lease")
}

// startRedis starts a Redis of its own and returns a client and its end.
func startRedis() (*redis.Client, func()) {
	GinkgoHelper()
	server := wire.StartRedis(GinkgoTB())
	client := redis.NewClient(&redis.Options{Addr: server.Addr, MaxRetries: -1, DialTimeout: time.Second})
	DeferCleanup(client.Close)
	return client, server.Kill
}

var _ = Describe("the lease in Redis", func() {
	It("is held by one, renewed, given back and taken, under the Node backend's key", func(ctx SpecContext) {
		client, _ := startRedis()
		a, b := NewRedis(client, Options{API: "acme", Term: 30 * time.Second}), NewRedis(client, Options{API: "acme", Term: 30 * time.Second})
		for range 2 {
			Expect(a.Acquire(ctx)).To(Equal(30 * time.Second))
		}
		_, err := b.Acquire(ctx)
		Expect(err).To(MatchError(ErrHeld))
		Expect(b.Release(ctx)).To(Succeed())
		Expect(client.Get(ctx, "devops-insights:poller:leader:acme").Val()).To(MatchRegexp(`^[^:]+:\d+:[0-9a-f]{16}$`))
		Expect(client.PTTL(ctx, "devops-insights:poller:leader:acme").Val()).To(BeNumerically("~", 30*time.Second, 5*time.Second))
		Expect(a.Release(ctx)).To(Succeed())
		Expect(b.Acquire(ctx)).To(Equal(30 * time.Second))
	})

	It("is respected when a Node instance has it, and taken when its time is over", func(ctx SpecContext) {
		client, _ := startRedis()
		Expect(client.Set(ctx, "devops-insights:poller:leader:acme", "node-1:42:abcdef", 300*time.Millisecond).Err()).To(Succeed())
		l := NewRedis(client, Options{API: "acme", Term: 30 * time.Second})
		_, err := l.Acquire(ctx)
		Expect(err).To(MatchError(ErrHeld))
		Eventually(func() error { _, err := l.Acquire(ctx); return err }, "10s", "50ms").Should(Succeed())
	})

	It("cannot be told when Redis is away, which is not that another has it", func(ctx SpecContext) {
		client, stop := startRedis()
		l := NewRedis(client, Options{API: "acme", Term: 30 * time.Second})
		Expect(l.Acquire(ctx)).To(Equal(30 * time.Second))
		stop()
		_, err := l.Acquire(ctx)
		Expect(err).To(HaveOccurred())
		Expect(err).NotTo(MatchError(ErrHeld))
	})
})
