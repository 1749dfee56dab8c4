package tracing

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/devops-insights/devops-insights/store/discard"
)

// Options configures a Tracer. The zero value records nothing.
type Options struct {
	// Collector is where the spans go. Nil: nothing is recorded.
	Collector *Collector
	// Exporter takes the spans in the place of a Collector.
	Exporter sdk.SpanExporter
	// Sampler is a name that SamplerNames has, and SamplerArg its argument. Empty:
	// DefaultSampler.
	Sampler, SamplerArg string
	// Resource are the attributes of this process.
	Resource []attribute.KeyValue
	// Feed names the way by which a stored change comes back, as the span is
	// called. Nil: "feed".
	Feed func() string
	// Database is what the spans of the store have as db.system.name.
	Database string
	// Logger is told when spans are lost, and when they are sent again. Nil:
	// nobody is.
	Logger logrus.FieldLogger
}

// Tracer makes spans. Its methods may be called from any goroutine.
type Tracer struct {
	o        Options
	on       bool
	sampler  sdk.Sampler
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	silent   trace.Tracer // gives ids, and records nothing
	own      polls
	exporter *exporter // nil where nothing is recorded
}

// scope names the source of the spans.
const scope = "github.com/devops-insights/devops-insights"

// New returns a Tracer. An error says which option cannot be used.
func New(o Options) (*Tracer, error) {
	if o.Feed == nil {
		o.Feed = func() string { return "feed" }
	}
	if o.Logger == nil {
		o.Logger = discard.Logger()
	}
	t := &Tracer{o: o, on: o.Collector != nil || o.Exporter != nil, sampler: sdk.NeverSample()}
	config := []sdk.TracerProviderOption{sdk.WithIDGenerator(ids{})}
	if t.on {
		sampler, err := NewSampler(o.Sampler, o.SamplerArg)
		if err != nil {
			return nil, err
		}
		t.sampler = sampler
		about, err := resource.New(context.Background(), resource.WithTelemetrySDK(), resource.WithSchemaURL(semconv.SchemaURL), resource.WithAttributes(o.Resource...))
		if err != nil {
			return nil, err
		}
		inner := o.Exporter
		if o.Collector != nil {
			inner = otlptrace.NewUnstarted(newClient(*o.Collector))
		}
		t.exporter = newExporter(inner, o.Logger)
		config = append(config, sdk.WithResource(about), sdk.WithSpanProcessor(newQueue(t.exporter)))
	} else {
		config = append(config, sdk.WithResource(resource.Empty()))
	}
	t.provider = sdk.NewTracerProvider(append(config, sdk.WithSampler(sampleAs{t.sampler}))...)
	t.tracer = t.provider.Tracer(scope)
	t.silent = sdk.NewTracerProvider(sdk.WithIDGenerator(ids{}), sdk.WithSampler(sdk.NeverSample()), sdk.WithResource(resource.Empty())).Tracer(scope)
	return t, nil
}

// On reports whether anything is recorded: where nothing is, the hooks need not be
// set.
func (t *Tracer) On() bool { return t.on }

// Stats returns how many spans were sent, and how many were lost because the
// collector did not take them or was too slow.
func (t *Tracer) Stats() (sent, lost uint64) {
	if t.exporter == nil {
		return 0, 0
	}
	return t.exporter.sent.Load(), t.exporter.lost.Load()
}

// longestFlush bounds what the last spans may take of the time of a shutdown.
const longestFlush = 3 * time.Second

// Shutdown sends the spans that wait, until ctx ends and for a few seconds at most,
// and returns when nothing of the Tracer runs any more.
func (t *Tracer) Shutdown(ctx context.Context) error {
	if t.exporter == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, longestFlush)
	defer cancel()
	// The SDK would not wait for what it started, and go on with it.
	defer context.AfterFunc(ctx, t.exporter.abort)()
	return t.provider.Shutdown(context.WithoutCancel(ctx))
}
