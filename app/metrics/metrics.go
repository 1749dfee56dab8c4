// Package metrics counts and measures what the server does, for Prometheus. What
// other parts count already is read at the moment of a scrape; durations are
// observed as they happen. docs/metrics.md names every metric and its labels:
// they are bounded, and never hold a socket, an address or a user.
package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/devops-insights/devops-insights/store"
)

// namespace begins the name of every metric but those of the process and of Go.
const namespace = "devops_insights"

// Options configures New. Catalog and Read are required.
type Options struct {
	// Version, Revision and Go say what runs.
	Version, Revision, Go string
	// Catalog returns the regions that are polled, which are the values of the label
	// region. It is asked at each scrape.
	Catalog func() store.Catalog
	// Read returns what other parts count. It is asked at each scrape and must not
	// wait for anything.
	Read func() Figures
	// TraceID returns the trace of the poll that brought a change, for exemplars;
	// empty where there is none. Nil: there is none.
	TraceID func(store.Change) string
	// Now is the clock; it should carry a monotonic reading. Nil: time.Now.
	Now func() time.Time
}

// Metrics holds everything that is shown to Prometheus.
type Metrics struct {
	opts     Options
	registry *prometheus.Registry

	connections  connections
	upstream     upstream
	operations   map[string]*operation // of the store, by name
	broadcast    prometheus.Observer
	pollToWrite  prometheus.ExemplarObserver
	lines        map[string]prometheus.Counter // of the log, by level
	reloaded     prometheus.Gauge
	lastReloaded prometheus.Gauge

	notifications notifications

	mu      sync.RWMutex
	regions map[key]*region
}

// New returns metrics of which every series with known labels exists.
func New(o Options) *Metrics {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.TraceID == nil {
		o.TraceID = func(store.Change) string { return "" }
	}
	m := &Metrics{opts: o, registry: prometheus.NewRegistry(), regions: make(map[key]*region)}
	m.notifications.count = make(map[notification]uint64)
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Name: "build_info", Help: "What runs: always 1.",
			ConstLabels: prometheus.Labels{"version": o.Version, "revision": o.Revision, "go": o.Go},
		}, func() float64 { return 1 }),
		&figuresCollector{read: o.Read, families: families(&m.notifications)},
	)
	m.connections = newConnections(m.registry)
	m.upstream = newUpstream(m.registry)
	m.operations = newOperations(m.registry)
	m.lines = newLines(m.registry)
	m.broadcast = m.histogram(prometheus.HistogramOpts{
		Name: "broadcast_seconds", Help: "Time to hand one change to all dashboards of its room, without what waits for slow ones.",
		Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1},
	})
	m.pollToWrite = m.histogram(prometheus.HistogramOpts{
		Name: "poll_to_write_seconds", Help: "Time from the upstream's answer to the write to the last dashboard of the room in this process.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
	})
	m.reloaded = m.gauge("config_last_reload_successful", "Whether the last reading of the settings was taken (1) or refused (0).")
	m.lastReloaded = m.gauge("config_last_reload_success_timestamp_seconds", "When settings were last read and taken, in Unix time.")
	m.SetReloadSuccessful(true)
	m.SetReloadTime(o.Now())
	m.syncRegions()
	return m
}

// SetReloadSuccessful notes whether settings that were read again were taken.
func (m *Metrics) SetReloadSuccessful(ok bool) { m.reloaded.Set(flag(ok)) }

// SetReloadTime notes when settings were last read and taken.
func (m *Metrics) SetReloadTime(at time.Time) { m.lastReloaded.Set(unix(at)) }

func (m *Metrics) gauge(name, help string) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
	m.registry.MustRegister(g)
	return g
}

func (m *Metrics) histogram(o prometheus.HistogramOpts) exemplars {
	h := prometheus.NewHistogram(both(o))
	m.registry.MustRegister(h)
	return h.(exemplars)
}

// exemplars is a histogram: client_golang promises that each one can hold them.
type exemplars interface {
	prometheus.Observer
	prometheus.ExemplarObserver
}

// both makes a histogram of classic buckets a native one as well, for the scrapers
// that ask for it.
func both(o prometheus.HistogramOpts) prometheus.HistogramOpts {
	o.Namespace = namespace
	o.NativeHistogramBucketFactor = 1.1
	o.NativeHistogramMaxBucketNumber = 160
	o.NativeHistogramMinResetDuration = time.Hour
	return o
}

// counters registers a counter with one label and returns that of each value.
func counters[T ~string](r *prometheus.Registry, name, help, label string, values []T) map[T]prometheus.Counter {
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, []string{label})
	r.MustRegister(vec)
	all := make(map[T]prometheus.Counter, len(values))
	for _, v := range values {
		all[v] = vec.WithLabelValues(string(v))
	}
	return all
}

func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
