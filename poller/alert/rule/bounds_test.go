package rule

import (
	"encoding/json"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// large is a value with a list of 100,000 objects and a text of a megabyte.
func large() *Value {
	list := strings.Repeat(`{"cpu":1,"name":"node"},`, 99_999) + `{"cpu":2,"name":"last"}`
	return NewValue(json.RawMessage(fmt.Sprintf(`{"list":[%s],"text":%q,"same":[%s],"big":1e999}`, list, strings.Repeat("a", 1<<20), list)))
}

var _ = Describe("what an expression may cost", Ordered, func() {
	var facts Facts
	BeforeAll(func() {
		value := large()
		facts = overRegion(func(f *Facts) { f.Region.Value = value })
	})

	It("allows to go through a large list", func() {
		Expect(holds(`any(data.list, .cpu > 1 and .name == "last")`, facts)).To(BeTrue())
		Expect(holds(`sum(map(data.list, .cpu)) == 100001`, facts)).To(BeTrue())
		Expect(holds(`max(map(data.list, .cpu)) == 2`, facts)).To(BeTrue())
		Expect(holds(`data.list == data.same`, facts)).To(BeTrue())
		Expect(holds(`data.text contains "aaa" and data.text matches "^a+$" and len(data.text) == 1048576`, facts)).To(BeTrue())
	})

	DescribeTable("has an end in steps", func(expr string) {
		Expect(cannot(expr, facts)).To(ContainSubstring("it takes too many steps on this value"))
	},
		Entry("a list within a list", `any(data.list, any(data.list, .cpu > 5))`),
		Entry("nothing but rounds", `none(1..100000, any(1..100000, false))`),
		Entry("a list of lists", `len(map(1..100000, 1..100000)) == 1`),
		Entry("comparing again and again", `any(1..1000, data.list != data.same)`),
		Entry("searching again and again", `any(1..1000, 5 in data.list)`),
		Entry("long texts again and again", `any(1..100000, data.text contains "b")`),
		Entry("order of long texts", `any(1..100000, data.text < data.text)`),
		Entry("lengths of long texts", `any(1..100000, len(data.text) == 1)`),
		Entry("upper case again and again", `any(1..100000, upper(data.text) == "")`),
		Entry("an expression for long texts that is slow", `data.text matches "(a?){100}(a|b){100}b{3}$"`),
		Entry("names in order again and again", `any(1..100000, len(keys(data.list[0])) == 5 and max(map(1..1000, #)) == 3)`),
		Entry("the mean again and again", `any(1..100000, mean(1..100000) == 1)`),
		Entry("a text that grows", `reduce(1..100000, #acc + "0123456789", "") == ""`),
	)

	DescribeTable("has an end in memory", func(expr, sentence string) {
		Expect(cannot(expr, facts)).To(ContainSubstring(sentence))
	},
		Entry("a text that doubles", `let a = data.text; let b = a + a; let c = b + b; c == ""`, "the text becomes longer than 1048576 bytes"),
		Entry("a range without an end", `any(1..1000000000, true)`, "a range has at most 100000 numbers"),
		Entry("a range of numbers that are none", `any(data.list[0].cpu..data.big, true)`, "a range has at most 100000 numbers"),
		Entry("lists of lists", `len(map(1..40, filter(1..50000, true))) == 1`, "it takes too m"),
	)

	It("has an end in depth", func() {
		Expect(cannot(`let a = reduce(1..1000, [#acc], 1); let b = reduce(1..1000, [#acc], 1); a == b`, facts)).
			To(ContainSubstring("nested more than 100 deep"))
		for _, signs := range []string{`[`, `{"a":`} {
			deep := strings.Repeat(signs, 1_000_000)
			Expect(cannot(`data.a == 1`, overRegion(func(f *Facts) { f.Region.Data = json.RawMessage(deep) }))).
				To(ContainSubstring("the value is nested more than 100 deep"))
		}
		data := `{"a":` + strings.Repeat("[", 99) + strings.Repeat("]", 99) + `,"text":"[[[\"[[` + strings.Repeat("[", 200) + `"}`
		Expect(holds(`len(data.a) == 1`, overRegion(func(f *Facts) { f.Region.Data = json.RawMessage(data) }))).To(BeTrue())
	})

	DescribeTable("is found out when it is compiled", func(expr, sentence string) {
		_, err := Compile(Rule{Name: "spec", Expr: expr})
		Expect(wrong(err)).To(ContainSubstring(sentence))
	},
		Entry("too long", "down"+strings.Repeat(" ", 4000), "the expression is longer than 4000 bytes"),
		Entry("too large", strings.Repeat("down or ", 300)+"down", "at most 500 names, numbers and operators are possible"),
		Entry("too many signs", strings.Repeat("!", 3900)+"down", "at most 500 names, numbers and operators are possible"),
		Entry("nothing but parentheses", strings.Repeat("(", 4000), "the expression ends too early"),
		Entry("an expression for texts that is too large", `state matches "(a{1,100}b{1,100}){1,4}"`, "this regular expression is too large"),
		Entry("one of which the size is not known", `state matches reason`, `matches needs a regular expression that is written out`),
	)

	DescribeTable("is small for an expression that is deep", func(before, middle, after string, depth int) {
		Expect(holds(strings.Repeat(before, depth)+middle+strings.Repeat(after, depth), facts)).To(BeTrue())
	},
		Entry(nil, "(", "down", ")", 1900),
		Entry(nil, "!!", "down", "", 240),
		Entry(nil, "any([true], ", "down", ")", 100),
		Entry(nil, "down ? ", "true", " : false", 120),
	)

	It("is small for calls within calls", func() {
		Expect(holds(`"" == `+strings.Repeat("trim(", 230)+`" "`+strings.Repeat(")", 230), facts)).To(BeTrue())
		Expect(holds(`3 == `+strings.Repeat("max(1, ", 160)+`3`+strings.Repeat(")", 160), facts)).To(BeTrue())
	})
})
