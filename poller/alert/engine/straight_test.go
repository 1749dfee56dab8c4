package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/rule"
	"github.com/devops-insights/devops-insights/store"
)

// straight says what the receivers must hear, in plain lines of its own: it has no
// store, no versions and no keys. Its times are of the clock that goes forward.
type straight struct {
	cells map[string]cell // by rule and region
	out   map[string][]string
	last  *int // number of a cell, never used again
}

// cell is one rule for one region.
type cell struct {
	number       int
	state        string // "pending" or "firing"
	polls        int
	since, clear time.Duration
	isClear      bool   // since clear
	told         string // the receivers that know, each with a comma
	last         map[string]time.Duration
}

// world is what the model sees of a region.
type world struct {
	polled       bool
	state        store.State
	value, began time.Duration
}

func (w world) stale(now time.Duration) bool {
	return now-max(w.value, w.began) >= 50*time.Second
}

// unsure says that the last value may be stale, or not.
func (w world) unsure(now time.Duration) bool { return w.value < w.began && !w.stale(now) }

func modelRules() []rule.Rule {
	return []rule.Rule{
		{Name: "three", Expr: "down", ForPolls: 3, Reminder: 2 * time.Minute, Severity: alert.Critical},
		{Name: "kept", Expr: "down", KeepFor: 20 * time.Second, Severity: alert.Warning},
		{Name: "slow", Expr: "degraded", For: 30 * time.Second, Severity: alert.Info},
		{Name: "stale", Expr: "stale && !down", Severity: alert.Warning},
		{Name: "many", Expr: "count(down) >= 2", Over: rule.OverAll, Severity: alert.Critical},
		{Name: "network", Expr: "offline", Over: rule.OverAll, Severity: alert.Critical},
	}
}

func modelReceivers() []Receiver {
	return []Receiver{{Name: "ops"}, {Name: "boss", Severities: []alert.Severity{alert.Critical}}}
}

func newStraight() *straight {
	return &straight{cells: make(map[string]cell), out: make(map[string][]string), last: new(int)}
}

func (s *straight) clone() *straight {
	c := newStraight()
	c.last = s.last
	for key, one := range s.cells {
		one.last = maps.Clone(one.last)
		c.cells[key] = one
	}
	for name, lines := range s.out {
		c.out[name] = slices.Clone(lines)
	}
	return c
}

// shift moves all times: what was lost of the time between two processes.
func (s *straight) shift(d time.Duration) {
	for key, c := range s.cells {
		c.since += d
		c.clear += d
		for name := range c.last {
			c.last[name] += d
		}
		s.cells[key] = c
	}
}

// outside is what the model sees beside the regions.
type outside struct {
	now     time.Duration
	regions map[string]*world
	offline bool
	hushed  map[string]bool // by region; "" is everything
	acked   map[int]bool    // by the number of a cell
}

// poll takes one poll of a region; tick takes the time.
func (s *straight) poll(o outside, region string) {
	s.look(o, region, true)
	s.all(o)
	s.tell(o)
}

func (s *straight) tick(o outside) {
	for _, region := range modelRegions() {
		s.look(o, region, false)
	}
	s.all(o)
	s.tell(o)
}

func modelRegions() []string { return []string{"ap", "eu", "us"} }

func (s *straight) look(o outside, region string, polled bool) {
	w := o.regions[region]
	if o.offline || !w.polled && !w.stale(o.now) {
		return
	}
	unknown := !w.polled || w.state == store.StateUnknown
	is := func(state store.State) bool { return w.polled && w.state == state }
	for _, r := range modelRules()[:4] {
		holds := map[string]bool{
			"three": is(store.StateDown), "kept": is(store.StateDown), "slow": is(store.StateDegraded), "stale": w.stale(o.now) && !is(store.StateDown),
		}[r.Name]
		maybe := r.Name == "stale" && w.unsure(o.now) && !is(store.StateDown)
		if holds || !unknown && !maybe {
			s.step(o, r, region, holds, polled)
		}
	}
}

func (s *straight) all(o outside) {
	downs, unknowns := 0, 0
	for _, w := range o.regions {
		switch {
		case !w.polled && !w.stale(o.now):
			return
		case !w.polled || w.state == store.StateUnknown:
			unknowns++
		case w.state == store.StateDown:
			downs++
		}
	}
	if downs >= 2 || downs+unknowns < 2 {
		s.step(o, modelRules()[4], "", downs >= 2, false)
	}
	s.step(o, modelRules()[5], "", o.offline, false)
}

func (s *straight) step(o outside, r rule.Rule, region string, holds, polled bool) {
	key := r.Name + " " + region
	c, there := s.cells[key]
	switch {
	case holds && !there:
		*s.last++
		c = cell{number: *s.last, state: "pending", since: o.now, last: make(map[string]time.Duration)}
	case holds:
		c.isClear = false
	case !there:
		return
	case c.state == "pending":
		delete(s.cells, key)
		return
	default:
		if !c.isClear {
			c.clear, c.isClear = o.now, true
		}
		if o.now-c.clear >= r.KeepFor {
			for _, receiver := range modelReceivers() {
				if strings.Contains(c.told, receiver.Name+",") {
					s.say(receiver.Name, "resolved", key)
				}
			}
			delete(s.cells, key)
			return
		}
	}
	if c.state == "pending" {
		if polled {
			c.polls++
		}
		if r.ForPolls > 0 && c.polls >= r.ForPolls || r.ForPolls == 0 && o.now-c.since >= r.For {
			c.state = "firing"
		}
	}
	s.cells[key] = c
}

// tell goes through what fires in the order of its beginning, which the lines of
// one receiver do not depend on: they are compared for each incident.
func (s *straight) tell(o outside) {
	for _, r := range modelRules() {
		for _, region := range append(modelRegions(), "") {
			key := r.Name + " " + region
			c, there := s.cells[key]
			if !there || c.state != "firing" || region != "" && o.offline || o.hushed[region] || o.hushed[""] {
				continue
			}
			for _, receiver := range modelReceivers() {
				switch name := receiver.Name; {
				case len(receiver.Severities) > 0 && !slices.Contains(receiver.Severities, r.Severity):
				case !strings.Contains(c.told, name+","):
					c.told += name + ","
					c.last[name] = o.now
					s.say(name, "firing", key)
				case r.Reminder > 0 && !o.acked[c.number] && o.now-c.last[name] >= r.Reminder:
					c.last[name] = o.now
					s.say(name, "reminder", key)
				}
			}
			s.cells[key] = c
		}
	}
}

func (s *straight) say(receiver, kind, key string) {
	stream := receiver + ": " + key
	s.out[stream] = append(s.out[stream], fmt.Sprintf("%s %s", kind, key))
}
