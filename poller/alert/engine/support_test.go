package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/poller"
	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/rule"
	"github.com/devops-insights/devops-insights/store"
)

// epoch is when the specs begin.
var epoch = time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)

// clock is set by hand.
type clock struct {
	wall   time.Time
	passed time.Duration
}

func (c *clock) now() time.Time         { return c.wall }
func (c *clock) elapsed() time.Duration { return c.passed }

// pass lets time pass; set only sets the wall clock.
func (c *clock) pass(d time.Duration) { c.wall, c.passed = c.wall.Add(d), c.passed+d }
func (c *clock) set(d time.Duration)  { c.wall = c.wall.Add(d) }

// words is a Quiet by hand.
type words struct {
	suppressed map[string]*alert.Suppression // by region; "" suppresses all
	acks       map[string]*alert.Ack         // by incident
}

func (w *words) Suppression(labels map[string]string, _ time.Time) *alert.Suppression {
	if s := w.suppressed[""]; s != nil {
		return s
	}
	return w.suppressed[labels["region"]]
}

func (w *words) Ack(incident string) *alert.Ack { return w.acks[incident] }

// bench is an engine whose time and turns are made by hand.
type bench struct {
	clock   *clock
	store   *memory
	quiet   *words
	offline bool
	notMine bool
	failing []ReceiverFailure
	opts    Options
	e       *Engine
	t       *term
	heard   []string // of the receivers, each key once
	keys    map[string]bool
}

// newBench has two regions that are polled every ten seconds, one receiver and
// these rules.
func newBench(rules ...rule.Rule) *bench {
	GinkgoHelper()
	b := &bench{
		clock: &clock{wall: epoch}, store: newMemory(), keys: make(map[string]bool),
		quiet: &words{suppressed: make(map[string]*alert.Suppression), acks: make(map[string]*alert.Ack)},
	}
	b.opts = Options{
		API: "acme", Store: b.store, Rules: compiled(rules...), Receivers: []Receiver{{Name: "ops"}},
		Regions:  []Region{{"eu", 10 * time.Second}, {"us", 10 * time.Second}},
		MayStore: func() bool { return !b.notMine },
		Quiet:    b.quiet, Offline: func() bool { return b.offline }, Failing: func() []ReceiverFailure { return b.failing },
		Now: b.clock.now, Elapsed: b.clock.elapsed,
	}
	b.start(1)
	return b
}

func compiled(rules ...rule.Rule) (all []*rule.Compiled) {
	GinkgoHelper()
	for _, r := range rules {
		c, err := rule.Compile(r)
		Expect(err).NotTo(HaveOccurred())
		all = append(all, c)
	}
	return all
}

// start begins a term with a new engine, as another process would; whatever ran
// before is gone as after a kill.
func (b *bench) start(number int64) {
	GinkgoHelper()
	var err error
	b.e, err = New(b.opts)
	Expect(err).NotTo(HaveOccurred())
	b.t = b.e.begin(number)
	b.turn()
}

func (b *bench) turn() { b.t.turn(context.Background()) }

// update changes the settings.
func (b *bench) update(change func(*Options)) {
	change(&b.opts)
	b.e.Update(b.opts.Rules, b.opts.Receivers, b.opts.Regions)
	b.turn()
}

// poll records what a poll of a region found, and lets the engine look at it.
func (b *bench) poll(region string, state store.State) {
	b.record(region, state, fmt.Sprintf(`{"status":%q}`, state))
}

func (b *bench) record(region string, state store.State, data string) {
	r := poller.Result{API: "acme", Source: region, Began: b.clock.wall, Ended: b.clock.wall.Add(50 * time.Millisecond)}
	if state == store.StateUp || state == store.StateDegraded {
		r.Data = json.RawMessage(data)
	}
	b.e.Record(r, state, "")
	b.turn()
}

// polls polls both regions so often, each ten seconds, with the other one up.
func (b *bench) polls(n int, region string, state store.State) {
	for range n {
		for _, r := range []string{"eu", "us"} {
			if r == region {
				b.poll(r, state)
			} else {
				b.poll(r, store.StateUp)
			}
		}
		b.pass(10 * time.Second)
	}
}

// pass lets time pass, second by second, in which nobody polls.
func (b *bench) pass(d time.Duration) {
	for ; d > 0; d -= time.Second {
		b.clock.pass(min(d, time.Second))
		b.turn()
	}
}

// deliver lets the receivers take what waits.
func (b *bench) deliver() {
	for _, m := range b.e.Pending() {
		b.take(m)
		b.e.Delivered(m.Key)
	}
	b.turn()
}

// take is what a receiver does: what it has had already it does not hear again.
func (b *bench) take(m alert.Message) {
	if !b.keys[m.Key] {
		b.keys[m.Key] = true
		b.heard = append(b.heard, line(m))
	}
}

// line is a message in short.
func line(m alert.Message) string {
	return strings.TrimSpace(fmt.Sprintf("%s: %s %s %s", m.Receiver, m.Kind, m.Alert.Rule, m.Alert.Region))
}

// expectHeard delivers, and checks what the receivers have heard since the last
// time.
func (b *bench) expectHeard(lines ...string) {
	GinkgoHelper()
	b.deliver()
	if len(lines) == 0 {
		Expect(b.heard).To(BeEmpty())
	} else {
		Expect(b.heard).To(Equal(lines))
	}
	b.heard = nil
}

// alerts returns what the ledger in the store shows, in short.
func (b *bench) alerts() (lines []string) {
	GinkgoHelper()
	for _, a := range b.content().Alerts {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s", a.State, a.Rule, a.Region)))
	}
	return lines
}

func (b *bench) content() Content {
	GinkgoHelper()
	c, err := Read(b.store.ledger)
	Expect(err).NotTo(HaveOccurred())
	return c
}

// alert returns the only alert.
func (b *bench) alert() alert.Alert {
	GinkgoHelper()
	all := b.content().Alerts
	Expect(all).To(HaveLen(1))
	return all[0]
}

// incidents returns the records, by incident.
func (b *bench) incidents() map[string]alert.Incident {
	GinkgoHelper()
	all := make(map[string]alert.Incident)
	for id, r := range b.store.records {
		var in alert.Incident
		Expect(json.Unmarshal(r.Data, &in)).To(Succeed())
		Expect(in.Incident).To(Equal(id))
		all[id] = in
	}
	return all
}

// down is the rule that most specs are about.
func down(change ...func(*rule.Rule)) rule.Rule {
	r := rule.Rule{Name: "down", Expr: "down", Severity: alert.Critical}
	for _, f := range change {
		f(&r)
	}
	return r
}
