package quiet_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"

	"github.com/devops-insights/devops-insights/poller/alert/quiet"
)

var _ = Describe("who shows maintenance", func() {
	of := func(api, id, state string) types.GomegaMatcher {
		return And(HaveField("API", api), HaveField("ID", id), HaveField("State", state))
	}

	It("hears once when a window is announced, begins and ends", func() {
		i, told := listen(new(records), quiet.Planned{Name: "nightly", APIs: []string{"acme"}, Cron: "0 3 * * *", Duration: time.Hour, Announce: time.Hour})
		Consistently(told, "50ms").ShouldNot(Receive())
		for _, step := range []struct {
			at    time.Duration
			state string
		}{
			{14 * time.Hour, "scheduled"}, {15 * time.Hour, "active"}, {16 * time.Hour, "ended"},
			{38 * time.Hour, "scheduled"}, {39 * time.Hour, "active"}, {40 * time.Hour, "ended"},
		} {
			i.clock.set(after(step.at))
			Eventually(told, "15s").Should(Receive(of("acme", "nightly", step.state)))
			Consistently(told, "20ms").ShouldNot(Receive())
		}
	})

	It("hears of every API that is meant", func() {
		_, told := listen(new(records), quiet.Planned{Name: "all", Start: noon, End: after(time.Hour)})
		Eventually(told, "15s").Should(Receive(of("acme", "all", "active")))
		Eventually(told, "15s").Should(Receive(of("other", "all", "active")))
	})

	It("hears of what people plan and end, on every instance", func() {
		on := new(records)
		here, told := listen(on)
		there := begin(on)
		w, _, err := there.AddWindow(ctx, "acme", quiet.NewWindow{ID: "move", Title: "Move", StartsAt: after(time.Hour), For: time.Hour, Announce: 2 * time.Hour}, jo)
		Expect(err).NotTo(HaveOccurred())
		Eventually(told, "15s").Should(Receive(Equal(w)))
		_, err = there.EndWindow(ctx, "acme", "move", kim)
		Expect(err).NotTo(HaveOccurred())
		Eventually(told, "15s").Should(Receive(And(of("acme", "move", "ended"), HaveField("EndsAt", noon))))
		Expect(here.Windows("acme")).To(BeEmpty())
	})

	It("hears that one is over that stands in the settings no more, or was changed there", func() {
		move := quiet.Planned{Name: "move", APIs: []string{"acme"}, Start: noon, End: after(time.Hour)}
		i, told := listen(new(records), move)
		Eventually(told, "15s").Should(Receive(of("acme", "move", "active")))
		move.End = after(2 * time.Hour)
		Expect(i.Update([]quiet.Planned{move})).To(Succeed())
		Eventually(told, "15s").Should(Receive(And(of("acme", "move", "active"), HaveField("EndsAt", after(2*time.Hour)))))
		Expect(i.Update(nil)).To(Succeed())
		Eventually(told, "15s").Should(Receive(of("acme", "move", "ended")))
	})
})
