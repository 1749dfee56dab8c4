package cluster

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/test/kit"
	"github.com/devops-insights/devops-insights/test/wire"
)

// row returns the first of several free ports in a row.
func row(count int) int {
	GinkgoHelper()
	for range 100 {
		first, err := strconv.Atoi(freePort())
		Expect(err).NotTo(HaveOccurred())
		free := 0
		for ; free < count; free++ {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+free))
			if err != nil {
				break
			}
			Expect(l.Close()).To(Succeed())
		}
		if free == count {
			return first
		}
	}
	Fail("no free ports in a row")
	return 0
}

var _ = It("runs as three instances under PM2, and a reload leaves every dashboard current", func() {
	redis, database := wire.StartRedis(GinkgoTB()), wire.Start(GinkgoTB()).Database("pm2")
	up := kit.NewUpstream(GinkgoTB())
	home := GinkgoT().TempDir()
	program := filepath.Join(home, "devops-insights")
	out, err := exec.Command("go", "build", "-o", program, "../../cmd/devops-insights").CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(out))
	// The project's own file, with the program of this test.
	config, err := os.ReadFile("../../ecosystem.config.js")
	Expect(err).NotTo(HaveOccurred())
	file := filepath.Join(home, "ecosystem.config.js")
	Expect(os.WriteFile(file, []byte(strings.Replace(string(config), "./bin/devops-insights", program, 1)), 0o600)).To(Succeed())
	port := row(3)
	tool, err := filepath.Abs("../js/node_modules/.bin/pm2")
	Expect(err).NotTo(HaveOccurred())
	pm2 := func(args ...string) string {
		GinkgoHelper()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, tool, args...)
		cmd.Dir = home
		cmd.Env = append(os.Environ(), "PM2_HOME="+home, "PM2_CONCURRENT_ACTIONS=1", "INSTANCES=3", fmt.Sprint("SERVER_PORT=", port), "SERVER_HOST=127.0.0.1",
			"DATABASE_URL="+database, "REDIS_HOST="+redis.URL(), "REDIS_REQUIRED=true", "EXTERNAL_API_NAME=acme",
			"UPSTREAM_URL="+up.Template(), "POLL_INTERVAL=100ms", "POLL_LEASE=2s")
		out, err := cmd.CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), "pm2 %v: %s", args, out)
		return string(out)
	}
	DeferCleanup(func() { pm2("kill") })
	pm2("start", file)
	addrs := []string{}
	for i := range 3 {
		addrs = append(addrs, fmt.Sprintf("127.0.0.1:%d", port+i))
	}
	url := nginx(addrs)
	var dashboards []*dashboard
	for i, transports := range []string{"polling", "websocket", "websocket,polling", "polling,websocket"} {
		dashboards = append(dashboards, open(url, transports, "eu-west", fmt.Sprintf("127.0.0.%d", i+2)))
	}
	for _, d := range dashboards {
		d.subscribed()
	}
	pids := func() string { return pm2("pid") }
	before := pids()
	reloaded := make(chan struct{})
	go func() {
		defer GinkgoRecover()
		defer close(reloaded)
		pm2("reload", file)
	}()
	n := 0
	for under := true; under; {
		n++
		up.Set("eu-west", fmt.Sprintf(`{"n":%d}`, n))
		select {
		case <-reloaded:
			under = false
		case <-time.After(200 * time.Millisecond): // a change every other poll while it goes on
		}
	}
	for _, d := range dashboards {
		d.current(n, "eu-west")
	}
	Expect(pids()).NotTo(Equal(before))
	Expect(strings.Fields(pids())).To(HaveLen(3))

})
