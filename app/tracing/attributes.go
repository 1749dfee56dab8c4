package tracing

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// The attributes that no convention has.
const (
	apiKey      = attribute.Key("devops_insights.api")
	regionKey   = attribute.Key("devops_insights.region")
	changedKey  = attribute.Key("devops_insights.changed")
	failuresKey = attribute.Key("devops_insights.consecutive_failures")
	localKey    = attribute.Key("devops_insights.local")
)

// The attributes of Node's instrumentation of Socket.IO. Some are older than the
// present conventions for messaging, which are set beside them.
const (
	system             = "socket.io"
	destinationKey     = attribute.Key("messaging.destination")
	destinationKindKey = attribute.Key("messaging.destination_kind")
	operationKey       = attribute.Key("messaging.operation")
	eventKey           = attribute.Key("messaging.socket.io.event_name")
	namespaceKey       = attribute.Key("messaging.socket.io.namespace")
	roomsKey           = attribute.Key("messaging.socket.io.rooms")
)

// place names the region that a span is about.
func place(api, source string) []attribute.KeyValue {
	all := make([]attribute.KeyValue, 0, 2)
	if api != "" {
		all = append(all, apiKey.String(api))
	}
	if source != "" {
		all = append(all, regionKey.String(source))
	}
	return all
}

// fail marks a span as failed, by a word that is one of few.
func fail(span trace.Span, class, sentence string) {
	span.SetAttributes(semconv.ErrorTypeKey.String(class))
	span.SetStatus(codes.Error, sentence)
}
