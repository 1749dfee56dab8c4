package config

import (
	"slices"
	"strings"
)

// Metrics are the settings of what Prometheus reads.
type Metrics struct {
	// MetricsAt is internal, public or off.
	MetricsAt    string
	MetricsToken string
}

func defaultMetrics() Metrics { return Metrics{MetricsAt: "internal"} }

func (s *Metrics) declare(d *declaration) {
	d.add(&s.MetricsAt, "metrics", "METRICS", "where /metrics is: internal (INTERNAL_ADDR), public (the port of the dashboards as well) or off")
	d.secret(&s.MetricsToken, "metrics-token", "METRICS_TOKEN", "bearer token, with which /metrics is on the port of the dashboards, and only with it", redactAll)
}

// leastToken is the fewest characters of a token: fewer can be guessed.
const leastToken = 16

func (s *Metrics) check(r *report) {
	s.MetricsAt = strings.ToLower(strings.TrimSpace(s.MetricsAt))
	if !slices.Contains([]string{"internal", "public", "off"}, s.MetricsAt) {
		r.bad("METRICS=%q is unknown: internal, public and off are allowed", s.MetricsAt)
	}
	s.MetricsToken = strings.TrimSpace(s.MetricsToken)
	switch {
	case s.MetricsToken == "":
	case len(s.MetricsToken) < leastToken || strings.ContainsAny(s.MetricsToken, " \t\r\n"):
		r.bad("METRICS_TOKEN cannot be used: at least %d characters without white space are expected", leastToken)
	case s.MetricsAt == "off":
		r.warn("METRICS_TOKEN does nothing: METRICS is off")
	}
}

// MetricsOnMain reports whether /metrics is on the port of the dashboards.
func (s *Metrics) MetricsOnMain() bool {
	return s.MetricsAt == "public" || s.MetricsAt == "internal" && s.MetricsToken != ""
}
