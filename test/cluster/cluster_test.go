// Package cluster has the behaviour of several servers as one, with a real
// Redis and a real Node server beside ours.
package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/devops-insights/devops-insights/socket/redisadapter"
	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/test/kit"
	"github.com/devops-insights/devops-insights/test/wire"
)

func TestCluster(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(15 * time.Second) // several processes on a busy machine
	RunSpecs(t, "Cluster")
	http.DefaultClient.CloseIdleConnections()
	goleak.VerifyNone(t, goleak.IgnoreAnyFunction("github.com/onsi/ginkgo/v2/internal/interrupt_handler.(*InterruptHandler).registerForInterrupts.func2"))
}

// server is one of ours with one client.
type server struct {
	*socketio.Server
	all     *socketio.Namespace
	cluster *redisadapter.Cluster
	client  *kit.Client
	id      string // of the client
	news    chan string
	resyncs chan struct{}
}

func start(r *wire.Redis, change ...func(*redisadapter.Options)) *server {
	GinkgoHelper()
	client := r.Client()
	s := &server{news: make(chan string, 100), resyncs: make(chan struct{}, 100)}
	log := slog.New(slog.NewTextHandler(GinkgoWriter, nil))
	o := redisadapter.Options{Client: client, Logger: log, RequestTimeout: 3 * time.Second, OnResync: func() { s.resyncs <- struct{}{} }}
	for _, f := range change {
		f(&o)
	}
	s.cluster = redisadapter.Open(o)
	s.Server = socketio.NewServer(socketio.Options{NewAdapter: s.cluster.Adapter})
	s.all = s.Of("/")
	ids := make(chan string, 1)
	s.all.OnConnect(func(c *socketio.Socket) { c.SetData(map[string]string{"on": "go"}); ids <- c.ID() })
	s.all.OnServer("news", func(args socketio.Args, _ socketio.Ack) { s.news <- string(args.JSON()) })
	s.all.OnServer("question", func(args socketio.Args, ack socketio.Ack) {
		_ = ack(map[string]any{"from": "go", "q": args.Raw(0)})
	})
	web := httptest.NewServer(s.Server)
	DeferCleanup(func(ctx SpecContext) {
		Expect(s.Close(ctx)).To(Succeed())
		Expect(s.cluster.Close(ctx)).To(Succeed())
		web.Close()
		Expect(client.Close()).To(Succeed())
	})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	Expect(s.cluster.Ready(ctx)).To(Succeed())
	s.client = kit.Dial(GinkgoT(), web.URL)
	s.id = <-ids
	return s
}

var within = func() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	DeferCleanup(cancel)
	return ctx
}

var _ = DescribeTable("a Go server and a Node server with the same Redis are one cluster", func(mode, prefix string) {
	redis := wire.StartRedis(GinkgoTB())
	s := start(redis, func(o *redisadapter.Options) {
		o.SpecificResponses, o.Sharded, o.Prefix = mode == "specific", mode == "sharded", prefix
	})
	n := startNode(redis.URL(), mode, prefix)
	hears := func(frame string) { GinkgoHelper(); Expect(s.client.Next().Frame).To(Equal(frame)) }

	By("broadcasts")
	n.do(command{Do: "emit", Args: []any{"a", 1.5, map[string]any{"k": nil}}})
	hears(`42["a",1.5,{"k":null}]`)
	Expect(n.next("heard")).To(MatchJSON(`["a",1.5,{"k":null}]`))
	Expect(s.all.Emit("b", "<&>", []any{1})).To(Succeed())
	hears(`42["b","<&>",[1]]`)
	Expect(n.next("heard")).To(MatchJSON(`["b","<&>",[1]]`))

	By("rooms made by the other, and exclusions")
	n.do(command{Do: "join", Rooms: []string{s.id}, Args: []any{"r1"}})
	Eventually(s.all.Rooms).Should(ContainElement("r1"))
	Expect(s.cluster.Ready(within())).To(Succeed(), "the room's channel, where it has one")
	n.do(command{Do: "emit", Rooms: []string{"r1"}, Args: []any{"c"}})
	hears(`42["c"]`)
	Expect(s.all.To(n.client).SocketsJoin("r1", "r2")).To(Succeed())
	if mode == "sharded" {
		client := redis.Client()
		defer func() { _ = client.Close() }()
		channel := cmp.Or(prefix, "socket.io") + "#/#r2#"
		Eventually(func() int64 {
			return client.PubSubShardNumSub(context.Background(), channel).Val()[channel]
		}).Should(BeEquivalentTo(1), "the Node server listens to its client's room")
	}
	Expect(s.all.To("r1").Except("r2").Emit("d")).To(Succeed())
	hears(`42["d"]`)
	Expect(s.all.To("r2").Emit("e")).To(Succeed())
	Expect(n.next("heard")).To(MatchJSON(`["e"]`), "d was not for it")
	n.do(command{Do: "leave", Rooms: []string{"r1"}, Args: []any{"r1"}})
	Eventually(s.all.Rooms).ShouldNot(ContainElement("r1"))

	By("binary parts")
	n.do(command{Do: "emit", Args: []any{"bin", map[string]any{"in": map[string]any{"bytes": []int{1, 2}}}}})
	hears(`451-["bin",{"in":{"_placeholder":true,"num":0}}]`)
	Expect(n.next("heard")).To(MatchJSON(`["bin",{"in":{"bytes":[1,2]}}]`))
	Expect(s.all.To(n.client).Emit("bin", []byte{7})).To(Succeed())
	Expect(n.next("heard")).To(MatchJSON(`["bin",{"bytes":[7]}]`))

	By("acknowledgements of all clients")
	n.tell(command{Do: "ack", Args: []any{"ask", "Q"}})
	Expect(s.client.Next().Frame).To(MatchRegexp(`^42\d+\["ask","Q"\]$`))
	s.client.Send(`430["client of go"]`)
	var acknowledged []any
	Expect(json.Unmarshal(n.next("done"), &acknowledged)).To(Succeed())
	Expect(acknowledged).To(ConsistOf("client of go", map[string]any{"client": "node", "heard": "Q"}))
	answers, err := s.all.To(n.client).EmitWithAck(within(), "ask", "R")
	Expect(err).NotTo(HaveOccurred())
	Expect(answers).To(HaveLen(1))
	Expect(answers[0].JSON()).To(MatchJSON(`[{"client":"node","heard":"R"}]`))

	By("sockets of the other")
	found := n.do(command{Do: "fetch", Rooms: []string{s.id}})
	Expect(found).To(ContainSubstring(`"data":{"on":"go"}`))
	Expect(found).To(ContainSubstring(`"address":"127.0.0.1"`))
	sockets, err := s.all.All().FetchSockets(within())
	Expect(err).NotTo(HaveOccurred())
	Expect(sockets).To(HaveLen(2))
	Expect(sockets[1].ID).To(Equal(n.client))
	Expect(sockets[1].Handshake.Query.Get("who")).To(Equal("node client"))
	Expect(sockets[1].Data).To(MatchJSON(`{"on":"node"}`))
	Expect(sockets[1].Join("far")).To(Succeed())
	if mode != "sharded" { // which has no such request
		Eventually(func() string { return n.do(command{Do: "allRooms"}) }).Should(And(ContainSubstring("far"), ContainSubstring(s.id)))
	}

	By("server-side events")
	n.do(command{Do: "serverEmit", Args: []any{"news", 1, "x"}})
	Eventually(s.news).Should(Receive(Equal(`[1,"x"]`)))
	Expect(s.all.ServerSideEmit("news", 2)).To(Succeed())
	Expect(n.next("server-side")).To(MatchJSON(`[2]`))
	Expect(n.do(command{Do: "serverAsk", Args: []any{"question", "why"}})).To(MatchJSON(`[{"from":"go","q":"why"}]`))
	heard, err := s.all.ServerSideEmitWithAck(within(), "question", "how")
	Expect(err).NotTo(HaveOccurred())
	Expect(heard).To(HaveLen(1))
	Expect(heard[0].JSON()).To(MatchJSON(`[{"from":"node","q":"how"}]`))

	if mode == "sharded" { // the emitter speaks the classic mode
		Expect(s.cluster.Stats().Malformed).To(BeZero())
		return
	}
	By("the emitter of Node")
	n.do(command{Do: "emitterJoin", Rooms: []string{s.id}, Args: []any{"e1"}})
	Eventually(s.all.Rooms).Should(ContainElement("e1"))
	n.do(command{Do: "emitter", Rooms: []string{"e1"}, Args: []any{"from", "emitter"}})
	hears(`42["from","emitter"]`)
	n.do(command{Do: "emitterServer", Args: []any{"news", "emitted"}})
	Eventually(s.news).Should(Receive(Equal(`["emitted"]`)))

	By("disconnections")
	Expect(s.all.To(n.client).DisconnectSockets(true)).To(Succeed())
	Expect(n.next("gone")).To(ContainSubstring("server"))
	n.do(command{Do: "disconnect", Rooms: []string{s.id}})
	hears(`41`)
	Expect(s.cluster.Stats().Malformed).To(BeZero())
},
	Entry("with answers on the common channel", "classic", ""),
	Entry("with answers to the asking server", "specific", ""),
	Entry("in the sharded mode", "sharded", ""),
	Entry("under another key", "classic", "team a:b"),
	Entry("in the sharded mode under another prefix", "sharded", "team [a]*"),
)

var _ = Describe("servers of ours", func() {
	It("hear each other, and go on when Redis is killed and comes back", func() {
		redis := wire.StartRedis(GinkgoTB())
		a, b := start(redis), start(redis)
		Expect(a.all.Emit("one")).To(Succeed())
		Expect(a.client.Next().Frame).To(Equal(`42["one"]`))
		Expect(b.client.Next().Frame).To(Equal(`42["one"]`))

		redis.Kill()
		Eventually(func() bool { return b.cluster.Stats().Connected }, "10s").Should(BeFalse())
		Eventually(func() bool { return a.cluster.Stats().Connected }, "10s").Should(BeFalse())
		for range 200 {
			Expect(a.all.Emit("two")).To(Succeed(), "a broadcast does not wait")
			Expect(a.client.Next().Frame).To(Equal(`42["two"]`))
		}
		_, err := a.all.All().FetchSockets(within())
		Expect(err).To(MatchError(redisadapter.ErrDisconnected))
		redis.Start()
		Eventually(a.resyncs, "20s").Should(Receive())
		Eventually(b.resyncs, "20s").Should(Receive())
		Eventually(func() string {
			Expect(a.all.Emit("three")).To(Succeed())
			return b.client.Next().Frame
		}, "20s").Should(Equal(`42["three"]`))
	})

	It("notice a Redis that says nothing any more, without a closed connection", func() {
		redis := wire.StartRedis(GinkgoTB())
		proxy := redis.Through(GinkgoTB())
		a := start(redis)
		b := start(redis, func(o *redisadapter.Options) {
			client := goredis.NewClient(&goredis.Options{Addr: proxy.URI(redis.Addr)})
			DeferCleanup(client.Close)
			o.Client = client
		})
		Expect(a.all.Emit("one")).To(Succeed())
		Expect(b.client.Next().Frame).To(Equal(`42["one"]`))
		proxy.Silence()
		Expect(a.all.Emit("lost")).To(Succeed())
		Eventually(b.resyncs, "30s").Should(Receive(), "its clients can be brought up to date")
		Expect(a.all.Emit("two")).To(Succeed())
		Expect(b.client.Next().Frame).To(Equal(`42["two"]`))
	})

	It("bound what waits for a Redis that is away, and count what is lost", func() {
		redis := wire.StartRedis(GinkgoTB())
		s := start(redis, func(o *redisadapter.Options) { o.Queue, o.QueueBytes = 1_000_000, 10_000 })
		redis.Kill()
		var err error
		for range 100 {
			if err = s.all.Emit("big", string(make([]byte, 1000))); err != nil {
				break
			}
		}
		Expect(err).To(MatchError(redisadapter.ErrDisconnected))
		Expect(s.cluster.Stats().Dropped).To(BeNumerically(">", 0))
	})

	It("live through whatever is published on their channels", func(ctx SpecContext) {
		redis := wire.StartRedis(GinkgoTB())
		s := start(redis)
		client := redis.Client()
		defer func() { _ = client.Close() }()
		for _, channel := range []string{"socket.io#/#", "socket.io#/#room#", "socket.io-request#/#", "socket.io-response#/#"} {
			for _, body := range []string{"", "{", "[]", "{}", "\x93\xa1a\x80\x80", "\xdf\xff\xff\xff\xff", `{"type":7}`, `{"type":2}`, `{"type":6,"data":5}`, `{"type":99}`, `{"requestId":5}`, "\x91\x91\x91"} {
				Expect(client.Publish(ctx, channel, body).Err()).To(Succeed())
			}
		}
		Eventually(func() uint64 { return s.cluster.Stats().Malformed }).Should(BeNumerically(">", 10))
		Expect(s.client.Sync()).To(BeEmpty())
	})

	It("say how many servers did not answer", func(ctx SpecContext) {
		redis := wire.StartRedis(GinkgoTB())
		s := start(redis, func(o *redisadapter.Options) { o.RequestTimeout = 300 * time.Millisecond })
		client := redis.Client()
		defer func() { _ = client.Close() }()
		deaf := client.Subscribe(ctx, "socket.io-request#/#")
		defer func() { _ = deaf.Close() }()
		_, err := deaf.Receive(ctx)
		Expect(err).NotTo(HaveOccurred())
		sockets, err := s.all.All().FetchSockets(within())
		Expect(err).To(MatchError(ContainSubstring("0 of 1 other servers")))
		Expect(sockets).To(HaveLen(1), "its own are told")
	})
})
