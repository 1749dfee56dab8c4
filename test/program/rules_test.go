package program

import (
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("rules check", func() {
	file := func(text string) string {
		GinkgoHelper()
		path := filepath.Join(GinkgoT().TempDir(), "c.yaml")
		Expect(os.WriteFile(path, []byte(text), 0o600)).To(Succeed())
		return path
	}

	It("lists each rule with what it looks at, how long it waits and who is told", func() {
		path := file("alerts:\n  receivers:\n    - {name: chat, url: \"https://h/hunter2\", severities: [critical]}\n  rules:\n    - {name: busy, expr: failures > 5, for: 5m, regions: [eu-west]}\n    - {name: several, expr: count(down) >= 2, severity: critical, receivers: [chat]}\n")
		stdout, stderr, code := finish([]string{"rules", "check", path}, "ALERT_WEBHOOK_URL=https://h/hunter2", "ALERT_AFTER=4")
		Expect([]any{stderr, code}).To(Equal([]any{"", 0}))
		for _, line := range []string{
			`region-down +region +4 polls +critical +all +all +webhook,chat +default\n`, `data-stale +region +at once +warning +all +all +webhook +default\n`,
			`busy +region +5m0s +warning +all +eu-west +webhook +settings\n`, `several +all +at once +critical +all +all +chat +settings\n`,
			`5, of which 3 are defaults; receivers: 2, windows of maintenance: 0\n`,
		} {
			Expect(stdout).To(MatchRegexp(line))
		}
		Expect(stdout).NotTo(ContainSubstring("hunter2"))
	})

	It("says that there are none", func() {
		stdout, stderr, code := finish([]string{"rules", "check"})
		Expect([]any{stderr, code}).To(Equal([]any{"", 0}))
		Expect(stdout).To(ContainSubstring("there are no rules"))
	})

	It("ends with 78 and a sentence with line and column for each mistake", func() {
		path := file("alerts:\n  rules:\n    - name: busy\n      expr: |\n        down &&\n          nothing\n    - {name: other, expr: down, for: 5}\n")
		stdout, stderr, code := finish([]string{"rules", "check", path})
		Expect([]any{stdout, code}).To(Equal([]any{"", 78}))
		Expect(stderr).To(And(ContainSubstring("c.yaml:6:11: expr: there is no name nothing"), ContainSubstring("c.yaml:7:38: this number has no unit")))
	})

	DescribeTable("ends with 78 and what is possible", func(args ...string) {
		_, stderr, code := finish(append([]string{"rules"}, args...))
		Expect(code).To(Equal(78))
		Expect(stderr).To(ContainSubstring("rules check [FILE] is possible"))
	},
		Entry("no word"), Entry("another word", "list"), Entry("too many", "check", "a.yaml", "b.yaml"),
	)
})
