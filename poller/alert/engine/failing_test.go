package engine

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/poller/alert/rule"
	"github.com/devops-insights/devops-insights/store"
)

var _ = Describe("a receiver that fails", func() {
	fails := func(names ...string) (all []ReceiverFailure) {
		for _, name := range names {
			all = append(all, ReceiverFailure{Receiver: name, Class: "HTTP_500"})
		}
		return all
	}
	two := func() *bench {
		b := newBench(down())
		b.update(func(o *Options) { o.Receivers = []Receiver{{Name: "ops"}, {Name: "boss"}} })
		return b
	}

	It("is told to the others after five minutes, and that it works again", func() {
		b := two()
		b.failing = fails("boss")
		b.pass(5 * time.Minute)
		b.expectHeard()
		b.pass(time.Second)
		b.expectHeard("ops: firing receiver-failing")
		a := b.alert()
		Expect(a.Labels).To(HaveKeyWithValue("receiver", "boss"))
		Expect(a.Summary).To(Equal("The receiver boss takes no messages: HTTP_500"))
		b.failing = nil
		b.pass(time.Second)
		b.expectHeard("ops: resolved receiver-failing")
	})

	It("stays one after a take-over until it has taken a message", func() {
		b := two()
		b.failing = fails("boss")
		b.pass(6 * time.Minute)
		b.expectHeard("ops: firing receiver-failing")
		b.failing = nil // the new sender has not tried yet
		b.start(2)
		b.pass(time.Minute)
		b.expectHeard()
		b.poll("eu", store.StateDown)
		b.expectHeard("ops: firing down eu", "boss: firing down eu")
		b.pass(time.Second)
		b.expectHeard("ops: resolved receiver-failing")
	})

	It("is one alert for each, and tells nobody of himself", func() {
		b := two()
		b.failing = fails("boss", "ops")
		b.pass(5*time.Minute + time.Second)
		b.expectHeard("boss: firing receiver-failing", "ops: firing receiver-failing")
	})

	It("says nothing while the own network fails", func() {
		b := two()
		b.failing, b.offline = fails("boss", "ops"), true
		b.pass(10 * time.Minute)
		b.expectHeard()
	})

	It("is over where it is gone from the settings", func() {
		b := two()
		b.failing = fails("boss")
		b.pass(6 * time.Minute)
		b.update(func(o *Options) { o.Receivers = o.Receivers[:1] })
		b.expectHeard("ops: firing receiver-failing", "ops: resolved receiver-failing")
	})
})

var _ = Describe("a rule that cannot be evaluated", func() {
	It("leaves its alert as it is, and is shown until it can be", func() {
		b := newBench(rule.Rule{Name: "load", Expr: "data.load > 90"})
		b.record("eu", store.StateUp, `{"load":95}`)
		b.expectHeard("ops: firing load eu")
		b.record("eu", store.StateUp, `{"load":"much"}`)
		b.record("eu", store.StateUp, `{"load":"more"}`)
		b.expectHeard()
		Expect(b.alerts()).To(Equal([]string{"firing load eu"}))
		Expect(b.content().Problems).To(ConsistOf(And(HaveField("Rule", "load"), HaveField("Region", "eu"), HaveField("Sentence", Not(BeEmpty())))))
		b.record("eu", store.StateUp, `{"load":1}`)
		b.expectHeard("ops: resolved load eu")
		Expect(b.content().Problems).To(BeEmpty())
	})

	It("is not meant where a region that is down has had no value yet", func() {
		b := newBench(rule.Rule{Name: "load", Expr: "data.load > 90"})
		b.poll("eu", store.StateDown)
		Expect(b.content().Problems).To(BeEmpty())
		b.record("eu", store.StateUp, `{}`)
		Expect(b.content().Problems).To(HaveLen(1))
	})

	It("is shown no more when it is gone", func() {
		b := newBench(rule.Rule{Name: "load", Expr: "data.load > 90"})
		b.record("eu", store.StateUp, `{"load":"much"}`)
		Expect(b.content().Problems).To(HaveLen(1))
		b.update(func(o *Options) { o.Rules = nil })
		Expect(b.content().Problems).To(BeEmpty())
	})
})
