package tracing

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Identify gives each answer a traceparent: of the trace that the request names, or of
// one that is recorded nowhere. Handler puts its own in the place.
func (t *Tracer) Identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := context.Background()
		if parent, ok := ofHeader(r.Header); ok {
			ctx = trace.ContextWithRemoteSpanContext(ctx, parent)
		}
		ctx, _ = t.silent.Start(ctx, r.Method)
		w.Header().Set(TraceparentHeader, traceparent(ctx))
		next.ServeHTTP(w, r)
	})
}

// Handler gives each request a span, in the trace that its traceparent names, and
// each answer the traceparent. Requests to the paths of probes, which come every few
// seconds, are recorded where their sender records them.
func (t *Tracer) Handler(probes ...string) gin.HandlerFunc {
	return func(c *gin.Context) {
		ctx := c.Request.Context()
		parent, known := ofHeader(c.Request.Header)
		if known {
			ctx = trace.ContextWithRemoteSpanContext(ctx, parent)
		}
		tracer := t.tracer
		if slices.Contains(probes, c.FullPath()) && !parent.IsSampled() {
			tracer = t.silent
		}
		ctx, span := tracer.Start(ctx, name(c), trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(request(c)...))
		defer span.End()
		c.Request = c.Request.WithContext(ctx)
		c.Header(TraceparentHeader, traceparent(ctx))
		finished := false
		defer func() {
			if !finished {
				fail(span, "PANIC", "the request ended with a fault of the program, or was broken off")
			}
		}()
		c.Next()
		finished = true
		status := c.Writer.Status()
		span.SetAttributes(semconv.HTTPResponseStatusCodeKey.Int(status))
		if status >= http.StatusInternalServerError {
			span.SetAttributes(semconv.ErrorTypeKey.Int(status))
			span.SetStatus(codes.Error, "")
		}
	}
}

// methods are those that a span's name may have.
var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodPatch}

func method(r *http.Request) string {
	if slices.Contains(methods, r.Method) {
		return r.Method
	}
	return "_OTHER"
}

// name is that of the span: one of few.
func name(c *gin.Context) string {
	return strings.TrimSpace(strings.Replace(method(c.Request), "_OTHER", "HTTP", 1) + " " + c.FullPath())
}

// maxText bounds what a client writes into an attribute.
const maxText = 200

// request describes a request. Its query and its headers may hold a key.
func request(c *gin.Context) []attribute.KeyValue {
	r := c.Request
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	all := []attribute.KeyValue{
		semconv.HTTPRequestMethodKey.String(method(r)), semconv.URLSchemeKey.String(scheme),
		semconv.URLPathKey.String(clip(cmp.Or(r.URL.Path, "/"))), semconv.NetworkProtocolVersionKey.String(strings.TrimPrefix(r.Proto, "HTTP/")),
	}
	if route := c.FullPath(); route != "" {
		all = append(all, semconv.HTTPRouteKey.String(route))
	}
	if agent := r.UserAgent(); agent != "" {
		all = append(all, semconv.UserAgentOriginalKey.String(clip(agent)))
	}
	return all
}

// clip cuts a text of a client to a length, and to UTF-8.
func clip(text string) string { return strings.ToValidUTF8(text[:min(len(text), maxText)], "") }
