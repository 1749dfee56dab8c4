package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/test/kit"
	"github.com/devops-insights/devops-insights/test/wire"
)

// supervisor is a PM2 of the test's own, with the project's file as it is and
// the program where it expects it. It is called from another directory.
type supervisor struct {
	home, file string
	env        []string
}

func supervise(env ...string) *supervisor {
	GinkgoHelper()
	dir := GinkgoT().TempDir()
	s := &supervisor{home: GinkgoT().TempDir(), file: filepath.Join(dir, "ecosystem.config.js")}
	out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "bin", "devops-insights"), "../../cmd/devops-insights").CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(out))
	config, err := os.ReadFile("../../ecosystem.config.js")
	Expect(err).NotTo(HaveOccurred())
	Expect(os.WriteFile(s.file, config, 0o600)).To(Succeed())
	s.env = append(append(os.Environ(), "PM2_HOME="+s.home, "SERVER_HOST=127.0.0.1"), env...)
	DeferCleanup(func() { s.do("kill") })
	return s
}

func (s *supervisor) do(args ...string) string {
	GinkgoHelper()
	tool, err := filepath.Abs("../js/node_modules/.bin/pm2")
	Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, tool, args...)
	cmd.Dir, cmd.Env = s.home, s.env
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	Expect(cmd.Run()).To(Succeed(), "pm2 %v: %s%s", args, &out, &problems)
	return out.String()
}

// supervised is what PM2 says of one instance.
type supervised struct {
	PID int `json:"pid"`
	Env struct {
		Status   string `json:"status"`
		Restarts int    `json:"restart_time"`
		LogLevel string `json:"LOG_LEVEL"`
		Out      string `json:"pm_out_log_path"`
	} `json:"pm2_env"`
}

func (s *supervisor) instances() []supervised {
	GinkgoHelper()
	out := s.do("jlist")
	var all []supervised
	Expect(json.Unmarshal([]byte(out[strings.LastIndex(out, "\n[")+1:]), &all)).To(Succeed(), out)
	return all
}

// answers reports what /readyz says, 0 where nobody listens.
func answers(ctx context.Context, addr string) int {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", http.NoBody)
	if err != nil {
		return 0
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// listens reports whether the process itself listens on the port.
func listens(pid, port int) bool {
	GinkgoHelper()
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		Skip("who listens on a port is known only where there is /proc/net/tcp")
	}
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	Expect(err).NotTo(HaveOccurred())
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) < 10 || f[3] != "0A" || !strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) {
			continue
		}
		return slices.ContainsFunc(files, func(name string) bool {
			to, _ := os.Readlink(name)
			return to == "socket:["+f[9]+"]"
		})
	}
	return false
}

// moments returns what the instances' logs say of being ready and stopped, in
// the order of time: R1 is instance 1, ready.
func moments(all []supervised) []string {
	GinkgoHelper()
	type moment struct {
		at   time.Time
		what string
	}
	var found []moment
	for i, p := range all {
		b, err := os.ReadFile(p.Env.Out)
		Expect(err).NotTo(HaveOccurred())
		for line := range strings.Lines(string(b)) {
			var l struct {
				Time time.Time
				Msg  string
			}
			switch _ = json.Unmarshal([]byte(line), &l); {
			case strings.HasPrefix(l.Msg, "ready:"):
				found = append(found, moment{l.Time, fmt.Sprint("R", i)})
			case l.Msg == "stopped":
				found = append(found, moment{l.Time, fmt.Sprint("S", i)})
			}
		}
	}
	slices.SortFunc(found, func(a, b moment) int { return a.at.Compare(b.at) })
	var names []string
	for _, m := range found {
		names = append(names, m.what)
	}
	return names
}

var _ = It("runs as three instances under PM2; reloads and killed instances leave every dashboard current", func(ctx SpecContext) {
	redis, database := wire.StartRedis(GinkgoTB()), wire.Start(GinkgoTB()).Database("pm2")
	up := kit.NewUpstream(GinkgoTB())
	port := freePorts(3)
	s := supervise("INSTANCES=3", fmt.Sprint("SERVER_PORT=", port), "DATABASE_URL="+database,
		"REDIS_HOST="+redis.URL(), "REDIS_REQUIRED=true", "EXTERNAL_API_NAME=acme",
		"UPSTREAM_URL="+up.Template(), fmt.Sprint("POLL_INTERVAL=", pollInterval), "POLL_LEASE=2s")
	s.do("start", s.file)
	addrs := []string{}
	for i := range 3 {
		addrs = append(addrs, fmt.Sprintf("127.0.0.1:%d", port+i))
	}
	// everywhere: each instance serves its own port, from the process of PM2.
	everywhere := func() []supervised {
		GinkgoHelper()
		all := s.instances()
		Expect(all).To(HaveLen(3))
		for i, addr := range addrs {
			Expect(answers(ctx, addr)).To(Equal(http.StatusOK), addr)
			Expect(listens(all[i].PID, port+i)).To(BeTrue(), "instance %d, PID %d, port %d", i, all[i].PID, port+i)
		}
		return all
	}
	first := everywhere()

	url := nginx(addrs)
	var dashboards []*dashboard
	for i, transports := range []string{"polling", "websocket", "websocket,polling", "polling,websocket", "polling", "websocket"} {
		dashboards = append(dashboards, open(url, transports, "eu-west", fmt.Sprintf("127.0.0.%d", i+2)))
	}
	for _, d := range dashboards {
		d.subscribed()
	}
	n := 0
	// during changes values until the work is over, and then every dashboard
	// shows the last.
	during := func(work func()) {
		GinkgoHelper()
		over := make(chan struct{})
		go func() {
			defer GinkgoRecover()
			defer close(over)
			work()
		}()
		for under := true; under; {
			n++
			up.Set("eu-west", fmt.Sprintf(`{"n":%d}`, n))
			Expect(answers(ctx, strings.TrimPrefix(url, "http://"))).To(Equal(http.StatusOK), "the balancer finds an instance at any time")
			select {
			case <-over:
				under = false
			case <-time.After(200 * time.Millisecond): // a change every other poll while it goes on
			}
		}
		for _, d := range dashboards {
			d.current(n, "eu-west")
		}
	}

	By("reloading, with a changed setting")
	s.env = append(s.env, "LOG_LEVEL=warning")
	during(func() { s.do("reload", s.file) })
	second := everywhere()
	for i, p := range second {
		Expect(p.PID).NotTo(Equal(first[i].PID))
		Expect(p.Env.LogLevel).To(Equal("warning"))
	}
	Expect(moments(first)).To(HaveExactElements("R0", "R1", "R2", "S0", "S1", "S2"), "at warning they do not say that they are ready")
	s.env = append(s.env, "LOG_LEVEL=info")
	during(func() { s.do("reload", s.file) })
	during(func() { s.do("reload", s.file) })
	Expect(moments(first)).To(HaveExactElements("R0", "R1", "R2", "S0", "S1", "S2",
		"R0", "R1", "R2", "S0", "R0", "S1", "R1", "S2", "R2"), "one after another, each ready before the next stops")

	By("killing each instance")
	for i := range 3 {
		victim := everywhere()[i].PID
		during(func() {
			Expect(syscall.Kill(victim, syscall.SIGKILL)).To(Succeed())
			Eventually(func() bool { pid := s.instances()[i].PID; return pid != victim && listens(pid, port+i) }, "30s", "100ms").Should(BeTrue())
			Eventually(answers, "30s", "50ms").WithArguments(ctx, addrs[i]).Should(Equal(http.StatusOK))
		})
	}
	everywhere()
	Eventually(func() string { return s.do("describe", "devops-insights") }, "20s", "500ms").Should(MatchRegexp(`Connected clients\s*\S+\s*[1-6]`))
})

var _ = It("is not restarted by PM2 where a setting is bad, and starts when it is mended", func(ctx SpecContext) {
	port := freePorts(2)
	s := supervise("INSTANCES=2", fmt.Sprint("PORT=", port), "POLL_INTERVAL=1ms")
	s.do("start", s.file)
	Eventually(s.instances, "20s", "200ms").Should(HaveEach(HaveField("Env.Status", "stopped")))
	Expect(s.instances()).To(HaveEach(HaveField("Env.Restarts", 0)))
	s.env = append(s.env, "POLL_INTERVAL=1s", "DATABASE_URL="+wire.Start(GinkgoTB()).Database("pm2"))
	s.do("reload", s.file)
	for i := range 2 {
		Expect(answers(ctx, fmt.Sprintf("127.0.0.1:%d", port+i))).To(Equal(http.StatusOK))
	}
})
