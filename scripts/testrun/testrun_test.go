package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// TestMain serves go test, which starts the test binaries of the specs with
// this program.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == execCommand {
		fmt.Fprintln(os.Stderr, execTest(os.Args[2:]))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func TestTestrun(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Test run")
}

// output runs the suites of testdata, each name in a step of its own.
func output(ctx SpecContext, names ...string) (string, error) {
	var all []step
	for _, name := range names {
		all = append(all, step{name: "step " + name, flags: []string{"-count=1"}, packages: []string{"./testdata/" + name}})
	}
	var out bytes.Buffer
	err := run(ctx, &out, all)
	return out.String(), err
}

var _ = Describe("a run of the suites", func() {
	It("passes and counts specs and plain tests", func(ctx SpecContext) {
		text, err := output(ctx, "passes")
		Expect(err).NotTo(HaveOccurred())
		Expect(text).To(MatchRegexp(`(?m)^ok   scripts/testrun/testdata/passes +\d+\.\ds +2 ran$`))
		Expect(text).To(ContainSubstring("1 suites, 2 specs ran, 0 were skipped\neverything passed\n"))
	})

	DescribeTable("fails, and says why", func(ctx SpecContext, name, line string) {
		text, err := output(ctx, name)
		Expect(err).To(HaveOccurred())
		Expect(text).To(ContainSubstring("\nFAIL scripts/testrun/testdata/" + name + " (step " + name + "): " + line + "\n"))
		Expect(text).NotTo(ContainSubstring("everything passed"))
	},
		Entry("when a spec fails", "fails", "1 failed"),
		Entry("when a plain test fails beside a suite that passes", "plainfails", "1 failed"),
		Entry("when a package does not compile", "broken", "does not compile"),
		Entry("when a suite has no spec", "empty", "no spec ran"),
		Entry("when a package has no test", "none", "no spec ran"),
		Entry("when every spec is skipped", "skipsall", "no spec ran"),
		Entry("when the process ends in the middle", "exits", "failed; it left no report of its specs"),
	)

	It("passes where a suite passes when it runs again, and names it", func(ctx SpecContext) {
		GinkgoT().Setenv("TESTRUN_ONCE", filepath.Join(GinkgoT().TempDir(), "was here"))
		text, err := output(ctx, "once")
		Expect(err).NotTo(HaveOccurred())
		Expect(text).To(MatchRegexp(`(?s)FAIL scripts/testrun/testdata/once .*== once more: scripts/testrun/testdata/once\nok  .*== summary\n1 suites, 1 specs ran`))
		Expect(text).To(ContainSubstring("\nUNSTEADY scripts/testrun/testdata/once (step once): 1 failed, and passed when it ran again alone: mend it\n"))
	})

	It("runs nothing again that no busy machine can cause", func(ctx SpecContext) {
		GinkgoT().Setenv("TESTRUN_ONCE", filepath.Join(GinkgoT().TempDir(), "was here"))
		GinkgoT().Setenv("TESTRUN_PANIC", "yes")
		text, err := output(ctx, "once")
		Expect(err).To(HaveOccurred())
		Expect(text).NotTo(ContainSubstring("once more"))
	})

	It("fails when the packages are not there", func(ctx SpecContext) {
		text, err := output(ctx, "nowhere")
		Expect(err).To(HaveOccurred())
		Expect(text).To(ContainSubstring("testdata/nowhere"))
	})

	It("names the reason of each skipped spec", func(ctx SpecContext) {
		text, err := output(ctx, "skips")
		Expect(err).NotTo(HaveOccurred())
		Expect(text).To(ContainSubstring("1 suites, 1 specs ran, 3 were skipped:\n"))
		Expect(text).To(ContainSubstring("  skipped 1: there is no unicorn here\n    scripts/testrun/testdata/skips: needs a unicorn\n"))
		Expect(text).To(ContainSubstring("the moon is not full\n    scripts/testrun/testdata/skips: TestPlainSkip\n"))
		Expect(text).To(ContainSubstring("  skipped 1: pending\n    scripts/testrun/testdata/skips: is for later\n"))
	})

	It("goes on after a failure, and fails in the end", func(ctx SpecContext) {
		text, err := output(ctx, "broken", "fails", "passes")
		Expect(err).To(HaveOccurred())
		Expect(text).To(MatchRegexp(`(?s)== step broken.*== step fails.*Expected.*== step passes.*ok  .*== summary\n3 suites, 4 specs ran`))
		Expect(text).To(HaveSuffix("FAIL scripts/testrun/testdata/broken (step broken): does not compile\n" +
			"FAIL scripts/testrun/testdata/fails (step fails): 1 failed\n"))
	})
})
