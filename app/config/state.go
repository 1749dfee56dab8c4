package config

import (
	"fmt"

	"github.com/devops-insights/devops-insights/poller/outcome"
)

// State are the settings of what a value says about its region.
type State struct {
	StateField    string
	StateUp       []string
	StateDegraded []string
}

func defaultState() State {
	return State{StateField: "status", StateUp: []string{"ok"}, StateDegraded: []string{"degraded", "warning"}}
}

func (s *State) declare(d *declaration) {
	d.add(&s.StateField, "state-field", "STATE_FIELD", "field of the value that says whether its region is up: names joined with dots, a dot in a name is written \\.")
	d.add(&list{texts: &s.StateUp, separator: ","}, "state-up", "STATE_UP", "what the field says of a region that is up; letter case does not count; repeatable")
	d.add(&list{texts: &s.StateDegraded, separator: ","}, "state-degraded", "STATE_DEGRADED", "what it says of a region that is degraded; anything else means down; repeatable")
}

func (s *State) check(r *report) {
	_, err := s.Classifier()
	r.err(err)
}

// Classifier returns what tells the state of a region by its value.
func (s *State) Classifier() (*outcome.Classifier, error) {
	c, err := outcome.NewClassifier(s.StateField, s.StateUp, s.StateDegraded)
	if err != nil {
		return nil, fmt.Errorf("STATE_FIELD, STATE_UP and STATE_DEGRADED cannot be used: %w", err)
	}
	return c, nil
}
