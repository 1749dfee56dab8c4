// Package otlp is an OpenTelemetry collector for a test: it takes spans over
// OTLP/HTTP as the specification has it, keeps them, and can be told to behave
// badly. It knows nothing of the project.
package otlp

import (
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// TB is what the package needs of a test.
type TB interface {
	Helper()
	Cleanup(func())
}

// Span is one span as it arrived; ids are in hexadecimal digits.
type Span struct {
	Name                  string
	TraceID, ID, ParentID string
	Kind                  string // INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER
	Start, End            time.Time
	Attributes            map[string]any
	Links                 []Link
	Failed                bool
	Status                string
	Resource              map[string]any
}

// Link is a link of a span.
type Link struct{ TraceID, SpanID string }

// Receiver is a running collector.
type Receiver struct {
	// URL is its base address, for OTEL_EXPORTER_OTLP_ENDPOINT.
	URL string

	mu       sync.Mutex
	spans    []Span
	raw      [][]byte
	requests []*http.Request
	answer   http.HandlerFunc
}

// Start starts a collector that takes everything; it ends with the test.
func Start(tb TB) *Receiver {
	tb.Helper()
	r := new(Receiver)
	server := httptest.NewServer(r)
	r.URL = server.URL
	tb.Cleanup(server.Close)
	return r
}

// Answer lets a handler answer in the place of the collector, which then takes
// nothing. Nil: it takes everything again.
func (r *Receiver) Answer(h http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = h
}

// ServeHTTP implements http.Handler.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	answer := r.answer
	r.requests = append(r.requests, req)
	r.mu.Unlock()
	if answer != nil {
		answer(w, req)
		return
	}
	switch {
	case req.Method != http.MethodPost:
		http.Error(w, "POST is expected", http.StatusMethodNotAllowed)
	case req.Header.Get("Content-Type") != "application/x-protobuf":
		http.Error(w, "protobuf is expected", http.StatusUnsupportedMediaType)
	case r.take(req) != nil:
		http.Error(w, "this is no ExportTraceServiceRequest", http.StatusBadRequest)
	default:
		w.Header().Set("Content-Type", "application/x-protobuf")
		body, _ := proto.Marshal(&collector.ExportTraceServiceResponse{})
		_, _ = w.Write(body)
	}
}

func (r *Receiver) take(req *http.Request) error {
	var body io.Reader = req.Body
	if req.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(body)
		if err != nil {
			return err
		}
		body = unzipped
	}
	b, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	message := new(collector.ExportTraceServiceRequest)
	if err := proto.Unmarshal(b, message); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.raw = append(r.raw, b)
	for _, of := range message.GetResourceSpans() {
		resource := attributes(of.GetResource().GetAttributes())
		for _, in := range of.GetScopeSpans() {
			for _, s := range in.GetSpans() {
				r.spans = append(r.spans, span(s, resource))
			}
		}
	}
	return nil
}

func span(s *trace.Span, resource map[string]any) Span {
	kinds := []string{"", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"}
	out := Span{
		Name: s.GetName(), TraceID: hex.EncodeToString(s.GetTraceId()), ID: hex.EncodeToString(s.GetSpanId()),
		ParentID: hex.EncodeToString(s.GetParentSpanId()), Kind: kinds[s.GetKind()], Attributes: attributes(s.GetAttributes()),
		Start: time.Unix(0, int64(s.GetStartTimeUnixNano())), End: time.Unix(0, int64(s.GetEndTimeUnixNano())), // #nosec G115 -- times of this century
		Failed: s.GetStatus().GetCode() == trace.Status_STATUS_CODE_ERROR, Status: s.GetStatus().GetMessage(), Resource: resource,
	}
	for _, l := range s.GetLinks() {
		out.Links = append(out.Links, Link{hex.EncodeToString(l.GetTraceId()), hex.EncodeToString(l.GetSpanId())})
	}
	return out
}

func attributes(all []*common.KeyValue) map[string]any {
	out := make(map[string]any)
	for _, kv := range all {
		out[kv.GetKey()] = value(kv.GetValue())
	}
	return out
}

func value(v *common.AnyValue) any {
	switch v := v.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return v.StringValue
	case *common.AnyValue_BoolValue:
		return v.BoolValue
	case *common.AnyValue_IntValue:
		return int(v.IntValue)
	case *common.AnyValue_DoubleValue:
		return v.DoubleValue
	case *common.AnyValue_ArrayValue:
		var all []any
		for _, one := range v.ArrayValue.GetValues() {
			all = append(all, value(one))
		}
		return all
	}
	return nil
}

// Spans returns what has arrived.
func (r *Receiver) Spans() []Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.spans)
}

// Named returns the spans of a name.
func (r *Receiver) Named(name string) []Span {
	return slices.DeleteFunc(r.Spans(), func(s Span) bool { return s.Name != name })
}

// Trace returns the spans of a trace.
func (r *Receiver) Trace(id string) []Span {
	return slices.DeleteFunc(r.Spans(), func(s Span) bool { return s.TraceID != id })
}

// Raw returns the bodies that have arrived, uncompressed.
func (r *Receiver) Raw() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.raw)
}

// Requests returns the requests that have arrived, taken or not.
func (r *Receiver) Requests() []*http.Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests)
}
