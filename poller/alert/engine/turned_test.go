package engine

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"github.com/devops-insights/devops-insights/poller/alert/rule"
	"github.com/devops-insights/devops-insights/store"
)

var _ = Describe("the log of alerts", func() {
	var b *bench
	var hook *test.Hook
	// lines are those of the level info since the last time.
	lines := func() (all []string) {
		for _, e := range hook.AllEntries() {
			if e.Level == logrus.InfoLevel && e.Data["incident"] != nil {
				all = append(all, fmt.Sprint(e.Message, " ", e.Data["api"], " ", e.Data["rule"], " ", e.Data["region"], " ", e.Data["severity"]))
			}
			for _, value := range e.Data {
				Expect(fmt.Sprint(value)).NotTo(ContainSubstring("hidden"))
			}
		}
		hook.Reset()
		return all
	}
	BeforeEach(func() {
		b = newBench(down(func(r *rule.Rule) { r.Summary = "hidden" }))
		b.opts.Logger, hook = test.NewNullLogger()
		b.start(2)
	})

	It("has a line when one begins to fire and one when it is over, without its texts", func() {
		b.poll("eu", store.StateDown)
		Expect(lines()).To(Equal([]string{"an alert fires acme down eu critical"}))
		b.polls(3, "eu", store.StateDown)
		b.start(3)
		Expect(lines()).To(BeEmpty(), "nothing has changed")
		b.poll("eu", store.StateUp)
		Expect(lines()).To(Equal([]string{"an alert is over acme down eu critical"}))
	})

	It("says it once that is in the store, and of one's own write whose answer was lost once", func() {
		b.store.before = func(string) error { return errAway }
		b.poll("eu", store.StateDown)
		Expect(lines()).To(BeEmpty())
		b.store.before, b.store.after = nil, func(string) error { return errAway }
		b.pass(maxPause)
		Expect(lines()).To(BeEmpty(), "nobody knows that it is there")
		b.store.after = nil
		b.pass(maxPause)
		Expect(lines()).To(Equal([]string{"an alert fires acme down eu critical"}))
	})

	It("keeps no more than some while the store is away", func() {
		b.store.before = func(string) error { return errAway }
		for range maxTurned/2 + 5 {
			b.poll("eu", store.StateDown)
			b.poll("eu", store.StateUp)
			b.clock.pass(time.Second)
		}
		b.store.before = nil
		b.pass(maxPause)
		Expect(lines()).To(HaveLen(maxTurned))
	})
})
