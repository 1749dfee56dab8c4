package engine

import (
	"fmt"
	"slices"
	"time"

	"github.com/devops-insights/devops-insights/poller/alert"
)

// byNetwork says that an alert is not told because this machine's own network
// fails.
const byNetwork = "network"

// suppress learns whether an alert that fires is not to be told.
func (s *state) suppress(in input, e *entry) {
	var now *alert.Suppression
	if in.offline && e.Region != "" {
		now = &alert.Suppression{By: byNetwork}
	} else if now = in.quiet.Suppression(e.Labels, in.now); now != nil {
		found := *now
		now = &found // what the other side does with its own is not ours
	}
	before := e.Suppressed
	if same(before, now) {
		return
	}
	e.Suppressed = now
	switch {
	case now == nil:
		s.note(e, alert.Event{At: in.now, Kind: alert.EventUnsuppressed, By: before.By})
	case before == nil || before.By != now.By || before.ID != now.ID:
		s.note(e, alert.Event{At: in.now, Kind: alert.EventSuppressed, By: now.By, Text: now.ID})
	default:
		s.touch(e)
	}
}

func same(a, b *alert.Suppression) bool {
	if a == nil || b == nil {
		return a == b
	}
	if a.Until == nil || b.Until == nil {
		return a.By == b.By && a.ID == b.ID && a.Until == b.Until
	}
	return a.By == b.By && a.ID == b.ID && a.Until.Equal(*b.Until)
}

// acknowledge learns who has taken an alert on.
func (s *state) acknowledge(in input, e *entry) {
	ack := in.quiet.Ack(e.Incident)
	if ack == nil || e.Ack != nil && e.Ack.By == ack.By && e.Ack.Comment == ack.Comment && e.Ack.At.Equal(ack.At) {
		return
	}
	taken := *ack
	e.Ack = &taken
	s.note(e, alert.Event{At: in.now, Kind: alert.EventAcknowledged, By: ack.By, Text: ack.Comment})
}

// tell tells of an alert that fires those who have not been told, and reminds the
// others when it is time.
func (s *state) tell(in input, e *entry) {
	t := in.targets[e.ID]
	if e.Suppressed != nil || t == nil {
		return
	}
	described := false
	for _, r := range in.receivers {
		was := e.Told[r.Name]
		due := e.Ack == nil && t.rule.Reminder > 0 && in.now.Sub(was.From) >= t.rule.Reminder
		if was.Firing && !due || !was.Firing && !wants(r, t, e) {
			continue
		}
		if !described {
			s.describeNow(in, e)
			described = true
		}
		if was.Firing {
			s.note(e, alert.Event{At: in.now, Kind: alert.EventReminder, By: r.Name})
			s.send(in, e, r.Name, alert.MessageReminder)
		} else {
			s.send(in, e, r.Name, alert.MessageFiring)
		}
	}
}

// describeNow gives an alert that has fired for a while the texts of now, where its
// condition still holds: who is told hours later does not want those of the begin.
func (s *state) describeNow(in input, e *entry) {
	for _, f := range in.findings {
		if f.id == e.ID && f.says == holds && in.now.After(*e.StartedAt) {
			s.describe(e, f)
		}
	}
}

// wants reports whether a receiver is told of an alert: of its own failure it is
// not.
func wants(r Receiver, t *target, e *entry) bool {
	return r.Name != e.Receiver &&
		(len(r.Severities) == 0 || slices.Contains(r.Severities, e.Severity)) &&
		(len(t.rule.Receivers) == 0 || slices.Contains(t.rule.Receivers, r.Name))
}

// send puts a message into the outbox.
func (s *state) send(in input, e *entry, receiver string, kind alert.MessageKind) {
	if e.Told == nil {
		e.Told = make(map[string]told)
	}
	n := e.Told[receiver].Messages + 1
	e.Told[receiver] = told{Messages: n, Firing: kind != alert.MessageResolved, From: in.now}
	s.Outbox = append(s.Outbox, alert.Message{
		Key: fmt.Sprintf("%s-%s-%d", e.Incident, receiver, n), Receiver: receiver, Kind: kind, CreatedAt: in.now, Alert: e.Alert,
	})
	s.dirty = true
}

// leave takes a message out of the outbox, and notes what became of it.
func (s *state) leave(i int, ev alert.Event) {
	m := s.Outbox[i]
	s.Outbox = slices.Delete(s.Outbox, i, i+1)
	s.dirty = true
	if e := s.incident(m.Alert.Incident); e != nil {
		ev.By = m.Receiver
		s.note(e, ev)
	}
}

// forgetReceivers drops what waits for receivers that are gone. One that comes
// back is told anew of what fires.
func (s *state) forgetReceivers(in input) {
	known := make(map[string]bool, len(in.receivers))
	for _, r := range in.receivers {
		known[r.Name] = true
	}
	for i := len(s.Outbox) - 1; i >= 0; i-- {
		if !known[s.Outbox[i].Receiver] {
			s.leave(i, alert.Event{At: in.now, Kind: alert.EventGivenUp, Text: "the receiver is not in the settings any more"})
		}
	}
	for _, e := range s.Alerts {
		for name, t := range e.Told {
			if t.Firing && !known[name] {
				t.Firing = false
				e.Told[name] = t
				s.dirty = true
			}
		}
	}
}

// maxWaiting bounds the messages that wait for one receiver.
const maxWaiting = 1000

// bound keeps the outbox within its bound.
func (s *state) bound(in input) {
	for _, r := range in.receivers {
		s.limit(in.now, r.Name, maxWaiting)
	}
}

// limit drops messages of a receiver until no more than most wait: the oldest
// reminders first, and then the oldest.
func (s *state) limit(now time.Time, receiver string, most int) {
	waiting := 0
	for _, m := range s.Outbox {
		if m.Receiver == receiver {
			waiting++
		}
	}
	for ; waiting > most; waiting-- {
		drop := slices.IndexFunc(s.Outbox, func(m alert.Message) bool {
			return m.Receiver == receiver && m.Kind == alert.MessageReminder
		})
		if drop < 0 {
			drop = slices.IndexFunc(s.Outbox, func(m alert.Message) bool { return m.Receiver == receiver })
		}
		s.dropped = append(s.dropped, s.Outbox[drop])
		s.leave(drop, alert.Event{At: now, Kind: alert.EventGivenUp, Text: fmt.Sprintf("more than %d messages wait for the receiver", most)})
	}
}
