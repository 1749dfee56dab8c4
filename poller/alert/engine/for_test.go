package engine

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/rule"
	"github.com/devops-insights/devops-insights/store"
)

var _ = Describe("when an alert fires", func() {
	It("fires at once without a duration, and is over when its condition is", func() {
		b := newBench(down())
		b.poll("eu", store.StateUp)
		Expect(b.alerts()).To(BeEmpty())
		b.clock.pass(10 * time.Second)
		b.poll("eu", store.StateDown)
		b.expectHeard("ops: firing down eu")
		a := b.alert()
		Expect(a.Labels).To(Equal(map[string]string{"alertname": "down", "api": "acme", "region": "eu", "severity": "critical"}))
		Expect(a.ID).To(MatchRegexp(`^[0-9a-f]{16}$`))
		Expect(a.Incident).To(HavePrefix(a.ID + "-"))
		Expect(a.PendingAt).To(Equal(epoch.Add(10 * time.Second)))
		Expect(*a.StartedAt).To(Equal(a.PendingAt))
		Expect(a.EndedAt).To(BeNil())
		b.clock.pass(10 * time.Second)
		b.poll("eu", store.StateUp)
		b.expectHeard("ops: resolved down eu")
		over := b.alert()
		Expect(over.State).To(Equal(alert.Resolved))
		Expect(*over.EndedAt).To(Equal(epoch.Add(20 * time.Second)))
	})

	It("fires after so many polls in a row", func() {
		b := newBench(down(func(r *rule.Rule) { r.ForPolls = 3 }))
		b.polls(2, "eu", store.StateDown)
		b.expectHeard()
		Expect(b.alerts()).To(Equal([]string{"pending down eu"}))
		b.polls(1, "eu", store.StateUp)
		Expect(b.alerts()).To(BeEmpty(), "the row is broken, and nobody hears of it")
		b.polls(2, "eu", store.StateDown)
		b.expectHeard()
		b.polls(1, "eu", store.StateDown)
		b.expectHeard("ops: firing down eu")
		b.polls(5, "eu", store.StateDown)
		b.expectHeard()
	})

	It("says of how many polls in a row, also of those before a restart", func() {
		b := newBench(down(func(r *rule.Rule) { r.ForPolls, r.Summary = 3, "{{.failures}} in a row" }))
		b.poll("eu", store.StateDown)
		b.poll("eu", store.StateDown)
		b.start(2)
		b.start(3)
		b.poll("eu", store.StateDown)
		Expect(b.alert().Summary).To(Equal("3 in a row"))
		b.poll("eu", store.StateUp)
		b.start(4)
		b.polls(3, "eu", store.StateDown)
		Expect(b.content().Alerts[0].Summary).To(Equal("3 in a row"), "an end is an end")
	})

	It("goes on counting polls after a restart", func() {
		b := newBench(down(func(r *rule.Rule) { r.ForPolls = 3 }))
		b.poll("eu", store.StateDown)
		b.poll("eu", store.StateDown)
		b.start(2)
		b.expectHeard()
		b.poll("eu", store.StateDown)
		b.expectHeard("ops: firing down eu")
	})

	It("counts the polls of a region that come between two looks, each once", func() {
		b := newBench(down(func(r *rule.Rule) { r.ForPolls = 3 }))
		b.poll("eu", store.StateDown)
		b.pass(time.Minute)
		b.poll("eu", store.StateDown)
		b.pass(time.Minute)
		b.expectHeard()
	})

	It("fires once its condition has held for so long", func() {
		b := newBench(down(func(r *rule.Rule) { r.For = 5 * time.Minute }))
		b.polls(30, "eu", store.StateDown) // 300 s: the last second is a look by the time
		b.expectHeard("ops: firing down eu")
		a := b.alert()
		Expect(a.StartedAt.Sub(a.PendingAt)).To(Equal(5 * time.Minute))
	})

	It("begins again where its condition was false in between", func() {
		b := newBench(down(func(r *rule.Rule) { r.For = 5 * time.Minute }))
		b.polls(29, "eu", store.StateDown)
		b.polls(1, "eu", store.StateUp)
		b.polls(29, "eu", store.StateDown)
		b.expectHeard()
		Expect(b.alerts()).To(Equal([]string{"pending down eu"}))
	})

	It("goes on with the time that has passed after a restart", func() {
		b := newBench(down(func(r *rule.Rule) { r.For = 5 * time.Minute }))
		b.polls(18, "eu", store.StateDown)
		b.clock.pass(time.Minute)
		b.start(2)
		b.polls(5, "eu", store.StateDown)
		b.expectHeard()
		b.polls(1, "eu", store.StateDown)
		b.expectHeard("ops: firing down eu")
		Expect(b.alert().PendingAt).To(Equal(epoch))
	})

	It("keeps firing until the condition has been false for keep_for", func() {
		b := newBench(down(func(r *rule.Rule) { r.KeepFor = time.Minute }))
		b.polls(1, "eu", store.StateDown)
		b.polls(5, "eu", store.StateUp) // 50 s
		b.polls(1, "eu", store.StateDown)
		b.polls(5, "eu", store.StateUp)
		b.pass(9 * time.Second)
		b.expectHeard("ops: firing down eu")
		b.pass(time.Second)
		b.expectHeard("ops: resolved down eu")
	})

	It("keeps the time for which the condition was false over a restart", func() {
		b := newBench(down(func(r *rule.Rule) { r.KeepFor = time.Minute }))
		b.polls(1, "eu", store.StateDown)
		b.polls(4, "eu", store.StateUp)
		b.start(2)
		b.polls(1, "eu", store.StateUp)
		b.poll("eu", store.StateUp)
		b.pass(9 * time.Second)
		b.expectHeard("ops: firing down eu")
		b.pass(time.Second)
		b.expectHeard("ops: resolved down eu")
	})

	It("has another incident and other keys the next time", func() {
		b := newBench(down())
		b.poll("eu", store.StateDown)
		first := b.e.Pending()[0]
		b.deliver()
		b.poll("eu", store.StateUp) // in the same millisecond
		b.deliver()
		b.poll("eu", store.StateDown)
		second := b.e.Pending()[0]
		Expect(second.Alert.ID).To(Equal(first.Alert.ID))
		Expect(second.Alert.Incident).NotTo(Equal(first.Alert.Incident))
		Expect(second.Key).NotTo(Equal(first.Key))
		b.expectHeard("ops: firing down eu", "ops: resolved down eu", "ops: firing down eu")
	})

	It("is one alert for each region", func() {
		b := newBench(down())
		b.poll("eu", store.StateDown)
		b.poll("us", store.StateDown)
		b.expectHeard("ops: firing down eu", "ops: firing down us")
		b.poll("us", store.StateUp)
		b.expectHeard("ops: resolved down us")
	})
})
