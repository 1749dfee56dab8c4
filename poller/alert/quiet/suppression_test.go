package quiet_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/quiet"
	"github.com/devops-insights/devops-insights/store"
)

var _ = Describe("an alert is not told", func() {
	silence := func(i *instance, n quiet.NewSilence) alert.Silence {
		GinkgoHelper()
		s, created, err := i.AddSilence(ctx, "acme", n, jo)
		Expect(err).NotTo(HaveOccurred())
		Expect(created).To(BeTrue())
		return s
	}

	It("while a silence of its labels lasts, on every instance", func() {
		on := new(records)
		here, there := begin(on).run(), begin(on).run()
		s := silence(here, quiet.NewSilence{Matchers: inEU, For: time.Hour, Comment: "we know"})
		Expect(s).To(Equal(alert.Silence{
			ID: s.ID, API: "acme", Matchers: inEU, StartsAt: noon, EndsAt: after(time.Hour), CreatedBy: "Jo", Comment: "we know", CreatedAt: noon,
		}))
		until := after(time.Hour)
		Expect(here.quiets("acme", eu)).To(Equal(&alert.Suppression{By: "silence", ID: s.ID, Until: &until}))
		Eventually(func() *alert.Suppression { return there.quiets("acme", eu) }, "15s").Should(Equal(&alert.Suppression{By: "silence", ID: s.ID, Until: &until}))
		Expect(there.quiets("acme", us)).To(BeNil())
		Expect(there.quiets("other", eu)).To(BeNil())
		Expect(there.Silences("acme")).To(Equal([]alert.Silence{s}))
		there.clock.set(after(time.Hour - time.Millisecond))
		Expect(there.quiets("acme", eu)).NotTo(BeNil())
		there.clock.set(after(time.Hour))
		Expect(there.quiets("acme", eu)).To(BeNil())
		Expect(there.Silences("acme")).To(BeEmpty())
	})

	It("not before a silence begins, and not after it was ended", func() {
		on := new(records)
		here, there := begin(on).run(), begin(on).run()
		s := silence(here, quiet.NewSilence{Matchers: inEU, StartsAt: after(time.Hour), EndsAt: after(2 * time.Hour)})
		Expect(here.quiets("acme", eu)).To(BeNil())
		here.clock.set(after(90 * time.Minute))
		there.clock.set(after(90 * time.Minute))
		Expect(here.quiets("acme", eu)).NotTo(BeNil())
		Eventually(func() *alert.Suppression { return there.quiets("acme", eu) }, "15s").ShouldNot(BeNil())
		ended, err := there.EndSilence(ctx, "acme", s.ID, kim)
		Expect(err).NotTo(HaveOccurred())
		Expect(ended).To(And(HaveField("EndedBy", "Kim"), HaveField("EndsAt", after(90*time.Minute)), HaveField("StartsAt", after(time.Hour))))
		Expect(there.quiets("acme", eu)).To(BeNil())
		Eventually(func() *alert.Suppression { return here.quiets("acme", eu) }, "15s").Should(BeNil())
		again, err := here.EndSilence(ctx, "acme", s.ID, jo)
		Expect(err).NotTo(HaveOccurred())
		Expect(again).To(Equal(ended), "it stays as it was ended")
	})

	DescribeTable("by matchers as Alertmanager has them", func(m alert.Matcher, matching bool) {
		i := begin(new(records))
		silence(i, quiet.NewSilence{Matchers: []alert.Matcher{{Name: "api", Value: "acme", IsEqual: true}, m}, For: time.Hour})
		Expect(i.quiets("acme", eu) != nil).To(Equal(matching))
	},
		Entry("=", alert.Matcher{Name: "region", Value: "eu-west", IsEqual: true}, true),
		Entry("= of a part", alert.Matcher{Name: "region", Value: "eu", IsEqual: true}, false),
		Entry("!=", alert.Matcher{Name: "region", Value: "us-east"}, true),
		Entry("!= of the same", alert.Matcher{Name: "region", Value: "eu-west"}, false),
		Entry("=~", alert.Matcher{Name: "region", Value: "eu-.*|us-.*", IsRegex: true, IsEqual: true}, true),
		Entry("=~ of a part", alert.Matcher{Name: "region", Value: "eu|west", IsRegex: true, IsEqual: true}, false),
		Entry("=~ in other letters", alert.Matcher{Name: "region", Value: "(?i)EU-WEST", IsRegex: true, IsEqual: true}, true),
		Entry("!~", alert.Matcher{Name: "region", Value: "us-.*", IsRegex: true}, true),
		Entry("!~ of a part", alert.Matcher{Name: "region", Value: "eu", IsRegex: true}, true),
		Entry("!~ of all", alert.Matcher{Name: "region", Value: "eu-.*", IsRegex: true}, false),
		Entry("a label that is missing is empty", alert.Matcher{Name: "team", Value: "", IsEqual: true}, true),
		Entry("a label that is missing is no text", alert.Matcher{Name: "team", Value: ".+", IsRegex: true, IsEqual: true}, false),
	)

	It("while there is maintenance of the settings, of its region and its API", func() {
		i := begin(new(records), quiet.Planned{Name: "move", Title: "Move", APIs: []string{"acme"}, Regions: []string{"eu-west"}, Start: noon, End: after(time.Hour), Announce: time.Hour})
		until := after(time.Hour)
		Expect(i.quiets("acme", eu)).To(Equal(&alert.Suppression{By: "maintenance", ID: "move", Until: &until}))
		Expect(i.quiets("acme", us)).To(BeNil())
		Expect(i.quiets("acme", whole)).To(BeNil(), "an alert over all regions is about the others too")
		Expect(i.quiets("other", eu)).To(BeNil())
		Expect(i.Windows("acme")).To(Equal([]alert.Window{{
			ID: "move", API: "acme", Title: "Move", Regions: []string{"eu-west"}, StartsAt: noon, EndsAt: after(time.Hour), AnnounceAt: after(-time.Hour),
			State: "active", Settings: true,
		}}))
		Expect(i.Windows("other")).To(BeEmpty())
		Expect(i.Update(nil)).To(Succeed())
		Expect(i.quiets("acme", eu)).To(BeNil())
	})

	It("while there is maintenance of all regions, whatever it is about", func() {
		i := begin(new(records), quiet.Planned{Name: "all", Start: noon, End: after(time.Hour)})
		for _, labels := range []map[string]string{eu, us, whole} {
			Expect(i.quiets("acme", labels)).NotTo(BeNil())
			Expect(i.quiets("other", labels)).NotTo(BeNil())
		}
	})

	It("in each time of a window that comes again", func() {
		i := begin(new(records), quiet.Planned{Name: "nightly", Cron: "0 3 * * *", Duration: time.Hour, Announce: 2 * time.Hour}).run()
		Expect(i.quiets("acme", eu)).To(BeNil())
		windows := i.Windows("acme")
		Expect(windows).To(HaveLen(20))
		Expect(windows[0]).To(And(HaveField("Title", "nightly"), HaveField("StartsAt", after(15*time.Hour)), HaveField("State", "scheduled"), HaveField("AnnounceAt", after(13*time.Hour))))
		i.clock.set(after(15*time.Hour + 20*24*time.Hour)) // beyond what was known
		Eventually(func() *alert.Suppression { return i.quiets("acme", eu) }, "15s").ShouldNot(BeNil())
		Expect(i.Windows("acme")[0].State).To(Equal("active"))
	})

	It("for the reason that lasts longest, always the same of equal ones", func() {
		i := begin(new(records), quiet.Planned{Name: "move", Start: noon, End: after(time.Hour)})
		silence(i, quiet.NewSilence{ID: "equal", Matchers: inEU, For: time.Hour})
		Expect(i.quiets("acme", eu)).To(HaveField("By", "maintenance"))
		silence(i, quiet.NewSilence{ID: "longer", Matchers: inEU, For: 2 * time.Hour})
		Expect(i.quiets("acme", eu)).To(HaveField("ID", "longer"))
		i.clock.set(after(90 * time.Minute))
		Expect(i.quiets("acme", eu)).To(HaveField("ID", "longer"))
	})

	It("as long as it is known, also while the store is away", func() {
		on := new(records)
		i := begin(on).run()
		silence(i, quiet.NewSilence{Matchers: inEU, For: time.Hour})
		on.fail(errAway)
		Eventually(i.Failing, "15s").Should(Equal(noon))
		Expect(i.quiets("acme", eu)).NotTo(BeNil())
		_, _, err := i.AddSilence(ctx, "acme", quiet.NewSilence{Matchers: inEU, For: time.Hour}, jo)
		Expect(err).To(MatchError(errAway))
		on.fail(nil)
		Eventually(i.Failing, "15s").Should(BeZero())
		Expect(i.quiets("acme", eu)).NotTo(BeNil())
		Expect(i.logs.AllEntries()).To(ContainElements(
			HaveField("Message", ContainSubstring("cannot be read from the store: those that are known stay valid")),
			HaveField("Message", ContainSubstring("can be read from the store again")),
		))
	})

	It("not by what nobody can read, which is told once", func() {
		on := new(records)
		Expect(on.PutRecord(ctx, store.Record{Kind: store.RecordSilence, API: "acme", ID: "torn", At: after(time.Hour), Version: 1, Data: []byte(`{"matchers":[`)})).To(Succeed())
		Expect(on.PutRecord(ctx, store.Record{Kind: store.RecordSilence, API: "acme", ID: "all", At: after(time.Hour), Version: 1, Data: []byte(`{"matchers":[]}`)})).To(Succeed())
		i := begin(on).run()
		good := silence(i, quiet.NewSilence{Matchers: inEU, For: time.Minute})
		Expect(i.Silences("acme")).To(ConsistOf(good))
		Expect(i.quiets("acme", us)).To(BeNil())
		told := 0
		for _, e := range i.logs.AllEntries() {
			if strings.Contains(e.Message, "is left out") {
				told++
			}
		}
		Expect(told).To(Equal(2))
	})
})

var _ = Describe("before the store was read", func() {
	It("one can wait for it", func() {
		on := &records{away: errAway}
		i := begin(on)
		short, cancel := context.WithCancel(ctx)
		cancel()
		Expect(i.Await(short)).To(MatchError(context.Canceled))
		on.fail(nil)
		i.run()
		Expect(i.Await(ctx)).To(Succeed())
	})
})

var _ = Describe("old records", func() {
	It("are deleted after two years", func() {
		on := new(records)
		for i, age := range []int{-3, -1} {
			Expect(on.PutRecord(ctx, store.Record{Kind: store.RecordAck, API: "acme", ID: fmt.Sprint(i), At: noon.AddDate(age, 0, 0), Version: 1, Data: []byte(`{}`)})).To(Succeed())
		}
		begin(on).run()
		Eventually(func() []store.Record {
			found, _ := on.FindRecords(ctx, store.RecordQuery{Kind: store.RecordAck, Limit: 10})
			return found
		}, "15s").Should(ConsistOf(HaveField("ID", "1")))
	})
})
