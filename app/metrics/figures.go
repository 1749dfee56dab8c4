package metrics

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/devops-insights/devops-insights/app/health"
	"github.com/devops-insights/devops-insights/poller"
	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/socket/engineio"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/mongostore"
)

// Figures are what other parts count, as it is at one moment.
type Figures struct {
	// Connections are the counters of the dashboards' connections, and Recovered and
	// Lost those of the clients that came back.
	Connections     engineio.Stats
	Recovered, Lost uint64
	// MemoryBound is how many bytes may wait for dashboards, and MemoryQueued how
	// many do.
	MemoryBound, MemoryQueued int64
	// Regions are those of the catalog.
	Regions []RegionFigures
	Store   StoreFigures
	Stream  StreamFigures
	Cluster ClusterFigures
	// Leader says that this instance polls, and LeaseChanges how often it began or
	// ended to.
	Leader       bool
	LeaseChanges uint64
	// Alerts are those of all APIs that this instance shows.
	Alerts []alert.Alert
	// Receivers are the receivers of alerts in the settings. One that is there several
	// times, for several APIs, is shown once.
	Receivers []ReceiverFigures
	// Parts are the parts of the health board.
	Parts []health.Part
	// Panics counts the faults in the program, and LogDropped the lines of the log
	// that were lost.
	Panics, LogDropped uint64
}

// RegionFigures are those of one region.
type RegionFigures struct {
	// Label is the value of the label region.
	Label string
	// Members is how many dashboards of this process are in its room.
	Members int
	// ValueAge is how long ago the value changed; negative where there is none.
	ValueAge time.Duration
	// State is what the last poll of this instance found; empty where it does not
	// poll.
	State store.State
	// Breaker is how the circuit breaker stands; empty where there is none.
	Breaker poller.BreakerState
}

// StoreFigures are those of the database or the embedded store.
type StoreFigures struct {
	// Pending is how many changes wait for the store, and Dropped how many waited in
	// vain.
	Pending int
	Dropped uint64
	// Rows and Bytes are the size of the history; negative where it is not known.
	Rows, Bytes int64
	// Deleted counts the rows that this instance has deleted for their age, or for
	// the size of the history.
	Deleted uint64
	// RollupLag is how far the tiers of the history are behind the clock.
	RollupLag time.Duration
}

// StreamFigures are those of the change stream.
type StreamFigures struct {
	Open bool
	// Lag is for how long a change that is stored waits for the stream to bring it.
	Lag time.Duration
	// Gaps counts what it has missed, by reason.
	Gaps map[string]uint64
}

// ClusterFigures are those of Redis and the instances behind it.
type ClusterFigures struct {
	Connected                bool
	Published, Dropped, Gaps uint64
	// Nodes is how many instances there are, this one included.
	Nodes int
}

// family is one metric whose values are Figures.
type family struct {
	desc   *prometheus.Desc
	kind   prometheus.ValueType
	values func(f *Figures, add func(value float64, labels ...string))
}

// figuresCollector is a prometheus.Collector that reads everything once for a scrape.
type figuresCollector struct {
	read     func() Figures
	families []family
}

// Describe implements prometheus.Collector.
func (c *figuresCollector) Describe(out chan<- *prometheus.Desc) {
	for _, f := range c.families {
		out <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (c *figuresCollector) Collect(out chan<- prometheus.Metric) {
	figures := c.read()
	for _, f := range c.families {
		f.values(&figures, func(value float64, labels ...string) {
			out <- prometheus.MustNewConstMetric(f.desc, f.kind, value, labels...)
		})
	}
}

// describing collects families.
type describing []family

func (d *describing) add(kind prometheus.ValueType, name, help string, labels []string, values func(*Figures, func(float64, ...string))) {
	*d = append(*d, family{prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil), kind, values})
}

// gauge and counter add a family without labels.
func (d *describing) gauge(name, help string, value func(*Figures) float64) {
	d.add(prometheus.GaugeValue, name, help, nil, func(f *Figures, add func(float64, ...string)) { add(value(f)) })
}

func (d *describing) counter(name, help string, value func(*Figures) uint64) {
	d.add(prometheus.CounterValue, name, help, nil, func(f *Figures, add func(float64, ...string)) { add(float64(value(f))) })
}

// regional adds a gauge of each region.
func (d *describing) regional(name, help string, value func(RegionFigures) float64) {
	d.add(prometheus.GaugeValue, name, help, []string{"region"}, func(f *Figures, add func(float64, ...string)) {
		for _, r := range f.Regions {
			add(value(r), r.Label)
		}
	})
}

// families returns every metric that is read at a scrape.
func families(n *notifications) []family {
	var d describing
	d.connections()
	d.upstream()
	d.store()
	d.cluster()
	d.alerts(n)
	d.health()
	return d
}

func (d *describing) connections() {
	each := func(add func(float64, ...string), values func(transport string) float64) {
		for _, transport := range []string{engineio.Polling, engineio.Websocket} {
			add(values(transport), transport)
		}
	}
	d.add(prometheus.GaugeValue, "connections", "Open connections of dashboards by transport.", []string{"transport"}, func(f *Figures, add func(float64, ...string)) {
		each(add, func(t string) float64 { return float64(f.Connections.OpenByTransport[t]) })
	})
	d.add(prometheus.CounterValue, "connections_opened_total", "Connections so far by the transport that they began with.", []string{"transport"}, func(f *Figures, add func(float64, ...string)) {
		each(add, func(t string) float64 { return float64(f.Connections.OpenedByTransport[t]) })
	})
	d.add(prometheus.CounterValue, "handshakes_refused_total", "Handshakes that a limit refused.", []string{"limit"}, func(f *Figures, add func(float64, ...string)) {
		for limit, label := range refusals() {
			add(float64(f.Connections.Refused[limit]), label)
		}
	})
	d.add(prometheus.CounterValue, "upgrades_total", "Moves from polling to a websocket.", []string{"result"}, func(f *Figures, add func(float64, ...string)) {
		add(float64(f.Connections.Upgrades.OK), "ok")
		add(float64(f.Connections.Upgrades.Failed), "failed")
	})
	d.add(prometheus.CounterValue, "recoveries_total", "Clients that came back after an interruption: recovered with what they had missed, or begun anew.", []string{"result"}, func(f *Figures, add func(float64, ...string)) {
		add(float64(f.Recovered), "recovered")
		add(float64(f.Lost), "anew")
	})
	d.add(prometheus.CounterValue, "packets_total", "Packets of Engine.IO by direction.", []string{"direction"}, func(f *Figures, add func(float64, ...string)) {
		add(float64(f.Connections.Traffic.PacketsIn), "in")
		add(float64(f.Connections.Traffic.PacketsOut), "out")
	})
	d.add(prometheus.CounterValue, "bytes_total", "Bytes of frames and of HTTP bodies as they travelled, by direction and whether they were compressed.", []string{"direction", "compressed"}, func(f *Figures, add func(float64, ...string)) {
		t := f.Connections.Traffic
		add(float64(t.BytesIn-t.BytesInCompressed), "in", "false")
		add(float64(t.BytesInCompressed), "in", "true")
		add(float64(t.BytesOut-t.BytesOutCompressed), "out", "false")
		add(float64(t.BytesOutCompressed), "out", "true")
	})
	d.gauge("send_queue_bytes", "Bytes that wait for slow dashboards, a message once for each of them.", func(f *Figures) float64 { return float64(f.Connections.QueueBytes) })
	d.gauge("memory_bound_bytes", "How many bytes may wait for dashboards in all.", func(f *Figures) float64 { return float64(f.MemoryBound) })
	d.gauge("memory_queued_bytes", "How many bytes do, a message once however many wait for it.", func(f *Figures) float64 { return float64(f.MemoryQueued) })
}

// refusals returns the labels of the limits that refuse handshakes.
func refusals() map[engineio.Limit]string {
	return map[engineio.Limit]string{
		engineio.LimitConnections: "connections_per_address", engineio.LimitHandshakes: "handshakes_per_second",
		engineio.LimitMemory: "memory", engineio.LimitOrigin: "origin",
	}
}

func (d *describing) upstream() {
	d.regional("room_members", "Dashboards of this process in the room of the region.", func(r RegionFigures) float64 { return float64(r.Members) })
	d.regional("value_age_seconds", "How long ago the value of the region changed; NaN: there is none.", func(r RegionFigures) float64 {
		if r.ValueAge < 0 {
			return math.NaN()
		}
		return r.ValueAge.Seconds()
	})
	d.regional("breaker_state", "Circuit breaker of the region: 0 closed, 1 half-open, 2 open.", func(r RegionFigures) float64 {
		switch r.Breaker {
		case poller.BreakerOpen:
			return 2
		case poller.BreakerHalfOpen:
			return 1
		default:
			return 0
		}
	})
	d.add(prometheus.GaugeValue, "region_state", "1 for the state that the last poll of this instance found, 0 for the others; all 0 where it does not poll.", []string{"region", "state"}, func(f *Figures, add func(float64, ...string)) {
		for _, r := range f.Regions {
			for _, state := range []store.State{store.StateUp, store.StateDegraded, store.StateDown, store.StateUnknown} {
				add(flag(r.State == state), r.Label, string(state))
			}
		}
	})
}

func (d *describing) store() {
	known := func(n int64) float64 {
		if n < 0 {
			return math.NaN()
		}
		return float64(n)
	}
	d.gauge("changes_pending", "Changes that wait for the store.", func(f *Figures) float64 { return float64(f.Store.Pending) })
	d.counter("changes_dropped_total", "Changes that waited for the store in vain.", func(f *Figures) uint64 { return f.Store.Dropped })
	d.gauge("history_rows", "Rows of the history, with a database about; NaN: not known yet.", func(f *Figures) float64 { return known(f.Store.Rows) })
	d.gauge("history_bytes", "Bytes of the history, with a database about; NaN: not known yet.", func(f *Figures) float64 { return known(f.Store.Bytes) })
	d.counter("retention_deleted_total", "Rows that this instance has deleted for their age, or for the size of the history.", func(f *Figures) uint64 { return f.Store.Deleted })
	d.gauge("rollup_lag_seconds", "How far the tiers of the history are behind the clock; 0 where this instance does not keep them.", func(f *Figures) float64 { return f.Store.RollupLag.Seconds() })
	d.gauge("change_stream_lag_seconds", "For how long a change that is stored waits for the change stream to bring it.", func(f *Figures) float64 { return f.Stream.Lag.Seconds() })
	d.add(prometheus.CounterValue, "change_stream_gaps_total", "Times after which all values were read again, because the change stream had missed some or may have.", []string{"reason"}, func(f *Figures, add func(float64, ...string)) {
		for _, reason := range gaps() {
			add(float64(f.Stream.Gaps[reason]), reason)
		}
	})
	d.gauge("change_stream_open", "Whether the changes of all writers are followed; with the embedded store always.", func(f *Figures) float64 { return flag(f.Stream.Open) })
}

func (d *describing) cluster() {
	d.gauge("leader", "Whether this instance polls.", func(f *Figures) float64 { return flag(f.Leader) })
	d.counter("lease_changes_total", "Times that this instance began to poll or ended to.", func(f *Figures) uint64 { return f.LeaseChanges })
	d.gauge("redis_connected", "Whether messages of other instances come in; 0 without Redis.", func(f *Figures) float64 { return flag(f.Cluster.Connected) })
	d.counter("redis_published_total", "Messages to other instances that Redis took.", func(f *Figures) uint64 { return f.Cluster.Published })
	d.counter("redis_dropped_total", "Messages to other instances that Redis did not take in time.", func(f *Figures) uint64 { return f.Cluster.Dropped })
	d.counter("redis_gaps_total", "Interruptions, in which messages of other instances may have been missed.", func(f *Figures) uint64 { return f.Cluster.Gaps })
	d.gauge("cluster_nodes", "Instances behind the same Redis, this one included.", func(f *Figures) float64 { return float64(f.Cluster.Nodes) })
}

func (d *describing) health() {
	d.add(prometheus.GaugeValue, "health", "Parts of the server: 2 ok, 1 degraded or unknown, 0 down.", []string{"part"}, func(f *Figures, add func(float64, ...string)) {
		for _, p := range f.Parts {
			switch p.State {
			case health.OK:
				add(2, p.Name)
			case health.Down:
				add(0, p.Name)
			default:
				add(1, p.Name)
			}
		}
	})
	d.counter("panics_total", "Faults in the program that ended what they happened in.", func(f *Figures) uint64 { return f.Panics })
	d.counter("log_dropped_total", "Lines of the log that were lost because nobody read it, or it could not be written.", func(f *Figures) uint64 { return f.LogDropped })
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// gaps returns the reasons for gaps of a change stream.
func gaps() []string {
	return []string{string(mongostore.GapHistoryLost), string(mongostore.GapSilent), string(mongostore.GapInvalidated)}
}
