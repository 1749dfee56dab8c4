package notify

import (
	"slices"
	"time"

	"github.com/devops-insights/devops-insights/poller/alert"
)

// How Alertmanagers are told.
const (
	// repeatEvery is how often they are told what fires by default, and holdsFor how
	// long each time holds: they take an alert for resolved that they hear no more of.
	repeatEvery = time.Minute
	holdsFor    = 5 * time.Minute
	// repeatResolved is how often they are told again that an alert is resolved.
	repeatResolved = 3
	// maxBatch is the largest number of alerts in a request.
	maxBatch = 500
	// maxResolved bounds the resolved alerts that are repeated.
	maxResolved = 1000
)

// repeat is what an Alertmanager is told again and again. Only the lane's own
// goroutine uses it.
type repeat struct {
	every    time.Duration
	next     time.Time
	failures int
	resolved []resolved
}

type resolved struct {
	message alert.Message
	left    int
}

func newRepeat(every time.Duration) *repeat { return &repeat{every: every} }

// took notes messages that have arrived.
func (r *repeat) took(batch []alert.Message) {
	for _, m := range batch {
		r.resolved = slices.DeleteFunc(r.resolved, func(one resolved) bool { return one.message.Alert.ID == m.Alert.ID })
		if m.Kind == alert.MessageResolved && len(r.resolved) < maxResolved {
			r.resolved = append(r.resolved, resolved{m, repeatResolved})
		}
	}
}

// idle notes that there was nothing to repeat. A sender that begins may be asked
// before it is known what fires.
func (r *repeat) idle(now time.Time) { r.next = now.Add(min(r.every, time.Second)) }

// done notes a repetition.
func (r *repeat) done(ok bool, now time.Time) {
	if !ok {
		r.failures++
		r.next = now.Add(min(wait(r.failures), r.every))
		return
	}
	r.failures, r.next = 0, now.Add(r.every)
	for i := range r.resolved {
		r.resolved[i].left--
	}
	r.resolved = slices.DeleteFunc(r.resolved, func(one resolved) bool { return one.left <= 0 })
}

// states returns what an Alertmanager is told: the messages, or, without any, what
// is repeated.
func (l *lane) states(batch []alert.Message) []postable {
	if len(batch) == 0 {
		batch = l.repeated()
	}
	all := make([]postable, 0, len(batch))
	for _, m := range batch {
		all = append(all, toAlertmanager(m.Alert, holdsUntil(m, l.opts.Now()), l.opts.ExternalURL))
	}
	return all
}

// repeated returns the alerts that are repeated. One of which messages wait is
// left out: they come first.
func (l *lane) repeated() (messages []alert.Message) {
	var firing []alert.Alert
	if l.opts.Firing != nil {
		firing = l.opts.Firing.Firing(l.target.Name)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	fires := make(map[string]bool)
	for _, a := range firing {
		fires[a.ID] = true
		if !l.queue.waits(a.ID) {
			messages = append(messages, alert.Message{Kind: alert.MessageFiring, Alert: a})
		}
	}
	for _, one := range l.repeat.resolved {
		if id := one.message.Alert.ID; !fires[id] && !l.queue.waits(id) {
			messages = append(messages, one.message)
		}
	}
	return messages
}

// holdsUntil is until when a message holds for an Alertmanager.
func holdsUntil(m alert.Message, now time.Time) time.Time {
	if m.Kind == alert.MessageResolved {
		return endOf(m)
	}
	return now.UTC().Add(holdsFor)
}
