package engine

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/rule"
	"github.com/devops-insights/devops-insights/store"
)

var _ = Describe("what nobody knows", func() {
	stale := rule.Rule{Name: "stale", Expr: "stale && !down"}
	network := rule.Rule{Name: "network", Expr: "offline", Over: rule.OverAll, Severity: alert.Critical}

	It("can make a rule true, and never false", func() {
		b := newBench(down(), rule.Rule{Name: "lost", Expr: "unknown"})
		b.poll("eu", store.StateDown)
		b.expectHeard("ops: firing down eu")
		b.poll("eu", store.StateUnknown)
		b.expectHeard("ops: firing lost eu")
		b.poll("eu", store.StateUp)
		b.expectHeard("ops: resolved down eu", "ops: resolved lost eu")
	})

	It("does not break a row of polls", func() {
		b := newBench(down(func(r *rule.Rule) { r.ForPolls = 3 }))
		for _, s := range []store.State{store.StateDown, store.StateDown, store.StateUnknown} {
			b.poll("eu", s)
		}
		b.expectHeard()
		b.poll("eu", store.StateDown)
		b.expectHeard("ops: firing down eu")
	})

	It("leaves a rule over all that is false only as it is where it might be true", func() {
		b := newBench(rule.Rule{Name: "many", Expr: "count(down) >= 2", Over: rule.OverAll}, rule.Rule{Name: "any", Expr: "any(down, #)", Over: rule.OverAll})
		b.poll("eu", store.StateDown)
		b.expectHeard() // the other region has not been polled
		b.poll("us", store.StateDown)
		b.expectHeard("ops: firing many", "ops: firing any")
		b.poll("us", store.StateUnknown)
		b.expectHeard()
		b.poll("eu", store.StateUp) // whatever the other one is, they are not two
		b.expectHeard("ops: resolved many")
		b.poll("us", store.StateUp)
		b.expectHeard("ops: resolved any")
	})

	It("leaves alerts as they are after a take-over until a region is polled", func() {
		b := newBench(down(), rule.Rule{Name: "none", Expr: "count(up) == 0", Over: rule.OverAll})
		b.poll("eu", store.StateDown)
		b.poll("us", store.StateUp)
		b.expectHeard("ops: firing down eu")
		b.start(2)
		b.pass(5 * time.Second)
		b.poll("us", store.StateUp)
		b.expectHeard()
		Expect(b.alerts()).To(Equal([]string{"firing down eu"}))
		b.poll("eu", store.StateUp)
		b.expectHeard("ops: resolved down eu")
	})

	It("does not let a pending alert fire after a take-over before a region is polled", func() {
		b := newBench(down(func(r *rule.Rule) { r.For = time.Minute }))
		b.poll("eu", store.StateDown)
		b.pass(50 * time.Second)
		b.start(2)
		b.pass(14 * time.Second)
		b.expectHeard()
		b.poll("eu", store.StateDown)
		b.expectHeard("ops: firing down eu")
	})

	It("is stale after five intervals, but at least 15 s", func() {
		b := newBench(stale)
		b.update(func(o *Options) { o.Regions = []Region{{"eu", 10 * time.Second}, {"us", time.Second}} })
		b.poll("eu", store.StateUp)
		b.poll("us", store.StateUp)
		b.pass(14 * time.Second)
		b.expectHeard()
		b.pass(time.Second)
		b.expectHeard("ops: firing stale us")
		b.pass(34 * time.Second)
		b.expectHeard()
		b.pass(time.Second)
		b.expectHeard("ops: firing stale eu")
		b.poll("eu", store.StateUp)
		b.expectHeard("ops: resolved stale eu")
	})

	It("is stale also where polls come that bring no value", func() {
		b := newBench(rule.Rule{Name: "stale", Expr: "stale"})
		for range 5 {
			b.poll("eu", store.StateDown)
			b.poll("us", store.StateUp)
			b.pass(10 * time.Second)
		}
		b.expectHeard("ops: firing stale eu")
	})

	It("is stale from the beginning of a term on, also where nobody polls", func() {
		b := newBench(stale)
		b.poll("eu", store.StateUp)
		b.poll("us", store.StateUp)
		b.pass(40 * time.Second)
		b.start(2)
		b.pass(49 * time.Second)
		b.expectHeard()
		b.pass(time.Second)
		b.expectHeard("ops: firing stale eu", "ops: firing stale us")
	})

	It("is how old the last value is after a take-over, until one comes or it would be stale by then", func() {
		b := newBench(rule.Rule{Name: "stale", Expr: "stale"}, rule.Rule{Name: "old", Expr: "age > 60"}, rule.Rule{Name: "any", Expr: "any(stale, #)", Over: rule.OverAll})
		b.poll("us", store.StateUp)
		for range 7 {
			b.poll("eu", store.StateDown)
			b.pass(10 * time.Second)
			b.poll("us", store.StateUp)
		}
		b.expectHeard("ops: firing stale eu", "ops: firing any", "ops: firing old eu")
		b.start(2)
		b.poll("eu", store.StateDown)
		b.poll("us", store.StateUp)
		b.pass(10 * time.Second)
		b.expectHeard()
		b.poll("eu", store.StateUp)
		b.expectHeard("ops: resolved stale eu", "ops: resolved old eu", "ops: resolved any")
		b.start(3)
		b.poll("eu", store.StateDown)
		b.pass(49 * time.Second)
		b.expectHeard()
		b.pass(time.Second)
		b.expectHeard("ops: firing stale eu", "ops: firing stale us", "ops: firing any")
	})

	It("leaves all regions as they are while the own network fails, which is told by itself", func() {
		b := newBench(down(), rule.Rule{Name: "lost", Expr: "unknown"}, network)
		b.poll("eu", store.StateDown)
		b.poll("us", store.StateUp)
		b.expectHeard("ops: firing down eu")
		b.offline = true
		b.poll("eu", store.StateUnknown)
		b.poll("us", store.StateUnknown)
		b.pass(time.Minute)
		b.expectHeard("ops: firing network")
		Expect(b.alerts()).To(ConsistOf("firing down eu", "firing network"))
		Expect(b.content().Alerts).To(ContainElement(And(HaveField("Rule", "down"), HaveField("Suppressed", Equal(&alert.Suppression{By: "network"})))))
		Expect(b.content().Alerts).To(ContainElement(And(HaveField("Rule", "network"), HaveField("Suppressed", BeNil()))))
		Expect(b.e.Firing("ops")).To(ConsistOf(HaveField("Rule", "down"), HaveField("Rule", "network")), "an Alertmanager must not take the one for resolved")
		Expect(b.e.Firing("others")).To(BeEmpty())
		b.offline = false
		b.pass(time.Second)
		b.expectHeard("ops: resolved network", "ops: firing lost eu", "ops: firing lost us")
		b.poll("eu", store.StateUp)
		b.poll("us", store.StateUp)
		b.expectHeard("ops: resolved down eu", "ops: resolved lost eu", "ops: resolved lost us")
	})

	It("is how old a value is after an outage of the own network, until one comes or it would be stale by then", func() {
		b := newBench(stale, rule.Rule{Name: "old", Expr: "age > 60"}, network)
		b.poll("eu", store.StateUp)
		b.poll("us", store.StateUp)
		b.pass(time.Second)
		b.offline = true
		for range 10 {
			b.poll("eu", store.StateUnknown)
			b.poll("us", store.StateUnknown)
			b.pass(10 * time.Second)
		}
		b.expectHeard("ops: firing network")
		b.offline = false
		b.poll("us", store.StateUp)
		b.expectHeard("ops: resolved network")
		b.pass(49 * time.Second)
		b.expectHeard()
		b.pass(time.Second)
		b.expectHeard("ops: firing stale eu", "ops: firing stale us")
		b.poll("eu", store.StateUp)
		b.poll("us", store.StateUp)
		b.expectHeard("ops: resolved stale eu", "ops: resolved stale us")
	})

	It("leaves what was stale before an outage of the own network as it is, until a value comes", func() {
		b := newBench(stale)
		for range 6 {
			b.poll("eu", store.StateUnknown)
			b.poll("us", store.StateUp)
			b.pass(10 * time.Second)
		}
		b.expectHeard("ops: firing stale eu")
		b.offline = true
		b.pass(time.Minute)
		b.offline = false
		b.pass(20 * time.Second)
		b.expectHeard()
		b.poll("eu", store.StateUp)
		b.expectHeard("ops: resolved stale eu")
	})

	It("does not remind of a region while the own network fails", func() {
		b := newBench(down(func(r *rule.Rule) { r.Reminder = time.Minute }))
		b.poll("eu", store.StateDown)
		b.offline = true
		b.pass(10 * time.Minute)
		b.expectHeard("ops: firing down eu")
	})
})
