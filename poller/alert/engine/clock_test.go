package engine

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/poller/alert/rule"
	"github.com/devops-insights/devops-insights/store"
)

var _ = Describe("a wall clock that is set", func() {
	for _, by := range []time.Duration{-time.Hour, time.Hour, -30 * 24 * time.Hour, 365 * 24 * time.Hour} {
		It("by "+by.String()+" changes no duration", func() {
			b := newBench(down(func(r *rule.Rule) { r.For, r.KeepFor, r.Reminder = 5*time.Minute, time.Minute, 10*time.Minute }))
			b.polls(15, "eu", store.StateDown)
			b.clock.set(by)
			b.polls(14, "eu", store.StateDown)
			b.expectHeard()
			b.polls(1, "eu", store.StateDown)
			b.expectHeard("ops: firing down eu")
			b.polls(29, "eu", store.StateDown)
			b.clock.set(-by)
			b.polls(29, "eu", store.StateDown)
			b.expectHeard()
			b.polls(2, "eu", store.StateDown)
			b.expectHeard("ops: reminder down eu")
			b.polls(3, "eu", store.StateUp)
			b.clock.set(by)
			b.polls(2, "eu", store.StateUp)
			b.expectHeard()
			b.polls(2, "eu", store.StateUp)
			b.expectHeard("ops: resolved down eu")
			a := b.alert()
			Expect(*a.EndedAt).To(BeTemporally(">=", *a.StartedAt))
		})
	}

	It("makes no value stale", func() {
		b := newBench(rule.Rule{Name: "stale", Expr: "stale || age > 60"})
		b.polls(1, "eu", store.StateUp)
		b.clock.set(24 * time.Hour)
		b.polls(2, "eu", store.StateUp)
		b.clock.set(-48 * time.Hour)
		b.polls(2, "eu", store.StateUp)
		b.expectHeard()
	})

	It("back never gives one key to two messages", func() {
		b := newBench(down())
		keys := make(map[string]bool)
		for range 20 {
			b.poll("eu", store.StateDown)
			b.clock.pass(time.Second)
			b.poll("eu", store.StateUp)
			b.clock.set(-time.Second)
			for _, m := range b.e.Pending() {
				keys[m.Key] = true
			}
			b.deliver()
			b.clock.pass(20 * time.Minute) // until it is in no list any more
			b.turn()
			b.clock.set(-20 * time.Minute)
		}
		Expect(keys).To(HaveLen(40))
		Expect(b.heard).To(HaveLen(40))
	})

	It("back between two terms lets no time pass, and loses a minute at most", func() {
		b := newBench(down(func(r *rule.Rule) { r.For = 5 * time.Minute }))
		b.polls(18, "eu", store.StateDown) // 3 minutes
		b.clock.set(-24 * time.Hour)
		b.start(2)
		b.polls(11, "eu", store.StateDown)
		b.expectHeard()
		b.polls(7, "eu", store.StateDown)
		b.expectHeard("ops: firing down eu")
	})

	It("removes nothing from the list before its time", func() {
		b := newBench(down())
		b.poll("eu", store.StateDown)
		b.poll("eu", store.StateUp)
		b.deliver()
		b.clock.set(time.Hour)
		b.pass(14 * time.Minute)
		Expect(b.alerts()).To(HaveLen(1))
		b.clock.set(-2 * time.Hour)
		b.pass(2 * time.Minute)
		Expect(b.alerts()).To(BeEmpty())
	})
})
