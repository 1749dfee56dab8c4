package metrics

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/devops-insights/devops-insights/poller"
	"github.com/devops-insights/devops-insights/store"
)

// key names a region of an api.
type key struct{ api, source string }

// region holds the series of one region.
type region struct {
	label              string
	took               prometheus.Observer
	results            map[string]prometheus.Counter
	lastSuccess        prometheus.Gauge
	changes, coalesced prometheus.Counter
	answered           atomic.Pointer[answer]
}

// answer is when the upstream last answered.
type answer struct {
	at    time.Time // as the value has it
	ended time.Time // with a monotonic reading
}

// upstream holds the metrics that have the label region.
type upstream struct {
	took               *prometheus.HistogramVec
	results            *prometheus.CounterVec
	lastSuccess        *prometheus.GaugeVec
	changes, coalesced *prometheus.CounterVec
}

func newUpstream(r *prometheus.Registry) upstream {
	regional := []string{"region"}
	counter := func(name, help string, labels []string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	}
	u := upstream{
		took: prometheus.NewHistogramVec(both(prometheus.HistogramOpts{
			Name: "poll_seconds", Help: "Time until the upstream answered, or failed, with further tries.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}), regional),
		results: counter("polls_total", "Polls by what they brought: changed, unchanged, or the code of the failure.", []string{"region", "result"}),
		lastSuccess: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: namespace, Name: "poll_last_success_timestamp_seconds", Help: "When this instance last polled the region well, in Unix time; 0: not since the start.",
		}, regional),
		changes:   counter("changes_total", "Changes that were sent to the room of the region.", regional),
		coalesced: counter("updates_coalesced_total", "Updates that a dashboard was spared, because it was slow and a newer one was there.", regional),
	}
	r.MustRegister(u.took, u.results, u.lastSuccess, u.changes, u.coalesced)
	return u
}

// The results of polls that brought a value.
const (
	resultChanged   = "changed"
	resultUnchanged = "unchanged"
)

// results returns what a poll can bring.
func results() []string {
	all := []string{resultChanged, resultUnchanged, "HTTP_3XX", "HTTP_4XX", "HTTP_5XX"}
	for _, code := range poller.Codes() {
		all = append(all, string(code))
	}
	return all
}

// resultOf returns the label of a poll: of codes of HTTP answers, of which there are
// hundreds, the first digit.
func resultOf(r poller.Result) string {
	switch {
	case r.Err == nil && r.Changed:
		return resultChanged
	case r.Err == nil:
		return resultUnchanged
	case r.Err.HTTPStatus == 0 || r.Err.Code != poller.CodeHTTP(r.Err.HTTPStatus):
		return string(r.Err.Code)
	case r.Err.HTTPStatus < 400:
		return "HTTP_3XX"
	case r.Err.HTTPStatus < 500:
		return "HTTP_4XX"
	}
	return "HTTP_5XX"
}

// add makes the series of a region.
func (u *upstream) add(label string) *region {
	g := &region{
		label: label, took: u.took.WithLabelValues(label), results: make(map[string]prometheus.Counter), lastSuccess: u.lastSuccess.WithLabelValues(label),
		changes: u.changes.WithLabelValues(label), coalesced: u.coalesced.WithLabelValues(label),
	}
	for _, result := range results() {
		g.results[result] = u.results.WithLabelValues(label, result)
	}
	return g
}

// remove takes the series of a region away.
func (u *upstream) remove(label string) {
	u.took.DeleteLabelValues(label)
	u.lastSuccess.DeleteLabelValues(label)
	u.changes.DeleteLabelValues(label)
	u.coalesced.DeleteLabelValues(label)
	u.results.DeletePartialMatch(prometheus.Labels{"region": label})
}

// RegionLabel returns the value of the label region: that of the first api is the
// region's name alone.
func RegionLabel(c store.Catalog, api, source string) string {
	if len(c) > 0 && c[0].Name == api {
		return source
	}
	return api + ":" + source
}

// syncRegions makes the series of the regions that are polled, and takes away
// those of others.
func (m *Metrics) syncRegions() {
	c := m.opts.Catalog()
	m.mu.Lock()
	defer m.mu.Unlock()
	wanted := make(map[key]string)
	for _, api := range c {
		for _, source := range api.Sources() {
			wanted[key{api.Name, source}] = RegionLabel(c, api.Name, source)
		}
	}
	for k, g := range m.regions {
		if wanted[k] != g.label {
			m.upstream.remove(g.label)
			delete(m.regions, k)
		}
	}
	for k, label := range wanted {
		if m.regions[k] == nil {
			m.regions[k] = m.upstream.add(label)
		}
	}
}

// region returns the series of a region; nil for one that is not polled.
func (m *Metrics) region(api, source string) *region {
	m.mu.RLock()
	g := m.regions[key{api, source}]
	m.mu.RUnlock()
	if g == nil && m.opts.Catalog != nil {
		if a, ok := m.opts.Catalog().Find(api); !ok || a.Name != api || !a.Has(source) {
			return nil
		}
		m.syncRegions()
		m.mu.RLock()
		defer m.mu.RUnlock()
		return m.regions[key{api, source}]
	}
	return g
}

// Answered notes that the upstream has answered a poll, before the value is
// stored: the way to the dashboards begins here.
func (m *Metrics) Answered(r poller.Result) {
	if g := m.region(r.API, r.Source); g != nil && r.Err == nil {
		g.answered.Store(&answer{store.Milliseconds(r.Ended), r.Ended})
	}
}

// Polled notes the result of a poll.
func (m *Metrics) Polled(r poller.Result) {
	g := m.region(r.API, r.Source)
	if g == nil {
		return
	}
	if r.Err == nil || !r.Err.NotAsked {
		g.took.Observe(max(r.Ended.Sub(r.Began), 0).Seconds())
	}
	if r.Err == nil {
		g.lastSuccess.Set(unix(r.Ended))
	}
	counter := g.results[resultOf(r)]
	if counter == nil {
		counter = g.results[other]
	}
	counter.Inc()
}

// Sending implements socket.SendObserver.
func (m *Metrics) Sending(c store.Change, _ bool) (sent func(error)) {
	began := m.opts.Now()
	return func(error) {
		m.broadcast.Observe(m.opts.Now().Sub(began).Seconds())
		if g := m.region(c.API, c.Source); g != nil && !c.Snapshot {
			g.changes.Inc()
		}
	}
}

// Written implements socket.WriteObserver. The time counts from the upstream's
// answer by the monotonic clock where this instance has polled, else by the time
// stamp of the value.
func (m *Metrics) Written(c store.Change) {
	if c.Snapshot {
		return
	}
	now := m.opts.Now()
	took := now.Sub(c.UpdatedAt)
	if g := m.region(c.API, c.Source); g != nil {
		if a := g.answered.Load(); a != nil && a.at.Equal(c.UpdatedAt) {
			took = now.Sub(a.ended)
		}
	}
	took = max(took, 0)
	if id := m.opts.TraceID(c); id != "" {
		m.pollToWrite.ObserveWithExemplar(took.Seconds(), prometheus.Labels{"trace_id": id})
		return
	}
	m.pollToWrite.ObserveWithExemplar(took.Seconds(), nil)
}

// Skipped implements socket.WriteObserver.
func (m *Metrics) Skipped(c store.Change) {
	if g := m.region(c.API, c.Source); g != nil {
		g.coalesced.Inc()
	}
}
