package config

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// Tracing are the settings of OpenTelemetry that have a meaning here, by the names
// of its specification. Those of the batches (OTEL_BSP_…) and of the spans' limits
// are read by its SDK.
type Tracing struct {
	TracingOff bool
	// Collector is the base address of the collector, CollectorTraces the whole one
	// for traces. Both empty: nothing is recorded.
	Collector, CollectorTraces string
	// CollectorHeaders go with every request, CollectorTracesHeaders instead of them
	// where they are set.
	CollectorHeaders, CollectorTracesHeaders string

	CollectorTimeout     int // milliseconds
	CollectorCompression string
	CollectorCA          string
	CollectorCert        string
	CollectorKey         string
	CollectorProtocol    string
	TracesExporter       string
	TracesSampler        string
	TracesSamplerArg     string
	ServiceName          string
	ResourceAttributes   string
}

// The values that there are. The specification has others, of which a warning says
// that they are not known.
var (
	samplers     = []string{"always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"}
	exporters    = []string{"otlp", "none"}
	protocols    = []string{"http/protobuf"}
	compressions = []string{"none", "gzip"}
)

func defaultTracing() Tracing {
	return Tracing{
		CollectorTimeout: 10_000, CollectorCompression: "none", CollectorProtocol: "http/protobuf", TracesExporter: "otlp",
		TracesSampler: "parentbased_always_on",
	}
}

func (s *Tracing) declare(d *declaration) {
	const general, traces = "OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_TRACES_"
	// both declares a setting with a variable for traces before the one for everything.
	both := func(target any, flag, name, usage string) {
		d.add(target, flag, traces+name+" "+general+name, usage).overrides = true
	}
	d.secret(&s.Collector, "otel-endpoint", general+"ENDPOINT", "base URL of an OpenTelemetry collector, for example http://localhost:4318: traces go to its /v1/traces; empty: nothing is traced", redactURL)
	d.secret(&s.CollectorTraces, "otel-traces-endpoint", traces+"ENDPOINT", "whole URL for traces, used as it is", redactURL)
	d.secret(&s.CollectorHeaders, "otel-headers", general+"HEADERS", "headers for the collector: name=value,name=value, with % escapes", redactPairs)
	d.secret(&s.CollectorTracesHeaders, "otel-traces-headers", traces+"HEADERS", "headers for traces, instead of those", redactPairs)
	both(&s.CollectorTimeout, "otel-timeout", "TIMEOUT", "time for one request to the collector, in milliseconds")
	both(&s.CollectorCompression, "otel-compression", "COMPRESSION", "none or gzip")
	both(&s.CollectorCA, "otel-certificate", "CERTIFICATE", "PEM file with the CA of the collector; empty: those of the system")
	both(&s.CollectorCert, "otel-client-certificate", "CLIENT_CERTIFICATE", "PEM file with the certificate that is shown to the collector")
	both(&s.CollectorKey, "otel-client-key", "CLIENT_KEY", "PEM file with its key")
	both(&s.CollectorProtocol, "otel-protocol", "PROTOCOL", "http/protobuf is the only one")
	d.add(&s.TracesExporter, "otel-exporter", "OTEL_TRACES_EXPORTER", "otlp, or none: nothing is traced")
	d.add(&s.TracesSampler, "otel-sampler", "OTEL_TRACES_SAMPLER", "which traces are recorded: "+strings.Join(samplers, ", "))
	d.add(&s.TracesSamplerArg, "otel-sampler-arg", "OTEL_TRACES_SAMPLER_ARG", "share of the traces with a sampler of ratio, 0 to 1; empty: 1")
	d.add(&s.ServiceName, "otel-service-name", "OTEL_SERVICE_NAME", "name of this service in traces; empty: devops-insights-backend")
	d.add(&s.ResourceAttributes, "otel-resource-attributes", "OTEL_RESOURCE_ATTRIBUTES", "further attributes of this process: name=value,name=value, with % escapes")
	d.add(&s.TracingOff, "otel-disabled", "OTEL_SDK_DISABLED", "true: nothing is traced, whatever else is set")
}

func (s *Tracing) check(r *report) {
	if s.TracesExporter = oneOf(r, "OTEL_TRACES_EXPORTER", s.TracesExporter, exporters); s.TracesURL() == "" {
		return // nothing of it is used
	}
	// What the specification allows and this program does not know is left out with a
	// warning: the settings may be made for a whole cluster.
	s.CollectorCompression = oneOf(r, "OTEL_EXPORTER_OTLP_COMPRESSION", s.CollectorCompression, compressions)
	s.CollectorProtocol = oneOf(r, "OTEL_EXPORTER_OTLP_PROTOCOL", s.CollectorProtocol, protocols)
	s.TracesSampler = strings.ToLower(strings.TrimSpace(s.TracesSampler))
	if !slices.Contains(samplers, s.TracesSampler) {
		r.warn("OTEL_TRACES_SAMPLER=%q is not known here and parentbased_always_on is used: %s are allowed", s.TracesSampler, strings.Join(samplers, ", "))
		s.TracesSampler = defaultTracing().TracesSampler
	}
	r.err(s.checkShare())
	r.err(checkCollector("OTEL_EXPORTER_OTLP_ENDPOINT", &s.Collector))
	r.err(checkCollector("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &s.CollectorTraces))
	if s.CollectorTimeout < 1 || s.CollectorTimeout > 600_000 {
		r.bad("OTEL_EXPORTER_OTLP_TIMEOUT=%d is out of range: 1 to 600000 milliseconds are allowed", s.CollectorTimeout)
	}
	if (s.CollectorCert == "") != (s.CollectorKey == "") {
		r.bad("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY belong together: one of them is missing")
	}
	_, err := s.TracesHeader()
	r.err(err)
	_, err = s.TracesResource()
	r.err(err)
}

// oneOf returns the value where it is one of those that are allowed, else the first
// of them, and warns.
func oneOf(r *report, name, value string, allowed []string) string {
	if value = strings.ToLower(strings.TrimSpace(value)); slices.Contains(allowed, value) {
		return value
	}
	r.warn("%s=%q is not known here and %s is used: %s can be set", name, value, allowed[0], strings.Join(allowed, " or "))
	return allowed[0]
}

func (s *Tracing) checkShare() error {
	text := strings.TrimSpace(s.TracesSamplerArg)
	if text == "" || !strings.HasSuffix(s.TracesSampler, "ratio") {
		return nil
	}
	if share, err := strconv.ParseFloat(text, 64); err != nil || !(share >= 0 && share <= 1) {
		return fmt.Errorf("OTEL_TRACES_SAMPLER_ARG=%q is no share of the traces: a number from 0 to 1 is allowed", text)
	}
	s.TracesSamplerArg = text
	return nil
}

// checkCollector never repeats the URL: any part of it may be a secret.
func checkCollector(name string, value *string) error {
	if *value = strings.TrimSpace(*value); *value == "" {
		return nil
	}
	u, err := url.Parse(*value)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%s is no http or https URL with a host, for example http://localhost:4318", name)
	}
	return nil
}

// TracesURL returns where spans are sent; empty where nothing is traced.
func (s *Tracing) TracesURL() string {
	if s.TracingOff || s.TracesExporter == "none" {
		return ""
	}
	if s.CollectorTraces != "" || s.Collector == "" {
		return s.CollectorTraces
	}
	u, err := url.Parse(s.Collector)
	if err != nil {
		return s.Collector // check says so
	}
	return u.JoinPath("v1", "traces").String()
}

// TracesTimeout bounds one request to the collector.
func (s *Tracing) TracesTimeout() time.Duration {
	return time.Duration(s.CollectorTimeout) * time.Millisecond
}

// TracesHeader returns the headers that go to the collector. Errors do not repeat
// them: any part may be a secret.
func (s *Tracing) TracesHeader() (http.Header, error) {
	h := make(http.Header)
	for i, pair := range pairs(cmp.Or(s.CollectorTracesHeaders, s.CollectorHeaders)) {
		if pair.bad || !httpguts.ValidHeaderFieldName(pair.name) || !httpguts.ValidHeaderFieldValue(pair.value) {
			return nil, fmt.Errorf("header %d of OTEL_EXPORTER_OTLP_HEADERS is not written name=value: several are separated by commas, and a comma or a %% in a value is %%2C or %%25", i+1)
		}
		h.Set(pair.name, pair.value)
	}
	return h, nil
}

// TracesResource returns OTEL_RESOURCE_ATTRIBUTES, with the service's name.
func (s *Tracing) TracesResource() (map[string]string, error) {
	all := make(map[string]string)
	for i, pair := range pairs(s.ResourceAttributes) {
		if pair.bad || pair.name == "" {
			return nil, fmt.Errorf("attribute %d of OTEL_RESOURCE_ATTRIBUTES is not written name=value: several are separated by commas, and a comma or a %% in a value is %%2C or %%25", i+1)
		}
		all[pair.name] = pair.value
	}
	if s.ServiceName != "" {
		all["service.name"] = s.ServiceName
	}
	return all, nil
}

// pair is one name=value of a list.
type pair struct {
	name, value string
	bad         bool
}

// pairs reads a list as the specification writes it.
func pairs(text string) (all []pair) {
	for one := range strings.SplitSeq(text, ",") {
		if one = strings.TrimSpace(one); one == "" {
			continue
		}
		name, value, found := strings.Cut(one, "=")
		name, err1 := url.PathUnescape(strings.TrimSpace(name))
		value, err2 := url.PathUnescape(strings.TrimSpace(value))
		all = append(all, pair{name, value, !found || err1 != nil || err2 != nil})
	}
	return all
}

// redactPairs keeps the names.
func redactPairs(text string) string {
	var kept []string
	for one := range strings.SplitSeq(text, ",") {
		if name, _, found := strings.Cut(one, "="); found {
			kept = append(kept, strings.TrimSpace(name)+"="+redacted)
		}
	}
	return strings.Join(kept, ",")
}
