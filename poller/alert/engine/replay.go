package engine

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/rule"
	"github.com/devops-insights/devops-insights/store/past"
)

// ReplayOptions says what to replay. API, Past, Regions, From, To and Each are
// required.
type ReplayOptions struct {
	API     string
	Past    past.Reader
	Rules   []*rule.Compiled
	Regions []Region
	// From and To bound the time; To is not part of it.
	From, To time.Time
	// Each is told of every time that an alert fired, when it is over, and at the
	// end of those that still fire. An error of it ends the replay.
	Each func(alert.Incident) error
	// Problem is told of a rule that cannot be evaluated, once for each rule and
	// region. Nil: nobody is told.
	Problem func(Problem)
}

// Replay makes the decisions of an Engine over what a store has kept of the past:
// the results of polls and the rows. Nobody is told, nothing is silenced, and our
// own network never fails: what it hid was stored as unknown. The polls of an
// interval are taken to have come in even distances. Where nobody polled for long,
// no engine ran, as if the process had been restarted, and a region is there from
// its first poll on. It holds little in memory, however long the time is.
func Replay(ctx context.Context, o ReplayOptions) error {
	if o.API == "" || o.Past == nil || o.Each == nil || !o.From.Before(o.To) {
		return errors.New("engine: a replay needs an API, a Past, Each, and From before To")
	}
	if o.Problem == nil {
		o.Problem = func(Problem) {}
	}
	r := &replay{
		ReplayOptions: o, state: &state{Format: format}, every: max(time.Second, o.To.Sub(o.From)/maxTicks),
		uptime: &uptimeThen{ctx: ctx, opts: o, known: make(map[stretch]shareThen)}, problems: make(map[[2]string]bool),
	}
	for _, region := range o.Regions {
		r.gap = max(r.gap, 2*region.Interval)
	}
	return r.run(ctx)
}

const (
	// maxTicks bounds how often a replay looks at what time alone changes.
	maxTicks = 100_000
	// leastGap is the least time without any poll in which no engine ran.
	leastGap = time.Minute
)

// replay is a Replay under way.
type replay struct {
	ReplayOptions
	state    *state
	judge    *judge // nil: nobody polls
	uptime   *uptimeThen
	every    time.Duration
	gap      time.Duration // without polls, in which no engine ran
	last     time.Time     // of what was decided
	problems map[[2]string]bool
}

func (r *replay) run(ctx context.Context) error {
	r.gap = max(r.gap, leastGap)
	err := r.merge(ctx, func(p pastPoll) error {
		if r.judge != nil && p.at.Sub(r.last) > r.gap {
			r.judge = nil
		}
		if r.judge == nil {
			r.judge = newJudge(r.API, r.Rules, nil, r.Regions, nil, p.at)
			r.judge.uptime = r.uptime
			r.last = p.at
		}
		for at := r.last.Add(r.every); at.Before(p.at); at = at.Add(r.every) {
			if err := r.decide(at, r.judge.passed); err != nil {
				return err
			}
		}
		w := r.judge.byName[p.region]
		w.take(p.poll, p.at)
		if w.ChangedAt.IsZero() && w.Value != nil {
			w.ChangedAt = p.rowAt
		}
		return r.decide(p.at, func(now time.Time) []finding { return r.judge.polled(now, p.region) })
	})
	if err != nil {
		return err
	}
	for _, e := range r.state.Alerts {
		if e.State == alert.Firing {
			if err := r.Each(e.asIncident()); err != nil {
				return err
			}
		}
	}
	return nil
}

// decide decides as of a time, and tells of what is over.
func (r *replay) decide(now time.Time, ask func(time.Time) []finding) error {
	r.last, r.uptime.now = now, now
	for _, w := range r.judge.regions {
		if !w.polled {
			w.ValueAt = now // it may not have been there at all
		}
	}
	r.judge.look(now, false)
	findings := ask(now)
	if r.uptime.err != nil {
		return r.uptime.err
	}
	for _, f := range findings {
		if key := [2]string{f.rule.Name, f.region}; f.problem != "" && !r.problems[key] {
			r.problems[key] = true
			r.Problem(Problem{Rule: f.rule.Name, Region: f.region, Sentence: f.problem, Count: 1})
		}
	}
	r.state.decide(input{api: r.API, now: now, targets: r.judge.targets, findings: findings, quiet: loud{}})
	for i := 0; i < len(r.state.Alerts); i++ {
		e := r.state.Alerts[i]
		if e.State != alert.Resolved {
			continue
		}
		if err := r.Each(e.asIncident()); err != nil {
			return err
		}
		r.state.remove(e)
		i--
	}
	return nil
}

// merge hands on the polls of all regions in the order of their times.
func (r *replay) merge(ctx context.Context, each func(pastPoll) error) error {
	type line struct {
		next func() (pastPoll, error, bool)
		head pastPoll
	}
	var lines []*line
	for _, region := range r.Regions {
		next, stop := iter.Pull2(pastPolls(ctx, r.Past, r.API, region.Name, r.From, r.To))
		defer stop() //nolint:revive // there are as many as regions
		lines = append(lines, &line{next: next})
	}
	advance := func(i int) error {
		head, err, ok := lines[i].next()
		if !ok {
			lines = append(lines[:i], lines[i+1:]...)
			return nil
		}
		lines[i].head = head
		return err
	}
	for i := len(lines) - 1; i >= 0; i-- {
		before := len(lines)
		if err := advance(i); err != nil {
			return err
		}
		if len(lines) < before { // it was not polled in this time
			r.Regions = slices.Delete(slices.Clone(r.Regions), i, i+1)
		}
	}
	for len(lines) > 0 {
		first := 0
		for i, l := range lines {
			if l.head.at.Before(lines[first].head.at) {
				first = i
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := each(lines[first].head); err != nil {
			return err
		}
		if err := advance(first); err != nil {
			return err
		}
	}
	return nil
}
