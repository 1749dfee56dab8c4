package tracing

import (
	"context"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/devops-insights/devops-insights/app/errclass"
	"github.com/devops-insights/devops-insights/socket"
)

// Asked implements socket.QuestionObserver: it records a question in the trace that
// the question names. Where it names none it is a trace of its own, linked to that of
// the handshake, which may be hours old.
func (t *Tracer) Asked(ctx context.Context, q socket.Question) (context.Context, func(error)) {
	var links []trace.Link
	if parent, ok := parse(q.Traceparent); ok {
		ctx = trace.ContextWithRemoteSpanContext(ctx, parent)
	} else if handshake, ok := parse(q.Handshake); ok {
		links = []trace.Link{{SpanContext: handshake}}
	}
	const receive = "receive"
	ctx, span := t.tracer.Start(ctx, receive+" "+q.Namespace, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithLinks(links...), trace.WithAttributes(
		semconv.MessagingSystemKey.String(system), semconv.MessagingOperationTypeReceive, semconv.MessagingOperationNameKey.String("on"),
		operationKey.String(receive), destinationKey.String(q.Namespace), semconv.MessagingDestinationNameKey.String(q.Namespace),
		eventKey.String(q.Event), namespaceKey.String(q.Namespace),
	))
	return ctx, func(err error) {
		if err != nil {
			fail(span, errclass.Of(err), "the question could not be answered")
		}
		span.End()
	}
}

// Traceparent implements socket.QuestionObserver.
func (*Tracer) Traceparent(ctx context.Context) string { return traceparent(ctx) }

var _ socket.QuestionObserver = (*Tracer)(nil)
