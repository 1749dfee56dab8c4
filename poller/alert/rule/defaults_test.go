package rule

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/store"
)

var _ = Describe("the rules without settings", func() {
	byName := func(name string) *Compiled {
		GinkgoHelper()
		for _, r := range Defaults(3) {
			if r.Name == name {
				made, err := Compile(r)
				Expect(err).NotTo(HaveOccurred())
				return made
			}
		}
		Fail("there is no rule " + name)
		return nil
	}

	It("are marked, and are about down, stale and the network", func() {
		var all []string
		for _, r := range Defaults(3) {
			Expect(r.BuiltIn).To(BeTrue())
			all = append(all, fmt.Sprint(r.Name, " ", r.Over, " ", r.Severity, " ", r.ForPolls, " ", r.For))
		}
		Expect(all).To(Equal([]string{"region-down region critical 3 0s", "data-stale region warning 0 0s", "own-network all critical 0 0s"}))
		Expect(Defaults(0)[0].ForPolls).To(Equal(1))
	})

	It("wake with a sentence that says where, for how long and why", func() {
		f := overRegion(func(f *Facts) {
			f.Region.State, f.Region.Reason, f.Region.ValueAt = store.StateDown, "TIMEOUT", at.Add(-95*time.Second)
		})
		down := byName(RegionDown)
		Expect(down.Holds(f)).To(BeTrue())
		summary, description := down.Describe(f)
		Expect(summary).To(Equal("eu-west of acme is down for 3 polls: it does not answer in time (TIMEOUT)"))
		Expect(description).To(Equal("No value has come for 1 minute 35 seconds."))

		f.Region.ValueAt, f.Region.Failures, f.Region.Reason = time.Time{}, 0, "on fire"
		summary, description = down.Describe(f)
		Expect(summary).To(Equal(`eu-west of acme is down: it says "on fire"`))
		Expect(description).To(Equal("No value has ever come."))
	})

	It("tell of old data, but not twice where the region is down", func() {
		stale := byName(DataStale)
		f := overRegion(func(f *Facts) { f.Region.Stale = true })
		Expect(stale.Holds(f)).To(BeFalse(), "region-down tells it")
		f.Region.State = store.StateUp
		Expect(stale.Holds(f)).To(BeTrue())
		summary, description := stale.Describe(f)
		Expect(summary).To(Equal("eu-west of acme has sent no value for 1 minute"))
		Expect(description).To(Equal("What dashboards show is old. The last known state is up."))
		f.Region.ValueAt = time.Time{}
		summary, _ = stale.Describe(f)
		Expect(summary).To(Equal("eu-west of acme has never sent a value"))
	})

	It("tell once of the network", func() {
		network := byName(OwnNetwork)
		f := overAll(func(f *Facts) { f.Offline = true })
		Expect(network.Holds(f)).To(BeTrue())
		Expect(network.Holds(overAll())).To(BeFalse())
		summary, description := network.Describe(f)
		Expect(summary).To(Equal("The network of the monitor fails: nothing is known of acme"))
		Expect(description).To(ContainSubstring("The state of eu-west, us-east and sa-east is unknown until the network is back"))
		Expect(network.Rule().Severity).To(Equal(alert.Critical))
	})
})
