package tracing

import (
	"context"
	"net/http"
	"net/http/httptest"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/devops-insights/devops-insights/socket"
)

var _ = Describe("a question of a dashboard", func() {
	ask := func(r recorder, q socket.Question, err error) string {
		q.Event, q.Namespace = "metrics:getHistory", "/"
		ctx, answered := r.Asked(context.Background(), q)
		_, scanned := r.Began(ctx, "scan", "acme", "eu-west")
		scanned(nil)
		answered(err)
		return r.Traceparent(ctx)
	}

	It("is named as Node's instrumentation names it, and its look into the store is a part of it", func() {
		r := record()
		named := ask(r, socket.Question{}, nil)
		s := r.named("receive /")
		Expect(s.SpanKind).To(Equal(trace.SpanKindConsumer))
		Expect(attributesOf(s)).To(Equal(map[string]string{
			"messaging.system": "socket.io", "messaging.destination": "/", "messaging.operation": "receive",
			"messaging.socket.io.event_name": "metrics:getHistory", "messaging.socket.io.namespace": "/",
			"messaging.destination.name": "/", "messaging.operation.type": "receive", "messaging.operation.name": "on",
		}))
		Expect(r.named("scan").Parent.SpanID()).To(Equal(s.SpanContext.SpanID()))
		Expect(named).To(Equal("00-" + s.SpanContext.TraceID().String() + "-" + s.SpanContext.SpanID().String() + "-01"))
		Expect(s.Links).To(BeEmpty())
	})

	It("is a part of the trace that it names", func() {
		r := record()
		ask(r, socket.Question{Traceparent: sampled, Handshake: unsampled}, nil)
		s := r.named("receive /")
		Expect([]string{s.SpanContext.TraceID().String(), s.Parent.SpanID().String()}).To(Equal([]string{clientTrace, clientSpan}))
		Expect(s.Links).To(BeEmpty())
	})

	It("is linked to the trace of the handshake", func() {
		r := record()
		ask(r, socket.Question{Handshake: sampled}, nil)
		s := r.named("receive /")
		Expect(s.Parent.IsValid()).To(BeFalse())
		Expect(s.Links).To(HaveLen(1))
		Expect(s.Links[0].SpanContext.SpanID().String()).To(Equal(clientSpan))
	})

	It("does not heed what is no traceparent", func() {
		r := record()
		for _, text := range hostile() {
			ask(r, socket.Question{Traceparent: text, Handshake: text}, nil)
		}
		for _, s := range r.spans() {
			Expect(s.SpanContext.TraceID().String()).NotTo(Equal(clientTrace))
			Expect(s.Links).To(BeEmpty())
		}
	})

	It("fails where the server could not answer it", func() {
		r := record()
		ask(r, socket.Question{}, context.DeadlineExceeded)
		Expect(r.named("receive /").Status.Code).To(Equal(codes.Error))
		Expect(attributesOf(r.named("receive /"))).To(HaveKeyWithValue("error.type", "TIMEOUT"))
	})
})

var _ = Describe("an answer", func() {
	It("has a traceparent, whoever answers", func() {
		r := record()
		h := r.Identify(http.NotFoundHandler())
		ask := func(given ...string) string {
			w, req := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", http.NoBody)
			req.Header["Traceparent"] = given
			h.ServeHTTP(w, req)
			return w.Header().Get("traceparent")
		}
		Expect(ask()).To(MatchRegexp(`^00-[0-9a-f]{32}-[0-9a-f]{16}-00$`))
		Expect(ask(sampled)).To(And(HavePrefix("00-"+clientTrace), HaveSuffix("-00")))
		for _, text := range hostile() {
			Expect(ask(text)).To(MatchRegexp(`^00-[0-9a-f]{32}-[0-9a-f]{16}-00$`))
			Expect(ask(text)).NotTo(ContainSubstring(clientTrace))
		}
		Expect(r.spans()).To(BeEmpty())
	})
})
