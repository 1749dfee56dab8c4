package tracing

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/devops-insights/devops-insights/poller"
)

// Poll is for poller.Options.Observe: the root of a trace, with the question to the
// upstream in it. Its ids follow from the time of the answer, so it is made then.
func (t *Tracer) Poll(ctx context.Context, r poller.Result) (context.Context, func(poller.Result)) {
	ctx, span := t.tracer.Start(withIDs(ctx, ofPoll(r.API, r.Source, r.Ended)), "poll",
		trace.WithNewRoot(), trace.WithTimestamp(r.Began), trace.WithAttributes(place(r.API, r.Source)...))
	t.own.add(span.SpanContext())
	if span.IsRecording() {
		t.fetched(ctx, r)
	}
	return ctx, func(r poller.Result) {
		t.own.stored(span.SpanContext(), time.Now())
		span.SetAttributes(changedKey.Bool(r.Changed))
		if r.Err != nil {
			fail(span, string(r.Err.Code), r.Err.Text)
		}
		span.End()
	}
}

// fetched records the question to the upstream, which is over.
func (t *Tracer) fetched(ctx context.Context, r poller.Result) {
	_, span := t.tracer.Start(ctx, http.MethodGet, trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(r.Began),
		trace.WithAttributes(append(server(r.Host), semconv.HTTPRequestMethodKey.String(http.MethodGet))...))
	if r.Err != nil {
		fail(span, string(r.Err.Code), r.Err.Text)
		if r.Err.HTTPStatus != 0 {
			span.SetAttributes(semconv.HTTPResponseStatusCodeKey.Int(r.Err.HTTPStatus))
		}
	}
	span.End(trace.WithTimestamp(r.Ended))
}

// server names the other side: of its URL no more than the host and the port.
func server(hostport string) []attribute.KeyValue {
	if hostport == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return []attribute.KeyValue{semconv.ServerAddressKey.String(hostport)}
	}
	all := []attribute.KeyValue{semconv.ServerAddressKey.String(host)}
	if n, err := strconv.Atoi(port); err == nil {
		all = append(all, semconv.ServerPortKey.Int(n))
	}
	return all
}

// maxPolls bounds the polls that are remembered: more than are made in the time
// that a change takes through a store. A change that comes later, for example
// after its database was away, is linked to its poll as one of another instance is.
const maxPolls = 4096

// polls are the newest polls of this instance.
type polls struct {
	mu    sync.Mutex
	known map[trace.TraceID]poll
	order []trace.TraceID // a ring
	next  int
}

// poll is what is remembered of one.
type poll struct {
	root   trace.SpanContext
	stored time.Time // when its value was; zero while it is
}

func (p *polls) add(root trace.SpanContext) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		p.known, p.order = make(map[trace.TraceID]poll), make([]trace.TraceID, maxPolls)
	}
	delete(p.known, p.order[p.next])
	p.order[p.next], p.next = root.TraceID(), (p.next+1)%len(p.order)
	p.known[root.TraceID()] = poll{root: root}
}

func (p *polls) stored(root trace.SpanContext, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if of, ok := p.known[root.TraceID()]; ok {
		of.stored = at
		p.known[root.TraceID()] = of
	}
}

func (p *polls) of(id trace.TraceID) (poll, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	of, ok := p.known[id]
	return of, ok
}
