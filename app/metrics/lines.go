package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
)

func newLines(r *prometheus.Registry) map[string]prometheus.Counter {
	var levels []string
	for _, l := range logrus.AllLevels {
		levels = append(levels, l.String())
	}
	return counters(r, "log_lines_total", "Lines of the log by level.", "level", levels)
}

// LogHook returns what counts the lines of a logger.
func (m *Metrics) LogHook() logrus.Hook { return lineCounter(m.lines) }

type lineCounter map[string]prometheus.Counter

func (lineCounter) Levels() []logrus.Level { return logrus.AllLevels }

func (c lineCounter) Fire(e *logrus.Entry) error {
	if counter := c[e.Level.String()]; counter != nil {
		counter.Inc()
	}
	return nil
}
