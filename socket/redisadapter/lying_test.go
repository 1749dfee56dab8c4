package redisadapter

import (
	"bytes"
	"net"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/redis/go-redis/v9"

	"github.com/devops-insights/devops-insights/socket/socketio"
)

// lyingCluster is a mock of a node that answers the question for the slots with
// this, which no real one does; asked counts the questions.
func lyingCluster(slots string) (addr string, asked *atomic.Int64) {
	GinkgoHelper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(l.Close)
	asked = new(atomic.Int64)
	answer := func(conn net.Conn) {
		defer func() { _ = conn.Close() }()
		for b := make([]byte, 4096); ; {
			n, err := conn.Read(b)
			if err != nil {
				return
			}
			text := bytes.ToUpper(b[:n])
			reply := strings.Repeat("+OK\r\n", bytes.Count(text, []byte("*")))
			switch {
			case bytes.Contains(text, []byte("HELLO")):
				reply = "-ERR unknown command 'HELLO'\r\n" + strings.TrimPrefix(reply, "+OK\r\n")
			case bytes.Contains(text, []byte("CLUSTER")):
				asked.Add(1)
				reply = slots
			}
			if _, err := conn.Write([]byte(reply)); err != nil {
				return
			}
		}
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go answer(conn)
		}
	}()
	return l.Addr().String(), asked
}

var _ = DescribeTable("a cluster that does not say who has a channel is asked again with growing pauses", func(slots string) {
	addr, asked := lyingCluster(slots)
	o := &redis.UniversalOptions{Addrs: []string{addr}, IsClusterMode: true, MaxRetries: -1}
	o.Dialer = Dialer(o)
	client := redis.NewUniversalClient(o)
	cluster := Open(Options{Client: client, Sharded: true})
	server := socketio.NewServer(socketio.Options{NewAdapter: cluster.Adapter})
	server.Of("/")
	DeferCleanup(func(ctx SpecContext) {
		Expect(server.Close(ctx)).To(Succeed())
		Expect(cluster.Close(ctx)).To(Succeed())
		Expect(client.Close()).To(Succeed())
	})
	Eventually(asked.Load, "10s").Should(BeNumerically(">", 1))
	Consistently(asked.Load, time.Second).Should(BeNumerically("<", 100))
	Expect(cluster.Stats().Connected).To(BeFalse())
},
	Entry("no slots at all", "*1\r\n*0\r\n"),
	Entry("a node without an address", "*1\r\n*3\r\n:0\r\n:16383\r\n*0\r\n"),
	Entry("no node", "*1\r\n*3\r\n:0\r\n:16383\r\n*-1\r\n"),
	Entry("an error", "-MOVED 999999 :0\r\n"),
)
