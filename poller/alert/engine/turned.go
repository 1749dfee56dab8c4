package engine

import (
	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/poller/alert"
)

// turned is an alert that has begun to fire, or is over.
type turned struct {
	incident, rule, region, receiver string
	severity                         alert.Severity
	to                               alert.State
}

// maxTurned bounds those that wait for the store, to be logged.
const maxTurned = 1000

// turn notes that an alert has another state now. Of too many the oldest go.
func (s *state) turn(e *entry) {
	s.turned = append(s.turned, turned{e.Incident, e.Rule, e.Region, e.Receiver, e.Severity, e.State})
	s.turned = s.turned[max(len(s.turned)-maxTurned, 0):]
}

// logTurned says which alerts have begun to fire and which are over. Their texts are
// left out: they hold what the upstream has sent.
func (t *term) logTurned() {
	for _, one := range t.state.turned {
		fields := logrus.Fields{"rule": one.rule, "region": one.region, "severity": string(one.severity), "incident": one.incident}
		if one.receiver != "" {
			fields["receiver"] = one.receiver
		}
		text := "an alert fires"
		if one.to == alert.Resolved {
			text = "an alert is over"
		}
		t.log.WithFields(fields).Info(text)
	}
	t.state.turned = nil
}
