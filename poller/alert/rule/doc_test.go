package rule

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/poller/alert"
)

// written is a rule in the document.
type written struct {
	Name, Expr, Over, For, Summary, Description string
	KeepFor                                     string `yaml:"keep_for"`
	RunbookURL                                  string `yaml:"runbook_url"`
	Reminder                                    string
	Severity                                    alert.Severity
	Labels                                      map[string]string
	APIs                                        []string
	Regions, Receivers                          []string
}

func (w written) rule() Rule {
	GinkgoHelper()
	duration := func(text string) time.Duration {
		GinkgoHelper()
		if text == "" {
			return 0
		}
		d, err := time.ParseDuration(text)
		Expect(err).NotTo(HaveOccurred())
		return d
	}
	r := Rule{
		Name: w.Name, Expr: w.Expr, Over: Over(w.Over), Summary: w.Summary, Description: w.Description, RunbookURL: w.RunbookURL,
		KeepFor: duration(w.KeepFor), Reminder: duration(w.Reminder), Severity: w.Severity, Labels: w.Labels,
		APIs: w.APIs, Regions: w.Regions, Receivers: w.Receivers,
	}
	if polls, ok := strings.CutSuffix(w.For, " polls"); ok {
		n, err := strconv.Atoi(polls)
		Expect(err).NotTo(HaveOccurred())
		r.ForPolls = n
	} else {
		r.For = duration(w.For)
	}
	return r
}

var _ = Describe("docs/alerts.md", func() {
	page := func() string {
		GinkgoHelper()
		text, err := os.ReadFile("../../../docs/alerts.md")
		Expect(err).NotTo(HaveOccurred())
		return string(text)
	}

	It("has examples that compile", func() {
		blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(page(), -1)
		Expect(len(blocks)).To(BeNumerically(">=", 9))
		rules := map[string]*Compiled{}
		for _, block := range blocks {
			var part struct {
				Alerts struct{ Rules []written }
			}
			Expect(yaml.UnmarshalWithOptions([]byte(block[1]), &part, yaml.Strict())).To(Succeed(), block[1])
			Expect(part.Alerts.Rules).NotTo(BeEmpty())
			for _, w := range part.Alerts.Rules {
				made, err := Compile(w.rule())
				Expect(err).NotTo(HaveOccurred(), block[1])
				rules[w.Name] = made
			}
		}
		Expect(rules["outage"].Over()).To(Equal(OverAll))
		Expect(rules["budget-burns-slowly"].Windows()).To(Equal([]time.Duration{6 * time.Hour, 72 * time.Hour}))
		summary, _ := rules["cpu-high"].Describe(overRegion(func(f *Facts) {
			f.Region.Data = []byte(`{"results":{"stats":{"server":{"cpu_load":97.6}}}}`)
		}))
		Expect(summary).To(Equal("eu-west of acme: CPU at 98%"))
		summary, _ = rules["outage"].Describe(overAll())
		Expect(summary).To(Equal("acme: 1 of 3 regions are down: eu-west"))
	})

	It("has all names and functions", func() {
		text := page()
		known := map[string]bool{}
		for name := range names(OverRegion) {
			known[name] = true
		}
		for name := range names(OverAll) {
			known[name] = true
		}
		for _, name := range slices.Sorted(maps.Keys(known)) {
			Expect(text).To(ContainSubstring("`"+name+"`"), name)
		}
		for _, name := range append(slices.Sorted(maps.Keys(functions())), loops...) {
			Expect(text).To(ContainSubstring("`"+name+"("), name)
		}
		for _, name := range textFunctions(OverRegion) {
			Expect(text).To(MatchRegexp("`"+name+"[ `]"), name)
		}
	})
})
