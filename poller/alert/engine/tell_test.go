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

var _ = Describe("who is told of an alert", func() {
	silence := func() *alert.Suppression { return &alert.Suppression{By: "silence", ID: "s1"} }
	twoReceivers := func(o *Options) { o.Receivers = []Receiver{{Name: "ops"}, {Name: "boss"}} }

	It("is each receiver that wants its severity, once", func() {
		b := newBench(down(), rule.Rule{Name: "slow", Expr: "degraded", Severity: alert.Info})
		b.update(func(o *Options) {
			o.Receivers = []Receiver{{Name: "ops"}, {"boss", []alert.Severity{alert.Critical}}, {"log", []alert.Severity{alert.Info, alert.Warning}}}
		})
		b.polls(3, "eu", store.StateDown)
		b.expectHeard("ops: firing down eu", "boss: firing down eu")
		b.polls(3, "eu", store.StateDegraded)
		b.expectHeard("ops: resolved down eu", "boss: resolved down eu", "ops: firing slow eu", "log: firing slow eu")
	})

	It("is those that the rule names", func() {
		b := newBench(down(func(r *rule.Rule) { r.Receivers = []string{"boss"} }))
		b.update(twoReceivers)
		b.polls(1, "eu", store.StateDown)
		b.expectHeard("boss: firing down eu")
	})

	It("is nobody while it is only pending", func() {
		b := newBench(down(func(r *rule.Rule) { r.ForPolls = 5 }))
		b.polls(4, "eu", store.StateDown)
		b.polls(1, "eu", store.StateUp)
		b.expectHeard()
		Expect(b.incidents()).To(BeEmpty())
	})

	It("is nobody while it is suppressed, and everybody once that ends", func() {
		b := newBench(down())
		b.quiet.suppressed["eu"] = silence()
		b.polls(3, "eu", store.StateDown)
		b.expectHeard()
		Expect(b.alert().Suppressed).To(Equal(silence()))
		delete(b.quiet.suppressed, "eu")
		b.pass(time.Second)
		b.expectHeard("ops: firing down eu")
		Expect(b.alert().Suppressed).To(BeNil())
	})

	It("is nobody at all where it was suppressed from beginning to end", func() {
		b := newBench(down())
		b.quiet.suppressed["eu"] = silence()
		b.polls(2, "eu", store.StateDown)
		b.polls(1, "eu", store.StateUp)
		delete(b.quiet.suppressed, "eu")
		b.polls(5, "eu", store.StateUp)
		b.expectHeard()
		Expect(b.alerts()).To(Equal([]string{"resolved down eu"}))
	})

	It("tells the end to those who know of the beginning, also while it is suppressed", func() {
		b := newBench(down())
		b.poll("eu", store.StateDown)
		b.quiet.suppressed["eu"] = silence()
		b.pass(time.Second)
		b.poll("eu", store.StateUp)
		b.expectHeard("ops: firing down eu", "ops: resolved down eu")
	})

	It("tells a receiver that is added of what fires, and not of what is over", func() {
		b := newBench(down())
		b.poll("eu", store.StateDown)
		b.poll("us", store.StateDown)
		b.poll("us", store.StateUp)
		b.expectHeard("ops: firing down eu", "ops: firing down us", "ops: resolved down us")
		b.update(twoReceivers)
		b.expectHeard("boss: firing down eu")
		b.poll("eu", store.StateUp)
		b.expectHeard("ops: resolved down eu", "boss: resolved down eu")
	})

	It("forgets a receiver that is gone, and tells it anew when it is back", func() {
		b := newBench(down())
		b.update(twoReceivers)
		b.poll("eu", store.StateDown)
		first := b.e.Pending()
		Expect(first).To(HaveLen(2))
		b.update(func(o *Options) { o.Receivers = o.Receivers[:1] })
		b.expectHeard("ops: firing down eu")
		Expect(b.content().Queues).To(BeEmpty())
		b.update(twoReceivers)
		b.expectHeard("boss: firing down eu")
		b.poll("eu", store.StateUp)
		b.expectHeard("ops: resolved down eu", "boss: resolved down eu")
	})

	It("is reminded while the alert fires, nobody has taken it on, and it is not suppressed", func() {
		b := newBench(down(func(r *rule.Rule) { r.Reminder = time.Minute }))
		b.poll("eu", store.StateDown)
		b.pass(59 * time.Second)
		b.expectHeard("ops: firing down eu")
		b.pass(time.Second)
		b.expectHeard("ops: reminder down eu")
		b.quiet.suppressed["eu"] = silence()
		b.pass(3 * time.Minute)
		b.expectHeard()
		delete(b.quiet.suppressed, "eu")
		b.pass(time.Second)
		b.expectHeard("ops: reminder down eu")
		b.quiet.acks[b.alert().Incident] = &alert.Ack{By: "jo", Comment: "I look at it", At: b.clock.wall}
		b.pass(3 * time.Minute)
		b.expectHeard()
		Expect(b.alert().Ack.By).To(Equal("jo"))
		b.poll("eu", store.StateUp)
		b.expectHeard("ops: resolved down eu")
	})

	It("says in reminders, and to those who are told later, how it is then", func() {
		b := newBench(down(func(r *rule.Rule) { r.Reminder, r.Summary = time.Minute, `down for {{plural .failures "poll"}}` }))
		texts := func() (all []string) {
			for _, m := range b.e.Pending() {
				all = append(all, fmt.Sprint(m.Receiver, " ", m.Kind, ": ", m.Alert.Summary))
			}
			b.deliver()
			return all
		}
		b.poll("eu", store.StateDown)
		Expect(texts()).To(Equal([]string{"ops firing: down for 1 poll"}))
		b.poll("eu", store.StateDown)
		b.poll("eu", store.StateDown)
		b.pass(time.Minute)
		Expect(texts()).To(Equal([]string{"ops reminder: down for 3 polls"}))
		b.poll("eu", store.StateDown)
		b.update(twoReceivers)
		Expect(texts()).To(Equal([]string{"boss firing: down for 4 polls"}))
		Expect(b.alert().Summary).To(Equal("down for 4 polls"))
	})

	It("numbers the messages of an incident and a receiver", func() {
		b := newBench(down(func(r *rule.Rule) { r.Reminder = time.Minute }))
		b.update(twoReceivers)
		b.poll("eu", store.StateDown)
		b.pass(time.Minute)
		b.poll("eu", store.StateUp)
		var keys []string
		incident := b.alert().Incident
		for _, m := range b.e.Pending() {
			keys = append(keys, m.Key)
		}
		Expect(keys).To(Equal([]string{
			incident + "-ops-1", incident + "-boss-1", incident + "-ops-2", incident + "-boss-2", incident + "-ops-3", incident + "-boss-3",
		}))
	})

	It("keeps what waits for a receiver within a bound: the oldest reminders go first, then the oldest", func() {
		b := newBench(down(func(r *rule.Rule) { r.Reminder = time.Minute }))
		b.update(twoReceivers)
		b.poll("eu", store.StateDown)
		b.notMine = true // many turns, and one write
		for range maxWaiting + 100 {
			b.pass(time.Second)
			b.clock.pass(59 * time.Second)
		}
		b.notMine = false
		b.turn()
		waiting := func(receiver string) (all []alert.Message) {
			for _, m := range b.e.Pending() {
				if m.Receiver == receiver {
					all = append(all, m)
				}
			}
			return all
		}
		for _, receiver := range []string{"ops", "boss"} {
			all := waiting(receiver)
			Expect(all).To(HaveLen(maxWaiting))
			Expect(all[0].Kind).To(Equal(alert.MessageFiring), "what matters stays")
			Expect(all[1].Key).To(HaveSuffix("-102"), "1100 messages were made, and 1000 wait")
		}
		Expect(b.incidents()[b.alert().Incident].Events).To(ContainElement(And(
			HaveField("Kind", alert.EventGivenUp), HaveField("By", "boss"), HaveField("Text", ContainSubstring("1000 messages")))))
	})

	It("drops the oldest where there are no reminders", func() {
		b := newBench(down())
		for range maxWaiting/2 + 10 {
			b.e.Record(poller.Result{API: "acme", Source: "eu"}, store.StateDown, "")
			b.e.Record(poller.Result{API: "acme", Source: "eu"}, store.StateUp, "")
		}
		b.turn()
		all := b.e.Pending()
		Expect(all).To(HaveLen(maxWaiting))
		Expect(all[0].Kind).To(Equal(alert.MessageFiring))
		Expect(all[maxWaiting-1].Kind).To(Equal(alert.MessageResolved))
		Expect(b.content().Queues).To(Equal([]Queue{{Receiver: "ops", Pending: maxWaiting, Oldest: all[0].CreatedAt}}))
	})

	It("keeps the alert in a message as it was then", func() {
		b := newBench(down())
		b.poll("eu", store.StateDown)
		b.clock.pass(time.Second)
		b.poll("eu", store.StateUp)
		all := b.e.Pending()
		Expect(all[0].Alert.State).To(Equal(alert.Firing))
		Expect(all[0].Alert.EndedAt).To(BeNil())
		Expect(all[0].CreatedAt).To(Equal(epoch))
		Expect(all[1].Alert.State).To(Equal(alert.Resolved))
		Expect(*all[1].Alert.EndedAt).To(Equal(epoch.Add(time.Second)))
	})
})
