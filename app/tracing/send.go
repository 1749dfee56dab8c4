package tracing

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/devops-insights/devops-insights/app/errclass"
	"github.com/devops-insights/devops-insights/socket"
	"github.com/devops-insights/devops-insights/store"
)

// Sending implements socket.SendObserver: it records the sending of a change to the
// dashboards' room. For a change that this instance has polled it is a part of the
// poll's trace; for one of another instance it is a trace of its own, linked to
// that. A value that was found in the store is no news of a poll.
func (t *Tracer) Sending(c store.Change, local bool) (sent func(error)) {
	if c.Snapshot {
		return func(error) {}
	}
	ctx, cause := context.Background(), ofChange(c)
	var links []trace.Link
	if poll, own := t.own.of(cause.TraceID()); own {
		if !poll.root.IsSampled() {
			return func(error) {}
		}
		ctx = trace.ContextWithSpanContext(ctx, poll.root)
		t.fed(ctx, poll.stored)
	} else {
		if !t.records(cause) {
			return func(error) {}
		}
		ctx = context.WithValue(ctx, likeTrace{}, cause.TraceID())
		links = []trace.Link{{SpanContext: cause.WithTraceFlags(trace.FlagsSampled).WithRemote(true)}}
	}
	room := socket.Room(c.API, c.Source)
	_, span := t.tracer.Start(ctx, "send "+mainNamespace, trace.WithSpanKind(trace.SpanKindProducer), trace.WithLinks(links...),
		trace.WithAttributes(append(place(c.API, c.Source), localKey.Bool(local), eventKey.String(socket.EventUpdate),
			semconv.MessagingSystemKey.String(system), semconv.MessagingOperationTypeSend, semconv.MessagingOperationNameKey.String("emit"),
			destinationKey.String(mainNamespace), destinationKindKey.String("topic"), semconv.MessagingDestinationNameKey.String(room),
			namespaceKey.String(mainNamespace), roomsKey.StringSlice([]string{room}),
		)...))
	return func(err error) {
		if err != nil {
			fail(span, errclass.Of(err), "the change did not reach every instance")
		}
		span.End()
	}
}

// mainNamespace is where the dashboards are.
const mainNamespace = "/"

// fed records the way of a change from being stored to coming back.
func (t *Tracer) fed(ctx context.Context, stored time.Time) {
	now := time.Now()
	if stored.IsZero() {
		stored = now // it came before the storing was reported
	}
	_, span := t.tracer.Start(ctx, t.o.Feed(), trace.WithTimestamp(stored), trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(t.database()...))
	span.End(trace.WithTimestamp(now))
}

func (t *Tracer) database() []attribute.KeyValue {
	if t.o.Database == "" {
		return nil
	}
	return []attribute.KeyValue{semconv.DBSystemNameKey.String(t.o.Database)}
}

// TraceID returns the trace of the poll that brought a change, in hexadecimal
// digits; empty where it is not recorded.
func (t *Tracer) TraceID(c store.Change) string {
	if c.Snapshot || !t.on {
		return ""
	}
	cause := ofChange(c)
	poll, own := t.own.of(cause.TraceID())
	if own && !poll.root.IsSampled() || !own && !t.records(cause) {
		return ""
	}
	return cause.TraceID().String()
}
