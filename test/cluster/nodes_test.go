package cluster

import (
	"context"
	"net"
	"strconv"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/redis/go-redis/v9"

	"github.com/devops-insights/devops-insights/socket/redisadapter"
	"github.com/devops-insights/devops-insights/test/wire"
)

// nodes starts a Redis Cluster of three nodes that share the slots.
func nodes(ctx context.Context) (*wire.Redis, []string) {
	GinkgoHelper()
	var first *wire.Redis
	var addrs []string
	for i := range 3 {
		port := freePort() // the bus of the nodes, which may not be 10,000 above a high port
		r := wire.StartRedis(GinkgoTB(), "--cluster-enabled", "yes", "--cluster-port", port)
		client := r.Client()
		defer func() { _ = client.Close() }()
		from, to := i*5462, min((i+1)*5462, 16384)-1
		Expect(client.ClusterAddSlotsRange(ctx, from, to).Err()).To(Succeed())
		if first == nil {
			first = r
		} else {
			// MEET of a node whose bus is elsewhere names its port too.
			host, own, err := net.SplitHostPort(r.Addr)
			Expect(err).NotTo(HaveOccurred())
			known := first.Client()
			Expect(known.Do(ctx, "CLUSTER", "MEET", host, own, port).Err()).To(Succeed())
			Expect(known.Close()).To(Succeed())
		}
		addrs = append(addrs, r.Addr)
	}
	for _, addr := range addrs {
		client := redis.NewClient(&redis.Options{Addr: addr})
		defer func() { _ = client.Close() }()
		Eventually(func() string { return client.ClusterInfo(ctx).Val() }, "30s", "50ms").
			Should(And(ContainSubstring("cluster_state:ok"), ContainSubstring("cluster_known_nodes:3")))
	}
	return first, addrs
}

var _ = DescribeTable("servers of ours are one over a Redis Cluster of three nodes", func(ctx SpecContext, sharded bool) {
	r, addrs := nodes(ctx)
	join := func(o *redisadapter.Options) {
		client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs})
		DeferCleanup(client.Close)
		o.Client, o.Sharded = client, sharded
	}
	a, b := start(r, join), start(r, join)
	Expect(a.all.Emit("all")).To(Succeed())
	Expect(b.client.Next().Frame).To(Equal(`42["all"]`))
	for i := range 8 { // rooms in the slots of every node
		room := "room " + strconv.Itoa(i)
		Expect(a.all.To(b.id).SocketsJoin(room)).To(Succeed())
		Eventually(b.all.Rooms).Should(ContainElement(room))
		Expect(b.cluster.Ready(within())).To(Succeed())
		Expect(a.all.To(room).Emit("to", i)).To(Succeed())
		Expect(b.client.Next().Frame).To(Equal(`42["to",` + strconv.Itoa(i) + `]`))
	}
	sockets, err := a.all.All().FetchSockets(within())
	Expect(err).NotTo(HaveOccurred())
	Expect(sockets).To(HaveLen(2))
	answers, err := b.all.ServerSideEmitWithAck(within(), "question", "why")
	Expect(err).NotTo(HaveOccurred())
	Expect(answers).To(HaveLen(1))
},
	Entry("in the classic mode", false),
	Entry("in the sharded mode", true),
)
