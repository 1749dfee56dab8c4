package engine

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/poller/alert"
)

// term is one time in office. All of it belongs to one goroutine.
type term struct {
	e      *Engine
	log    logrus.FieldLogger
	number int64
	writer string // names it in the ledger
	fenced bool   // a later one has begun

	settings settings
	judge    *judge
	works    *works
	gauge    *gauge

	base    moment // up to which jumps of the wall clock are noticed
	looked  time.Duration
	state   *state // nil: not known
	version int64  // of the ledger that is in the store

	retry    time.Duration // the ledger is left alone until then
	pause    time.Duration
	records  time.Duration // so are the records
	deleted  time.Duration // when old incidents are looked for again
	problems map[string]time.Duration
}

func newTerm(e *Engine, number int64) *term {
	now := e.opts.moment()
	t := &term{
		e: e, log: e.opts.Logger.WithField("api", e.opts.API), number: number, writer: rand.Text(), works: newWorks(),
		base: now, looked: now.passed - e.opts.Every, deleted: now.passed, problems: make(map[string]time.Duration),
	}
	t.gauge = newGauge(e.opts)
	t.adopt(e.settings, now.wall)
	return t
}

// adopt takes settings.
func (t *term) adopt(s settings, now time.Time) {
	t.settings = s
	t.judge = newJudge(t.e.opts.API, s.rules, s.receivers, s.regions, t.judge, now)
	if t.e.opts.Past != nil {
		t.judge.uptime = t.gauge
	}
	t.gauge.want(s.regions, s.rules)
}

// run decides until ctx ends; then it writes what is left.
func (t *term) run(ctx context.Context) {
	defer t.measure(ctx)()
	ticker := time.NewTicker(t.e.opts.Every)
	defer ticker.Stop()
	for ctx.Err() == nil {
		t.turn(ctx)
		select {
		case <-ctx.Done():
		case <-ticker.C:
		case <-t.e.due:
		}
	}
	flushing, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.e.opts.FlushTimeout)
	defer cancel()
	t.retry, t.records = 0, 0
	t.turn(flushing)
}

// measure begins to look into the past, and returns what ends that.
func (t *term) measure(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		for t.e.faults("uptimes of the API "+t.e.opts.API, func() { t.gauge.run(ctx) }) && t.e.pause(ctx) {
		}
	}()
	return func() {
		cancel()
		<-over
	}
}

// turn takes what has come, decides, and writes.
func (t *term) turn(ctx context.Context) {
	now := t.e.opts.moment()
	if t.fenced {
		t.e.takeQueue()
		return
	}
	if d := jump(t.base, now); d != 0 {
		t.log.WithField("by", d.String()).Warn("the clock of this machine was set: what lasts goes on as if it had not been")
		t.judge.shift(d)
		if t.state != nil {
			t.state.shift(d)
		}
		t.base = now
	}
	if s := t.e.current(); s.revision != t.settings.revision {
		t.adopt(s, now.wall)
		t.looked = now.passed - t.e.opts.Every
	}
	if t.state == nil && !t.takeOver(ctx, now) {
		return
	}
	t.leave(now)
	t.decide(now)
	t.commit(ctx, now)
	t.store(ctx, now)
}

// leave takes out of the outbox what has been delivered or given up.
func (t *term) leave(now moment) {
	over := t.e.takenBy()
	for i := len(t.state.Outbox) - 1; i >= 0 && len(over) > 0; i-- {
		d, ok := over[t.state.Outbox[i].Key]
		if !ok {
			continue
		}
		ev := alert.Event{At: now.at(d.passed), Kind: alert.EventDelivered}
		if d.why != "" {
			ev.Kind, ev.Text = alert.EventGivenUp, d.why
		} else {
			t.works.took(t.state.Outbox[i].Receiver)
		}
		t.state.leave(i, ev)
	}
}

// decide decides about each poll that has come, as of the time at which it came,
// and from time to time about what time alone changes.
func (t *term) decide(now moment) {
	polls, lost := t.e.takeQueue()
	if lost > 0 {
		t.log.WithField("polls", lost).Error("more results of polls wait for alerting than are kept: the oldest are left out")
	}
	offline := t.e.opts.Offline()
	for _, p := range polls {
		w := t.judge.byName[p.region]
		if w == nil {
			continue
		}
		at := now.at(p.passed)
		w.take(p, at)
		t.judge.look(at, offline)
		t.apply(at, t.judge.polled(at, p.region))
	}
	if now.passed-t.looked < t.e.opts.Every {
		return
	}
	t.looked = now.passed
	for _, w := range t.judge.regions {
		t.gauge.fill(w)
	}
	t.judge.look(now.wall, offline)
	t.apply(now.wall, append(t.judge.passed(now.wall), t.works.findings(t.judge, t.e.opts.Failing())...))
}

// apply lets the state follow what was found.
func (t *term) apply(at time.Time, findings []finding) {
	t.state.decide(input{
		api: t.e.opts.API, now: at, targets: t.judge.targets, findings: findings,
		receivers: t.settings.receivers, quiet: t.e.opts.Quiet, offline: t.judge.offline,
	})
	for _, f := range findings {
		if f.problem != "" {
			t.logProblem(f)
		}
	}
	for _, m := range t.state.dropped {
		t.log.WithFields(logrus.Fields{"receiver": m.Receiver, "rule": m.Alert.Rule, "kind": string(m.Kind)}).
			Error("too many messages wait for a receiver: one is left out")
	}
	t.state.dropped = nil
}

// logProblem says once a minute that a rule cannot be evaluated.
func (t *term) logProblem(f finding) {
	now := t.e.opts.Elapsed()
	if last, said := t.problems[f.rule.Name]; said && now-last < time.Minute {
		return
	}
	t.problems[f.rule.Name] = now
	t.log.WithFields(logrus.Fields{"rule": f.rule.Name, "region": f.region, "problem": f.problem}).Warn("a rule of alerts cannot be evaluated: its alert stays as it is")
}

// current returns the settings.
func (e *Engine) current() settings {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.settings
}

func (e *Engine) takeQueue() (polls []poll, lost int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.queue.take()
}

// takenBy returns what became of messages. The notes stay until the ledger without
// these messages is in the store.
func (e *Engine) takenBy() map[string]done {
	e.mu.Lock()
	defer e.mu.Unlock()
	over := make(map[string]done, len(e.done))
	for key, d := range e.done {
		over[key] = d
	}
	return over
}
