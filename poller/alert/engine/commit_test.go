package engine

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/rule"
	"github.com/devops-insights/devops-insights/store"
)

var _ = Describe("the ledger", func() {
	failing := func(ops ...string) func(string) error {
		return func(op string) error {
			for _, one := range ops {
				if op == one {
					return errAway
				}
			}
			return nil
		}
	}

	It("gets a change of state and its messages in one write, and nothing is sent before", func() {
		b := newBench(down())
		writes := b.store.writes
		b.store.before = failing("put_ledger")
		b.poll("eu", store.StateDown)
		Expect(b.e.Pending()).To(BeEmpty())
		Expect(b.e.Firing("ops")).To(BeEmpty())
		b.store.before = nil
		b.pass(time.Second)
		Expect(b.store.writes).To(Equal(writes + 1))
		c := b.content()
		Expect(c.Alerts).To(HaveLen(1))
		Expect(c.Queues).To(HaveLen(1))
		Expect(b.e.Pending()).To(HaveLen(1))
	})

	It("is not written where nothing has changed", func() {
		b := newBench(down(), rule.Rule{Name: "quick", Expr: "latency > 10000"})
		b.polls(1, "eu", store.StateDown)
		b.deliver()
		writes := b.store.writes
		b.polls(10, "eu", store.StateDown)
		Expect(b.store.writes).To(Equal(writes))
	})

	It("is decided on while it cannot be written: everything is told afterwards, in order", func() {
		b := newBench(down())
		b.store.before = failing("put_ledger", "ledger", "put_record")
		b.polls(2, "eu", store.StateDown)
		b.polls(2, "eu", store.StateUp)
		b.polls(2, "eu", store.StateDown)
		b.expectHeard()
		Expect(b.e.Failing()).To(Equal(epoch))
		b.store.before = nil
		b.pass(maxPause)
		b.expectHeard("ops: firing down eu", "ops: resolved down eu", "ops: firing down eu")
		Expect(b.e.Failing()).To(BeZero())
	})

	It("is known again as one's own where the answer of a write was lost", func() {
		b := newBench(down())
		b.store.after = failing("put_ledger")
		b.poll("eu", store.StateDown) // it is stored, and nobody has heard so
		Expect(b.e.Pending()).To(BeEmpty())
		b.clock.pass(time.Second)
		b.poll("eu", store.StateUp)
		b.store.after = nil
		b.pass(maxPause)
		b.expectHeard("ops: firing down eu", "ops: resolved down eu")
		Expect(b.alerts()).To(Equal([]string{"resolved down eu"}))
	})

	It("survives a kill before the write and after it", func() {
		b := newBench(down())
		b.store.before = failing("put_ledger")
		b.poll("eu", store.StateDown)
		b.store.before = nil
		b.start(2) // killed before the write: the next one finds it again
		b.poll("eu", store.StateDown)
		Expect(b.e.Pending()).To(HaveLen(1))
		key := b.e.Pending()[0].Key
		b.start(3) // killed before it was sent
		Expect(b.e.Pending()).To(ConsistOf(HaveField("Key", key)))
		b.take(b.e.Pending()[0])
		b.start(4) // killed after it was sent
		Expect(b.e.Pending()).To(ConsistOf(HaveField("Key", key)), "it is sent again with the same key")
		b.expectHeard("ops: firing down eu")
		b.start(5)
		Expect(b.e.Pending()).To(BeEmpty())
	})

	It("is a later term's: the one before forgets everything and waits", func() {
		b := newBench(down())
		b.poll("eu", store.StateDown)
		old, oldTerm := b.e, b.t
		b.start(2)
		version := b.store.ledger.Version
		b.e, b.t, old, oldTerm = old, oldTerm, b.e, b.t
		b.poll("us", store.StateDown)
		Expect(b.e.Pending()).To(BeEmpty())
		Expect(b.e.Firing("ops")).To(BeEmpty())
		Expect(b.store.ledger.Version).To(Equal(version))
		b.polls(3, "us", store.StateDown)
		Expect(b.store.ledger.Version).To(Equal(version))
		Expect(b.e.Failing()).To(BeZero())
		b.e, b.t = old, oldTerm
		b.expectHeard("ops: firing down eu")
	})

	It("is taken over again where somebody of the same term has written", func() {
		b := newBench(down())
		b.poll("eu", store.StateDown)
		foreign := b.store.ledger
		foreign.Version++
		foreign.Data = json.RawMessage(`{"format":1,"writer":"other","at":"2026-11-25T10:00:00Z","last":7,"alerts":[],"outbox":[]}`)
		b.store.ledger = foreign
		b.poll("us", store.StateDown)
		b.pass(time.Second)
		Expect(b.alerts()).To(ConsistOf("firing down eu", "firing down us"), "both are still down")
		b.expectHeard("ops: firing down eu", "ops: firing down us")
	})

	It("is not written while this instance may not", func() {
		b := newBench(down())
		b.notMine = true
		version := b.store.ledger.Version
		b.poll("eu", store.StateDown)
		Expect(b.store.ledger.Version).To(Equal(version))
		Expect(b.e.Pending()).To(BeEmpty())
		b.notMine = false
		b.pass(time.Second)
		b.expectHeard("ops: firing down eu")
	})

	It("is read before anything is decided, and polls wait for that", func() {
		b := newBench(down(func(r *rule.Rule) { r.ForPolls = 3 }))
		b.poll("eu", store.StateDown)
		b.store.before = failing("ledger")
		b.start(2)
		b.poll("eu", store.StateDown)
		b.poll("eu", store.StateDown)
		Expect(b.e.Pending()).To(BeEmpty())
		b.store.before = nil
		b.pass(time.Second)
		b.expectHeard("ops: firing down eu")
	})

	It("that cannot be read is not overwritten", func() {
		for _, data := range []string{`{`, `{"format":2}`, `[]`, `{"alerts":3}`} {
			b := newBench(down())
			b.store.ledger.Data = json.RawMessage(data)
			version := b.store.ledger.Version
			b.start(2)
			b.poll("eu", store.StateDown)
			b.pass(time.Minute)
			Expect(b.store.ledger.Version).To(Equal(version))
			Expect(b.e.Failing()).NotTo(BeZero())
			_, err := Read(b.store.ledger)
			Expect(err).To(MatchError(ContainSubstring("the ledger of alerts")))
		}
	})

	It("stays within what a store takes, however much waits", func() {
		s := &state{Format: format}
		text := strings.Repeat("x", 3000)
		for i := range 5000 {
			receiver := []string{"ops", "boss"}[i%2]
			s.Outbox = append(s.Outbox, alert.Message{Key: "k", Receiver: receiver, Alert: alert.Alert{Description: text}})
		}
		b := newBench()
		b.t.state, s.dirty = s, true
		b.t.settings.receivers = []Receiver{{Name: "ops"}, {Name: "boss"}}
		b.t.commit(context.Background(), b.opts.moment())
		Expect(b.store.ledger.Data).NotTo(BeEmpty())
		Expect(len(b.store.ledger.Data)).To(BeNumerically("<=", maxLedger))
		Expect(b.content().Queues).To(HaveLen(2), "both have lost some")
	})

	It("notes what was delivered in the next write, and does not repeat it in the meantime", func() {
		b := newBench(down())
		b.poll("eu", store.StateDown)
		key := b.e.Pending()[0].Key
		b.store.before = failing("put_ledger")
		b.e.Delivered(key, "unknown")
		Expect(b.e.Pending()).To(BeEmpty())
		b.turn()
		Expect(b.content().Queues).To(HaveLen(1))
		b.store.before = nil
		b.pass(time.Second)
		Expect(b.content().Queues).To(BeEmpty())
		Expect(b.e.done).To(BeEmpty())
	})

	It("keeps the order for a receiver in which things happened", func() {
		b := newBench(down())
		for range 3 {
			b.poll("eu", store.StateDown)
			b.poll("us", store.StateDown)
			b.poll("eu", store.StateUp)
			b.poll("us", store.StateUp)
		}
		b.start(2)
		round := []string{"ops: firing down eu", "ops: firing down us", "ops: resolved down eu", "ops: resolved down us"}
		b.expectHeard(append(append(append([]string(nil), round...), round...), round...)...)
	})

	It("wakes the sender when there is something new", func() {
		b := newBench(down())
		for len(b.e.Wake()) > 0 {
			<-b.e.Wake()
		}
		b.poll("eu", store.StateUp)
		Expect(b.e.Wake()).NotTo(Receive())
		b.poll("eu", store.StateDown)
		Expect(b.e.Wake()).To(Receive())
	})
})

var _ = It("a ledger that is too large loses alerts that are over, then events of the middle, then messages", func() {
	over := &entry{Alert: alert.Alert{ID: "1", State: alert.Resolved}}
	long := &entry{Alert: alert.Alert{ID: "2", State: alert.Firing}, Events: make([]alert.Event, 100)}
	long.Events[0].Text, long.Events[99].Text = "first", "last"
	s := &state{Alerts: []*entry{over, long}, Outbox: []alert.Message{{Key: "a", Receiver: "ops"}, {Key: "b", Receiver: "ops"}}}
	Expect(s.shrink(time.Now())).To(BeTrue())
	Expect(s.Alerts).To(ConsistOf(long))
	Expect(s.shrink(time.Now())).To(BeTrue())
	Expect(long.Events).To(HaveLen(fewEvents))
	Expect([]string{long.Events[0].Text, long.Events[fewEvents-1].Text}).To(Equal([]string{"first", "last"}))
	Expect(s.shrink(time.Now())).To(BeTrue())
	Expect(s.Outbox).To(HaveLen(1))
})
