package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	goredis "github.com/redis/go-redis/v9"

	"github.com/devops-insights/devops-insights/app"
	"github.com/devops-insights/devops-insights/socket/redisadapter"
	"github.com/devops-insights/devops-insights/test/kit"
	"github.com/devops-insights/devops-insights/test/wire"
)

// number returns the argument of an event that has one number.
func number(e kit.Event) int {
	GinkgoHelper()
	var n int
	Expect(json.Unmarshal(e.Payload, &n)).To(Succeed(), e.Frame)
	return n
}

var _ = Describe("a Redis that is only slow", func() {
	It("delays what others hear, and neither a broadcast nor whom it reaches here", func() {
		redis := wire.StartRedis(GinkgoTB())
		through := func(proxy *wire.Proxy) *server {
			return start(redis, func(o *redisadapter.Options) {
				client := goredis.NewClient(&goredis.Options{Addr: proxy.URI(redis.Addr)})
				DeferCleanup(client.Close)
				o.Client, o.RequestTimeout = client, 10*time.Second
			})
		}
		near, far := redis.Through(GinkgoTB()), redis.Through(GinkgoTB())
		a, b := through(near), through(far)
		near.Delay(300 * time.Millisecond)
		far.Delay(300 * time.Millisecond)
		const count = 500
		for n := range count {
			Expect(a.all.Emit("n", n)).To(Succeed())
			Expect(number(a.client.Next())).To(Equal(n))
		}
		for n := range count {
			Expect(number(b.client.Next())).To(Equal(n), "each once, in order")
		}
		Expect(a.cluster.Stats()).To(And(HaveField("Dropped", BeZero()), HaveField("Connected", true)))
		answers, err := a.all.All().FetchSockets(within())
		Expect(err).NotTo(HaveOccurred())
		Expect(answers).To(HaveLen(2))
	})

	It("that stands still loses messages, but brings none twice and none older after a newer", func() {
		redis := wire.StartRedis(GinkgoTB())
		hasty := func(o *redisadapter.Options) {
			client := goredis.NewClient(&goredis.Options{Addr: redis.Addr, ReadTimeout: 300 * time.Millisecond})
			DeferCleanup(client.Close)
			o.Client = client
		}
		a, b := start(redis, hasty), start(redis)
		n, last := 0, -1
		emit := func() {
			GinkgoHelper()
			Expect(a.all.Emit("n", n)).To(Succeed(), "a broadcast does not wait")
			Expect(number(a.client.Next())).To(Equal(n))
			n++
		}
		hear := func() int {
			GinkgoHelper()
			for _, e := range b.client.Sync() {
				Expect(number(e)).To(BeNumerically(">", last), "twice, or an older one after a newer")
				last = number(e)
			}
			return last
		}
		for range 3 {
			emit()
			Eventually(hear, "30s", "10ms").Should(Equal(n - 1))
			dropped := a.cluster.Stats().Dropped
			redis.Pause()
			Eventually(func() uint64 { emit(); return a.cluster.Stats().Dropped }, "30s", "20ms").Should(BeNumerically(">", dropped))
			redis.Resume()
			Eventually(func() int { emit(); return hear() }, "30s", "20ms").Should(BeNumerically(">", n-5))
		}
	})
})

var _ = It("sends nothing twice when Redis takes it and the answer is lost", func() {
	redis := wire.StartRedis(GinkgoTB())
	proxy := redis.Through(GinkgoTB())
	a := start(redis, func(o *redisadapter.Options) {
		client := goredis.NewClient(&goredis.Options{Addr: proxy.URI(redis.Addr), ReadTimeout: 300 * time.Millisecond})
		DeferCleanup(client.Close)
		o.Client = client
	})
	b := start(redis)
	Expect(a.all.Emit("n", 0)).To(Succeed())
	Expect(number(b.client.Next())).To(Equal(0))
	proxy.Mute()
	Expect(a.all.Emit("n", 1)).To(Succeed())
	Expect(number(b.client.Next())).To(Equal(1))
	Eventually(func() uint64 { s := a.cluster.Stats(); return s.Published + s.Dropped }).Should(BeEquivalentTo(2))
	Expect(a.all.Emit("n", 2)).To(Succeed())
	Expect(number(b.client.Next())).To(Equal(2))
})

// clusterInfo is what an instance says of the others.
type clusterInfo struct {
	Connected     bool
	Gaps, Dropped uint64
}

func anyOf(all []*kit.Server, is func(clusterInfo) bool) bool {
	GinkgoHelper()
	for _, s := range all {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/api/v1/info", http.NoBody)
		Expect(err).NotTo(HaveOccurred())
		resp, err := http.DefaultClient.Do(r)
		Expect(err).NotTo(HaveOccurred())
		var info struct{ Cluster clusterInfo }
		Expect(json.NewDecoder(resp.Body).Decode(&info)).To(Succeed())
		Expect(resp.Body.Close()).To(Succeed())
		cancel()
		if is(info.Cluster) {
			return true
		}
	}
	return false
}

var _ = DescribeTable("three instances bring every dashboard up to date when Redis stood still", func(database func() *wire.Server) {
	redis := wire.StartRedis(GinkgoTB())
	all := instances(3, database().Database("slow"), redis)
	up := all[0].Upstream
	var dashboards []*kit.Client
	last := []int{-1, -1, -1}
	for _, s := range all {
		dashboards = append(dashboards, watch(s, "eu-west"))
	}
	n := 0
	change := func() {
		n++
		up.Set("eu-west", fmt.Sprintf(`{"n":%d}`, n))
	}
	everyone := func() {
		GinkgoHelper()
		for i, d := range dashboards {
			current(d, &last[i], n)
		}
	}
	change()
	everyone()
	// Each pause goes on until it is noticed: by the lease alone, by messages
	// that do not get through, by silence.
	for _, noticed := range []func() bool{
		func() bool { return n%4 == 0 },
		func() bool { return anyOf(all, func(i clusterInfo) bool { return i.Dropped > 0 || i.Gaps > 0 }) },
		func() bool { return !anyOf(all, func(i clusterInfo) bool { return i.Connected }) },
	} {
		redis.Pause()
		for more := true; more; more = !noticed() {
			change()
			Eventually(func() bool { // who polls goes on, and its dashboards hear of it
				most := 0
				for i, d := range dashboards {
					for _, e := range d.Sync() {
						note(e, &last[i])
					}
					most = max(most, last[i])
				}
				return most == n
			}, "30s", "20ms").Should(BeTrue())
		}
		for i, d := range dashboards { // questions are answered, updates may come before
			d.Emit("metrics:get", map[string]string{})
			for e := d.Next(); e.Name != "metrics:data"; e = d.Next() {
				note(e, &last[i])
			}
		}
		redis.Resume()
		everyone()
		change()
		everyone()
	}
	for _, d := range dashboards {
		Expect(d.Sync()).To(BeEmpty(), "each change once")
	}
},
	Entry("and the database has change streams", func() *wire.Server { return wire.Start(GinkgoTB()) }),
	Entry("and the database has none", func() *wire.Server { return wire.FerretDB(GinkgoTB()) }),
)

var _ = It("tells the others that they missed something, where it is the only one whose messages were lost", func() {
	redis := wire.StartRedis(GinkgoTB())
	proxy := redis.Through(GinkgoTB())
	uri := wire.FerretDB(GinkgoTB()).Database("lost")
	first := instances(1, uri, redis, func(o *app.Options) { o.Config.RedisHost = proxy.URI(redis.URL()) })[0] // which polls
	second := instances(1, uri, redis, func(o *app.Options) { o.Config.UpstreamURL = first.Upstream.Template() })[0]
	here, there := watch(first, "eu-west"), watch(second, "eu-west")
	lastHere, lastThere := -1, -1
	first.Upstream.Set("eu-west", `{"n":1}`)
	current(here, &lastHere, 1)
	current(there, &lastThere, 1)
	proxy.Silence()
	first.Upstream.Set("eu-west", `{"n":2}`)
	current(here, &lastHere, 2)
	current(there, &lastThere, 2)
	Expect(anyOf([]*kit.Server{second}, func(i clusterInfo) bool { return i.Gaps > 0 })).To(BeFalse(), "it could not know")
})
