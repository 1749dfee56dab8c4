package cluster

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/test/binary"
	"github.com/devops-insights/devops-insights/test/kit"
	"github.com/devops-insights/devops-insights/test/wire"
)

// process is one instance as a program of its own.
type process struct {
	addr string
	run  func() *exec.Cmd
	cmd  *exec.Cmd
}

// processes starts the built program several times.
func processes(ctx SpecContext, count int, env ...string) []*process {
	GinkgoHelper()
	program, err := binary.Build(GinkgoT().TempDir())
	Expect(err).NotTo(HaveOccurred())
	var all []*process
	for range count {
		port := freePort()
		p := &process{addr: "127.0.0.1:" + port, run: func() *exec.Cmd {
			cmd := exec.Command(program)
			cmd.Env = append(append(os.Environ(), "SERVER_HOST=127.0.0.1", "SERVER_PORT="+port), env...)
			return cmd
		}}
		DeferCleanup(p.kill)
		p.start()
		all = append(all, p)
	}
	for _, p := range all {
		Eventually(answers, "30s", "50ms").WithArguments(ctx, p.addr).Should(Equal(http.StatusOK))
	}
	return all
}

func (p *process) start() {
	GinkgoHelper()
	p.cmd = p.run()
	Expect(p.cmd.Start()).To(Succeed())
}

// kill ends it as SIGKILL does.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait() // it was told to
}

// crowd is many real dashboards in one Node process.
type crowd struct{ lines chan line }

// shows waits until all dashboards show n, and fails on what none may see.
func (c crowd) shows(n int) {
	GinkgoHelper()
	last := -1
	for deadline := time.After(60 * time.Second); last < n; {
		select {
		case l, more := <-c.lines:
			Expect(more).To(BeTrue(), "the dashboards ended")
			Expect(l.What).To(Equal("all"), string(l.Value))
			Expect(json.Unmarshal(l.Value, &last)).To(Succeed())
		case <-deadline:
			Fail(fmt.Sprintf("all dashboards show %d, not %d", last, n))
		}
	}
}

var _ = DescribeTable("SIGKILL of instances and of Redis under load leaves every dashboard current", func(ctx SpecContext, balance func([]string) string, database func() *wire.Server, alone bool) {
	redis := wire.StartRedis(GinkgoTB())
	up := kit.NewUpstream(GinkgoTB())
	n := 0
	change := func() {
		n++
		up.Set("eu-west", fmt.Sprintf(`{"n":%d}`, n))
	}
	change()
	all := processes(ctx, 3, "DATABASE_URL="+database().Database("kill"), "REDIS_HOST="+redis.URL(), "EXTERNAL_API_NAME=acme",
		"UPSTREAM_URL="+up.Template(), fmt.Sprint("POLL_INTERVAL=", pollInterval), "POLL_LEASE=1s")
	var addrs []string
	for _, p := range all {
		addrs = append(addrs, p.addr)
	}
	dashboards := crowd{listen(exec.Command("node", "crowd.mjs", balance(addrs), "60", "eu-west"))}
	dashboards.shows(n)
	// load changes values until the condition holds.
	load := func(until func() bool) {
		GinkgoHelper()
		for deadline := time.Now().Add(60 * time.Second); !until(); {
			Expect(time.Now()).To(BeTemporally("<", deadline))
			change()
			dashboards.shows(n)
		}
	}
	rounds := func(count int) func() bool {
		return func() bool { count--; return count < 0 }
	}
	load(rounds(5))
	for i, p := range all {
		By(fmt.Sprintf("killing instance %d", i))
		change()
		p.kill()
		load(rounds(5))
		p.start()
		load(func() bool { return answers(ctx, p.addr) == http.StatusOK })
	}

	By("killing Redis")
	change()
	redis.Kill()
	if alone {
		load(rounds(5)) // each instance hears of every change from the database
	}
	change()
	redis.Start()
	dashboards.shows(n)
	load(rounds(5))
},
	Entry("behind nginx, where the database has change streams", nginx, func() *wire.Server { return wire.Start(GinkgoTB()) }, true),
	Entry("behind HAProxy, where it has none", haproxy, func() *wire.Server { return wire.FerretDB(GinkgoTB()) }, false),
)
