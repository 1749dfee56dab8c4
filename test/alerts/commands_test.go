package alerts

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/test/kit"
)

var _ = Describe("commands about alerts", func() {
	It("check the rules that a server runs with, replay what it has recorded, and test its receivers", func() {
		upstream, hook, dir := kit.NewUpstream(GinkgoTB()), newReceiver(), GinkgoT().TempDir()
		file := newSettings(
			"alerts:",
			"  receivers: [{name: ops, url: "+hook.server.URL+"/hunter2, severities: [critical]}]",
			"  rules: [{name: busy, expr: data.load > 90, for: 2 polls, severity: critical, regions: [us-east]}]",
		)
		upstream.Set("us-east", calm)
		environ := []string{file.environ(), "UPSTREAM_URL=" + upstream.Template(), "POLL_INTERVAL=" + pollInterval.String()}
		i := run(dir, upstream, file.environ())
		polled(upstream, "eu-west", 3)
		upstream.Fail("eu-west", 503)
		hook.hears(firing)
		upstream.Set("eu-west", `{"status":"ok"}`)
		hook.hears(firing, resolved)
		upstream.Set("us-east", busy)
		hook.hears(firing, resolved, "firing busy us-east")
		polled(upstream, "us-east", 10) // the past keeps of polls how many there were, and not each
		i.Interrupt().Wait("40s")
		Expect(i.ExitCode()).To(BeZero())

		By("rules check")
		stdout, stderr, code := types(dir, environ, "rules", "check")
		Expect([]any{stderr, code}).To(Equal([]any{"", 0}))
		Expect(stdout).To(And(
			MatchRegexp(`(?m)^region-down +region +3 polls +critical +all +all +ops +default$`),
			MatchRegexp(`(?m)^data-stale +region +at once +warning +all +all +nobody +default$`),
			MatchRegexp(`(?m)^busy +region +2 polls +critical +all +us-east +ops +settings$`)))

		By("rules replay")
		stdout, stderr, code = types(dir, environ, "rules", "replay", "--from", "1h ago", "--to", "now")
		Expect(code).To(BeZero(), stderr)
		Expect(stderr).To(ContainSubstring("2 incidents of 4 rules from "))
		var told []string
		for _, line := range strings.Split(strings.TrimSpace(stdout), "\n") {
			fields := strings.Split(line, "\t")
			Expect(fields).To(HaveLen(7), line)
			told = append(told, strings.Join(fields[3:6], " "))
		}
		Expect(told).To(ConsistOf("critical region-down eu-west", "critical busy us-east"), stdout)

		By("alerts send-test")
		before := hook.tried()
		stdout, stderr, code = types(dir, environ, "alerts", "send-test", "--receiver", "ops")
		Expect([]any{stdout, stderr, code}).To(Equal([]any{"receiver ops has taken a test alert, and that it is resolved\n", "", 0}))
		Expect(hook.tried()).To(Equal(before + 2))
		hook.server.Close()
		stdout, stderr, code = types(dir, environ, "alerts", "send-test")
		Expect([]any{stdout, code}).To(Equal([]any{"", 1}))
		Expect(stderr).To(And(HavePrefix("receiver ops "), Not(ContainSubstring("hunter2"))))

		By("a mistake in the file")
		file.write("alerts:", "  rules:", "    - {name: busy, expr: data.load > }")
		for _, command := range [][]string{{"rules", "check"}, {"rules", "replay"}, {"alerts", "send-test"}} {
			stdout, stderr, code = types(dir, environ, command...)
			Expect([]any{stdout, code}).To(Equal([]any{"", 78}), strings.Join(command, " "))
			Expect(stderr).To(ContainSubstring("settings.yaml:3:"))
		}
	})
})
