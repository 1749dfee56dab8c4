package engine

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/poller"
	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/rule"
	"github.com/devops-insights/devops-insights/store"
)

var _ = Describe("an incident", func() {
	kinds := func(in alert.Incident) (all []string) {
		for _, ev := range in.Events {
			line := string(ev.Kind)
			if ev.By != "" {
				line += " " + ev.By
			}
			all = append(all, line)
		}
		return all
	}

	It("is stored with what happened", func() {
		b := newBench(down(func(r *rule.Rule) { r.For, r.Reminder = 10*time.Second, time.Minute }))
		b.polls(2, "eu", store.StateDown)
		b.deliver()
		id := b.alert().Incident
		b.quiet.suppressed["eu"] = &alert.Suppression{By: "maintenance", ID: "weekly"}
		b.pass(time.Second)
		delete(b.quiet.suppressed, "eu")
		b.pass(time.Minute)
		b.e.GaveUp(b.e.Pending()[0].Key, "HTTP_400")
		b.quiet.acks[id] = &alert.Ack{By: "jo", Comment: "mine", At: b.clock.wall}
		b.pass(time.Second)
		b.poll("eu", store.StateUp)
		b.deliver()
		in := b.incidents()[id]
		Expect(kinds(in)).To(Equal([]string{
			"pending", "firing", "delivered ops", "suppressed maintenance", "unsuppressed maintenance", "reminder ops", "given_up ops", "acknowledged jo", "resolved", "delivered ops",
		}))
		Expect(in.State).To(Equal(alert.Resolved))
		Expect(in.Events[6].Text).To(Equal("HTTP_400"))
		Expect(in.Events[7].Text).To(Equal("mine"))
		r := b.store.records[id]
		Expect(r.Kind).To(Equal(store.RecordIncident))
		Expect(r.API).To(Equal("acme"))
		Expect(r.At).To(Equal(in.PendingAt))
	})

	It("stays in the ledger until it is stored, also over a kill", func() {
		b := newBench(down())
		b.store.before = func(op string) error {
			if op == "put_record" {
				return errAway
			}
			return nil
		}
		b.poll("eu", store.StateDown)
		id := b.alert().Incident
		b.poll("eu", store.StateUp)
		b.deliver()
		b.pass(20 * time.Minute)
		Expect(b.alerts()).To(BeEmpty(), "it is not shown any more")
		Expect(b.incidents()).To(BeEmpty())
		b.start(2)
		b.store.before = nil
		b.pass(maxPause)
		Expect(kinds(b.incidents()[id])).To(Equal([]string{"pending", "firing", "resolved", "delivered ops", "delivered ops"}))
		b.pass(time.Second)
		Expect(b.t.state.Alerts).To(BeEmpty())
	})

	It("is not stored before the ledger is", func() {
		b := newBench(down())
		b.store.before = func(op string) error {
			if op == "put_ledger" {
				return errAway
			}
			return nil
		}
		b.poll("eu", store.StateDown)
		b.pass(time.Minute)
		Expect(b.incidents()).To(BeEmpty())
	})

	It("says what became of its messages, also when it is over for long", func() {
		b := newBench(down())
		b.poll("eu", store.StateDown)
		id := b.alert().Incident
		b.poll("eu", store.StateUp)
		b.pass(time.Hour)
		Expect(b.alerts()).To(BeEmpty())
		b.expectHeard("ops: firing down eu", "ops: resolved down eu")
		Expect(kinds(b.incidents()[id])).To(ContainElement("delivered ops"))
		b.pass(time.Second)
		Expect(b.t.state.Alerts).To(BeEmpty())
	})

	It("has a bounded number of events, of which those that matter stay", func() {
		b := newBench(down())
		b.poll("eu", store.StateDown)
		id := b.alert().Incident
		for i := range 300 {
			b.quiet.suppressed["eu"] = &alert.Suppression{By: "silence", ID: fmt.Sprint(i)}
			b.pass(time.Second)
			delete(b.quiet.suppressed, "eu")
			b.pass(time.Second)
		}
		events := b.incidents()[id].Events
		Expect(events).To(HaveLen(maxEvents))
		Expect(events[0].Kind).To(Equal(alert.EventPending))
		Expect(events[1].Kind).To(Equal(alert.EventFiring))
		Expect(events[maxEvents-1].Kind).To(Equal(alert.EventUnsuppressed))
	})

	It("is kept for two years", func() {
		b := newBench(down())
		b.store.records["old"] = store.Record{Kind: store.RecordIncident, ID: "old", At: b.clock.wall.Add(-keepIncidents + time.Minute)}
		b.store.records["ancient"] = store.Record{Kind: store.RecordIncident, ID: "ancient", At: b.clock.wall.Add(-keepIncidents - time.Minute)}
		b.store.records["silence"] = store.Record{Kind: store.RecordSilence, ID: "silence", At: b.clock.wall.Add(-2 * keepIncidents)}
		b.clock.pass(time.Hour)
		b.turn()
		Expect(b.store.records).To(HaveLen(1), "the others are over")
		Expect(b.store.records).To(HaveKey("silence"))
	})

	It("that is over stays in the list for 15 minutes", func() {
		b := newBench(down())
		b.poll("eu", store.StateDown)
		b.poll("eu", store.StateUp)
		b.deliver()
		b.pass(keepResolved - time.Second)
		Expect(b.alerts()).To(HaveLen(1))
		b.pass(time.Second)
		Expect(b.alerts()).To(BeEmpty())
	})

	It("that is over is one of 200 in the list", func() {
		b := newBench(down())
		for range maxResolved + 20 {
			b.e.Record(poller.Result{API: "acme", Source: "eu"}, store.StateDown, "")
			b.e.Record(poller.Result{API: "acme", Source: "eu"}, store.StateUp, "")
		}
		b.turn()
		b.deliver()
		b.pass(time.Second)
		Expect(b.alerts()).To(HaveLen(maxResolved))
		Expect(b.incidents()).To(HaveLen(maxResolved + 20))
	})
})

var _ = Describe("a rule or a region that is gone", func() {
	It("ends its alerts", func() {
		b := newBench(down(), rule.Rule{Name: "slow", Expr: "down", For: time.Hour})
		b.poll("eu", store.StateDown)
		b.poll("us", store.StateDown)
		b.expectHeard("ops: firing down eu", "ops: firing down us")
		b.update(func(o *Options) { o.Regions = o.Regions[:1] })
		b.expectHeard("ops: resolved down us")
		Expect(b.alerts()).To(ConsistOf("firing down eu", "pending slow eu", "resolved down us"))
		b.update(func(o *Options) { o.Rules = nil })
		b.expectHeard("ops: resolved down eu")
		Expect(b.alerts()).To(ConsistOf("resolved down eu", "resolved down us"))
	})

	It("ends them also where it is gone after a restart", func() {
		b := newBench(down())
		b.poll("eu", store.StateDown)
		b.opts.Rules = compiled(down(func(r *rule.Rule) { r.Regions = []string{"us"} }))
		b.start(2)
		b.expectHeard("ops: firing down eu", "ops: resolved down eu")
	})

	It("keeps what is known of the regions that stay", func() {
		b := newBench(down(func(r *rule.Rule) { r.ForPolls = 3 }))
		b.poll("eu", store.StateDown)
		b.poll("eu", store.StateDown)
		b.update(func(o *Options) { o.Regions = append(o.Regions, Region{"ap", time.Second}) })
		b.poll("eu", store.StateDown)
		b.expectHeard("ops: firing down eu")
	})
})
