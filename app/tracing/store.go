package tracing

import (
	"context"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/devops-insights/devops-insights/app/errclass"
)

// Began implements observed.Observer: an operation of the store is a part of the
// trace of its context. What the program does of its own accord has none, and is
// not recorded.
func (t *Tracer) Began(ctx context.Context, op, api, source string) (context.Context, func(error)) {
	if !trace.SpanContextFromContext(ctx).IsSampled() {
		return ctx, func(error) {}
	}
	ctx, span := t.tracer.Start(ctx, op, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(append(append(place(api, source), semconv.DBOperationNameKey.String(op)), t.database()...)...))
	return ctx, func(err error) {
		if err != nil {
			fail(span, errclass.Of(err), "the store could not do it")
		}
		span.End()
	}
}
