package tracing

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/gin-gonic/gin"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/sirupsen/logrus"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

const (
	clientTrace = "0af7651916cd43dd8448eb211c80319c"
	clientSpan  = "b7ad6b7169203331"
	sampled     = "00-" + clientTrace + "-" + clientSpan + "-01"
	unsampled   = "00-" + clientTrace + "-" + clientSpan + "-00"
)

// hostile are texts that the specification does not take for a traceparent.
func hostile() map[string]string {
	return map[string]string{
		"empty": "", "version ff": "ff" + sampled[2:], "a trace of zeros": "00-" + strings.Repeat("0", 32) + "-" + clientSpan + "-01",
		"a span of zeros": "00-" + clientTrace + "-" + strings.Repeat("0", 16) + "-01", "too short": sampled[:54], "too long": sampled + "0",
		"more than version 00 has": sampled + "-what", "10 kB": sampled + strings.Repeat("-x", 5000), "10 kB of a later version": "01" + sampled[2:] + strings.Repeat("-x", 5000),
		"capital letters": strings.ToUpper(sampled), "no hexadecimal digits": strings.ReplaceAll(sampled, "a", "g"), "a newline": sampled + "\n",
		"spaces": " " + sampled, "underscores": strings.ReplaceAll(sampled, "-", "_"), "zeros behind": sampled[:3] + "\x00" + sampled[4:], "unknown flags": sampled[:53] + "ff",
	}
}

var _ = Describe("a request", func() {
	var (
		r      recorder
		engine *gin.Engine
	)
	ask := func(path string, traceparent ...string) *httptest.ResponseRecorder {
		w, req := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil)
		req.Header["Traceparent"] = traceparent
		engine.ServeHTTP(w, req)
		return w
	}
	serve := func(change ...func(*Options)) {
		gin.SetMode(gin.ReleaseMode)
		r = record(change...)
		engine = gin.New()
		engine.Use(func(c *gin.Context) {
			defer func() {
				if recover() != nil {
					c.AbortWithStatus(http.StatusInternalServerError)
				}
			}()
			c.Next()
		}, r.Handler("/livez"))
		engine.GET("/api/:what", func(c *gin.Context) {
			_, done := r.Began(c.Request.Context(), "scan", "acme", "")
			done(nil)
			c.Status(http.StatusOK)
		})
		engine.GET("/livez", func(c *gin.Context) { c.Status(http.StatusOK) })
		engine.GET("/fails", func(c *gin.Context) { c.Status(http.StatusServiceUnavailable) })
		engine.GET("/panics", func(*gin.Context) { panic("oh") })
	}

	It("is a span of the trace that its client names, and the answer names the span", func() {
		serve()
		w := ask("/api/history?token=secret", sampled)
		s := r.named("GET /api/:what")
		Expect(s.SpanContext.TraceID().String()).To(Equal(clientTrace))
		Expect(s.Parent.SpanID().String()).To(Equal(clientSpan))
		Expect(s.Parent.IsRemote()).To(BeTrue())
		Expect(s.SpanKind).To(Equal(trace.SpanKindServer))
		Expect(w.Header().Values("traceparent")).To(Equal([]string{"00-" + clientTrace + "-" + s.SpanContext.SpanID().String() + "-01"}))
		Expect(attributesOf(s)).To(Equal(map[string]string{
			"http.request.method": "GET", "http.route": "/api/:what", "url.path": "/api/history", "url.scheme": "http",
			"network.protocol.version": "1.1", "http.response.status_code": "200",
		}), "the query is no part of it")
		Expect(r.named("scan").Parent.SpanID()).To(Equal(s.SpanContext.SpanID()))
	})

	It("is a trace of its own without a traceparent", func() {
		serve()
		w := ask("/api/history")
		s := r.named("GET /api/:what")
		Expect(s.Parent.IsValid()).To(BeFalse())
		Expect(w.Header().Get("traceparent")).To(HavePrefix("00-" + s.SpanContext.TraceID().String()))
	})

	It("is recorded where its client records it, and not where it does not", func() {
		serve(func(o *Options) { o.Sampler, o.SamplerArg = "parentbased_traceidratio", "0" })
		ask("/api/history")
		Expect(ask("/api/history", unsampled).Header().Get("traceparent")).To(And(HavePrefix("00-"+clientTrace), HaveSuffix("-00")))
		Expect(r.spans()).To(BeEmpty())
		ask("/api/history", sampled)
		r.named("GET /api/:what")
	})

	It("has a trace id where nothing is recorded at all", func() {
		serve(func(o *Options) { o.Exporter = nil })
		Expect(r.On()).To(BeFalse())
		Expect(ask("/api/history").Header().Get("traceparent")).To(MatchRegexp(`^00-[0-9a-f]{32}-[0-9a-f]{16}-00$`))
		Expect(ask("/api/history", sampled).Header().Get("traceparent")).To(And(HavePrefix("00-"+clientTrace), HaveSuffix("-00")))
	})

	It("ignores a traceparent that the specification does not allow", func() {
		serve()
		for name, text := range hostile() {
			Expect(ask("/api/history", text).Header().Get("traceparent")).NotTo(ContainSubstring(clientTrace), name)
		}
		Expect(ask("/api/history", sampled, sampled).Header().Get("traceparent")).NotTo(ContainSubstring(clientTrace), "two")
		for _, s := range r.spans() {
			Expect(s.Parent.IsValid() && s.Name != "scan").To(BeFalse())
		}
	})

	It("fails where the server does", func() {
		serve()
		ask("/fails")
		ask("/panics")
		Expect(r.named("GET /fails").Status.Code).To(Equal(codes.Error))
		Expect(attributesOf(r.named("GET /fails"))).To(HaveKeyWithValue("error.type", "503"))
		Expect(attributesOf(r.named("GET /panics"))).To(HaveKeyWithValue("error.type", "PANIC"))
	})

	It("of a probe is recorded where its sender does so", func() {
		serve()
		Expect(ask("/livez").Header().Get("traceparent")).To(HaveSuffix("-00"))
		Expect(r.spans()).To(BeEmpty())
		ask("/livez", sampled)
		r.named("GET /livez")
	})

	It("cannot make attributes or names without bound", func() {
		serve()
		w, req := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/"+strings.Repeat("x", 10_000), nil)
		req.Method = strings.Repeat("M", 1000)
		req.Header.Set("User-Agent", strings.Repeat("ä", 10_000))
		engine.ServeHTTP(w, req)
		s := r.named("HTTP")
		for key, value := range attributesOf(s) {
			Expect(len(value)).To(BeNumerically("<=", maxText), key)
		}
		Expect(attributesOf(s)).To(HaveKeyWithValue("http.request.method", "_OTHER"))
	})
})

var _ = Describe("a line of the log", func() {
	It("has the trace of its context", func() {
		var out bytes.Buffer
		l := logrus.New()
		l.SetOutput(&out)
		l.SetFormatter(&logrus.JSONFormatter{})
		l.AddHook(LogHook{})
		parent, ok := parse(sampled)
		Expect(ok).To(BeTrue())
		l.WithContext(trace.ContextWithSpanContext(context.Background(), parent)).Info("a")
		Expect(out.String()).To(ContainSubstring(`"trace_id":"` + clientTrace + `"`))
		out.Reset()
		l.Info("b")
		l.WithContext(context.Background()).Info("c")
		Expect(out.String()).NotTo(ContainSubstring("trace_id"))
	})
})
