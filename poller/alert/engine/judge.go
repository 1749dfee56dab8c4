package engine

import (
	"strings"
	"time"

	"github.com/devops-insights/devops-insights/poller/alert/rule"
	"github.com/devops-insights/devops-insights/store"
)

// condition is what a rule is asked; *rule.Compiled is one.
type condition interface {
	Holds(f rule.Facts) (bool, error)
	Describe(f rule.Facts) (summary, description string)
	Runbook(f rule.Facts) string
}

// question is a target with the condition that decides about it.
type question struct {
	target
	ask     condition
	windows []time.Duration // of uptime, that it needs
	about   []*watched      // the regions that it looks at
	// timed says that the time alone may change the answer. Else the last one is
	// good as long as the changes of the facts are the same number.
	timed   bool
	asked   bool
	changes int
	says    verdict
}

// judge asks rules of what is known of the regions.
type judge struct {
	api     string
	regions []*watched // in the order of the settings
	byName  map[string]*watched
	// ofRegion are the questions of each region, and ofAll those over all.
	ofRegion map[string][]*question
	ofAll    []*question
	// failing are those about receivers.
	failing []*question
	targets map[string]*target
	// offline says that this machine's own network fails, since offlineFrom.
	offline     bool
	offlineFrom time.Time
	flips       int
	changes     int // of all facts but the time
	uptime      uptimes
	all         []rule.Region // of regions, made anew by look
}

// uptimes tells how long regions were up.
type uptimes interface {
	// percent is rule.Facts.Uptime.
	percent(region string, window time.Duration) (percent float64, known bool)
	// measured reports whether percent has looked: what is not known then is not
	// known at all.
	measured(region string, window time.Duration) bool
}

// newJudge returns a judge of these rules for these regions, which go on as they
// are in before.
func newJudge(api string, rules []*rule.Compiled, receivers []Receiver, regions []Region, before *judge, now time.Time) *judge {
	j := &judge{api: api, byName: make(map[string]*watched), ofRegion: make(map[string][]*question), targets: make(map[string]*target)}
	for _, r := range regions {
		if j.byName[r.Name] != nil {
			continue
		}
		w := &watched{Region: rule.Region{API: api, Region: r.Name, State: store.StateUnknown, ValueAt: now}}
		if before != nil && before.byName[r.Name] != nil {
			w = before.byName[r.Name]
		}
		w.interval = r.Interval
		j.byName[r.Name] = w
		j.regions = append(j.regions, w)
	}
	if before != nil {
		j.offline, j.offlineFrom, j.flips = before.offline, before.offlineFrom, before.flips
	}
	replaced := false
	for _, c := range rules {
		replaced = replaced || c.Rule().Name == rule.ReceiverFailing
		j.add(c)
	}
	if !replaced {
		for _, r := range receivers {
			j.failing = append(j.failing, j.question(receiverFailing(), "", r.Name, nil, nil))
		}
	}
	return j
}

// add adds a rule for all that it applies to.
func (j *judge) add(c *rule.Compiled) {
	var about []*watched
	for _, w := range j.regions {
		if c.AppliesTo(j.api, w.Region.Region) {
			about = append(about, w)
		}
	}
	if c.Over() == rule.OverAll {
		if c.AppliesTo(j.api, "") {
			j.ofAll = append(j.ofAll, j.question(c.Rule(), "", "", c, about))
		}
		return
	}
	for i, w := range about {
		j.ofRegion[w.Region.Region] = append(j.ofRegion[w.Region.Region], j.question(c.Rule(), w.Region.Region, "", c, about[i:i+1]))
	}
}

func (j *judge) question(r rule.Rule, region, receiver string, c *rule.Compiled, about []*watched) *question {
	q := &question{about: about, target: target{
		id: alertID(j.api, r.Name, region, receiver), rule: r, region: region, receiver: receiver,
	}}
	if c != nil {
		q.ask, q.windows, q.timed = c, c.Windows(), c.Timed()
	}
	j.targets[q.id] = &q.target
	return q
}

// look takes the time, and what does not come from polls.
func (j *judge) look(now time.Time, offline bool) {
	if offline != j.offline {
		j.flip(now)
	}
	j.all, j.changes = j.all[:0], j.flips
	for _, w := range j.regions {
		w.look(now)
		j.changes += w.changes
		j.all = append(j.all, w.Region)
	}
}

// flip takes that the own network fails, or does no more. Then the values that came
// before are not too old only because nobody could ask for new ones.
func (j *judge) flip(now time.Time) {
	j.offline = !j.offline
	j.flips++
	if j.offline {
		j.offlineFrom = now
		return
	}
	for _, w := range j.regions {
		if !w.valued || w.ValueAt.Before(j.offlineFrom) {
			w.await(now)
		}
	}
}

// shift moves all times, as the wall clock has jumped by d.
func (j *judge) shift(d time.Duration) {
	j.offlineFrom = j.offlineFrom.Add(d)
	for _, w := range j.regions {
		w.shift(d)
	}
}

// resume lets the polls that failed before this term count.
func (j *judge) resume(failures map[string]int) {
	for _, w := range j.regions {
		if !w.polled {
			w.Failures = max(failures[w.Region.Region], 0)
		}
	}
}

// failures returns how many polls of each region have failed in a row, without those
// of which none has.
func (j *judge) failures() map[string]int {
	all := make(map[string]int)
	for _, w := range j.regions {
		if w.Failures > 0 {
			all[w.Region.Region] = w.Failures
		}
	}
	return all
}

// facts are what a question is asked of.
func (j *judge) facts(now time.Time, w *watched) rule.Facts {
	f := rule.Facts{Now: now, API: j.api, Regions: j.all, Offline: j.offline}
	if w != nil {
		f.Region = &w.Region
	}
	if j.uptime != nil {
		f.Uptime = j.uptime.percent
	}
	return f
}

// polled asks what a poll of a region can have changed.
func (j *judge) polled(now time.Time, region string) []finding {
	findings := make([]finding, 0, len(j.ofRegion[region])+len(j.ofAll))
	return j.appendAll(j.appendRegion(findings, now, region, true), now)
}

// passed asks what the time can have changed.
func (j *judge) passed(now time.Time) []finding {
	var findings []finding
	for _, w := range j.regions {
		findings = j.appendRegion(findings, now, w.Region.Region, false)
	}
	return j.appendAll(findings, now)
}

// appendRegion asks about a region. One of which the last poll has learnt nothing
// can make a rule true, and never false.
func (j *judge) appendRegion(to []finding, now time.Time, region string, polled bool) []finding {
	w := j.byName[region]
	if w == nil || j.offline || w.silent() {
		return to // everything stays as it is
	}
	f := j.facts(now, w)
	for _, q := range j.ofRegion[region] {
		to = append(to, q.answer(f, polled, w.changes, func() bool {
			return !w.unknown() && j.measured(q) && !(w.unsure() && mayBeStale(q, f, w))
		}))
	}
	return to
}

// mayBeStale reports whether a rule that is false were true if the last value, of
// which nobody knows how old it is, were stale.
func mayBeStale(q *question, f rule.Facts, w *watched) bool {
	region := w.supposed(w.State)
	f.Region = &region
	yes, err := q.ask.Holds(f)
	return yes || err != nil
}

// appendAll asks about all regions.
func (j *judge) appendAll(to []finding, now time.Time) []finding {
	f := j.facts(now, nil)
	for _, q := range j.ofAll {
		silent, unknown := false, false
		for _, w := range q.about {
			silent, unknown = silent || w.silent(), unknown || w.unknown() || w.unsure()
		}
		if silent {
			continue // it stays as it is
		}
		to = append(to, q.answer(f, false, j.changes, func() bool {
			return !(unknown && j.mayHold(q, f)) && j.measured(q)
		}))
	}
	return to
}

// answer asks a question, or takes the last answer where nothing has changed since:
// changes is the number of changes of the facts. certain is asked whether a
// condition that does not hold is known not to.
func (q *question) answer(f rule.Facts, polled bool, changes int, certain func() bool) finding {
	found := finding{target: &q.target, polled: polled}
	if q.asked && !q.timed && !polled && q.changes == changes {
		found.says = q.says
	} else {
		yes, err := q.ask.Holds(f)
		switch {
		case err != nil && f.Region != nil && f.Region.State != store.StateUp && len(f.Region.Data) == 0:
			// There is no value yet, because the region does not answer: the rule is right.
		case err != nil:
			found.problem = sentence(err)
		case yes:
			found.says = holds
		case certain():
			found.says = clear
		}
		q.asked, q.changes, q.says = true, changes, found.says
	}
	if found.says == holds {
		found.describe = func() (t texts) {
			t.summary, t.description = q.ask.Describe(f)
			t.runbook = q.ask.Runbook(f)
			return t
		}
	}
	return found
}

// mayHold reports whether a rule over all that is false may be true: whether it
// were, if the regions of which nothing is known were up, degraded or down, and
// values of which nobody knows how old they are were stale.
func (j *judge) mayHold(q *question, f rule.Facts) bool {
	f.Regions = make([]rule.Region, len(j.regions))
	for _, state := range []store.State{store.StateUp, store.StateDegraded, store.StateDown} {
		for i, w := range j.regions {
			f.Regions[i] = w.supposed(state)
		}
		if yes, err := q.ask.Holds(f); yes || err != nil {
			return true
		}
	}
	return false
}

// measured reports whether the uptimes that a question needs have been looked up.
func (j *judge) measured(q *question) bool {
	if j.uptime == nil {
		return true
	}
	for _, window := range q.windows {
		for _, w := range q.about {
			if !j.uptime.measured(w.Region.Region, window) {
				return false
			}
		}
	}
	return true
}

// maxSentence bounds what is kept of a problem, in bytes.
const maxSentence = 300

func sentence(err error) string {
	text := err.Error()
	if len(text) > maxSentence {
		text = strings.ToValidUTF8(text[:maxSentence], "") + "…"
	}
	return text
}
