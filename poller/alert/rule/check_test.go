package rule

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/poller/alert"
)

var _ = Describe("a rule", func() {
	DescribeTable("is refused for", func(change func(*Rule), sentence string) {
		r := Rule{Name: "cpu-high", Expr: "down"}
		change(&r)
		_, err := Compile(r)
		Expect(wrong(err)).To(HavePrefix(sentence))
	},
		Entry("no name", func(r *Rule) { r.Name = "" }, `name: "" is no name of a rule`),
		Entry("a name of two lines", func(r *Rule) { r.Name = "a\nb" }, `name: "a\nb" is no name of a rule`),
		Entry("a name that is too long", func(r *Rule) { r.Name = strings.Repeat("n", 101) }, "name: "),
		Entry("what it is over", func(r *Rule) { r.Over = "world" }, `over: "world" is not possible: a rule is over region or all`),
		Entry("a severity", func(r *Rule) { r.Severity = "page" }, `severity: "page" is not possible: a severity is critical, warning or info`),
		Entry("time and polls at once", func(r *Rule) { r.For, r.ForPolls = time.Minute, 3 }, "for: a time and a number of polls"),
		Entry("too many polls", func(r *Rule) { r.ForPolls = 1001 }, "for: 1001 polls are not possible"),
		Entry("polls of all regions", func(r *Rule) { r.ForPolls, r.Expr = 3, "count(down) > 1" }, "for: a rule over all regions has no polls to count"),
		Entry("a time that is too long", func(r *Rule) { r.For = 91 * day }, "for: 2184h0m0s is not possible: at most 90 days are"),
		Entry("a time before", func(r *Rule) { r.KeepFor = -1 }, "keep_for: -1ns is not possible"),
		Entry("reminders without an end", func(r *Rule) { r.Reminder = time.Second }, "reminder: 1s is too short: at least 1m0s is possible"),
		Entry("an empty region", func(r *Rule) { r.Regions = []string{"eu-west", ""} }, "regions: an empty name is in the list"),
		Entry("the name of a label", func(r *Rule) { r.Labels = map[string]string{"my-team": "x"} }, `labels: "my-team" is no name of a label`),
		Entry("a label that is set", func(r *Rule) { r.Labels = map[string]string{"region": "x"} }, "labels: the label region is set for each alert"),
		Entry("a label of two lines", func(r *Rule) { r.Labels = map[string]string{"team": "a\nb"} }, "labels: the label team has a value that is not possible"),
		Entry("a runbook that is no page", func(r *Rule) { r.RunbookURL = "ask {{.region}}" }, "runbook_url:1:1: this is no URL"),
		Entry("a runbook with a script", func(r *Rule) { r.RunbookURL = "javascript:alert(1)" }, "runbook_url:1:1: this is no URL"),
	)

	It("is a warning unless it says more", func() {
		Expect(compiled("down").Rule().Severity).To(Equal(alert.Warning))
		Expect(compiled("down").Rule().Over).To(Equal(OverRegion))
	})

	It("applies to what it names", func() {
		all := compiled("down")
		Expect(all.AppliesTo("acme", "eu-west")).To(BeTrue())
		some := compiled("down", func(r *Rule) { r.APIs, r.Regions = []string{"acme"}, []string{"eu-west"} })
		Expect(some.AppliesTo("acme", "eu-west")).To(BeTrue())
		Expect(some.AppliesTo("acme", "us-east")).To(BeFalse())
		Expect(some.AppliesTo("other", "eu-west")).To(BeFalse())
		over := compiled("count(down) > 1", func(r *Rule) { r.APIs, r.Regions = []string{"acme"}, []string{"eu-west"} })
		Expect(over.AppliesTo("acme", "")).To(BeTrue())
		Expect(over.AppliesTo("other", "")).To(BeFalse())
	})
})
