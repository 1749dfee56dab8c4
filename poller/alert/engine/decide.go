package engine

import (
	"time"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/rule"
)

// verdict is what a rule says.
type verdict int

const (
	// asItIs is a rule of which nothing is known now: its alert stays as it is.
	asItIs verdict = iota
	holds
	clear
)

// target is a rule for a region, or for a receiver: what can become an alert.
type target struct {
	id       string
	rule     rule.Rule
	region   string
	receiver string
}

// finding is what a rule says of a target now.
type finding struct {
	*target
	says verdict
	// polled says that a poll has just come, which counts.
	polled bool
	// problem is why the rule cannot be evaluated; empty: it can.
	problem string
	// describe returns the texts of the alert.
	describe func() texts
}

// texts are what an alert says to people.
type texts struct{ summary, description, runbook string }

// input is all that a decision depends on beside the state.
type input struct {
	api string
	// now is the wall clock in whole milliseconds of UTC.
	now time.Time
	// targets are all that there are, by ID.
	targets   map[string]*target
	findings  []finding
	receivers []Receiver
	quiet     Quiet
	offline   bool
}

// decide makes of a state the next one. It depends on nothing but the state and
// the input, and changes nothing but the state.
func (s *state) decide(in input) {
	for _, f := range in.findings {
		s.noteProblem(f)
		s.advance(in, f)
	}
	s.endGone(in)
	s.forgetReceivers(in)
	for _, e := range s.Alerts {
		if e.State == alert.Firing {
			s.suppress(in, e)
			s.acknowledge(in, e)
			s.tell(in, e)
		}
	}
	s.bound(in)
	s.prune(in.now)
}

// advance takes what a rule says.
func (s *state) advance(in input, f finding) {
	e := s.active(f.id)
	switch {
	case f.says == holds && e == nil:
		s.begin(in, f)
	case f.says == holds && e.State == alert.Pending:
		s.wait(in, f, e)
	case f.says == holds && !e.ClearFrom.IsZero():
		e.ClearFrom = time.Time{}
		s.dirty = true
	case f.says == clear && e != nil && e.State == alert.Pending:
		s.remove(e)
	case f.says == clear && e != nil:
		if e.ClearFrom.IsZero() {
			e.ClearFrom = in.now
			s.dirty = true
		}
		if in.now.Sub(e.ClearFrom) >= f.rule.KeepFor {
			s.resolve(in, e)
		}
	}
}

// begin makes a condition that holds a pending alert.
func (s *state) begin(in input, f finding) {
	s.Last = max(in.now.UnixMilli(), s.Last+1)
	e := &entry{HoldsFrom: in.now, Receiver: f.receiver, Alert: alert.Alert{
		ID: f.id, Incident: incidentName(f.id, s.Last), Rule: f.rule.Name, API: in.api, Region: f.region,
		State: alert.Pending, Severity: f.rule.Severity, Labels: labels(in.api, f), PendingAt: in.now,
	}}
	s.describe(e, f)
	s.note(e, alert.Event{At: in.now, Kind: alert.EventPending})
	s.Alerts = append(s.Alerts, e)
	s.byID[e.ID] = e // active has made it
	s.wait(in, f, e)
}

// wait counts, and lets a pending alert fire once its condition has held for long
// enough.
func (s *state) wait(in input, f finding, e *entry) {
	due := in.now.Sub(e.HoldsFrom) >= f.rule.For
	if f.rule.ForPolls > 0 {
		if f.polled {
			e.Polls++
			s.dirty = true
		}
		due = e.Polls >= f.rule.ForPolls
	}
	if !due {
		return
	}
	e.State, e.Polls = alert.Firing, 0
	e.Severity, e.Labels = f.rule.Severity, labels(in.api, f) // as they are now
	e.StartedAt = notBefore(in.now, e.PendingAt)
	s.describe(e, f)
	s.turn(e)
	s.note(e, alert.Event{At: in.now, Kind: alert.EventFiring})
}

// describe gives an alert its texts.
func (s *state) describe(e *entry, f finding) {
	if f.describe != nil {
		t := f.describe()
		e.Summary, e.Description, e.RunbookURL = t.summary, t.description, t.runbook
	}
}

// resolve ends an alert that fires, and tells those who were told that it does.
func (s *state) resolve(in input, e *entry) {
	e.State, e.Suppressed, e.ClearFrom, e.OverFrom = alert.Resolved, nil, time.Time{}, in.now
	e.EndedAt = notBefore(in.now, *e.StartedAt)
	delete(s.byID, e.ID)
	s.turn(e)
	s.note(e, alert.Event{At: in.now, Kind: alert.EventResolved})
	for _, r := range in.receivers {
		if e.Told[r.Name].Firing {
			s.send(in, e, r.Name, alert.MessageResolved)
		}
	}
}

// endGone ends the alerts whose rule or region is gone.
func (s *state) endGone(in input) {
	var gone []*entry
	for _, e := range s.Alerts {
		if e.State != alert.Resolved && in.targets[e.ID] == nil {
			gone = append(gone, e)
		}
	}
	for _, e := range gone {
		if e.State == alert.Pending {
			s.remove(e)
		} else {
			s.resolve(in, e)
		}
	}
	kept := s.Problems[:0]
	for _, p := range s.Problems {
		if in.targets[alertID(in.api, p.Rule, p.Region, "")] != nil {
			kept = append(kept, p)
		}
	}
	s.dirty = s.dirty || len(kept) < len(s.Problems)
	s.Problems = kept
}

// remove forgets an alert.
func (s *state) remove(gone *entry) {
	if s.byID[gone.ID] == gone {
		delete(s.byID, gone.ID)
	}
	for i, e := range s.Alerts {
		if e == gone {
			s.Alerts = append(s.Alerts[:i], s.Alerts[i+1:]...)
			s.dirty = true
			return
		}
	}
}

// maxProblems bounds the rules that are listed as faulty.
const maxProblems = 100

// noteProblem takes whether a rule can be evaluated. A problem that changes its
// words is no reason to write.
func (s *state) noteProblem(f finding) {
	for i, p := range s.Problems {
		if p.Rule != f.rule.Name || p.Region != f.region {
			continue
		}
		switch {
		case f.problem != "":
			s.Problems[i].Sentence = f.problem
			s.Problems[i].Count++
		case f.says != asItIs:
			s.Problems = append(s.Problems[:i], s.Problems[i+1:]...)
			s.dirty = true
		}
		return
	}
	if f.problem != "" && len(s.Problems) < maxProblems {
		s.Problems = append(s.Problems, Problem{Rule: f.rule.Name, Region: f.region, Sentence: f.problem, Count: 1})
		s.dirty = true
	}
}

// Of alerts that are over.
const (
	// keepResolved is how long they are shown, and maxResolved how many.
	keepResolved = 15 * time.Minute
	maxResolved  = 200
	// maxWaited bounds those that stay because messages wait for which they say what
	// became of them, and maxUnstored those that stay because they are not stored.
	maxWaited   = 2 * maxResolved
	maxUnstored = 1000
)

// prune hides alerts that are over for long, or too many, and lets them go when
// nothing is to be noted about them any more.
func (s *state) prune(now time.Time) {
	over, shown := 0, 0
	for _, e := range s.Alerts {
		if e.State == alert.Resolved {
			over++
			if !e.Hidden {
				shown++
			}
		}
	}
	if over == 0 {
		return
	}
	waits := make(map[string]bool, len(s.Outbox))
	for _, m := range s.Outbox {
		waits[m.Alert.Incident] = true
	}
	kept := s.Alerts[:0:0]
	for _, e := range s.Alerts {
		if e.State == alert.Resolved && !e.Hidden && (shown > maxResolved || now.Sub(e.OverFrom) >= keepResolved) {
			e.Hidden, s.dirty = true, true
			shown--
		}
		if e.Hidden && !(waits[e.Incident] && over <= maxWaited) && !(e.Version > e.Stored && over <= maxUnstored) {
			over--
			s.dirty = true
			continue
		}
		kept = append(kept, e)
	}
	s.Alerts = kept
}
