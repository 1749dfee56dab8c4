package tracing

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// DefaultSampler is the one of the OpenTelemetry specification.
const DefaultSampler = "parentbased_always_on"

// SamplerNames returns the values of OTEL_TRACES_SAMPLER that are known.
func SamplerNames() []string {
	return []string{"always_on", "always_off", "traceidratio", DefaultSampler, "parentbased_always_off", "parentbased_traceidratio"}
}

// NewSampler returns the sampler of a name, with its argument: for those with
// "ratio" the share of the traces that are recorded, 0 to 1.
func NewSampler(name, arg string) (sdk.Sampler, error) {
	if name == "" {
		name = DefaultSampler
	}
	if !slices.Contains(SamplerNames(), name) {
		return nil, fmt.Errorf("there is no sampler %q: %s are allowed", name, strings.Join(SamplerNames(), ", "))
	}
	kind, based := strings.CutPrefix(name, "parentbased_")
	sampler := sdk.AlwaysSample()
	switch kind {
	case "always_off":
		sampler = sdk.NeverSample()
	case "traceidratio":
		share := 1.0
		if arg != "" {
			var err error
			if share, err = strconv.ParseFloat(arg, 64); err != nil || !(share >= 0 && share <= 1) {
				return nil, fmt.Errorf("%q is no share of the traces: a number from 0 to 1 is allowed", arg)
			}
		}
		sampler = sdk.TraceIDRatioBased(share)
	}
	if based {
		sampler = sdk.ParentBased(sampler)
	}
	return sampler, nil
}

// sampleAs decides about a root span as about the trace that its context names: an
// instance that sends a change of another one records it where that one does.
type sampleAs struct{ sdk.Sampler }

// likeTrace is the key of the trace in the context.
type likeTrace struct{}

// ShouldSample implements sdk.Sampler.
func (s sampleAs) ShouldSample(p sdk.SamplingParameters) sdk.SamplingResult {
	if id, ok := p.ParentContext.Value(likeTrace{}).(trace.TraceID); ok {
		p.TraceID = id
	}
	return s.Sampler.ShouldSample(p)
}

// records reports whether the trace of these ids is recorded by whoever begins it.
func (t *Tracer) records(sc trace.SpanContext) bool {
	return t.sampler.ShouldSample(sdk.SamplingParameters{ParentContext: context.Background(), TraceID: sc.TraceID()}).Decision == sdk.RecordAndSample
}
