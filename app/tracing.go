package app

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"go.opentelemetry.io/otel/attribute"

	"github.com/devops-insights/devops-insights/app/config"
	"github.com/devops-insights/devops-insights/app/probe"
	"github.com/devops-insights/devops-insights/app/tracing"
	"github.com/devops-insights/devops-insights/poller"
	"github.com/devops-insights/devops-insights/socket"
	"github.com/devops-insights/devops-insights/store/mongostore"
	"github.com/devops-insights/devops-insights/store/observed"
)

// openTracing begins to send traces to the collector of the settings. Without one
// requests are given trace ids, and nothing is recorded.
func (a *App) openTracing() error {
	c := a.opts.Config
	o := tracing.Options{
		Sampler: c.TracesSampler, SamplerArg: c.TracesSamplerArg, Logger: a.log,
		Feed: a.feedName, Database: "bbolt",
	}
	if c.DatabaseURL != "" {
		o.Database = "mongodb"
	}
	var err error
	if o.Collector, err = collector(c); err != nil {
		return settingAtFault(err)
	}
	if o.Resource, err = a.resource(); err != nil {
		return settingAtFault(err)
	}
	if a.tracing, err = tracing.New(o); err != nil {
		return settingAtFault(err)
	}
	tracing.AddLogHook(a.log)
	a.onStop("traces", a.tracing.Shutdown)
	return nil
}

// collector is where traces go; nil where nothing is traced.
func collector(c config.Config) (*tracing.Collector, error) {
	url := c.TracesURL()
	if url == "" {
		return nil, nil //nolint:nilnil // that is no failure
	}
	header, err := c.TracesHeader()
	if err != nil {
		return nil, err
	}
	security, err := collectorTLS(c)
	if err != nil {
		return nil, err
	}
	return &tracing.Collector{URL: url, Header: header, Timeout: c.TracesTimeout(), Gzip: c.CollectorCompression == "gzip", TLS: security}, nil
}

// collectorTLS is what the collector is to show, and is shown.
func collectorTLS(c config.Config) (*tls.Config, error) {
	security := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CollectorCA != "" {
		pem, err := os.ReadFile(c.CollectorCA)
		if err != nil {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_CERTIFICATE cannot be read: %w", err)
		}
		security.RootCAs = x509.NewCertPool()
		if !security.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("OTEL_EXPORTER_OTLP_CERTIFICATE holds no certificate: a PEM file is expected")
		}
	}
	if c.CollectorCert != "" {
		pair, err := tls.LoadX509KeyPair(c.CollectorCert, c.CollectorKey)
		if err != nil {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY cannot be used: %w", err)
		}
		security.Certificates = []tls.Certificate{pair}
	}
	return security, nil
}

// resource is what traces say of this process.
func (a *App) resource() ([]attribute.KeyValue, error) {
	c := a.opts.Config
	host, _ := os.Hostname() // without a name there is none to show
	about := map[string]string{
		"service.name": probe.Service, "service.version": a.opts.Version, "service.instance.id": rand.Text(),
		"deployment.environment.name": c.Environment, "host.name": host,
	}
	own, err := c.TracesResource()
	if err != nil {
		return nil, err
	}
	var all []attribute.KeyValue
	for name, value := range own {
		about[name] = value
	}
	for name, value := range about {
		all = append(all, attribute.String(name, cmp.Or(value, "unknown")))
	}
	return all, nil
}

// feedName names the way on which a change comes back from the store.
func (a *App) feedName() string {
	if db := a.mongo.Load(); db != nil && db.Mode().Following == mongostore.ChangeStream {
		return "change stream"
	}
	return "feed"
}

// The hooks of the tracing; nil where nothing is recorded, so that it costs nothing.

func (a *App) tracesStore() observed.Observer {
	if a.tracing.On() {
		return a.tracing
	}
	return nil
}

func (a *App) tracesSends() socket.SendObserver {
	if a.tracing.On() {
		return a.tracing
	}
	return nil
}

func (a *App) tracesPolls() func(context.Context, poller.Result) (context.Context, func(poller.Result)) {
	if a.tracing.On() {
		return a.tracing.Poll
	}
	return nil
}

func (a *App) tracesQuestions() socket.QuestionObserver {
	if a.tracing.On() {
		return a.tracing
	}
	return nil
}
