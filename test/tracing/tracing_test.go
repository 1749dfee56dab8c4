// Package tracing follows a value through the real program with a real receiver of
// traces: from the upstream to the dashboards, over one instance and over two.
package tracing

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/test/binary"
	"github.com/devops-insights/devops-insights/test/kit"
	"github.com/devops-insights/devops-insights/test/otlp"
	"github.com/devops-insights/devops-insights/test/ports"
	"github.com/devops-insights/devops-insights/test/wire"
)

func TestTracing(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Traces of the program")
}

var program string

var _ = BeforeSuite(func() {
	var err error
	program, err = binary.Build(GinkgoT().TempDir())
	Expect(err).NotTo(HaveOccurred())
})

// secret stands wherever the settings have room for one.
const secret = "s3cr3t-9f1c"

// instance is a running program.
type instance struct {
	url string
	log *binary.Output
	cmd *exec.Cmd
}

// start starts the program with these settings beside those that every spec has.
func start(upstream *kit.Upstream, environ ...string) *instance {
	GinkgoHelper()
	port, err := ports.Free(1)
	Expect(err).NotTo(HaveOccurred())
	i := &instance{url: "http://127.0.0.1:" + strconv.Itoa(port), log: new(binary.Output), cmd: exec.Command(program)}
	i.cmd.Dir = GinkgoT().TempDir()
	i.cmd.Stdout, i.cmd.Stderr = i.log, i.log
	i.cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "DATA_DIR=" + filepath.Join(i.cmd.Dir, "data"), "SERVER_HOST=127.0.0.1", "SERVER_PORT=" + strconv.Itoa(port),
		"EXTERNAL_API_NAME=acme", "UPSTREAM_URL=" + upstream.Template() + "?key=" + secret, "UPSTREAM_HEADER_X_KEY=" + secret,
		"POLL_INTERVAL=200ms", "LOG_FORMAT=json", "OTEL_BSP_SCHEDULE_DELAY=50",
	}, environ...)
	Expect(i.cmd.Start()).To(Succeed())
	DeferCleanup(func() {
		if i.cmd.ProcessState == nil {
			_ = i.cmd.Process.Kill()
			_ = i.cmd.Wait() // it was told to
		}
	})
	Eventually(func() int {
		status, _ := i.get("/readyz", "")
		return status
	}, "60s", "50ms").Should(Equal(http.StatusOK), i.log.String())
	return i
}

// stop ends the program with SIGTERM and returns how long that took.
func (i *instance) stop() time.Duration {
	GinkgoHelper()
	began := time.Now()
	Expect(i.cmd.Process.Signal(syscall.SIGTERM)).To(Succeed())
	over := make(chan error, 1)
	go func() { over <- i.cmd.Wait() }()
	Eventually(over, "30s").Should(Receive(Succeed()), i.log.String)
	return time.Since(began)
}

// get asks for a path with a traceparent, and returns the one of the answer.
func (i *instance) get(path, traceparent string) (status int, answered string) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, i.url+path, http.NoBody)
	if err != nil {
		return 0, err.Error()
	}
	if traceparent != "" {
		req.Header.Set("traceparent", traceparent)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	_ = resp.Body.Close()
	return resp.StatusCode, resp.Header.Get("traceparent")
}

// sent returns the broadcasts of eu-west that have arrived.
func sent(c *otlp.Receiver) []otlp.Span {
	var of []otlp.Span
	for _, s := range c.Named("send /") {
		if s.Attributes["devops_insights.region"] == "eu-west" {
			of = append(of, s)
		}
	}
	return of
}

// names returns the spans of a trace by their names.
func names(c *otlp.Receiver, trace string) map[string]otlp.Span {
	of := make(map[string]otlp.Span)
	for _, s := range c.Trace(trace) {
		of[s.Name] = s
	}
	return of
}

// hidden fails where something that was sent to the collector, or logged, is secret.
func hidden(c *otlp.Receiver, instances ...*instance) {
	GinkgoHelper()
	for _, body := range c.Raw() {
		Expect(bytes.Contains(body, []byte(secret))).To(BeFalse(), "a span shows a secret")
	}
	for _, i := range instances {
		Expect(i.log.String()).NotTo(ContainSubstring(secret))
	}
}

const (
	clientTrace = "0af7651916cd43dd8448eb211c80319c"
	clientSpan  = "b7ad6b7169203331"
	sampled     = "00-" + clientTrace + "-" + clientSpan + "-01"
)

var _ = Describe("one instance", func() {
	var (
		c        *otlp.Receiver
		upstream *kit.Upstream
	)
	BeforeEach(func() {
		c, upstream = otlp.Start(GinkgoTB()), kit.NewUpstream(GinkgoTB())
	})
	set := func(n int) { upstream.Set("eu-west", fmt.Sprintf(`{"n":%d}`, n)) }

	It("records one trace from the poll to the dashboards", func() {
		set(1)
		i := start(upstream, "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL, "OTEL_EXPORTER_OTLP_HEADERS=x-key="+secret, "OTEL_SERVICE_NAME=insights",
			"OTEL_RESOURCE_ATTRIBUTES=team=a%20b", "OTEL_EXPORTER_OTLP_COMPRESSION=gzip")
		d := kit.Dial(GinkgoTB(), i.url)
		d.Subscribe("eu-west")
		d.Sync()
		before := len(sent(c))
		set(2)
		Eventually(func() []otlp.Span { return sent(c) }, "20s").Should(HaveLen(before + 1))
		send := sent(c)[before]
		Eventually(func() map[string]otlp.Span { return names(c, send.TraceID) }, "10s").Should(And(
			HaveKey("poll"), HaveKey("GET"), HaveKey("save"), HaveKey("feed"), HaveKey("send /")))
		trace := names(c, send.TraceID)
		poll := trace["poll"]
		Expect(poll.ParentID).To(BeEmpty())
		Expect(poll.Attributes).To(HaveKeyWithValue("devops_insights.changed", true))
		for _, name := range []string{"GET", "save", "feed", "send /"} {
			Expect(trace[name].ParentID).To(Equal(poll.ID), name)
		}
		Expect(trace["GET"].Attributes).To(HaveKeyWithValue("server.address", "127.0.0.1"))
		Expect(trace["send /"].Attributes).To(HaveKeyWithValue("messaging.socket.io.rooms", []any{"metrics:acme:eu-west"}))
		Expect(poll.Resource).To(And(HaveKeyWithValue("service.name", "insights"), HaveKeyWithValue("team", "a b"), HaveKey("service.instance.id")))
		Expect(c.Requests()[0].Header.Get("X-Key")).To(Equal(secret))

		By("and a poll without news as one span with its children")
		Eventually(func() bool {
			for _, s := range c.Named("poll") {
				if s.Attributes["devops_insights.changed"] == false && len(c.Trace(s.TraceID)) == 3 {
					return true
				}
			}
			return false
		}, "10s").Should(BeTrue())

		By("and one that fails as failed")
		upstream.Fail("eu-west", 503)
		Eventually(func() (failed []otlp.Span) {
			for _, s := range c.Named("poll") {
				if s.Failed {
					failed = append(failed, s)
				}
			}
			return failed
		}, "20s").ShouldNot(BeEmpty())
		i.stop()
		hidden(c, i)
	})

	It("records questions and requests, in the traces of those who ask", func() {
		set(1)
		i := start(upstream, "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL, "LOG_LEVEL=debug")
		d := kit.Dial(GinkgoTB(), i.url)
		d.Emit("metrics:getHistory", map[string]any{"source": "eu-west", "traceparent": sampled})
		Expect(d.Next().Name).To(Equal("metrics:history"))
		Eventually(func() map[string]otlp.Span { return names(c, clientTrace) }, "10s").Should(And(HaveKey("receive /"), HaveKey("scan")))
		question := names(c, clientTrace)["receive /"]
		Expect(question.ParentID).To(Equal(clientSpan))
		Expect(question.Attributes).To(HaveKeyWithValue("messaging.socket.io.event_name", "metrics:getHistory"))
		Expect(names(c, clientTrace)["scan"].ParentID).To(Equal(question.ID))

		By("and names the trace as the last key of an error")
		d.Emit("metrics:get", map[string]any{"source": "nowhere"})
		answer := d.Next()
		Expect(answer.Name).To(Equal("metrics:error"))
		Expect(string(answer.Payload)).To(MatchRegexp(`,"requestId":"[^"]+","traceparent":"00-[0-9a-f]{32}-[0-9a-f]{16}-01"}$`))
		var refusal struct{ Traceparent string }
		Expect(json.Unmarshal(answer.Payload, &refusal)).To(Succeed())
		Eventually(func() []otlp.Span { return c.Trace(refusal.Traceparent[3:35]) }, "10s").Should(HaveLen(1))
		Expect(i.log.String()).To(ContainSubstring(`"trace_id":"` + refusal.Traceparent[3:35] + `"`))

		By("and requests, with the trace in the answer and in the log")
		other := strings.Replace(sampled, clientTrace, strings.Repeat("ab", 16), 1)
		status, answered := i.get("/api/v1/info?token="+secret, other)
		Expect(status).To(Equal(http.StatusOK))
		Expect(answered).To(HavePrefix(other[:36]))
		Eventually(func() map[string]otlp.Span { return names(c, strings.Repeat("ab", 16)) }, "10s").Should(HaveKey("GET /api/v1/info"))
		Expect(i.log.String()).To(ContainSubstring(`"trace_id":"` + strings.Repeat("ab", 16) + `"`))
		for _, path := range []string{"/", "/api/v1/health", "/livez", "/nowhere", "/socket.io/?EIO=4&transport=polling", "/socket.io/socket.io.js"} {
			_, answered = i.get(path, "")
			Expect(answered).To(MatchRegexp(`^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$`), path)
		}

		By("and heeds no text that is no traceparent")
		for _, bad := range []string{
			"ff" + sampled[2:], "00-" + strings.Repeat("0", 32) + "-" + clientSpan + "-01", sampled[:50], sampled + "-x", sampled + strings.Repeat("x", 10_000), "what",
		} {
			before := len(c.Trace(clientTrace))
			_, answered = i.get("/api/v1/health", bad)
			Expect(answered).NotTo(ContainSubstring(clientTrace))
			d.Emit("metrics:getHistory", map[string]any{"source": "eu-west", "traceparent": bad})
			Expect(d.Next().Name).To(Equal("metrics:history"))
			Expect(c.Trace(clientTrace)).To(HaveLen(before))
		}
		i.stop()
		hidden(c, i)
	})

	It("records a share of the traces, whole ones", func() {
		set(1)
		i := start(upstream, "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL, "OTEL_TRACES_SAMPLER=parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.3", "POLL_INTERVAL=100ms")
		for n := 2; n < 42; n++ {
			polls := upstream.Polls("eu-west")
			set(n)
			Eventually(func() int { return upstream.Polls("eu-west") }, "10s", "5ms").Should(BeNumerically(">", polls))
		}
		i.stop()
		polls := len(c.Named("poll"))
		total := 0
		for _, region := range []string{"us-east", "us-west", "eu-west", "eu-central", "sa-east", "ap-southeast"} {
			total += upstream.Polls(region)
		}
		Expect(polls).To(BeNumerically(">", 0))
		Expect(polls).To(BeNumerically("<", total*6/10), "of %d polls", total)
		for _, s := range sent(c) {
			Expect(names(c, s.TraceID)).To(HaveKey("poll"))
		}
	})

	It("flushes what it has when it ends", func() {
		set(1)
		i := start(upstream, "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL, "OTEL_BSP_SCHEDULE_DELAY=3600000")
		_, answered := i.get("/api/v1/info", "")
		Expect(c.Spans()).To(BeEmpty())
		i.stop()
		Expect(c.Trace(answered[3:35])).To(HaveLen(1))
	})

	DescribeTable("goes on where the collector does not take the traces", func(collector func() string, sentence string) {
		set(1)
		i := start(upstream, "OTEL_EXPORTER_OTLP_ENDPOINT="+collector(), "OTEL_EXPORTER_OTLP_HEADERS=x-key="+secret, "OTEL_EXPORTER_OTLP_TIMEOUT=500",
			"OTEL_BSP_EXPORT_TIMEOUT=1000", "DRAIN_TIMEOUT=8s")
		d := kit.Dial(GinkgoTB(), i.url)
		d.Subscribe("eu-west")
		d.Sync()
		set(2)
		Expect(d.Next().Name).To(Equal("metrics-update"))
		Eventually(i.log.String, "20s").Should(ContainSubstring(sentence))
		Expect(i.stop()).To(BeNumerically("<", 10*time.Second))
		Expect(strings.Count(i.log.String(), "traces are lost")).To(Equal(1))
		hidden(c, i)
	},
		Entry("nobody listens", func() string {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			Expect(err).NotTo(HaveOccurred())
			defer func() { _ = l.Close() }()
			return "http://" + l.Addr().String()
		}, "connection refused"),
		Entry("it hangs", func() string {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			Expect(err).NotTo(HaveOccurred())
			DeferCleanup(l.Close)
			return "http://" + l.Addr().String()
		}, "did not answer within"),
		Entry("it answers 500", func() string {
			c.Answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
			return c.URL
		}, "status 500"),
		Entry("it answers 429", func() string {
			c.Answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) })
			return c.URL
		}, "status 429"),
	)

	It("records nothing without a collector, or with OTEL_SDK_DISABLED", func() {
		set(1)
		i := start(upstream, "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL, "OTEL_SDK_DISABLED=true")
		d := kit.Dial(GinkgoTB(), i.url)
		d.Emit("metrics:get", map[string]any{"source": "nowhere"})
		Expect(string(d.Next().Payload)).NotTo(ContainSubstring("traceparent"))
		_, answered := i.get("/api/v1/info", sampled)
		Expect(answered).To(And(HavePrefix(sampled[:36]), HaveSuffix("-00")))
		i.stop()
		Expect(c.Requests()).To(BeEmpty())
	})
})

var _ = Describe("two instances over a database", func() {
	It("the one that sends what the other has polled links to its trace", func() {
		database := wire.Start(GinkgoTB()).Database("traces")
		c, upstream := otlp.Start(GinkgoTB()), kit.NewUpstream(GinkgoTB())
		upstream.Set("eu-west", `{"n":1}`)
		var instances []*instance
		for _, name := range []string{"one", "two"} {
			i := start(upstream, "DATABASE_URL="+database, "OTEL_EXPORTER_OTLP_ENDPOINT="+c.URL, "OTEL_RESOURCE_ATTRIBUTES=service.instance.id="+name, "POLL_LEASE=3s")
			d := kit.Dial(GinkgoTB(), i.url)
			d.Subscribe("eu-west")
			d.Sync()
			instances = append(instances, i)
		}
		upstream.Set("eu-west", `{"n":2.0}`) // which the database writes as 2
		var own, others []otlp.Span
		Eventually(func() bool {
			own, others = nil, nil
			for _, s := range sent(c) {
				if len(s.Links) == 0 {
					own = append(own, s)
				} else {
					others = append(others, s)
				}
			}
			return len(own) > 0 && len(others) > 0
		}, "30s").Should(BeTrue())
		other := others[len(others)-1]
		Eventually(func() map[string]otlp.Span { return names(c, other.Links[0].TraceID) }, "10s").Should(And(HaveKey("poll"), HaveKey("save"), HaveKey("send /")))
		trace := names(c, other.Links[0].TraceID)
		poll := trace["poll"]
		Expect(other.Links[0].SpanID).To(Equal(poll.ID))
		Expect(other.ParentID).To(BeEmpty())
		Expect(other.Resource["service.instance.id"]).NotTo(Equal(poll.Resource["service.instance.id"]))
		Expect(trace["send /"].Resource["service.instance.id"]).To(Equal(poll.Resource["service.instance.id"]))
		Expect(trace["send /"].ParentID).To(Equal(poll.ID))
		Expect(trace).To(Or(HaveKey("change stream"), HaveKey("feed")))
		Expect(trace["save"].Attributes).To(HaveKeyWithValue("db.system.name", "mongodb"))
		for _, i := range instances {
			i.stop()
		}
		hidden(c, instances...)
	})
})
