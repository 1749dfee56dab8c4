package rule

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/poller"
	"github.com/devops-insights/devops-insights/store"
)

func said(summary string, f Facts) string {
	GinkgoHelper()
	expr := "down"
	if f.Region == nil {
		expr = "count(down) > 0"
	}
	text, _ := compiled(expr, func(r *Rule) { r.Name, r.Summary = "cpu-high", summary }).Describe(f)
	return text
}

var _ = Describe("a text of a rule", func() {
	DescribeTable("is filled in", func(source, text string) {
		Expect(said(source, overRegion(watched(map[string]float64{"eu-west": 99.99959})))).To(Equal(text))
	},
		Entry(nil, `{{.region}} of {{.api}} is {{.state}}: {{.reason}}`, `eu-west of acme is down: fire`),
		Entry(nil, `{{.rule}} ({{.severity}}) {{.why}}`, `cpu-high (warning) it says "fire"`),
		Entry(nil, `CPU at {{round (value "cpu") 0}}%, {{value "nodes.a.cpu"}} at a`, `CPU at 96%, 99 at a`),
		Entry(nil, `{{value "list.1"}} {{value "a\\.b"}} {{value "text"}} {{value "deep.er.ok"}}`, `2 1 95 true`),
		Entry(nil, `{{value "gpu"}}, {{value "list.9"}}, {{value "cpu.x"}}`, `(no value), (no value), (no value)`),
		Entry(nil, `{{value "list"}}, {{value "nodes"}}, {{value "nothing"}}`, `3 elements, 2 fields, nothing (null)`),
		Entry(nil, `{{duration .age}} / {{duration .unchanged}} / {{duration 1}} / {{duration 93784}} / {{duration 0.4}}`, `1 minute / 1 hour / 1 second / 1 day 2 hours / 0 seconds`),
		Entry(nil, `{{percent .uptime_30d}}`, `99.999%`),
		Entry(nil, `{{plural .failures "poll"}} in {{round .latency 1}} ms`, `3 polls in 1500.0 ms`),
		Entry(nil, `{{upper .region}} {{"X" | lower}} {{if and .down (gt .failures 2)}}long{{else}}short{{end}}`, `EU-WEST x long`),
		Entry(nil, `{{$r := .region}}{{$r}} {{$.state}}{{/* nothing */}}`, `eu-west down`),
		Entry("of several lines, on one", "a\n\t b\n", `a b`),
	)

	It("lists regions over all", func() {
		Expect(said(`{{.api}}: {{len .down}} of {{len .regions}} down: {{.down}}; up: {{.up}}; {{.regions}}{{if .degraded}}!{{end}}`, overAll())).
			To(Equal("acme: 1 of 3 down: eu-west; up: us-east; eu-west, us-east and sa-east"))
		many := overAll(func(f *Facts) {
			for i := range 30 {
				f.Regions = append(f.Regions, Region{Region: fmt.Sprint("r", i), State: store.StateDown})
			}
		})
		Expect(said(`{{.down}}`, many)).To(HaveSuffix("r18 and 11 more"))
	})

	It("says that an uptime is not known", func() {
		Expect(said(`{{percent .uptime_7d}}`, overRegion())).To(Equal("an unknown share"))
	})

	DescribeTable("is refused with its place", func(source, place, sentence string) {
		for _, field := range []string{"summary", "description", "runbook_url"} {
			r := Rule{Name: "spec", Expr: "down"}
			switch field {
			case "summary":
				r.Summary = source
			case "description":
				r.Description = source
			default:
				r.RunbookURL = source
			}
			_, err := Compile(r)
			Expect(wrong(err)).To(And(HavePrefix(field+place+": "), ContainSubstring(sentence), Not(ContainSubstring("executing"))))
		}
	},
		Entry("a name that is not there", "ä\nöö {{.regoin}}", ":2:6", "there is no name regoin; there are age, api,"),
		Entry("the value itself", `{{.data.cpu}}`, ":1:8", "there is no name data"),
		Entry("fields of a name", `{{.region.name}}`, ":1:10", `region has no fields: those of the value are got by {{value "a.b"}}`),
		Entry("an if without its end", "a\n{{if .up}}ä", ":2:1", "the text ends too early: {{end}} is missing"),
		Entry("a brace", "a\n{{.region", ":2:1", "unclosed action"),
		Entry("a function that is not there", `{{shout .region}}`, ":1:1", "there is no function shout; there are and, duration, eq,"),
		Entry("one that could make much", `ä {{printf "%1000000d" 1}}`, ":1:5", "there is no function printf"),
		Entry("an argument that is missing", `{{round .age}}`, ":1:3", "wrong number of args for round: want 2 got 1"),
		Entry("things that cannot be compared", "a\nä {{lt .state 5}}", ":2:5", "incompatible types for comparison"),
		Entry("a loop", `{{range .region}}x{{end}}`, ":1:9", "but not this"),
		Entry("a loop of numbers", `{{range 1000000000}}{{end}}`, ":1:9", "but not this"),
		Entry("texts that call themselves", `{{define "a"}}{{template "a"}}{{end}}{{template "a"}}`, ":1:1", "a text cannot define others"),
		Entry("another text", `{{template "a"}}`, ":1:12", "but not this"),
		Entry("the dot", `{{with .region}}{{.}}{{end}}`, ":1:8", "but not this"),
	)

	It("is refused where it is too long", func() {
		_, err := Compile(Rule{Name: "spec", Expr: "down", Description: strings.Repeat("a", 4001)})
		Expect(wrong(err)).To(Equal("description: the text is longer than 4000 bytes"))
	})

	It("is never longer than receivers can bear", func() {
		long := overRegion(func(f *Facts) { f.Region.Reason = strings.Repeat("ä", 100_000) })
		rule := compiled("down", func(r *Rule) {
			r.Summary, r.Description = strings.Repeat("{{.reason}}", 300), strings.Repeat("{{.reason}}\n\n", 300)
			r.RunbookURL = "https://wiki.example.com/{{.reason}}"
		})
		summary, description := rule.Describe(long)
		Expect(utf8.RuneCountInString(summary)).To(Equal(1000))
		Expect(utf8.RuneCountInString(description)).To(Equal(4000))
		Expect(utf8.ValidString(summary + description)).To(BeTrue())
		Expect(rule.Runbook(long)).To(BeEmpty(), "it is no URL any more")
		Expect(rule.Runbook(overRegion())).To(Equal("https://wiki.example.com/fire"))
	})

	It("holds nothing that a terminal or a chat could take for a command", func() {
		nasty := overRegion(func(f *Facts) {
			f.Region.Data = json.RawMessage(`{"cpu":"a\u001b[31m\u0000\n\u202eb\u2066"}`)
			f.Region.Reason = "\x1b]0;x\x07\xff"
		})
		rule := compiled("down", func(r *Rule) {
			r.Summary, r.Description = `{{value "cpu"}} {{.reason}}`, "{{.reason}}\n\n{{value \"cpu\"}}"
		})
		summary, description := rule.Describe(nasty)
		Expect(summary).To(Equal("a [31m b ]0;x �"))
		Expect(description).To(Equal("]0;x�\n\na [31m b"))
	})

	It("says what is known where nothing is written", func() {
		Expect(said("", overRegion())).To(Equal(`eu-west of acme: cpu-high, and it is down: it says "fire"`))
		Expect(said("", overRegion(func(f *Facts) { f.Region.State, f.Region.Reason = store.StateUp, "" }))).To(Equal("eu-west of acme: cpu-high"))
		Expect(said("", overAll())).To(Equal("acme: cpu-high (down: eu-west)"))
		_, description := compiled("down").Describe(overRegion())
		Expect(description).To(BeEmpty())
	})
})

var _ = Describe("the reason of a state", func() {
	It("is in plain words for each code", func() {
		for _, code := range poller.Codes() {
			Expect(why(store.StateDown, string(code))).To(MatchRegexp(`^it[ s].* \(%s\)$|^a fault .* \(PANIC\)$`, code))
		}
	})

	DescribeTable("is in plain words", func(state store.State, reason, words string) {
		Expect(why(state, reason)).To(Equal(words))
	},
		Entry(nil, store.StateDown, "HTTP_503", "it answers with HTTP status 503 (Service Unavailable)"),
		Entry(nil, store.StateDown, "HTTP_599", "it answers with HTTP status 599"),
		Entry(nil, store.StateDown, "HTTP_x", `it says "HTTP_x"`),
		Entry(nil, store.StateDegraded, "slow today", `it says "slow today"`),
		Entry(nil, store.StateUp, "", "it is up"),
		Entry(nil, store.StateUnknown, "", "nobody could ask it"),
		Entry(nil, store.StateDown, "", "the reason is not known"),
	)
})

var _ = Describe("a number in a text", func() {
	It("is never more than is known", func() {
		Expect(percent(100.0)).To(Equal("100%"))
		Expect(percent(99.9999)).To(Equal("99.999%"))
		Expect(percent(99.9)).To(Equal("99.9%"))
		Expect(percent(0)).To(Equal("0%"))
		Expect(percent(math.NaN())).To(Equal("an unknown share"))
		Expect(inWords(math.Inf(1))).To(Equal("an unknown time"))
		Expect(inWords("x")).To(Equal("an unknown time"))
		Expect(round("x", 2)).To(Equal("x"))
		Expect(round(nil, 2)).To(Equal("nothing (null)"))
		Expect(round(1.005, 100)).To(HaveLen(11))
	})
})
