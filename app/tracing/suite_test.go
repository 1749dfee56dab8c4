package tracing

import (
	"context"
	"slices"
	"sync"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"
)

func TestTracing(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Tracing")
	goleak.VerifyNone(t, goleak.IgnoreAnyFunction("github.com/onsi/ginkgo/v2/internal/interrupt_handler.(*InterruptHandler).registerForInterrupts.func2"))
}

// kept is an exporter that keeps the spans.
type kept struct {
	mu    sync.Mutex
	spans tracetest.SpanStubs
}

func (k *kept) ExportSpans(_ context.Context, spans []sdk.ReadOnlySpan) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.spans = append(k.spans, tracetest.SpanStubsFromReadOnlySpans(spans)...)
	return nil
}

func (*kept) Shutdown(context.Context) error { return nil }

// recorder is a Tracer whose spans can be looked at.
type recorder struct {
	*Tracer
	kept *kept
}

func record(change ...func(*Options)) recorder {
	GinkgoHelper()
	r := recorder{kept: new(kept)}
	o := Options{Exporter: r.kept, Database: "mongodb"}
	for _, f := range change {
		f(&o)
	}
	var err error
	r.Tracer, err = New(o)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(r.Shutdown(context.Background())).To(Succeed()) })
	return r
}

// spans ends the Tracer and returns its spans, in the order of their ends.
func (r recorder) spans() tracetest.SpanStubs {
	GinkgoHelper()
	Expect(r.provider.ForceFlush(context.Background())).To(Succeed())
	r.kept.mu.Lock()
	defer r.kept.mu.Unlock()
	return slices.Clone(r.kept.spans)
}

func (r recorder) named(name string) tracetest.SpanStub {
	GinkgoHelper()
	all := slices.DeleteFunc(r.spans(), func(s tracetest.SpanStub) bool { return s.Name != name })
	Expect(all).To(HaveLen(1), "spans called %q", name)
	return all[0]
}

// attributesOf returns the attributes of a span as texts.
func attributesOf(s tracetest.SpanStub) map[string]string {
	all := make(map[string]string)
	for _, kv := range s.Attributes {
		all[string(kv.Key)] = kv.Value.String()
	}
	return all
}
