package tracing

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// TraceparentHeader is the header of W3C Trace Context that names a trace.
const TraceparentHeader = "traceparent"

// maxTraceparent bounds the text; version 00 has 55 characters, and later ones may
// have more.
const maxTraceparent = 128

// parse reads a traceparent. One that the specification does not allow is as good as
// none.
func parse(text string) (trace.SpanContext, bool) {
	if text == "" || len(text) > maxTraceparent {
		return trace.SpanContext{}, false
	}
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{TraceparentHeader: text})
	sc := trace.SpanContextFromContext(ctx)
	return sc, sc.IsValid()
}

// ofHeader reads the traceparent of a request; two are none.
func ofHeader(h http.Header) (trace.SpanContext, bool) {
	if values := h.Values(TraceparentHeader); len(values) == 1 {
		return parse(values[0])
	}
	return trace.SpanContext{}, false
}

// traceparent returns the text that names the trace and the span of a context; empty
// where it has none.
func traceparent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[TraceparentHeader]
}
