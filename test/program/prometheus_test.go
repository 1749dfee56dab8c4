package program

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("the export to Prometheus", func() {
	It("is taken by promtool, which makes blocks of it", func() {
		promtool, err := filepath.Abs("../../bin/promtool")
		Expect(err).NotTo(HaveOccurred())
		if _, err := os.Stat(promtool); err != nil {
			Skip("promtool is missing: make deps builds it")
		}
		p := newPlace()
		p.write("rows", strangeRows()+rowsOf(600))
		p.must("import", "rows")
		_, stderr, code := p.run("export", "--format", "openmetrics", "-o", "history.om")
		Expect(code).To(BeZero(), stderr)
		// Two regions with n, one with four numbers; of each millisecond the last.
		Expect(stderr).To(MatchRegexp(`exported 6\d\d samples of 6 series`))
		Expect(p.read("history.om")).To(And(
			MatchRegexp(`(?m)^devops_insights_big\{api="acme",source="eu-west",field="big"\} 9007199254740993 \d+\.\d+$`), HaveSuffix("\n# EOF\n")))
		tool := func(args ...string) string {
			GinkgoHelper()
			cmd := exec.Command(promtool, args...)
			cmd.Dir = p.dir
			out, err := cmd.CombinedOutput()
			Expect(err).NotTo(HaveOccurred(), string(out))
			return string(out)
		}
		samples := strings.Count(p.read("history.om"), "devops_insights_") - strings.Count(p.read("history.om"), "# TYPE")
		tool("tsdb", "create-blocks-from", "openmetrics", "history.om", "blocks")
		listed := strings.Split(strings.TrimSpace(tool("tsdb", "list", "blocks")), "\n")
		total := 0
		for _, line := range listed[1:] {
			var ulid, from, to, duration string
			var n int
			_, err := fmt.Sscan(line, &ulid, &from, &to, &duration, &n)
			Expect(err).NotTo(HaveOccurred(), line)
			total += n
		}
		Expect(total).To(Equal(samples), "no sample is lost: %s", listed)
		Expect(os.Mkdir(p.path("blocks/wal"), 0o750)).To(Succeed()) // dump wants one
		Expect(tool("tsdb", "dump", "--match", `devops_insights_n{source="us-east"}`, "blocks")).To(ContainSubstring(`field="n"`))
	})
})
