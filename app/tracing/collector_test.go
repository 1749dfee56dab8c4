package tracing

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/sirupsen/logrus"
	"go.opentelemetry.io/otel/attribute"
	response "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/devops-insights/devops-insights/test/otlp"
)

// lines is a log that a spec can read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// key is what no line of the log and no attribute may show.
const key = "tea-0xC0FFEE"

var _ = Describe("a collector", func() {
	var (
		c   *otlp.Receiver
		t   *Tracer
		log *lines
	)
	// open makes a Tracer that sends to an address every 20 ms.
	open := func(url string, change ...func(*Options)) {
		GinkgoHelper()
		GinkgoT().Setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
		log = new(lines)
		l := logrus.New()
		l.SetOutput(log)
		o := Options{
			Collector: &Collector{URL: url, Header: http.Header{"X-Api-Key": {key}}, Timeout: 200 * time.Millisecond, Gzip: true},
			Resource:  []attribute.KeyValue{attribute.String("service.name", "insights")}, Logger: l,
		}
		for _, f := range change {
			f(&o)
		}
		var err error
		t, err = New(o)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() { Expect(t.Shutdown(context.Background())).To(Succeed()) })
	}
	send := func(n int) {
		for range n {
			t.Sending(change(time.Now()), true)(nil)
		}
	}
	stats := func() [2]int {
		sent, lost := t.Stats()
		return [2]int{int(sent), int(lost)}
	}
	BeforeEach(func() { c = otlp.Start(GinkgoT()) })

	DescribeTable("gets the spans as the specification has them", func(gzip bool) {
		open(c.URL+TracesPath, func(o *Options) { o.Collector.Gzip = gzip })
		send(3)
		Eventually(func() []otlp.Span { return c.Named("send /") }, "10s").Should(HaveLen(3))
		s := c.Spans()[0]
		Expect(s.Kind).To(Equal("PRODUCER"))
		Expect(s.Links).To(HaveLen(1))
		Expect(s.Resource).To(HaveKeyWithValue("service.name", "insights"))
		Expect(s.Resource).To(HaveKeyWithValue("telemetry.sdk.language", "go"))
		Expect(s.Attributes).To(HaveKeyWithValue("messaging.socket.io.rooms", []any{"metrics:acme:eu-west"}))
		req := c.Requests()[0]
		Expect(req.URL.Path).To(Equal("/v1/traces"))
		Expect(req.Header.Get("X-Api-Key")).To(Equal(key))
		Eventually(stats, "10s").Should(Equal([2]int{3, 0}))
	}, Entry("compressed", true), Entry("plain", false))

	It("gets what is left when the program ends", func() {
		open(c.URL + TracesPath)
		send(1000)
		Expect(t.Shutdown(context.Background())).To(Succeed())
		Expect(c.Spans()).To(HaveLen(1000))
	})

	DescribeTable("that asks for patience gets the spans later", func(status int) {
		var asked atomic.Int32
		c.Answer(func(w http.ResponseWriter, _ *http.Request) {
			if asked.Add(1) == 2 {
				c.Answer(nil)
			}
			w.WriteHeader(status)
		})
		open(c.URL + TracesPath)
		send(2)
		Eventually(c.Spans, "20s").Should(HaveLen(2))
		Eventually(stats, "10s").Should(Equal([2]int{2, 0}))
		Expect(log.String()).To(BeEmpty())
	}, Entry("429", 429), Entry("502", 502), Entry("503", 503), Entry("504", 504))

	DescribeTable("that refuses is told of once in the log, and again when it takes them", func(refuse http.HandlerFunc, sentence string) {
		c.Answer(refuse)
		open(c.URL + "/a-path-with-" + key)
		for i := range 5 {
			send(1)
			Eventually(stats, "20s").Should(Equal([2]int{0, i + 1}))
		}
		Eventually(log.String, "10s").Should(ContainSubstring(sentence))
		c.Answer(nil)
		send(2)
		Eventually(stats, "20s").Should(Equal([2]int{2, 5}))
		Eventually(log.String, "10s").Should(ContainSubstring("traces are sent to the collector again"))
		Expect(strings.Count(log.String(), "\n")).To(Equal(2), log.String())
		Expect(log.String()).NotTo(ContainSubstring(key))
	},
		Entry("500", status(500), "status 500"),
		Entry("400", status(400), "status 400"),
		Entry("401 with the key in its answer", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "bad key "+key, http.StatusUnauthorized) }, "status 401"),
		Entry("a redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/other", http.StatusTemporaryRedirect)
		}, "status 307"),
	)

	It("that takes a part of the spans is believed, as far as that can be", func() {
		rejected := int64(2)
		c.Answer(func(w http.ResponseWriter, _ *http.Request) {
			b, _ := proto.Marshal(&response.ExportTraceServiceResponse{PartialSuccess: &response.ExportTracePartialSuccess{RejectedSpans: rejected, ErrorMessage: key}})
			_, _ = w.Write(b)
		})
		open(c.URL + TracesPath)
		send(5)
		Expect(t.provider.ForceFlush(context.Background())).To(Succeed())
		Expect(stats()).To(Equal([2]int{3, 2}))
		rejected = -1
		send(5)
		Expect(t.provider.ForceFlush(context.Background())).To(Succeed())
		Expect(stats()).To(Equal([2]int{3, 7}), "more than it was sent is all of it")
		Expect(log.String()).To(ContainSubstring("refused 2 spans"))
		Expect(log.String()).NotTo(ContainSubstring(key))
	})

	DescribeTable("that answers nonsense is taken for a good one", func(body string) {
		c.Answer(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
		open(c.URL + TracesPath)
		send(2)
		Eventually(stats, "10s").Should(Equal([2]int{2, 0}))
	},
		Entry("text", "<html>hello</html>"), Entry("a length that is not there", "\x0a\xff\xff\xff\xff\x0f"),
		Entry("a field that ends early", "\x08"), Entry("10 MB", strings.Repeat("\x0a\x00", 5<<20)),
	)

	// Those that never answer: nothing of the program waits for them, what they cost
	// is bounded, and the program ends in time.
	DescribeTable("that gives no answer costs spans and nothing else", func(url func() string) {
		open(url())
		began := time.Now()
		send(2 * queueSize)
		Expect(time.Since(began)).To(BeNumerically("<", 10*time.Second), "sending to dashboards does not wait")
		Eventually(func() int { return stats()[1] }, "10s").Should(BeNumerically(">=", queueSize))
		Expect(t.exporter.waiting.Load()).To(BeNumerically("<=", queueSize))
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		defer cancel()
		began = time.Now()
		Expect(t.Shutdown(ctx)).To(Succeed())
		Expect(time.Since(began)).To(BeNumerically("<", 8*time.Second))
		Expect(stats()).To(Equal([2]int{0, 2 * queueSize}))
		Expect(log.String()).To(ContainSubstring("traces are lost"))
		Expect(strings.Count(log.String(), "\n")).To(Equal(1), log.String())
	},
		Entry("nobody listens", func() string {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			Expect(err).NotTo(HaveOccurred())
			defer func() { _ = l.Close() }()
			return "http://" + l.Addr().String() + TracesPath
		}),
		Entry("it hangs", func() string {
			over := make(chan struct{})
			s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))
			DeferCleanup(func() { close(over); s.Close() })
			return s.URL
		}),
		Entry("it closes", func() string {
			s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
			s.Config.ErrorLog = nil
			DeferCleanup(s.Close)
			return s.URL
		}),
		Entry("it never ends its answer", func() string {
			over := make(chan struct{})
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusServiceUnavailable)
				for {
					select {
					case <-over:
						return
					case <-r.Context().Done():
						return
					default:
						if _, err := w.Write(make([]byte, 1024)); err != nil {
							return
						}
					}
				}
			}))
			DeferCleanup(func() { close(over); s.Close() })
			return s.URL
		}),
		Entry("it asks for an hour", func() string {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "3600")
				w.WriteHeader(http.StatusTooManyRequests)
			}))
			DeferCleanup(s.Close)
			return s.URL
		}),
	)
})

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}
