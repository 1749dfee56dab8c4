package config_test

import (
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/app/config"
	"github.com/devops-insights/devops-insights/app/tracing"
)

var _ = Describe("the settings of OpenTelemetry", func() {
	load := func(pairs ...string) (c config.Config, warnings []string) {
		GinkgoHelper()
		c, warnings, err := config.Load(nil, env(pairs...))
		Expect(err).NotTo(HaveOccurred())
		return c, warnings
	}

	DescribeTable("say where traces go", func(url string, pairs ...string) {
		c, warnings := load(pairs...)
		Expect(c.TracesURL()).To(Equal(url))
		Expect(warnings).To(BeEmpty())
	},
		Entry("nowhere", ""),
		Entry("below the base URL", "http://collector:4318/v1/traces", "OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
		Entry("below its path", "https://collector/otlp/v1/traces", "OTEL_EXPORTER_OTLP_ENDPOINT", " https://collector/otlp/ "),
		Entry("to the URL for traces as it is", "http://traces:1/x", "OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:1/x"),
		Entry("nowhere with OTEL_SDK_DISABLED", "", "OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318", "OTEL_SDK_DISABLED", "true"),
		Entry("nowhere with OTEL_TRACES_EXPORTER=none", "", "OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318", "OTEL_TRACES_EXPORTER", "none"),
		Entry("nowhere, whatever the rest is", "", "OTEL_TRACES_SAMPLER", "what", "OTEL_EXPORTER_OTLP_HEADERS", "what"),
	)

	It("have headers and attributes with % escapes", func() {
		c, warnings := load("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h", "OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20a=b%2Cc , x-team = a",
			"OTEL_RESOURCE_ATTRIBUTES", "team=a%20b,service.name=old", "OTEL_SERVICE_NAME", "new", "OTEL_EXPORTER_OTLP_TIMEOUT", "2500")
		Expect(warnings).To(BeEmpty())
		Expect(c.TracesHeader()).To(Equal(http.Header{"Authorization": {"Basic a=b,c"}, "X-Team": {"a"}}))
		Expect(c.TracesResource()).To(Equal(map[string]string{"team": "a b", "service.name": "new"}))
		Expect(c.TracesTimeout().Seconds()).To(Equal(2.5))
	})

	It("let those for traces overrule those for everything, without a warning", func() {
		c, warnings := load("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h",
			"OTEL_EXPORTER_OTLP_HEADERS", "a=1,b=2", "OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=3",
			"OTEL_EXPORTER_OTLP_TIMEOUT", "1", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "2",
			"OTEL_EXPORTER_OTLP_COMPRESSION", "none", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip",
			"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://other", "OTEL_BSP_MAX_QUEUE_SIZE", "7")
		Expect(warnings).To(BeEmpty())
		Expect(c.TracesHeader()).To(Equal(http.Header{"A": {"3"}}))
		Expect([]any{c.CollectorTimeout, c.CollectorCompression}).To(Equal([]any{2, "gzip"}))
	})

	It("warn of what other programs may know", func() {
		c, warnings := load("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h", "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "OTEL_TRACES_SAMPLER", "jaeger_remote",
			"OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "OTEL_TRACES_EXPORTER", "zipkin")
		Expect(strings.Join(warnings, "\n")).To(And(
			ContainSubstring(`OTEL_EXPORTER_OTLP_PROTOCOL="grpc" is not known here and http/protobuf is used`),
			ContainSubstring("parentbased_always_on is used"), ContainSubstring(`"zstd" is not known here and none is used`), ContainSubstring("otlp is used")))
		Expect([]string{c.TracesSampler, c.CollectorProtocol, c.CollectorCompression}).To(Equal([]string{"parentbased_always_on", "http/protobuf", "none"}))
	})

	It("know the samplers that there are", func() {
		for _, name := range tracing.SamplerNames() {
			_, warnings := load("OTEL_EXPORTER_OTLP_ENDPOINT", "http://h", "OTEL_TRACES_SAMPLER", name, "OTEL_TRACES_SAMPLER_ARG", "0.25")
			Expect(warnings).To(BeEmpty())
		}
		Expect(config.Default().TracesSampler).To(Equal(tracing.DefaultSampler))
	})

	DescribeTable("are refused with a sentence where they are broken", func(sentence string, pairs ...string) {
		_, _, err := config.Load(nil, env(append([]string{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://h"}, pairs...)...))
		Expect(err).To(MatchError(ContainSubstring(sentence)))
	},
		Entry(nil, "no http or https URL", "OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
		Entry(nil, "no http or https URL", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://"),
		Entry(nil, "header 2 of OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS", "a=b,c"),
		Entry(nil, "attribute 1 of OTEL_RESOURCE_ATTRIBUTES", "OTEL_RESOURCE_ATTRIBUTES", "=b"),
		Entry(nil, "1 to 600000 milliseconds", "OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
		Entry(nil, "a number from 0 to 1", "OTEL_TRACES_SAMPLER", "traceidratio", "OTEL_TRACES_SAMPLER_ARG", "5"),
		Entry(nil, "belong together", "OTEL_EXPORTER_OTLP_CLIENT_KEY", "key.pem"),
	)

	It("show no header's value", func() {
		c, _ := load("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:secret@h:4318/secret", "OTEL_EXPORTER_OTLP_HEADERS", "x-key=secret", "OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-other=secret")
		lines := strings.Join(c.Lines(), "\n")
		Expect(lines).To(And(ContainSubstring("OTEL_EXPORTER_OTLP_HEADERS=x-key=redacted"), ContainSubstring("h:4318"), Not(ContainSubstring("secret"))))
	})
})
