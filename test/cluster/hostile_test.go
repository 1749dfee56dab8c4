package cluster

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/socket/redisadapter"
	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/test/wire"
)

var _ = It("invalid UTF-8 that comes over Redis reaches clients as U+FFFD", func(ctx SpecContext) {
	redis := wire.StartRedis(GinkgoTB())
	s := start(redis)
	client := redis.Client()
	defer func() { _ = client.Close() }()
	// An emitter of another language, which took latin-1 for UTF-8.
	Expect(client.Publish(ctx, "socket.io#/#", "\x93\xa7emitter\x82\xa4type\x02\xa4data\x92\xa4city\xa4S\xe3o!\x81\xa5rooms\x90").Err()).To(Succeed())
	Expect(s.client.Next().Frame).To(Equal("42[\"city\",\"S\uFFFDo!\"]"))
	Expect(client.Publish(ctx, "socket.io-request#/#", "{\"type\":6,\"data\":[\"news\",\"\xff\"]}").Err()).To(Succeed())
	Eventually(s.news).Should(Receive(Equal("[\"\uFFFD\"]")))
	Expect(client.Publish(ctx, "socket.io-request#/#", strings.Repeat("[", 1_000_000)).Err()).To(Succeed())
	Expect(client.Publish(ctx, "socket.io#/#", strings.Repeat("\x91", 10_000_000)).Err()).To(Succeed())
	Eventually(func() uint64 { return s.cluster.Stats().Malformed }).Should(BeNumerically("==", 2))
	Expect(s.client.Sync()).To(BeEmpty(), "the connection is alive")
})

var _ = DescribeTable("no secret of a handshake travels over Redis", func(ctx SpecContext, mode string) {
	redis := wire.StartRedis(GinkgoTB())
	listener := redis.Client()
	defer func() { _ = listener.Close() }()
	all := listener.PSubscribe(ctx, "*")
	defer func() { _ = all.Close() }()
	_, err := all.Receive(ctx)
	Expect(err).NotTo(HaveOccurred())
	s := start(redis, func(o *redisadapter.Options) { o.Sharded = mode == "sharded" })
	n := startNode(redis.URL(), mode)
	web := httptest.NewServer(s.Server)
	defer web.Close()
	handshake := func(method, query, body string) string {
		r, err := http.NewRequestWithContext(ctx, method, web.URL+"/socket.io/?EIO=4&transport=polling&token=hunter2"+query, strings.NewReader(body))
		Expect(err).NotTo(HaveOccurred())
		r.Header.Set("Cookie", "session=hunter2")
		r.Header.Set("Authorization", "Bearer hunter2")
		r.Header.Set("X-Api-Key", "hunter2")
		answer, err := http.DefaultClient.Do(r)
		Expect(err).NotTo(HaveOccurred())
		defer func() { _ = answer.Body.Close() }()
		text, err := io.ReadAll(answer.Body)
		Expect(err).NotTo(HaveOccurred())
		return string(text)
	}
	_, sid, _ := strings.Cut(handshake(http.MethodGet, "", ""), `"sid":"`)
	sid, _, _ = strings.Cut(sid, `"`)
	handshake(http.MethodPost, "&sid="+sid, `40{"password":"hunter2","who":"polling"}`)
	Eventually(s.all.Count).Should(Equal(2))

	n.tell(command{Do: "fetch"})
	fetched := string(n.next("done"))
	Expect(fetched).To(ContainSubstring(`"who":"polling"`))
	Expect(fetched).NotTo(ContainSubstring("hunter2"))
	for {
		limited, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		m, err := all.ReceiveMessage(limited)
		cancel()
		if err != nil {
			break
		}
		Expect(m.Payload).NotTo(ContainSubstring("hunter2"))
	}
}, Entry(nil, "classic"), Entry(nil, "sharded"))

var _ = Describe("a server that starts while Redis is away", func() {
	open := func(redis *wire.Redis) (*redisadapter.Cluster, chan struct{}) {
		client := redis.Client()
		log := slog.New(slog.NewTextHandler(GinkgoWriter, nil))
		resyncs := make(chan struct{}, 10)
		cluster := redisadapter.Open(redisadapter.Options{Client: client, Logger: log, OnResync: func() { resyncs <- struct{}{} }})
		server := socketio.NewServer(socketio.Options{NewAdapter: cluster.Adapter})
		server.Of("/")
		DeferCleanup(func(ctx SpecContext) {
			Expect(server.Close(ctx)).To(Succeed())
			Expect(cluster.Close(ctx)).To(Succeed())
			Expect(client.Close()).To(Succeed())
		})
		return cluster, resyncs
	}
	ready := func(c *redisadapter.Cluster, wait time.Duration) error {
		ctx, cancel := context.WithTimeout(context.Background(), wait)
		defer cancel()
		return c.Ready(ctx)
	}

	It("asks for a resync at its first connection", func() {
		redis := wire.StartRedis(GinkgoTB())
		redis.Kill()
		cluster, resyncs := open(redis)
		Expect(ready(cluster, 200*time.Millisecond)).To(MatchError(ContainSubstring("redis has not confirmed")))
		redis.Start()
		Eventually(resyncs, "20s").Should(Receive())
		Expect(ready(cluster, time.Second)).To(Succeed())
		Expect(cluster.Stats()).To(And(HaveField("Connected", true), HaveField("Interruptions", BeZero())))
	})

	It("asks for one also when Redis stood still, without a failed attempt", func() {
		redis := wire.StartRedis(GinkgoTB())
		redis.Pause()
		cluster, resyncs := open(redis)
		err := ready(cluster, 200*time.Millisecond)
		redis.Resume()
		Expect(err).To(MatchError(ContainSubstring("redis has not confirmed")))
		Eventually(resyncs, "20s").Should(Receive())
	})

	It("asks for none when Redis was there", func() {
		cluster, resyncs := open(wire.StartRedis(GinkgoTB()))
		Expect(ready(cluster, 10*time.Second)).To(Succeed())
		Eventually(func() bool { return cluster.Stats().Connected }).Should(BeTrue())
		Consistently(resyncs, "300ms").ShouldNot(Receive())
	})
})
