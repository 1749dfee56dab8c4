//go:build unix

package program

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/test/binary"
	"github.com/devops-insights/devops-insights/test/kit"
	"github.com/devops-insights/devops-insights/test/silence"
)

// outside is the service to which the heartbeat goes.
type outside struct {
	url string

	mu    sync.Mutex
	calls []string // path and body
}

func newOutside() *outside {
	o := new(outside)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		o.mu.Lock()
		defer o.mu.Unlock()
		o.calls = append(o.calls, r.URL.Path+" "+string(body))
	}))
	DeferCleanup(server.Close)
	o.url = server.URL + "/hunter2"
	return o
}

// take returns the calls since the last time.
func (o *outside) take() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	calls := o.calls
	o.calls = nil
	return calls
}

// regionUptime is what the server says of a region's past, in seconds.
type regionUptime struct {
	Source                                 string
	UpSeconds, DownSeconds, UnknownSeconds float64
}

func uptimes(addr string) []regionUptime {
	_, body := ask("http://" + addr + "/api/v1/uptime?window=1h")
	var answer struct{ Regions []regionUptime }
	_ = json.Unmarshal([]byte(body), &answer)
	return answer.Regions
}

// networkState is the part network of health, and its class.
func networkState(addr string) string {
	_, body := ask("http://" + addr + "/api/v1/health")
	var answer struct {
		Checks map[string]struct{ State, Class string }
	}
	_ = json.Unmarshal([]byte(body), &answer)
	part := answer.Checks["network"]
	return strings.TrimSpace(part.State + " " + part.Class)
}

var _ = Describe("an outage of our own network", func() {
	regions := []string{"us-east", "us-west", "eu-west", "eu-central", "sa-east", "ap-southeast"}

	It("is unknown time and no heartbeat, and one of the upstreams alone is down", func() {
		upstream, witness, service := kit.NewUpstream(GinkgoTB()), silence.New(GinkgoTB()), newOutside()
		hang := func() {
			for _, region := range regions {
				upstream.Handle(region, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
			}
		}
		answer := func() {
			for _, region := range regions {
				upstream.Set(region, `{"status":"ok"}`)
			}
		}
		port, out := freePort(), new(binary.Output)
		addr := "127.0.0.1:" + port
		cmd := command(nil, "SERVER_PORT="+port, "EXTERNAL_API_NAME=acme", "UPSTREAM_URL="+upstream.Template(), "POLL_INTERVAL=2s",
			"NETWORK_CHECK="+witness.Addr(), "HEARTBEAT_URL="+service.url, "HEARTBEAT_FAIL_URL="+service.url+"/fail", "HEARTBEAT_INTERVAL=1s")
		cmd.Stdout = out
		start(cmd)
		ready(addr)
		Eventually(func() string { return networkState(addr) }, "20s", "50ms").Should(Equal("ok"), out.String())
		Eventually(service.take, "20s", "50ms").Should(ContainElement(And(HavePrefix("/hunter2 "), ContainSubstring(`"status":"ok"`))))

		By("cutting the network")
		witness.Silence()
		hang()
		Eventually(func() string { return networkState(addr) }, "30s", "50ms").Should(Equal("down NO_NETWORK"), out.String())
		Eventually(service.take, "20s", "50ms").Should(ContainElement(And(HavePrefix("/hunter2/fail "), ContainSubstring("network is down: our own network fails"))))
		Eventually(func() []regionUptime { return uptimes(addr) }, "30s", "100ms").Should(And(HaveLen(len(regions)),
			HaveEach(And(HaveField("UnknownSeconds", BeNumerically(">", 0)), HaveField("DownSeconds", BeZero())))), out.String())

		By("mending it")
		answer()
		witness.Speak()
		Eventually(func() string { return networkState(addr) }, "30s", "50ms").Should(Equal("ok"), out.String())
		service.take()
		Eventually(service.take, "20s", "50ms").Should(ContainElement(HavePrefix("/hunter2 ")))
		before := uptimes(addr)
		Expect(before).To(HaveLen(len(regions)))
		Eventually(func() []regionUptime { return uptimes(addr) }, "30s", "100ms").Should(And(HaveLen(len(regions)),
			HaveEach(And(HaveField("UpSeconds", BeNumerically(">", before[0].UpSeconds)), HaveField("DownSeconds", BeZero())))), out.String())

		By("cutting the upstreams off alone")
		hang()
		Eventually(func() []regionUptime { return uptimes(addr) }, "30s", "100ms").Should(
			HaveEach(HaveField("DownSeconds", BeNumerically(">", 0))), out.String())
		Expect(networkState(addr)).To(Equal("ok"))
		service.take()
		Eventually(service.take, "20s", "50ms").Should(ContainElement(HavePrefix("/hunter2 ")), "how the upstreams are is not the server's fault")

		stop(cmd, "10s")
		Expect(lines(out.String(), "our own network fails")).To(HaveLen(1))
		Expect(lines(out.String(), "our own network works again")).To(HaveLen(1))
		Expect(out.String()).NotTo(ContainSubstring("hunter2"))
	})

	It("is not looked for by a server whose upstreams are on this machine, unless the settings name whom to ask", func() {
		upstream := kit.NewUpstream(GinkgoTB())
		port := freePort()
		cmd := command(nil, "SERVER_PORT="+port, "EXTERNAL_API_NAME=acme", "UPSTREAM_URL="+upstream.Template(), "POLL_INTERVAL=200ms")
		start(cmd)
		ready("127.0.0.1:" + port)
		Eventually(func() int { return upstream.Polls("eu-west") }, "20s", "20ms").Should(BeNumerically(">", 10))
		Expect(networkState("127.0.0.1:" + port)).To(BeEmpty())
		stop(cmd, "10s")
	})

	It("cannot be looked for at places that are none", func() {
		_, stderr, code := finish(nil, "SERVER_PORT="+freePort(), "NETWORK_CHECK=192.0.2.1")
		Expect(code).To(Equal(78))
		Expect(stderr).To(And(ContainSubstring("NETWORK_CHECK"), ContainSubstring("host:port is expected")))
	})
})
