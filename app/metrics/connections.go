package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/devops-insights/devops-insights/socket/engineio"
	"github.com/devops-insights/devops-insights/socket/socketio"
)

// other is the label of what is none of the known values.
const other = "OTHER"

// connections is an engineio.Observer. It holds every counter at hand: a heartbeat
// of ten thousand dashboards looks nothing up.
type connections struct {
	upgrade, pong prometheus.Observer
	closed        map[engineio.Code]prometheus.Counter
	dropped       map[engineio.Code]prometheus.Counter
}

// dropped are the codes of connections that the server itself ended because of a
// limit.
func dropped() []engineio.Code {
	return []engineio.Code{
		engineio.CodeBacklog, engineio.CodeStalled, engineio.CodeMemory, engineio.CodeTraffic, engineio.CodePayload,
		socketio.CodeEventRate, socketio.CodeBinary, socketio.CodeNesting, socketio.CodeNamespaces, socketio.CodeNoNamespace,
	}
}

func newConnections(r *prometheus.Registry) connections {
	c := connections{
		closed:  counters(r, "connections_closed_total", "Connections that have ended, by the code of the reason.", "reason", append(socketio.Codes(), other)),
		dropped: counters(r, "sessions_dropped_total", "Connections that the server ended because of a limit.", "reason", dropped()),
	}
	upgrade := prometheus.NewHistogram(both(prometheus.HistogramOpts{
		Name: "upgrade_seconds", Help: "Time of a move from polling to a websocket.",
		Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}))
	pong := prometheus.NewHistogram(both(prometheus.HistogramOpts{
		Name: "ping_pong_seconds", Help: "Time that a dashboard took to answer a heartbeat.",
		Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20},
	}))
	r.MustRegister(upgrade, pong)
	c.upgrade, c.pong = upgrade, pong
	return c
}

// Observer returns what is to be told of the connections.
func (m *Metrics) Observer() engineio.Observer { return &m.connections }

// Upgraded implements engineio.Observer.
func (c *connections) Upgraded(ok bool, took time.Duration) {
	if ok {
		c.upgrade.Observe(took.Seconds())
	}
}

// Ponged implements engineio.Observer.
func (c *connections) Ponged(rtt time.Duration) { c.pong.Observe(rtt.Seconds()) }

// Closed implements engineio.Observer.
func (c *connections) Closed(s *engineio.Session) {
	code := s.Info().Code
	if counter := c.dropped[code]; counter != nil {
		counter.Inc()
	}
	counter := c.closed[code]
	if counter == nil {
		counter = c.closed[other]
	}
	counter.Inc()
}
