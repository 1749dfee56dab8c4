package engine

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/devops-insights/devops-insights/poller/alert"
)

// format numbers the shapes of a ledger's text.
const format = 1

// state is what a ledger holds. decide changes it, and nothing else of an engine
// does.
type state struct {
	Format int `json:"format"`
	// Writer names the engine and term that wrote it: by it an engine knows its
	// own write again when the answer was lost.
	Writer string `json:"writer"`
	// At is the wall clock of the write.
	At time.Time `json:"at"`
	// Last is the highest number of an incident so far.
	Last int64 `json:"last"`
	// Alerts are in the order in which they became pending.
	Alerts []*entry `json:"alerts"`
	// Outbox holds the messages that have not been delivered, oldest first.
	Outbox   []alert.Message `json:"outbox"`
	Problems []Problem       `json:"problems,omitempty"`
	// Failures is how many polls of a region in a row have found it failing, as of
	// the write. They are no reason to write.
	Failures map[string]int `json:"failures,omitempty"`

	byID    map[string]*entry // those that are pending or fire; nil: not made yet
	dirty   bool
	dropped []alert.Message // left the outbox because too many wait; to be logged
	turned  []turned        // to be logged once it is in the store
}

// entry is an alert with what its next states depend on. The times named From are
// beginnings from which durations count: see the package on clocks.
type entry struct {
	alert.Alert
	// Receiver is the one that an alert about a receiver means.
	Receiver string `json:"receiver,omitempty"`
	// Polls is the number of polls in a row in which the condition held.
	Polls     int       `json:"polls,omitempty"`
	HoldsFrom time.Time `json:"holdsFrom"`
	// ClearFrom is since when the condition does not hold while the alert fires.
	ClearFrom time.Time `json:"clearFrom,omitzero"`
	OverFrom  time.Time `json:"overFrom,omitzero"`
	// Told is by receiver.
	Told   map[string]told `json:"told,omitempty"`
	Events []alert.Event   `json:"events"`
	// Version counts the changes of the incident; Stored is the one that is kept
	// as a record.
	Version int64 `json:"version"`
	Stored  int64 `json:"stored,omitempty"`
	// Hidden is an alert that is over for so long that it is not shown any more. It
	// stays for what is still to be noted about it.
	Hidden bool `json:"hidden,omitempty"`
}

// told is what a receiver has been told of an alert.
type told struct {
	// Messages is how many there were.
	Messages int `json:"messages"`
	// Firing says that the last thing it was told is that the alert fires.
	Firing bool `json:"firing,omitempty"`
	// From is when the last message was made.
	From time.Time `json:"from"`
}

// decode reads a ledger's text; an empty one is the beginning.
func decode(data json.RawMessage) (*state, error) {
	s := &state{Format: format}
	if len(data) == 0 {
		return s, nil
	}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("the ledger of alerts cannot be read: %w", err)
	}
	if s.Format != format {
		return nil, fmt.Errorf("the ledger of alerts has format %d: this version of the program reads format %d", s.Format, format)
	}
	s.mend()
	return s, nil
}

// mend puts right what no ledger of this program has: it must not end the process.
func (s *state) mend() {
	s.Alerts = slices.DeleteFunc(s.Alerts, func(e *entry) bool { return e == nil })
	for _, e := range s.Alerts {
		if e.State != alert.Pending && e.StartedAt == nil {
			e.StartedAt = notBefore(e.PendingAt, e.PendingAt)
		}
	}
}

// encode returns the ledger's text.
func (s *state) encode() (json.RawMessage, error) { return json.Marshal(s) }

// active returns the alert of that ID that is pending or fires; nil: none does.
func (s *state) active(id string) *entry {
	if s.byID == nil {
		s.byID = make(map[string]*entry)
		for _, e := range s.Alerts {
			if e.State != alert.Resolved {
				s.byID[e.ID] = e
			}
		}
	}
	return s.byID[id]
}

// incident returns the alert of an incident; nil: it is not here any more.
func (s *state) incident(name string) *entry {
	for _, e := range s.Alerts {
		if e.Incident == name {
			return e
		}
	}
	return nil
}

// touch notes that an alert has changed.
func (s *state) touch(e *entry) {
	e.Version++
	s.dirty = true
}

// maxEvents bounds the events of an incident.
const maxEvents = 200

// note adds an event to an alert. Of too many the oldest go that are about single
// messages, and then those behind the first three, which say how it began.
func (s *state) note(e *entry, ev alert.Event) {
	s.touch(e)
	e.Events = append(e.Events, ev)
	if len(e.Events) <= maxEvents {
		return
	}
	drop := 3
	for i, ev := range e.Events {
		if ev.Kind == alert.EventReminder || ev.Kind == alert.EventDelivered {
			drop = i
			break
		}
	}
	e.Events = append(e.Events[:drop], e.Events[drop+1:]...)
}

// shift moves all beginnings, as the wall clock has jumped by d.
func (s *state) shift(d time.Duration) {
	if d == 0 || len(s.Alerts) == 0 {
		return
	}
	move := func(t *time.Time) {
		if !t.IsZero() {
			*t = t.Add(d)
		}
	}
	for _, e := range s.Alerts {
		move(&e.HoldsFrom)
		move(&e.ClearFrom)
		move(&e.OverFrom)
		for name, t := range e.Told {
			move(&t.From)
			e.Told[name] = t
		}
	}
	s.dirty = true
}

// ages reports whether an alert changes when enough time has passed.
func (s *state) ages() bool {
	return slices.ContainsFunc(s.Alerts, func(e *entry) bool { return e.State == alert.Pending || !e.ClearFrom.IsZero() })
}

// resume prepares a state that was read from the store for a clock that shows
// now: where it is behind the ledger, no time has passed since.
func (s *state) resume(now time.Time) {
	if now.Before(s.At) {
		s.shift(now.Sub(s.At))
	}
}
