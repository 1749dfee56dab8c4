package yamltree_test

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/app/config/yamltree"
)

// value returns the first value of a mapping.
func value(text string) *yamltree.Node {
	GinkgoHelper()
	root, problems := yamltree.Parse([]byte(text))
	Expect(problems).To(BeEmpty())
	return root.Entries[0].Value
}

var _ = DescribeTable("the place of a word within a value", func(text, place string) {
	n := value(text)
	at := strings.Index(n.Text, "here")
	Expect(at).To(BeNumerically(">=", 0))
	got, ok := n.Inside(len([]rune(n.Text[:at])))
	Expect(ok).To(BeTrue())
	Expect(got.String()).To(Equal(place))
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	Expect(string([]rune(lines[got.Line-1])[got.Column-1:])).To(HavePrefix("here"))
},
	Entry("plain", "a: up && here", "1:10"),
	Entry("plain, its first word", "a: here", "1:4"),
	Entry("plain, with several spaces", "a: up  &&   here", "1:13"),
	Entry("plain, on several lines", "a: up\n  &&\n\n   here", "4:4"),
	Entry("within brackets", "{a: up here}", "1:8"),
	Entry("behind an anchor", "a: &x up here", "1:10"),
	Entry("single quotes", "a: 'up '' here'", "1:11"),
	Entry("single quotes, on several lines", "a: ' up\n  here'", "2:3"),
	Entry("double quotes", `a: "x == \"ok\" here"`, "1:17"),
	Entry("double quotes with codes", `a: "\x41\u00e9\t here"`, "1:18"),
	Entry("double quotes, on several lines", "a: \"up\n  here\"", "2:3"),
	Entry("other scripts", "ä: 'ß日 here'", "1:8"),
	Entry("a block", "a: |\n  up\n  here\n", "3:3"),
	Entry("a block, with lines that are indented further", "a: |\n  up\n\n    && here\n", "4:8"),
	Entry("a block with its first lines blank", "a: |\n\n\n  here\n", "4:3"),
	Entry("a block that says its indentation", "a: |2\n     here\n", "2:6"),
	Entry("a block without the end of its last line, and a comment", "a: |- # c\n  here", "2:3"),
	Entry("a folded block", "a: >\n  up\n  && here\n", "3:6"),
	Entry("a folded block, with a blank line", "a: >-\n  up\n\n  here\n", "4:3"),
	Entry("lines of Windows", "a: |\r\n  up\r\n  here\r\n", "3:3"),
	Entry("deep within lists", "a: |\n    up here\nb: c", "2:8"),
)

var _ = Describe("the place within a value", func() {
	It("may be behind its end", func() {
		place, ok := value("a: up &&").Inside(5)
		Expect([]any{place, ok}).To(Equal([]any{yamltree.Place{Line: 1, Column: 9}, true}))
		place, ok = value("a: |\n  up &&\n").Inside(5)
		Expect([]any{place, ok}).To(Equal([]any{yamltree.Place{Line: 2, Column: 8}, true}))
	})

	It("is that of its begin where it cannot be told", func() {
		for text, character := range map[string]int{
			"a: \"x\\\n  y\"": 2, // an escaped end of a line
			"a: x":            9,
			"a: [x]":          0,
			"a: ":             1,
		} {
			n := value(text)
			place, ok := n.Inside(character)
			Expect([]any{place, ok}).To(Equal([]any{n.Place, false}), text)
		}
		_, ok := (&yamltree.Node{Kind: yamltree.Scalar, Text: "x", Place: yamltree.Place{Line: 1, Column: 1}}).Inside(0)
		Expect(ok).To(BeFalse())
		_, ok = value("a: x").Inside(-1)
		Expect(ok).To(BeFalse())
	})
})
