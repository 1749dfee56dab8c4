package program

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/test/binary"
	"github.com/devops-insights/devops-insights/test/wire"
)

// speaker takes connections and answers everything with this.
func speaker(says string) (addr string) {
	GinkgoHelper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(l.Close)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				for b := make([]byte, 4096); ; {
					if _, err := conn.Read(b); err != nil {
						return
					}
					_, _ = conn.Write([]byte(says))
				}
			}()
		}
	}()
	return l.Addr().String()
}

// locked is the address of a Redis that asks for a password.
func locked() string {
	GinkgoHelper()
	redis := wire.StartRedis(GinkgoTB())
	client := redis.Client()
	Expect(client.ConfigSet(context.Background(), "requirepass", "right").Err()).To(Succeed())
	Expect(client.Close()).To(Succeed())
	return redis.Addr
}

var _ = DescribeTable("Redis that cannot be used has its own cause, and dashboards are served", func(setting func() []string, part string) {
	port, out := freePort(), new(binary.Output)
	cmd := command(nil, append(setting(), "SERVER_PORT="+port)...)
	cmd.Stdout = out
	start(cmd)
	ready("127.0.0.1:" + port)
	Eventually(out.String, "15s").Should(ContainSubstring(part))
	Expect(lines(out.String(), part)).To(HaveLen(1), "once")
	Expect(out.String()).NotTo(ContainSubstring("hunter2"))
	stop(cmd, "10s")

	By("requiring it")
	stdout, stderr, code := finish(nil, append(setting(), "SERVER_PORT="+port, "REDIS_REQUIRED=true")...)
	Expect(code).To(Equal(1), "it may pass by itself")
	Expect(stdout + stderr).To(And(ContainSubstring("REDIS_REQUIRED is true: "), ContainSubstring(part), Not(ContainSubstring("hunter2"))))
},
	Entry("nothing listens", func() []string { return []string{"REDIS_HOST=redis://u:hunter2@127.0.0.1:1"} }, "refuses the connection"),
	Entry("a name that is not resolved", func() []string { return []string{"REDIS_HOST=redis://u:hunter2@redis.invalid"} }, "the name redis.invalid of REDIS_HOST is not resolved"),
	Entry("a wrong password", func() []string {
		return []string{"REDIS_HOST=redis://:hunter2@" + locked()}
	}, "refuses the user or the password of REDIS_HOST"),
	Entry("a password that is missing", func() []string {
		return []string{"REDIS_HOST=redis://" + locked()}
	}, "asks for a password"),
	Entry("TLS to a plain port", func() []string {
		return []string{"REDIS_HOST=rediss://" + wire.StartRedis(GinkgoTB()).Addr}
	}, "may speak no TLS"),
	Entry("no TLS to a port that wants it", func() []string {
		secure := httptest.NewTLSServer(http.NotFoundHandler())
		DeferCleanup(secure.Close)
		return []string{"REDIS_HOST=redis://" + secure.Listener.Addr().String()}
	}, "Redis at 127.0.0.1:"),
	Entry("a certificate of somebody unknown", func() []string {
		secure := httptest.NewTLSServer(http.NotFoundHandler())
		DeferCleanup(secure.Close)
		return []string{"REDIS_HOST=rediss://" + secure.Listener.Addr().String()}
	}, "has a certificate that is not accepted"),
	Entry("a web server", func() []string {
		web := httptest.NewServer(http.NotFoundHandler())
		DeferCleanup(web.Close)
		return []string{"REDIS_HOST=redis://" + web.Listener.Addr().String()}
	}, "does not answer as a Redis does"),
	Entry("a server that is silent", func() []string { return []string{"REDIS_HOST=redis://" + speaker("")} }, "does not answer in time"),
	Entry("a server that announces too much", func() []string { return []string{"REDIS_HOST=redis://" + speaker("*2000000000\r\n")} }, "announced a list of 2000000000 elements"),
	Entry("no node of a cluster", func() []string {
		return []string{"REDIS_CLUSTER=true", "REDIS_HOST=" + wire.StartRedis(GinkgoTB()).Addr}
	}, "is no node of a Redis Cluster"),
	Entry("no Sentinel", func() []string {
		return []string{"REDIS_SENTINEL_MASTER=main", "REDIS_HOST=" + wire.StartRedis(GinkgoTB()).Addr}
	}, "is no Sentinel"),
	Entry("a Sentinel that is not there", func() []string {
		return []string{"REDIS_SENTINEL_MASTER=main", "REDIS_HOST=127.0.0.1:1"}
	}, "refuses the connection"),
)
