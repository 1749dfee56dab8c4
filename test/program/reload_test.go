package program

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/devops-insights/devops-insights/test/binary"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// configured starts a server with a YAML file in its directory.
func configured(yaml string, environ ...string) (cmd *exec.Cmd, addr string, log *binary.Output, write func(string)) {
	GinkgoHelper()
	port := freePort()
	cmd, addr, log = command(nil, append(environ, "SERVER_PORT="+port, "LOG_FORMAT=json")...), "127.0.0.1:"+port, new(binary.Output)
	cmd.Stdout, cmd.Stderr = log, log
	path := filepath.Join(cmd.Dir, "devops-insights.yaml")
	write = func(text string) {
		GinkgoHelper()
		Expect(os.WriteFile(path+".new", []byte(text), 0o600)).To(Succeed())
		Expect(os.Rename(path+".new", path)).To(Succeed())
	}
	write(yaml)
	start(cmd)
	ready(addr)
	return cmd, addr, log, write
}

var _ = Describe("the settings of a running server", func() {
	const again, refused = "the settings were loaded again", "the old ones stay in effect"
	count := func(log *binary.Output, part string) func() int {
		return func() int { return len(lines(log.String(), part)) }
	}

	It("are loaded again on SIGHUP, and when their file changes", func() {
		cmd, _, log, write := configured("settings: {log-level: info}\n")
		Expect(cmd.Process.Signal(syscall.SIGHUP)).To(Succeed())
		Eventually(count(log, again), "20s").Should(Equal(1))
		write("settings: {log-level: debug}\n")
		Eventually(count(log, again), "20s").Should(Equal(2))
		Expect(lines(log.String(), again)[1]).To(ContainSubstring("LOG_LEVEL"))
		stop(cmd, "20s")
	})

	It("stay as they are when the new ones cannot be used, which is said once", func() {
		internal := "127.0.0.1:" + freePort()
		cmd, addr, log, write := configured("settings: {log-level: info}\n", "INTERNAL_ADDR="+internal)
		part := func() string {
			_, body := ask("http://" + addr + "/api/v1/health")
			var health struct {
				Status, Overall string
				Checks          map[string]struct{ State, Class, Message string }
			}
			Expect(json.Unmarshal([]byte(body), &health)).To(Succeed(), body)
			return strings.TrimSpace(health.Status + " " + health.Checks["settings"].State + " " + health.Checks["settings"].Class)
		}
		metric := func() string {
			_, body := ask("http://" + internal + "/metrics")
			return strings.Join(lines(body, "config_last_reload_successful "), "")
		}
		Expect(part()).To(Equal("ok ok"))
		Expect(metric()).To(HaveSuffix(" 1"))
		write("settings: {log-level: loud, drain-delay: hunter2}\n")
		Eventually(count(log, refused), "20s").Should(Equal(1))
		Expect(lines(log.String(), refused)[0]).To(And(ContainSubstring("devops-insights.yaml:1:23: log-level: "), ContainSubstring("drain-delay: "), Not(ContainSubstring("hunter"))))
		Expect(part()).To(Equal("ok degraded SETTINGS_REFUSED"))
		Expect(metric()).To(HaveSuffix(" 0"))
		Consistently(count(log, refused), "5s", "100ms").Should(Equal(1))
		ready(addr)
		write("settings: {log-level: warning, port: 1}\n")
		Eventually(part, "20s").Should(Equal("ok ok"))
		Expect(metric()).To(HaveSuffix(" 1"))
		Expect([]int{count(log, "need a restart")(), count(log, refused)()}).To(Equal([]int{0, 1}), "the environment sets the port")
		stop(cmd, "20s")
	})

	It("name what needs a restart", func() {
		cmd, _, log, write := configured("settings: {environment: a}\n")
		write("settings: {environment: b, drain-timeout: 11s}\n")
		Eventually(count(log, "need a restart"), "20s").Should(Equal(1))
		Expect(lines(log.String(), "need a restart")[0]).To(ContainSubstring(`"NODE_ENV, DRAIN_TIMEOUT"`))
		stop(cmd, "20s")
	})
})

var _ = Describe("the command config", func() {
	It("checks a file and finds everything that is wrong with it", func() {
		dir := GinkgoT().TempDir()
		good, bad := filepath.Join(dir, "good.yaml"), filepath.Join(dir, "bad.yaml")
		Expect(os.WriteFile(good, []byte("apis: [{name: a, regions: [x, y]}, {name: b}]"), 0o600)).To(Succeed())
		Expect(os.WriteFile(bad, []byte("settings: {port: hunter2}\nregions: []\nhunter2: 1"), 0o600)).To(Succeed())
		stdout, stderr, code := finish([]string{"config", "check", good})
		Expect([]any{stdout, stderr, code}).To(Equal([]any{"the settings are in order: APIs: 2, regions of all: 8\n", "", 0}))
		stdout, stderr, code = finish([]string{"config", "check", bad})
		Expect([]any{stdout, code, len(lines(stderr, bad+":"))}).To(Equal([]any{"", 78, 3}), stderr)
		Expect(stderr).NotTo(ContainSubstring("hunter2"))
		stdout, stderr, code = finish([]string{"config", "check"})
		Expect([]any{stderr, code}).To(Equal([]any{"", 0}), stdout)
	})

	It("shows where each value comes from", func() {
		stdout, stderr, code := finish([]string{"config", "show", "--origin", "--log-level=debug"})
		Expect([]any{stderr, code}).To(Equal([]any{"", 0}))
		Expect(stdout).To(And(MatchRegexp("LOG_LEVEL=debug +# flag --log-level\n"), MatchRegexp("SERVER_HOST=127.0.0.1 +# env SERVER_HOST\n"), MatchRegexp("SERVER_PORT=5000 +# default\n")))
		_, stderr, code = finish([]string{"config", "chekc"})
		Expect([]any{code, stderr}).To(Equal([]any{78, "devops-insights config, config show [--origin], and config check [FILE] are possible\n"}))
	})
})
