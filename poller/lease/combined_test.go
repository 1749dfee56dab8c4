package lease

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/redis/go-redis/v9"
	"github.com/sirupsen/logrus"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/devops-insights/devops-insights/test/wire"
)

const nodeKey = "devops-insights:poller:leader:acme"

// instance is one instance with its own ways to Redis and the database, which
// can fail one by one.
type instance struct {
	*Combined
	toRedis, toDB *wire.Proxy
}

func join(r *wire.Redis, db *wire.Server, name string, term time.Duration) *instance {
	GinkgoHelper()
	i := &instance{toRedis: r.Through(GinkgoTB()), toDB: db.Through(GinkgoTB())}
	client := redis.NewClient(&redis.Options{
		Addr: i.toRedis.URI(r.Addr), MaxRetries: -1, DialerRetries: 1, DialTimeout: time.Second, ContextTimeoutEnabled: true,
	})
	DeferCleanup(client.Close)
	o := Options{API: "acme", Holder: name, Term: term}
	i.Combined = NewCombined(NewRedis(client, o), NewMongo(database(i.toDB.URI(db.Database("leases")), func(o *options.ClientOptions) {
		o.SetServerSelectionTimeout(term / 4)
	}), o))
	return i
}

func (i *instance) heal() {
	i.toRedis.Heal()
	i.toDB.Heal()
}

// try asks once.
func (i *instance) try(ctx context.Context) func() error {
	return func() error { _, err := i.Acquire(ctx); return err }
}

var _ = Describe("the lease in the database with the key in Redis beside it", func() {
	var (
		server *wire.Redis
		client *redis.Client
		a, b   *instance
	)
	const term = 2 * time.Second
	BeforeEach(func() {
		server = wire.StartRedis(GinkgoTB())
		client = server.Client()
		DeferCleanup(func() error { return client.Close() })
		db := wire.Start(GinkgoTB())
		a, b = join(server, db, "a", term), join(server, db, "b", term)
	})

	It("is held by one, renewed, given back and taken, and Node instances see it", func(ctx SpecContext) {
		for range 2 {
			Expect(a.Acquire(ctx)).To(Equal(term))
		}
		Expect(client.Get(ctx, nodeKey).Val()).To(Equal("a"))
		Expect(b.try(ctx)()).To(MatchError(ErrHeld))
		Expect(a.Release(ctx)).To(Succeed())
		Expect(client.Exists(ctx, nodeKey).Val()).To(BeZero())
		Expect(b.Acquire(ctx)).To(Equal(term))
	})

	It("of an instance that has vanished is taken within its term", func(ctx SpecContext) {
		Expect(a.try(ctx)()).To(Succeed())
		Expect(b.try(ctx)()).To(MatchError(ErrHeld))
		began := time.Now()
		Eventually(b.try(ctx), "20s", "100ms").Should(Succeed())
		Expect(time.Since(began)).To(BeNumerically(">", term-300*time.Millisecond))
	})

	It("stays with one where Redis is out of memory: it renews the key and sets none", func(ctx SpecContext) {
		Expect(a.try(ctx)()).To(Succeed())
		Expect(client.ConfigSet(ctx, "maxmemory", "1").Err()).To(Succeed())
		for range 5 {
			Expect(a.try(ctx)()).To(Succeed())
			Expect(b.try(ctx)()).To(MatchError(ErrHeld))
		}
		Eventually(b.try(ctx), "20s", "50ms").Should(Succeed(), "once a has vanished")
		Expect(a.try(ctx)()).To(MatchError(ErrHeld))
	})

	It("stays with one where only one reaches Redis, and goes to the other when that one has vanished", func(ctx SpecContext) {
		b.toRedis.Cut()
		Expect(a.try(ctx)()).To(Succeed())
		for range 5 {
			Expect(b.try(ctx)()).To(MatchError(ErrHeld))
			Expect(a.try(ctx)()).To(Succeed())
		}
		Eventually(b.try(ctx), "20s", "50ms").Should(Succeed())
		Expect(client.Exists(ctx, nodeKey).Val()).To(BeZero(), "the key of a is over, too")
	})

	It("goes to the one that reaches Redis: its holder yields", func(ctx SpecContext) {
		a.toRedis.Cut()
		Expect(a.try(ctx)()).To(Succeed())
		Expect(b.try(ctx)()).To(MatchError(ErrHeld), "a works")
		Expect(client.Get(ctx, nodeKey).Val()).To(Equal("b"), "but no Node instance may begin")
		Expect(a.try(ctx)()).To(MatchError(ErrHeld))
		Expect(a.Release(ctx)).To(Succeed())
		Expect(b.try(ctx)()).To(Succeed())
	})

	It("is respected when a Node instance has the key, by one that does not reach Redis too", func(ctx SpecContext) {
		a.toRedis.Cut()
		Expect(a.try(ctx)()).To(Succeed(), "nobody knows of Node yet")
		Expect(client.Set(ctx, nodeKey, "node:1:abc", time.Minute).Err()).To(Succeed())
		Expect(b.try(ctx)()).To(MatchError(ContainSubstring("node:1:abc")))
		Expect(a.try(ctx)()).To(MatchError(ContainSubstring("node:1:abc")))
		Expect(a.Release(ctx)).To(Succeed())
		Expect(a.try(ctx)()).To(MatchError(ErrHeld))
		Expect(client.Del(ctx, nodeKey).Err()).To(Succeed())
		Expect(b.try(ctx)()).To(Succeed(), "at once")
	})

	It("survives the database for two terms where Redis is there, and no longer; nobody else begins", func(ctx SpecContext) {
		Expect(a.try(ctx)()).To(Succeed())
		began := time.Now()
		a.toDB.Cut()
		b.toDB.Cut()
		left, err := a.Acquire(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(left).To(BeNumerically("<=", term))
		Expect(b.try(ctx)()).To(And(HaveOccurred(), Not(MatchError(ErrHeld))))
		b.toDB.Heal()
		b.toRedis.Cut() // it reaches the database alone, and a Redis alone
		Eventually(func() error { _, err := a.Acquire(ctx); return err }, "20s", "100ms").ShouldNot(Succeed())
		Expect(time.Since(began)).To(BeNumerically(">", reliance*term-time.Second))
		Expect(b.try(ctx)()).To(Or(Succeed(), MatchError(ErrHeld)))
		Eventually(b.try(ctx), "20s", "100ms").Should(Succeed())
	})

	It("is not taken because Redis has forgotten the key of one that relies on it", func(ctx SpecContext) {
		Expect(a.try(ctx)()).To(Succeed())
		a.toDB.Cut()
		began := time.Now()
		for time.Since(began) < term+term/4 { // its term in the database is over
			Expect(a.try(ctx)()).To(Succeed())
			_ = b.try(ctx)()
			time.Sleep(term / 20) // the pace of the questions, not a wait for luck
		}
		Expect(a.try(ctx)()).To(Succeed())
		server.Kill()
		server.Start()
		Expect(b.try(ctx)()).To(MatchError(ErrHeld), "a may still work")
		Expect(a.try(ctx)()).NotTo(Succeed(), "b has the key now")
		Eventually(b.try(ctx), "20s", "100ms").Should(Succeed())
	})

	It("ends within half of its term where neither answers", func(ctx SpecContext) {
		Expect(a.try(ctx)()).To(Succeed())
		a.toDB.Hang()
		a.toRedis.Hang()
		began := time.Now()
		Expect(a.try(ctx)()).To(HaveOccurred())
		Expect(time.Since(began)).To(BeNumerically("<", term), "half a term, and what a busy machine takes")
	})

	It("of an instance whose record is damaged is an error, not a panic", func(ctx SpecContext) {
		_, err := a.db.collection.InsertOne(ctx, bson.D{{Key: "_id", Value: "poller:acme"}, {Key: "holder", Value: 5}, {Key: "expiresAt", Value: "never"}})
		Expect(err).NotTo(HaveOccurred())
		Expect(a.try(ctx)()).To(MatchError(ContainSubstring("poller:acme")))
	})
})

var _ = It("two instances never hold it at once in a hundred rounds of failures, and one holds it after each", func(ctx SpecContext) {
	const term = 400 * time.Millisecond
	server := wire.StartRedis(GinkgoTB())
	db := wire.Start(GinkgoTB())
	instances := []*instance{join(server, db, "a", term), join(server, db, "b", term)}
	var leaders []*Leader
	var log logrus.FieldLogger = &logrus.Logger{Out: GinkgoWriter, Formatter: &logrus.TextFormatter{TimestampFormat: "05.000"}, Level: logrus.InfoLevel, Hooks: make(logrus.LevelHooks)}
	running, stop := context.WithCancel(ctx)
	var work sync.WaitGroup
	DeferCleanup(func() { stop(); work.Wait() })
	for i, in := range instances {
		l := NewLeader(LeaderOptions{Lease: in, Wait: term / 6, Timeout: term, Logger: log.WithField("instance", i)})
		leaders = append(leaders, l)
		work.Go(func() {
			_ = l.RunWhileLeader(running, func(ctx context.Context) error { <-ctx.Done(); return nil })
		})
	}
	var both, samples atomic.Int64
	work.Go(func() {
		for running.Err() == nil {
			// Asked before and after: both held it at the moment in between.
			if leaders[0].Valid() && leaders[1].Valid() && leaders[0].Valid() {
				both.Add(1)
			}
			samples.Add(1)
			sleep(running, time.Millisecond)
		}
	})
	one := func() bool { return leaders[0].Valid() || leaders[1].Valid() }
	Eventually(one, "20s", "10ms").Should(BeTrue())
	client := server.Client()
	defer func() { _ = client.Close() }()
	random := rand.New(rand.NewPCG(uint64(GinkgoRandomSeed()), 0)) // #nosec G404 -- a test's choice
	pick := func() *instance { return instances[random.IntN(2)] }
	failures := []func(){
		func() { pick().toRedis.Cut() },
		func() { pick().toRedis.Hang() },
		func() { pick().toDB.Cut() },
		func() { pick().toDB.Hang() },
		func() { i := random.IntN(2); instances[i].toRedis.Cut(); instances[1-i].toDB.Cut() },
		func() { i := random.IntN(2); instances[i].toRedis.Hang(); instances[1-i].toDB.Hang() },
		func() { instances[0].toDB.Cut(); instances[1].toDB.Cut() },
		func() { instances[0].toRedis.Cut(); instances[1].toRedis.Cut() },
		func() { server.Kill(); server.Start() },
		func() { _ = client.ConfigSet(ctx, "maxmemory", "1").Err() },
		func() { _ = client.FlushAll(ctx).Err() },
		func() { server.Kill(); server.Start(); pick().toDB.Cut() },
		func() { server.Pause(); sleep(ctx, time.Duration(random.IntN(500))*time.Millisecond); server.Resume() },
	}
	for round := range 100 {
		name := random.IntN(len(failures))
		failures[name]()
		sleep(ctx, time.Duration(random.IntN(600))*time.Millisecond)
		if random.IntN(2) == 0 {
			failures[random.IntN(len(failures))]() // one more before the first has passed
			sleep(ctx, time.Duration(random.IntN(300))*time.Millisecond)
		}
		for _, i := range instances {
			i.heal()
		}
		_ = client.ConfigSet(ctx, "maxmemory", "0").Err()
		Eventually(one, "30s", "5ms").Should(BeTrue(), fmt.Sprintf("nobody holds it after round %d, failure %d", round, name))
	}
	Expect(both.Load()).To(BeZero(), "of %d looks", samples.Load())
})
