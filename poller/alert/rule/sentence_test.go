package rule

import (
	"errors"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("an expression with a mistake", func() {
	DescribeTable("is refused with its place", func(expr, place, sentence string) {
		_, err := Compile(Rule{Name: "spec", Expr: expr})
		Expect(wrong(err)).To(And(HavePrefix(place+": "), ContainSubstring(sentence)))
		Expect(wrong(err)).NotTo(Or(ContainSubstring("interface"), ContainSubstring("int)"), ContainSubstring("\n"), ContainSubstring("$env.")))
	},
		Entry("nothing", " ", "expr", "a condition is expected, for example down"),
		Entry("a name that is not there", `donw`, "expr:1:1", "there is no name donw; there are age, api, data,"),
		Entry("on another line", "down and\n  # why not\n", "expr:2:3", ""),
		Entry("on the third line", "down and\n  stale and\n  cpu > 90", "expr:3:3", "there is no name cpu"),
		Entry("behind letters of two bytes", `reason == "ä" and cpu > 90`, "expr:1:19", "there is no name cpu"),
		Entry("the end", `data.cpu >`, "expr:1:10", "the expression ends too early"),
		Entry("a sign that means something else elsewhere", `down = true`, "expr:1:6", "= means nothing here: == compares"),
		Entry("a word too many", `latency > 5 ms`, "expr:1:13", "ms is not expected here"),
		Entry("a text without its end", `state == "up`, "expr:1:13", "this text has no end: a quote is missing"),
		Entry("a state that there is not", `state == "dwon"`, "expr:1:10", `"dwon" is no state: there are up, degraded, down and unknown`),
		Entry("a state that there is not, on the left", `"Down" != state`, "expr:1:1", `"Down" is no state`),
		Entry("a state of several", `state in ["down", "unkown"]`, "expr:1:19", `"unkown" is no state`),
		Entry("a parenthesis", `(down`, "expr:1:5", "the expression ends too early"),
		Entry("not a condition", `latency`, "expr", "the expression must be true or false, and is a number"),
		Entry("not a condition either", `state`, "expr", "the expression must be true or false, and is a text"),
		Entry("types that do not go together", `state > 5`, "expr:1:7", "invalid operation: > (mismatched types text and whole number)"),
		Entry("a condition of a number", `any(data.nodes, latency)`, "expr:1:17", "predicate should return true or false (got number)"),
		Entry("a list that is none", `count(latency) > 1`, "expr:1:7", "count takes only a list (got number)"),
		Entry("a function that is not there", `repeat("a", 5) == ""`, "expr:1:1", "there is no function repeat; there are abs, burn_rate"),
		Entry("one that takes too long", `sortBy(data.list, .cpu) == []`, "expr:1:1", "there is no function sortBy; there are abs, burn_rate"),
		Entry("one of the value", `data.exec("rm") == 1`, "expr:1:6", "only functions can be called"),
		Entry("a function without its arguments", `uptime < 99`, "expr:1:8", "a function has its arguments in parentheses after its name"),
		Entry("a function in a list", `[now] == []`, "expr:1:2", "now is a function: it has its arguments in parentheses after it"),
		Entry("too many arguments", `now(1) > 1`, "expr:1:1", "now has 1 arguments here, and takes none"),
		Entry("too few arguments", `burn_rate("1h") > 1`, "expr:1:1", "burn_rate has 1 arguments here, and takes a text and a number"),
		Entry("an argument of another kind", `upper(latency) == ""`, "expr:1:1", "upper takes a text, not a number"),
		Entry("a window that is none", `uptime("1y") < 99`, "expr:1:8", `"1y" is no window: from 1m to 90d is possible`),
		Entry("a window that is too short", `burn_rate("30s", 99) > 1`, "expr:1:11", `"30s" is no window`),
		Entry("a window that is not known", `uptime(reason) < 99`, "expr:1:8", `the window must be written out, for example "6h"`),
		Entry("a target that cannot be missed", `burn_rate("1h", 100) > 1`, "expr:1:17", "from 0 to below 100, for example 99.9"),
		Entry("a duration that is none", `age > duration("soon")`, "expr:1:16", `"soon" is no duration`),
		Entry("an expression for texts that is none", `reason matches "("`, "expr:1:8", "this is no regular expression"),
		Entry("what expr has and rules have not", `$env.down`, "expr:1:1", "there is no $env in a rule"),
		Entry("an object", `{"a": 1} == data`, "expr:1:1", "a rule can hold numbers, texts, lists"),
		Entry("over all: a name of regions", `count(down) > 1 and latency > 5`, "expr:1:21", "there is no name latency; there are api, degraded, down"),
		Entry("over all: a field that regions do not have", `any(regions, .cpu > 5)`, "expr:1:15", "a region in regions has no cpu; it has name, age, api, data"),
	)

	It("may compare what is no state of ours with any word", func() {
		for _, expr := range []string{`data.state == "ok"`, `any(data.nodes, .state == "bad")`, `state == data.state`, `state in ["down", "unknown"]`, `let s = "x"; state != s`} {
			_, err := Compile(Rule{Name: "spec", Expr: expr})
			Expect(err).NotTo(HaveOccurred(), expr)
		}
	})

	It("is asked over what it says", func() {
		_, err := Compile(Rule{Name: "spec", Expr: `count(down) > 1`, Over: OverRegion})
		Expect(wrong(err)).To(Equal("expr:1:7: count takes only a list (got true or false)"))
		_, err = Compile(Rule{Name: "spec", Expr: `data.cpu > 1`, Over: OverAll})
		Expect(wrong(err)).To(HavePrefix("expr:1:1: there is no name data; there are api, degraded"))
	})

	It("says no more than can be read", func() {
		_, err := Compile(Rule{Name: "spec", Expr: strings.Repeat("n", 3000)})
		Expect(len([]rune(wrong(err)))).To(BeNumerically("<", 1100))
	})

	It("is a nil error where nothing is wrong", func() {
		made, err := Compile(Rule{Name: "spec", Expr: `down`})
		Expect(err == nil).To(BeTrue())
		_, err = made.Holds(overRegion())
		Expect(err == nil).To(BeTrue())
		Expect(errors.Is(err, nil)).To(BeTrue())
	})
})
