package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/rule"
	"github.com/devops-insights/devops-insights/store"
)

// play lets an engine and the straight-line model live through the same things.
type play struct {
	*bench
	rnd    *rand.Rand
	model  *straight
	stored *straight // as of the last write that landed
	at     moment    // of that write
	polls  []polled  // that the model has not seen yet
	seen   bool      // the model has seen this turn
	looked time.Duration
	world  map[string]*world
	// failing is the own network as the model has seen it last, since failingFrom.
	failing     bool
	failingFrom time.Duration
	acked       map[int]bool
	term        int64
	took        int64     // the last term that has written after its take-over
	old         []*Engine // of former terms, which may wake up again
	oldT        []*term
	lines       map[string][]string // what was heard, by receiver and alert
	log         []string
}

// polled is a poll on its way.
type polled struct {
	region string
	state  store.State
	at     time.Duration
}

func newPlay(seed uint64) *play {
	p := &play{bench: newBench(), rnd: rand.New(rand.NewPCG(seed, 15)), model: newStraight(), stored: newStraight(), acked: make(map[int]bool), lines: make(map[string][]string)}
	p.opts.Rules, p.opts.Receivers = compiled(modelRules()...), modelReceivers()
	p.opts.Regions = nil
	for _, name := range modelRegions() {
		p.opts.Regions = append(p.opts.Regions, Region{name, 10 * time.Second})
	}
	p.store = newMemory()
	p.opts.Store = p.store
	p.store.landed = p.landed
	p.at = p.opts.moment()
	p.begin()
	return p
}

// begin starts a process with the next term.
func (p *play) begin() {
	p.term++
	p.polls, p.world, p.failing = nil, make(map[string]*world), false
	for _, name := range modelRegions() {
		p.world[name] = &world{state: store.StateUnknown, began: p.clock.passed, value: -time.Hour}
	}
	var err error
	p.e, err = New(p.opts)
	Expect(err).NotTo(HaveOccurred())
	p.t = p.e.begin(p.term)
	p.turn()
}

// landed hears of each write of the ledger.
func (p *play) landed() {
	now := p.opts.moment()
	if p.t == nil || p.t.state == nil { // a take-over, of which there is one in a term
		Expect(p.took).NotTo(Equal(p.term))
		p.model = p.stored.clone()
		p.model.shift(now.passed - p.at.passed - max(0, now.wall.Sub(p.at.wall)))
	} else {
		p.see()
	}
	if p.t != nil && p.t.state != nil {
		p.took = p.term
	}
	p.stored, p.at = p.model.clone(), now
}

// see lets the model live through what the engine does in a turn.
func (p *play) see() {
	if p.seen {
		return
	}
	p.seen = true
	for _, one := range p.polls {
		w := p.world[one.region]
		w.polled, w.state = true, one.state
		if one.state == store.StateUp || one.state == store.StateDegraded {
			w.value = one.at
		}
		p.model.poll(p.outside(one.at), one.region)
	}
	p.polls = nil
	if p.t.looked != p.looked {
		p.model.tick(p.outside(p.clock.passed))
	}
}

func (p *play) outside(at time.Duration) outside {
	p.flip(at)
	o := outside{now: at, regions: p.world, offline: p.offline, hushed: make(map[string]bool), acked: p.acked}
	for region := range p.quiet.suppressed {
		o.hushed[region] = true
	}
	return o
}

// flip takes that the own network fails, or is back: then nobody knows how old the
// values are that came before.
func (p *play) flip(at time.Duration) {
	if p.failing == p.offline {
		return
	}
	if p.failing = p.offline; p.failing {
		p.failingFrom = at
		return
	}
	for _, w := range p.world {
		if w.value < w.began || w.value < p.failingFrom {
			w.began = at
		}
	}
}

func (p *play) turn() { p.turns(p.bench.turn) }

// turns does something that ends with a turn of the engine.
func (p *play) turns(do func()) {
	p.seen, p.looked = false, p.t.looked
	do()
	if p.t.state != nil {
		p.see()
		p.compare()
	}
}

// compare looks whether both think the same of what is going on.
func (p *play) compare() {
	got, want := make(map[string]string), make(map[string]string)
	for _, e := range p.t.state.Alerts {
		if e.State != alert.Resolved && e.Rule != rule.ReceiverFailing {
			got[e.Rule+" "+e.Region] = string(e.State)
		}
	}
	for key, c := range p.model.cells {
		want[key] = c.state
	}
	Expect(got).To(Equal(want), func() string { return "after:\n" + lastOf(p.log) })
}

// note remembers what was done, for when it went wrong.
func (p *play) note(format string, args ...any) {
	p.log = append(p.log, fmt.Sprintf("%s: ", p.clock.passed)+fmt.Sprintf(format, args...))
}

// step does one thing.
func (p *play) step() {
	switch n := p.rnd.IntN(100); {
	case n < 45:
		p.pollOne()
	case n < 62:
		p.wait()
	case n < 72:
		p.send(p.e, "")
	case n < 77:
		p.hush()
	case n < 79:
		p.acknowledge()
	case n < 82:
		p.offline = !p.offline
		p.note("offline %v", p.offline)
	case n < 85:
		by := time.Duration(p.rnd.IntN(7200)-3600) * time.Second
		p.note("the clock is set by %s", by)
		p.clock.set(by)
	case n < 91:
		p.fail()
	case n < 95:
		p.kill()
	default:
		p.resume()
	}
}

func (p *play) pollOne() {
	region := modelRegions()[p.rnd.IntN(3)]
	states := []store.State{store.StateUp, store.StateUp, store.StateDown, store.StateDown, store.StateDegraded, store.StateUnknown}
	state := states[p.rnd.IntN(len(states))]
	if w := p.world[region]; p.rnd.IntN(3) > 0 && w.polled {
		state = w.state // they often go on
	}
	p.note("%s is %s", region, state)
	p.polls = append(p.polls, polled{region, state, p.clock.passed})
	p.turns(func() { p.record(region, state, `{}`) })
}

func (p *play) wait() {
	n := 1 + p.rnd.IntN(40)
	p.note("%d s pass", n)
	for range n {
		p.clock.pass(time.Second)
		p.turn()
	}
}

// send lets a sender send some of what waits, in its order; it may die before it
// has noted so.
func (p *play) send(e *Engine, who string) {
	pending := e.Pending()
	if len(pending) == 0 {
		return
	}
	pending = pending[:1+p.rnd.IntN(len(pending))]
	forgets := p.rnd.IntN(3) == 0
	p.note("%ssends %d, forgets so: %v", who, len(pending), forgets)
	for _, m := range pending {
		p.take(m)
		if !forgets {
			e.Delivered(m.Key)
		}
	}
	if who == "" && !forgets && p.rnd.IntN(2) == 0 {
		p.turn()
	}
}

// take is a receiver that knows messages by their keys.
func (p *play) take(m alert.Message) {
	if p.keys[m.Key] {
		return
	}
	p.keys[m.Key] = true
	key := m.Alert.Rule + " " + m.Alert.Region
	stream := m.Receiver + ": " + key
	p.lines[stream] = append(p.lines[stream], string(m.Kind)+" "+key)
	said := p.stored.out[stream]
	n := len(p.lines[stream])
	Expect(len(said)).To(BeNumerically(">=", n), "%s heard what nobody has stored: %v", stream, p.lines[stream])
	Expect(p.lines[stream]).To(Equal(said[:n]), stream)
}

func (p *play) hush() {
	region := append(modelRegions(), "")[p.rnd.IntN(4)]
	if p.quiet.suppressed[region] != nil {
		delete(p.quiet.suppressed, region)
	} else {
		p.quiet.suppressed[region] = &alert.Suppression{By: "silence", ID: region}
	}
	p.note("%q is hushed: %v", region, p.quiet.suppressed[region] != nil)
}

// acknowledge takes on what fires in the store.
func (p *play) acknowledge() {
	c, err := Read(p.store.ledger)
	Expect(err).NotTo(HaveOccurred())
	for _, a := range c.Alerts {
		if a.State == alert.Firing && p.quiet.acks[a.Incident] == nil {
			p.note("%s %s is acknowledged", a.Rule, a.Region)
			p.quiet.acks[a.Incident] = &alert.Ack{By: "jo"}
			p.acked[p.stored.cells[a.Rule+" "+a.Region].number] = true
			return
		}
	}
}

// fail lets the store fail from now on, in one of several ways, or be well again.
func (p *play) fail() {
	before, after := p.rnd.IntN(3) == 0, p.rnd.IntN(3) == 0
	p.note("the store fails: before %v, after %v", before, after)
	fails := func(on bool) func(string) error {
		if !on {
			return nil
		}
		return func(string) error {
			if p.rnd.IntN(3) > 0 {
				return errAway
			}
			return nil
		}
	}
	p.store.before, p.store.after = fails(before), fails(after)
}

// kill ends the process at once, or stops it; another one takes over.
func (p *play) kill() {
	stops := p.rnd.IntN(2) == 0
	p.note("killed; only stopped: %v", stops)
	if stops {
		p.old, p.oldT = append(p.old, p.e), append(p.oldT, p.t)
	}
	p.begin()
}

// resume lets an engine of a former term go on: it is fenced.
func (p *play) resume() {
	if len(p.old) == 0 {
		return
	}
	i := p.rnd.IntN(len(p.old))
	e, t := p.old[i], p.oldT[i]
	if p.store.ledger.Term <= t.number {
		return // nobody has taken over yet
	}
	p.send(e, fmt.Sprintf("the engine of term %d ", t.number))
	before := p.store.ledger
	p.note("the engine of term %d goes on", t.number)
	e.Update(p.opts.Rules, p.opts.Receivers[:1], p.opts.Regions[:1]) // it would have a lot to write
	t.retry = 0
	t.turn(context.Background())
	Expect(p.store.ledger).To(Equal(before))
	if t.fenced {
		Expect(e.Pending()).To(BeEmpty())
	}
}

var _ = Describe("receivers that know messages by their keys", func() {
	It("hear exactly what a plain model says, whatever dies, fails, or is set", func() {
		seed := uint64(GinkgoRandomSeed())
		messages, kills := 0, 0
		for round := range uint64(25) {
			p := newPlay(seed + round)
			fail := func(why string) string {
				return fmt.Sprintf("%s, seed %d, after:\n%s", why, seed+round, lastOf(p.log))
			}
			func() {
				defer func() {
					if r := recover(); r != nil {
						AddReportEntry("steps", fail("it went wrong"))
						panic(r)
					}
				}()
				for range 400 {
					p.step()
				}
				p.finish()
			}()
			for stream, said := range p.model.out {
				Expect(p.lines[stream]).To(Equal(said), fail(stream))
				messages += len(said)
			}
			for stream := range p.lines {
				Expect(p.model.out).To(HaveKey(stream), fail(stream))
			}
			kills += int(p.term)
		}
		Expect(messages).To(BeNumerically(">", 500), "it says something")
		Expect(kills).To(BeNumerically(">", 200))
		GinkgoWriter.Printf("seed %d: %d messages, %d terms\n", seed, messages, kills)
	})
})

// finish lets everything be well, and everything be sent.
func (p *play) finish() {
	p.store.before, p.store.after = nil, nil
	for range 20 {
		p.clock.pass(time.Second)
		p.turn()
	}
	for _, m := range p.e.Pending() {
		p.take(m)
		p.e.Delivered(m.Key)
	}
	p.turn()
	Expect(p.content().Queues).To(BeEmpty())
}

func lastOf(log []string) (text string) {
	for _, line := range log[max(0, len(log)-60):] {
		text += line + "\n"
	}
	return text
}
