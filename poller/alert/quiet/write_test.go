package quiet_test

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/quiet"
	"github.com/devops-insights/devops-insights/store"
)

var _ = Describe("a request that is sent again", func() {
	for _, what := range []string{"on the same instance", "on another one", "by another one at the same moment", "after its end", "while a clock goes on"} {
		It("makes no second silence: "+what, func() {
			on := new(records)
			here, there := begin(on), begin(on)
			n := quiet.NewSilence{ID: "deploy-17", Matchers: inEU, For: time.Hour}
			var first alert.Silence
			send := func(i *instance) alert.Silence {
				GinkgoHelper()
				s, created, err := i.AddSilence(ctx, "acme", n, jo)
				Expect(err).NotTo(HaveOccurred())
				Expect(created).To(Equal(first.ID == ""))
				return s
			}
			again := here
			switch what {
			case "by another one at the same moment":
				on.before = func() { first = send(there) }
				Expect(send(here)).To(Equal(first))
			default:
				first = send(here)
			}
			switch what {
			case "on another one":
				again = there
			case "after its end":
				here.clock.set(after(48 * time.Hour))
			case "while a clock goes on":
				here.clock.set(after(time.Minute))
			}
			Expect(send(again)).To(Equal(first))
			Expect(on.all).To(HaveLen(1))
		})
	}

	It("makes no second window", func() {
		on := new(records)
		here := begin(on)
		n := quiet.NewWindow{ID: "move", Title: "Move", StartsAt: after(time.Hour), EndsAt: after(2 * time.Hour), Announce: time.Hour}
		w, created, err := here.AddWindow(ctx, "acme", n, jo)
		Expect(err).NotTo(HaveOccurred())
		Expect(created).To(BeTrue())
		Expect(w).To(Equal(alert.Window{
			ID: "move", API: "acme", Title: "Move", StartsAt: after(time.Hour), EndsAt: after(2 * time.Hour), AnnounceAt: noon, State: "scheduled", CreatedBy: "Jo",
		}))
		again, created, err := begin(on).AddWindow(ctx, "acme", n, jo)
		Expect(err).NotTo(HaveOccurred())
		Expect(created).To(BeFalse())
		Expect(again).To(Equal(w))
		here.clock.set(after(3 * time.Hour))
		again, created, err = here.AddWindow(ctx, "acme", n, jo)
		Expect(err).NotTo(HaveOccurred())
		Expect(created).To(BeFalse())
		Expect(again.State).To(Equal("ended"))
	})

	It("for something else with the same id is refused", func() {
		i := begin(new(records), quiet.Planned{Name: "nightly", Cron: "0 3 * * *", Duration: time.Hour})
		n := quiet.NewSilence{ID: "x", Matchers: inEU, For: time.Hour}
		_, _, err := i.AddSilence(ctx, "acme", n, jo)
		Expect(err).NotTo(HaveOccurred())
		_, _, err = i.AddSilence(ctx, "acme", n, kim)
		Expect(err).To(MatchError(quiet.ErrTaken))
		n.For = 2 * time.Hour
		_, _, err = i.AddSilence(ctx, "acme", n, jo)
		Expect(err).To(MatchError(quiet.ErrTaken))
		_, created, err := i.AddSilence(ctx, "other", n, jo)
		Expect(err).NotTo(HaveOccurred())
		Expect(created).To(BeTrue(), "each API has its own")
		_, _, err = i.AddWindow(ctx, "acme", quiet.NewWindow{ID: "nightly", Title: "x", For: time.Hour}, jo)
		Expect(err).To(MatchError(quiet.ErrTaken))
	})
})

var _ = Describe("maintenance that people plan", func() {
	It("quiets its regions, is shown, and ends when somebody ends it", func() {
		on := new(records)
		here, there := begin(on).run(), begin(on).run()
		w, _, err := here.AddWindow(ctx, "acme", quiet.NewWindow{Title: "Move", Regions: []string{"eu-west"}, For: time.Hour}, jo)
		Expect(err).NotTo(HaveOccurred())
		Eventually(func() []alert.Window { return there.Windows("acme") }, "15s").Should(Equal([]alert.Window{w}))
		Expect(there.quiets("acme", eu)).To(And(HaveField("By", "maintenance"), HaveField("ID", w.ID)))
		Expect(there.quiets("acme", us)).To(BeNil())
		ended, err := there.EndWindow(ctx, "acme", w.ID, kim)
		Expect(err).NotTo(HaveOccurred())
		Expect(ended).To(And(HaveField("State", "ended"), HaveField("EndedBy", "Kim")))
		Expect(there.quiets("acme", eu)).To(BeNil())
		Eventually(func() []alert.Window { return here.Windows("acme") }, "15s").Should(BeEmpty())
	})

	It("can be called off", func() {
		i := begin(new(records))
		w, _, err := i.AddWindow(ctx, "acme", quiet.NewWindow{Title: "Move", StartsAt: after(60 * 24 * time.Hour), For: time.Hour}, jo)
		Expect(err).NotTo(HaveOccurred())
		Expect(i.Windows("acme")).To(HaveLen(1), "however far ahead")
		ended, err := i.EndWindow(ctx, "acme", w.ID, kim)
		Expect(err).NotTo(HaveOccurred())
		Expect(ended).To(And(HaveField("StartsAt", noon), HaveField("EndsAt", noon), HaveField("State", "ended")))
	})

	It("of the settings is ended there", func() {
		i := begin(new(records), quiet.Planned{Name: "nightly", Cron: "0 3 * * *", Duration: time.Hour})
		_, err := i.EndWindow(ctx, "acme", "nightly", jo)
		Expect(err).To(MatchError(quiet.ErrSettings))
	})
})

var _ = Describe("an acknowledgement", func() {
	It("is known on every instance; the last word counts", func() {
		on := new(records)
		here, there := begin(on).run(), begin(on).run()
		ack, err := here.Acknowledge(ctx, "acme", "0123456789abcdef-1", "I look at it", jo)
		Expect(err).NotTo(HaveOccurred())
		Expect(ack).To(Equal(alert.Ack{By: "Jo", Comment: "I look at it", At: noon}))
		known := func() *alert.Ack { return there.Of("acme").Ack("0123456789abcdef-1") }
		Eventually(known, "15s").Should(Equal(&ack))
		Expect(there.Of("acme").Ack("0123456789abcdef-2")).To(BeNil())
		Expect(there.Of("other").Ack("0123456789abcdef-1")).To(BeNil())
		there.clock.set(after(time.Minute))
		same, err := there.Acknowledge(ctx, "acme", "0123456789abcdef-1", "I look at it", jo)
		Expect(err).NotTo(HaveOccurred())
		Expect(same).To(Equal(ack), "said again it is the same")
		_, err = there.Acknowledge(ctx, "acme", "0123456789abcdef-1", "", kim)
		Expect(err).NotTo(HaveOccurred())
		Eventually(func() *alert.Ack { return here.Of("acme").Ack("0123456789abcdef-1") }, "15s").Should(Equal(&alert.Ack{By: "Kim", At: after(time.Minute)}))
	})

	It("is not lost where two people speak at one time", func() {
		on := new(records)
		here, there := begin(on), begin(on)
		on.before = func() {
			_, err := there.Acknowledge(ctx, "acme", "i-1", "", kim)
			Expect(err).NotTo(HaveOccurred())
		}
		_, err := here.Acknowledge(ctx, "acme", "i-1", "", jo)
		Expect(err).NotTo(HaveOccurred())
		Expect(on.all).To(ConsistOf(And(HaveField("Version", int64(2)), HaveField("ID", "i-1"))))
	})
})

var _ = Describe("what people write", func() {
	long := strings.Repeat("x", 3000)
	many := func(m alert.Matcher, n int) (all []alert.Matcher) {
		for range n {
			all = append(all, m)
		}
		return all
	}
	expr := func(value string) []alert.Matcher {
		return []alert.Matcher{{Name: "region", Value: value, IsRegex: true, IsEqual: true}}
	}

	DescribeTable("is refused as a silence with a sentence", func(change func(*quiet.NewSilence, *quiet.Who), parts ...string) {
		on := new(records)
		i := begin(on)
		n, who := quiet.NewSilence{Matchers: inEU, For: time.Hour}, jo
		change(&n, &who)
		_, _, err := i.AddSilence(ctx, "acme", n, who)
		var refused *quiet.Refused
		Expect(err).To(BeAssignableToTypeOf(refused), "%v", err)
		for _, part := range parts {
			Expect(err.Error()).To(ContainSubstring(part))
		}
		Expect(on.all).To(BeEmpty())
		Expect(i.audited()).To(ConsistOf(And(HaveKeyWithValue("result", "refused"), HaveKeyWithValue("action", "add_silence"))))
	},
		Entry("of nobody", func(_ *quiet.NewSilence, w *quiet.Who) { w.Name = "" }, "who", "1 to 100"),
		Entry("of a long name", func(_ *quiet.NewSilence, w *quiet.Who) { w.Name = long }, "who"),
		Entry("of no text", func(_ *quiet.NewSilence, w *quiet.Who) { w.Name = "\xff" }, "who"),
		Entry("with a long comment", func(n *quiet.NewSilence, _ *quiet.Who) { n.Comment = long }, "comment", "1000"),
		Entry("with an id of two words", func(n *quiet.NewSilence, _ *quiet.Who) { n.ID = "two words" }, "id", "two words"),
		Entry("without matchers", func(n *quiet.NewSilence, _ *quiet.Who) { n.Matchers = nil }, "matchers", "1 to 20"),
		Entry("with many matchers", func(n *quiet.NewSilence, _ *quiet.Who) { n.Matchers = many(inEU[0], 21) }, "21 matchers"),
		Entry("with much text", func(n *quiet.NewSilence, _ *quiet.Who) {
			n.Matchers = many(alert.Matcher{Name: "a", Value: long[:500], IsEqual: true}, 20)
		}, "matchers", "6144"),
		Entry("with no name of a label", func(n *quiet.NewSilence, _ *quiet.Who) { n.Matchers = []alert.Matcher{{Value: "x", IsEqual: true}} }, "matchers[0]", "name"),
		Entry("with a long value", func(n *quiet.NewSilence, _ *quiet.Who) {
			n.Matchers = []alert.Matcher{{Name: "x", Value: long, IsEqual: true}}
		}, "matchers[0]", "500"),
		Entry("with a broken expression", func(n *quiet.NewSilence, _ *quiet.Who) { n.Matchers = expr("eu-(") }, "matchers[0]", "region", "expression"),
		Entry("with an expression that ends ours", func(n *quiet.NewSilence, _ *quiet.Who) { n.Matchers = expr(".*)|(.*") }, "expression"),
		Entry("with an expression that RE2 has not", func(n *quiet.NewSilence, _ *quiet.Who) { n.Matchers = expr(`(a)\1`) }, "expression"),
		Entry("with an expression that grows", func(n *quiet.NewSilence, _ *quiet.Who) { n.Matchers = expr(strings.Repeat("x{1000}", 60)) }, "too large"),
		Entry("for everything", func(n *quiet.NewSilence, _ *quiet.Who) { n.Matchers = expr(".*") }, "without any label", ".+"),
		Entry("without an end", func(n *quiet.NewSilence, _ *quiet.Who) { n.For = 0 }, "end", "duration"),
		Entry("with two ends", func(n *quiet.NewSilence, _ *quiet.Who) { n.EndsAt = after(time.Hour) }, "end", "duration"),
		Entry("that is over", func(n *quiet.NewSilence, _ *quiet.Who) { n.For, n.EndsAt = 0, after(-time.Hour) }, "past"),
		Entry("that ends before it begins", func(n *quiet.NewSilence, _ *quiet.Who) {
			n.For, n.StartsAt, n.EndsAt = 0, after(2*time.Hour), after(time.Hour)
		}, "not after"),
		Entry("that lasts for less than nothing", func(n *quiet.NewSilence, _ *quiet.Who) { n.For = -time.Hour }, "negative"),
		Entry("that lasts for years", func(n *quiet.NewSilence, _ *quiet.Who) { n.For = 20000 * time.Hour }, "366 days"),
		Entry("that begins in years", func(n *quiet.NewSilence, _ *quiet.Who) { n.StartsAt = noon.AddDate(3, 0, 0) }, "ahead"),
	)

	DescribeTable("is refused as maintenance with a sentence", func(change func(*quiet.NewWindow), parts ...string) {
		on := new(records)
		i := begin(on)
		n := quiet.NewWindow{Title: "Move", For: time.Hour}
		change(&n)
		_, _, err := i.AddWindow(ctx, "acme", n, jo)
		var refused *quiet.Refused
		Expect(err).To(BeAssignableToTypeOf(refused), "%v", err)
		for _, part := range parts {
			Expect(err.Error()).To(ContainSubstring(part))
		}
		Expect(on.all).To(BeEmpty())
	},
		Entry("without a title", func(n *quiet.NewWindow) { n.Title = "" }, "title"),
		Entry("with a long title", func(n *quiet.NewWindow) { n.Title = long }, "title", "200"),
		Entry("with a long comment", func(n *quiet.NewWindow) { n.Comment = long }, "comment"),
		Entry("of a region of another API", func(n *quiet.NewWindow) { n.Regions = []string{"mars"} }, "mars", "eu-west"),
		Entry("of a region twice", func(n *quiet.NewWindow) { n.Regions = []string{"eu-west", "eu-west"} }, "twice"),
		Entry("announced for years", func(n *quiet.NewWindow) { n.Announce = 9999 * time.Hour }, "announce", "30 days"),
		Entry("with a bad id", func(n *quiet.NewWindow) { n.ID = "../x" }, "id"),
		Entry("without an end", func(n *quiet.NewWindow) { n.For = 0 }, "end"),
		Entry("of months", func(n *quiet.NewWindow) { n.For = 800 * time.Hour }, "31 days"),
	)

	It("is bounded in number", func() {
		i := begin(new(records))
		for n := range 500 {
			_, _, err := i.AddSilence(ctx, "acme", quiet.NewSilence{ID: fmt.Sprint(n), Matchers: inEU, For: time.Hour}, jo)
			Expect(err).NotTo(HaveOccurred())
		}
		_, _, err := i.AddSilence(ctx, "acme", quiet.NewSilence{Matchers: inEU, For: time.Hour}, jo)
		Expect(err).To(MatchError(quiet.ErrFull))
		_, _, err = i.AddSilence(ctx, "other", quiet.NewSilence{Matchers: inEU, For: time.Hour}, jo)
		Expect(err).NotTo(HaveOccurred())
		_, err = i.EndSilence(ctx, "acme", "7", jo)
		Expect(err).NotTo(HaveOccurred())
		_, _, err = i.AddSilence(ctx, "acme", quiet.NewSilence{Matchers: inEU, For: time.Hour}, jo)
		Expect(err).NotTo(HaveOccurred())
	})

	It("is not found under what is no id", func() {
		i := begin(new(records))
		for _, id := range []string{"nothing", "", "two words", long} {
			_, err := i.EndSilence(ctx, "acme", id, jo)
			Expect(err).To(MatchError(store.ErrNotFound))
			_, err = i.EndWindow(ctx, "acme", id, jo)
			Expect(err).To(MatchError(store.ErrNotFound))
		}
	})

	It("is audited: one line for each", func() {
		on := new(records)
		i := begin(on)
		s, _, err := i.AddSilence(ctx, "acme", quiet.NewSilence{ID: "s1", Matchers: inEU, For: time.Hour}, jo)
		Expect(err).NotTo(HaveOccurred())
		_, err = i.EndSilence(ctx, "acme", s.ID, kim)
		Expect(err).NotTo(HaveOccurred())
		_, err = i.EndSilence(ctx, "acme", s.ID, kim)
		Expect(err).NotTo(HaveOccurred())
		_, err = i.Acknowledge(ctx, "acme", "i-1", "", jo)
		Expect(err).NotTo(HaveOccurred())
		on.fail(errAway)
		_, _, err = i.AddWindow(ctx, "acme", quiet.NewWindow{ID: "w1", Title: "Move", For: time.Hour}, jo)
		Expect(err).To(MatchError(errAway))
		line := func(action, who, address, id, result string) logrus.Fields {
			return logrus.Fields{"audit": true, "action": action, "who": who, "address": address, "api": "acme", "id": id, "result": result}
		}
		var lines []logrus.Fields
		for _, l := range i.audited() {
			delete(l, "request_id")
			delete(l, "error")
			lines = append(lines, l)
		}
		Expect(lines).To(Equal([]logrus.Fields{
			line("add_silence", "Jo", jo.Address, "s1", "created"), line("end_silence", "Kim", kim.Address, "s1", "ended"), line("end_silence", "Kim", kim.Address, "s1", "unchanged"),
			line("acknowledge", "Jo", jo.Address, "i-1", "acknowledged"), line("add_maintenance", "Jo", jo.Address, "w1", "failed"),
		}))
	})
})
