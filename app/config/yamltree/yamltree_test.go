package yamltree_test

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/app/config/yamltree"
)

func TestYAMLTree(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "YAML trees")
}

// show writes a tree on one line.
func show(n *yamltree.Node) string {
	var parts []string
	switch {
	case n == nil:
		return "nothing"
	case n.Kind == yamltree.Null:
		return "null"
	case n.Kind == yamltree.Scalar:
		return fmt.Sprintf("%q", n.Text)
	case n.Kind == yamltree.Sequence:
		for _, item := range n.Items {
			parts = append(parts, show(item))
		}
		return "[" + strings.Join(parts, " ") + "]"
	}
	for _, e := range n.Entries {
		parts = append(parts, e.Key+"@"+e.Place.String()+"="+show(e.Value))
	}
	return "{" + strings.Join(parts, " ") + "}"
}

var _ = DescribeTable("a text becomes a tree that keeps its values as they are written", func(text, tree string) {
	root, problems := yamltree.Parse([]byte(text))
	Expect(problems).To(BeEmpty())
	Expect(show(root)).To(Equal(tree))
},
	Entry("nothing", "", "null"),
	Entry("only comments", "# a\n\n# b\n", "null"),
	Entry("only the begin of a document", "---\n", "null"),
	Entry("one document between its marks", "---\na: b\n...\n", `{a@2:1="b"}`),
	Entry("the version of YAML", "%YAML 1.2\n---\na: b\n", `{a@3:1="b"}`),
	Entry("a byte order mark", "\ufeffa: b", `{a@1:1="b"}`),
	Entry("lines of Windows", "a: b\r\nc:\r\n  - d\r\n", `{a@1:1="b" c@2:1=["d"]}`),
	Entry("lines of old Macs", "a: b\rc: d\r", `{a@1:1="b" c@2:1="d"}`),
	Entry("numbers and words", "a: 010\nb: 0x1f\nc: 1_0\nd: yes\ne: .inf\nf: 1e3\ng: true", `{a@1:1="010" b@2:1="0x1f" c@3:1="1_0" d@4:1="yes" e@5:1=".inf" f@6:1="1e3" g@7:1="true"}`),
	Entry("what is no value", "a: ~\nb: null\nc:\nd: ''", `{a@1:1=null b@2:1=null c@3:1=null d@4:1=""}`),
	Entry("quotes", "a: 'it''s'\nb: \"x\\ny\"", `{a@1:1="it's" b@2:1="x\ny"}`),
	Entry("blocks", "a: |\n  l1\n  l2\nb: >-\n  l1\n  l2\n", `{a@1:1="l1\nl2\n" b@4:1="l1 l2"}`),
	Entry("brackets", "{a: [b, {c: d}], e: []}", `{a@1:2=["b" {c@1:10="d"}] e@1:18=[]}`),
	Entry("a comment behind a value", "a: b # c\nd: e#f", `{a@1:1="b" d@2:1="e#f"}`),
	Entry("other scripts, with columns of characters", "äöü: 'ß' \nx: {é: y, z: 1}", `{äöü@1:1="ß" x@2:1={é@2:5="y" z@2:11="1"}}`),
	Entry("anchors and aliases", "a: &x [b]\nc: *x\nd: &x e\nf: *x", `{a@1:1=["b"] c@2:1=["b"] d@3:1="e" f@4:1="e"}`),
	Entry("merged keys, where their own come first", "a: &x {b: 1, c: 2}\nd: {c: 3, <<: *x}\n", `{a@1:1={b@1:8="1" c@1:14="2"} d@2:1={c@2:5="3" b@1:8="1"}}`),
	Entry("several merged mappings, of which the first comes first", "a: &x {k: 1}\nb: &y {k: 2, l: 3}\nc:\n  <<: [*x, *y]\n", `{a@1:1={k@1:8="1"} b@2:1={k@2:8="2" l@2:14="3"} c@3:1={k@1:8="1" l@2:14="3"}}`),
	Entry("two merges", "a: &x {k: 1}\nb: &y {l: 2}\nc:\n  <<: *x\n  <<: *y\n", `{a@1:1={k@1:8="1"} b@2:1={l@2:8="2"} c@3:1={k@1:8="1" l@2:8="2"}}`),
	Entry("tags of plain kinds", "a: !!str 1\nb: !!int 2", `{a@1:1="1" b@2:1="2"}`),
	Entry("a key behind a question mark", "? a\n: b\n", `{a@1:1="b"}`),
)

// wrong are texts with what is said of them.
var wrong = map[string]string{
	"a: b\n\tc: d":          "2:1 a tab",
	"a:\n\t- b":             "2:1 a tab",
	"a: \"hunter2":          "1:4 quote",
	"a: 'hunter2\nb: c":     "1:4 quote",
	"a: [hunter2":           "1:4 bracket [",
	"a: {hunter2: c":        "1:4 brace {",
	"a: [hunter2,,b]":       "1:13 bracket",
	"a: ]":                  "1:4 closes nothing",
	"a: @hunter2":           "1:4 quotes",
	"a: `hunter2`":          "1:4 quotes",
	"a: *hunter2":           "1:4 no anchor",
	"a: hunter2: c":         "1:4 colon",
	"hunter2\nb: c":         "1:1 no key",
	"- hunter2\nb: c":       "2:1",
	"a: - hunter2":          "1:4 next line",
	"a: %hunter2":           "1:4",
	"a: b\n---\nc: hunter2": "3:2 second document",
	"a: !hunter2 x":         "1:4 tags",
	"? [hunter2]\n: b":      "2:1 key",
	"a: \"\\q\"":            "1:6 backslash",
	"a: 1\nb: 2\na: 3":      "3:1 a second time; the first one is at 1:1",
	"a: {b: 1, b: 2}":       "1:11 a second time",
	"<<: hunter2":           "1:1 << takes",
	"a: &a [*a]":            "1:8 within",
	"a:\n  b: c\n d: e":     "3:2",
	"a: \xff":               "1:4 UTF-8",
	"é: x\x00":              "1:5 UTF-8",
	"a\x00:\x00":            "1:2 UTF-8",
}

var _ = Describe("a text that is none", func() {
	for text, said := range wrong {
		It(fmt.Sprintf("is told where and why: %q", text), func() {
			_, problems := yamltree.Parse([]byte(text))
			Expect(problems).NotTo(BeEmpty())
			place, part, _ := strings.Cut(said, " ")
			Expect(problems[0].Place.String()).To(Equal(place))
			Expect(problems[0].Sentence).To(And(ContainSubstring(part), Not(ContainSubstring("hunter"))))
		})
	}

	It("tells all keys that stand twice", func() {
		_, problems := yamltree.Parse([]byte("a: 1\nb: {c: 1, c: 2}\na: 3\nb: 4"))
		Expect(problems).To(HaveLen(3))
	})
})

var _ = DescribeTable("a text that is made to take long is refused at once", func(text string) {
	_, problems := yamltree.Parse([]byte(text))
	Expect(problems).NotTo(BeEmpty())
	Expect(len(problems)).To(BeNumerically("<=", 100))
},
	Entry("long", strings.Repeat("a", 1<<20+1)),
	Entry("deep brackets", strings.Repeat("[", 1<<20)),
	Entry("deep braces", strings.Repeat("{a: ", 1<<18)),
	Entry("deep dashes", strings.Repeat("- ", 1<<19)),
	Entry("deep keys", strings.Repeat("? ", 1<<19)),
	Entry("deep lines", func() (text string) {
		for i := range 300 {
			text += strings.Repeat(" ", i) + "a:\n"
		}
		return text
	}()),
	Entry("many keys", func() (text string) {
		for i := range 1100 {
			text += fmt.Sprintf("k%d: v\n", i)
		}
		return text
	}()),
	Entry("many signs", strings.Repeat("[],", 1<<18)),
	Entry("many items", strings.Repeat("- a\n", 100_001)),
	Entry("aliases of aliases", func() (text string) {
		text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
		for i := range 20 {
			text += fmt.Sprintf("a%d: &a%[1]d [%s]\n", i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i), 10), ","))
		}
		return text
	}()),
)

func FuzzParse(f *testing.F) {
	for text := range wrong {
		f.Add([]byte(text))
	}
	f.Add([]byte("a: &x {b: [c, *x]}\n<<: [*x]\nd: |\n  e\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		root, problems := yamltree.Parse(text)
		if root == nil && len(problems) == 0 {
			t.Fatal("neither a tree nor a problem")
		}
		for _, p := range problems {
			if p.Line < 1 || p.Column < 1 || p.Sentence == "" {
				t.Fatalf("a problem without a place or a sentence: %+v", p)
			}
		}
		walk(t, root)
	})
}

// walk visits the whole tree, which ends.
func walk(t *testing.T, n *yamltree.Node) {
	if n == nil {
		return
	}
	if place, _ := n.Inside(len([]rune(n.Text)) / 2); place.Line < n.Line {
		t.Fatalf("a place within %s is before it: %s", n.Place, place)
	}
	for _, item := range n.Items {
		walk(t, item)
	}
	keys := make(map[string]bool)
	for _, e := range n.Entries {
		if keys[e.Key] {
			t.Fatalf("the key %q is there twice", e.Key)
		}
		keys[e.Key] = true
		walk(t, e.Value)
	}
}
