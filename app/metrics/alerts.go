package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/devops-insights/devops-insights/poller/alert"
)

// ReceiverFigures are those of one receiver of alerts.
type ReceiverFigures struct {
	// Name is as the settings have it: it is the value of the label receiver.
	Name string
	// Oldest is for how long the oldest message waits for it; 0: none does.
	Oldest time.Duration
}

// The results of a try to deliver a message.
const (
	// NotificationSent is a message that the receiver has taken.
	NotificationSent = "sent"
	// NotificationFailed is a try that failed, and will be repeated.
	NotificationFailed = "failed"
	// NotificationGivenUp is a message that will not be tried again.
	NotificationGivenUp = "given_up"
)

func notificationResults() []string {
	return []string{NotificationSent, NotificationFailed, NotificationGivenUp}
}

// notification is one receiver with one result.
type notification struct{ receiver, result string }

// notifications count the tries to deliver messages. Those of a receiver that a
// reload takes away are not shown any more, and go on when it returns.
type notifications struct {
	mu    sync.Mutex
	count map[notification]uint64
}

// Notified counts a try to deliver a message to a receiver of the settings, by one
// of the results above.
func (m *Metrics) Notified(receiver, result string) {
	m.notifications.mu.Lock()
	defer m.notifications.mu.Unlock()
	m.notifications.count[notification{receiver, result}]++
}

// of returns how often a receiver had a result.
func (n *notifications) of(receiver, result string) uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.count[notification{receiver, result}]
}

// alerts adds what is known of alerts and their messages.
func (d *describing) alerts(n *notifications) {
	d.add(prometheus.GaugeValue, "alerts", "Alerts of all APIs by state and severity, as every instance shows them.", []string{"state", "severity"}, func(f *Figures, add func(float64, ...string)) {
		count := make(map[[2]string]int)
		for _, a := range f.Alerts {
			count[[2]string{string(a.State), string(a.Severity)}]++
		}
		for _, state := range []alert.State{alert.Pending, alert.Firing, alert.Resolved} {
			for _, severity := range []alert.Severity{alert.Critical, alert.Warning, alert.Info} {
				add(float64(count[[2]string{string(state), string(severity)}]), string(state), string(severity))
			}
		}
	})
	d.add(prometheus.CounterValue, "notifications_total", "Tries of this instance to deliver a message to a receiver of alerts, by what came of it.", []string{"receiver", "result"}, func(f *Figures, add func(float64, ...string)) {
		for _, r := range merged(f.Receivers) {
			for _, result := range notificationResults() {
				add(float64(n.of(r.Name, result)), r.Name, result)
			}
		}
	})
	d.add(prometheus.GaugeValue, "notification_oldest_pending_seconds", "For how long the oldest message waits for a receiver of alerts; 0: none does.", []string{"receiver"}, func(f *Figures, add func(float64, ...string)) {
		for _, r := range merged(f.Receivers) {
			add(r.Oldest.Seconds(), r.Name)
		}
	})
}

// merged returns each receiver once, with the oldest of its messages.
func merged(all []ReceiverFigures) (once []ReceiverFigures) {
	place := make(map[string]int)
	for _, r := range all {
		i, known := place[r.Name]
		if !known {
			place[r.Name] = len(once)
			once = append(once, r)
			continue
		}
		once[i].Oldest = max(once[i].Oldest, r.Oldest)
	}
	return once
}
