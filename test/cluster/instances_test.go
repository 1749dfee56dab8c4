package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/app"
	"github.com/devops-insights/devops-insights/test/kit"
	"github.com/devops-insights/devops-insights/test/wire"
)

// pollInterval leaves an upstream on a busy machine the time to answer: a poll
// has 80 % of it.
const pollInterval = 250 * time.Millisecond

// instances are servers of one database and one Redis that all poll the
// upstream of the first.
func instances(count int, uri string, redis *wire.Redis, change ...func(*app.Options)) []*kit.Server {
	GinkgoHelper()
	var all []*kit.Server
	for i := range count {
		all = append(all, kit.Start(GinkgoTB(), func(o *app.Options) {
			o.Logger = logrus.New()
			o.Logger.SetOutput(GinkgoWriter)
			o.Logger.SetFormatter(&logrus.TextFormatter{DisableColors: true, TimestampFormat: "05.000000", FullTimestamp: true})
			o.Logger.AddHook(named(i))
			o.Config.DatabaseURL, o.Config.RedisHost, o.Config.PollLease = uri, redis.URL(), 2*time.Second
			o.Config.PollInterval = pollInterval
			if len(all) > 0 {
				o.Config.UpstreamURL = all[0].Upstream.Template()
			}
			for _, f := range change {
				f(o)
			}
		}))
	}
	return all
}

// named is the number of an instance in what it logs.
type named int

// Levels implements logrus.Hook.
func (n named) Levels() []logrus.Level { return logrus.AllLevels }

// Fire implements logrus.Hook.
func (n named) Fire(e *logrus.Entry) error {
	e.Data["instance"] = int(n)
	return nil
}

// watch connects a dashboard that hears of a region.
func watch(s *kit.Server, region string) *kit.Client {
	c := s.Connect()
	c.Subscribe(region)
	c.Sync()
	return c
}

// value returns the "n" of an update.
func value(e kit.Event) int {
	GinkgoHelper()
	var update struct{ Data struct{ N int } }
	Expect(json.Unmarshal(e.Payload, &update)).To(Succeed(), e.Frame)
	return update.Data.N
}

// current waits until the dashboard has heard n, and fails on a value twice or
// an older one after a newer.
func current(c *kit.Client, last *int, n int) {
	GinkgoHelper()
	for *last < n {
		note(c.Next(), last)
	}
}

// note takes an event of a dashboard; of updates, each must be newer than the
// last one.
func note(e kit.Event, last *int) {
	GinkgoHelper()
	if e.Name == "metrics-update" {
		Expect(value(e)).To(BeNumerically(">", *last), "twice, or an older one after a newer")
		*last = value(e)
	}
}

var _ = DescribeTable("three instances tell every dashboard each change once, also over a Redis that is killed", func(database func() *wire.Server) {
	redis := wire.StartRedis(GinkgoTB())
	all := instances(3, database().Database("insights"), redis)
	up := all[0].Upstream
	var dashboards []*kit.Client
	for _, s := range all {
		dashboards = append(dashboards, watch(s, "eu-west"))
	}
	last := []int{-1, -1, -1} // the first value has no n, which counts as 0
	everyone := func(n int) {
		GinkgoHelper()
		up.Set("eu-west", fmt.Sprintf(`{"n":%d}`, n))
		for i, d := range dashboards {
			current(d, &last[i], n)
		}
	}
	for n := 1; n <= 5; n++ {
		everyone(n)
	}
	for _, d := range dashboards {
		Expect(d.Sync()).To(BeEmpty(), "each change once")
	}

	By("filling Redis")
	client := redis.Client()
	defer func() { _ = client.Close() }()
	Expect(client.ConfigSet(context.Background(), "maxmemory", "1").Err()).To(Succeed())
	Expect(client.Set(context.Background(), "more", "", 0).Err()).To(MatchError(ContainSubstring("OOM")))
	everyone(6)
	everyone(7)

	By("killing Redis")
	redis.Kill()
	up.Set("eu-west", `{"n":8}`)
	// Who polls finds the lease in the database; its own dashboards hear of it.
	Eventually(func() int {
		most := 0
		for i, d := range dashboards {
			for _, e := range d.Sync() {
				if e.Name == "metrics-update" {
					Expect(value(e)).To(BeNumerically(">", last[i]))
					last[i] = value(e)
				}
			}
			most = max(most, last[i])
		}
		return most
	}, "30s", "50ms").Should(Equal(8))

	By("starting it again")
	redis.Start()
	for i, d := range dashboards {
		current(d, &last[i], 8)
	}
	for n := 9; n <= 12; n++ {
		everyone(n)
	}
	for _, d := range dashboards {
		Expect(d.Sync()).To(BeEmpty(), "each change once")
	}
},
	Entry("where the database has change streams", func() *wire.Server { return wire.Start(GinkgoTB()) }),
	Entry("where it has none", func() *wire.Server { return wire.FerretDB(GinkgoTB()) }),
)

var _ = It("sends its dashboards away one after another, when the balancer has had time to see it", func(ctx SpecContext) {
	s := kit.Start(GinkgoTB(), func(o *app.Options) {
		o.Config.DrainDelay, o.Config.DrainSpread = time.Second, 100*time.Millisecond
	})
	var all []*kit.Client
	for range 20 {
		all = append(all, watch(s, "eu-west"))
	}
	ready := func() int {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/readyz", http.NoBody)
		Expect(err).NotTo(HaveOccurred())
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0
		}
		defer func() { _ = resp.Body.Close() }()
		return resp.StatusCode
	}
	Expect(ready()).To(Equal(http.StatusOK))
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop() }()
	Eventually(ready, "10s", "1ms").Should(Equal(http.StatusServiceUnavailable))
	s.Upstream.Set("eu-west", `{"n":"while it drains"}`)
	Eventually(func() string { return all[0].Next().Frame }, "5s", "1ms").Should(ContainSubstring("while it drains"), "it is served still")
	Eventually(stopped, "10s").Should(Receive(BeNil()))
	for _, c := range all {
		Eventually(c.Events, "5s").Should(BeClosed())
	}
})

var _ = Describe("an instance beside Node instances", func() {
	It("passes on what they announce once, however often they do", func() {
		redis := wire.StartRedis(GinkgoTB())
		s := instances(1, wire.FerretDB(GinkgoTB()).Database("mixed"), redis)[0]
		d := watch(s, "us-west")
		n := startNode(redis.URL())
		announce := func(value int, at time.Time) {
			GinkgoHelper()
			n.do(command{Do: "emit", Rooms: []string{"metrics:acme:us-west"}, Args: []any{"metrics-update", map[string]any{
				"api": "acme", "source": "us-west", "data": map[string]int{"n": value}, "timestamp": at.UTC().Format("2006-01-02T15:04:05.000Z"),
			}}})
		}
		now := time.Now()
		for i := range 3 {
			announce(1001, now.Add(time.Duration(i)*time.Millisecond))
		}
		announce(1002, now.Add(time.Second))
		announce(1001, now.Add(5*time.Millisecond))
		Eventually(func() int { return value(d.Next()) }, "20s", "1ms").Should(Equal(1001), "behind what it polled itself")
		Expect(value(d.Next())).To(Equal(1002))
		n.do(command{Do: "emit", Rooms: []string{"metrics:acme:us-west"}, Args: []any{"something-else"}})
		Expect(d.Next().Name).To(Equal("something-else"))
	})

	DescribeTable("passes on what somebody outside announces, once, unless its dashboards have been told it", func(uri func() string) {
		redis := wire.StartRedis(GinkgoTB())
		s := instances(1, uri(), redis)[0]
		d := watch(s, "us-west")
		s.Upstream.Set("us-west", `{"n":1}`)
		Eventually(func() int { return value(d.Next()) }, "20s", "1ms").Should(Equal(1))
		n := startNode(redis.URL())
		announce := func(value int) {
			GinkgoHelper()
			n.do(command{Do: "emitter", Rooms: []string{"metrics:acme:us-west"}, Args: []any{"metrics-update", map[string]any{
				"api": "acme", "source": "us-west", "data": map[string]int{"n": value}, "timestamp": time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
			}}})
		}
		announce(1) // which the store has
		announce(1001)
		announce(1001)
		Expect(value(d.Next())).To(Equal(1001))
		s.Upstream.Set("us-west", `{"n":2}`)
		Expect(value(d.Next())).To(Equal(2))
		announce(1)
		announce(1002)
		Expect(value(d.Next())).To(Equal(1002))
	},
		Entry("with the embedded store", func() string { return "" }),
		Entry("with change streams", func() string { return wire.Start(GinkgoTB()).Database("outside") }),
		Entry("without change streams", func() string { return wire.FerretDB(GinkgoTB()).Database("outside") }),
	)

	It("starts without Redis unless it is required, and joins when it is there", func() {
		redis := wire.StartRedis(GinkgoTB())
		redis.Kill()
		s := kit.Start(GinkgoTB(), func(o *app.Options) { o.Config.RedisHost = redis.URL() })
		d := watch(s, "eu-west")
		redis.Start()
		n := startNode(redis.URL())
		Eventually(func() string {
			n.do(command{Do: "emit", Args: []any{"hello"}})
			for _, e := range d.Sync() {
				if e.Name == "hello" {
					return e.Name
				}
			}
			return ""
		}, "30s", "100ms").Should(Equal("hello"))
	})
})
