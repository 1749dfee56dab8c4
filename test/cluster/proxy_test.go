package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/test/kit"
	"github.com/devops-insights/devops-insights/test/ports"
	"github.com/devops-insights/devops-insights/test/wire"
)

func freePort() string { return fmt.Sprint(freePorts(1)) }

// freePorts returns the first of n free ports in a row.
func freePorts(n int) int {
	GinkgoHelper()
	first, err := ports.Free(n)
	Expect(err).NotTo(HaveOccurred())
	return first
}

// proxied writes the sample configuration with the ports of this test, starts
// the proxy and returns its URL.
func proxied(sample, program, port string, addrs []string, wrap func(dir, config string) (string, []string)) string {
	GinkgoHelper()
	path, err := exec.LookPath(program)
	if err != nil {
		Skip(program + " is not installed: make deps installs it where it can")
	}
	b, err := os.ReadFile(sample)
	Expect(err).NotTo(HaveOccurred())
	config := string(b)
	for i, addr := range addrs {
		Expect(config).To(ContainSubstring(fmt.Sprintf("127.0.0.1:%d", 5000+i)))
		config = strings.ReplaceAll(config, fmt.Sprintf("127.0.0.1:%d", 5000+i), addr)
	}
	dir := GinkgoT().TempDir()
	config, args := wrap(dir, config)
	Expect(os.WriteFile(filepath.Join(dir, "config"), []byte(config), 0o600)).To(Succeed())
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = GinkgoWriter, GinkgoWriter
	Expect(cmd.Start()).To(Succeed())
	DeferCleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	Eventually(func() error {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = c.Close()
		}
		return err
	}, "10s", "50ms").Should(Succeed())
	return "http://127.0.0.1:" + port
}

func nginx(addrs []string) string {
	port := freePort()
	return proxied("../../deploy/nginx/devops-insights.conf", "nginx", port, addrs, func(dir, config string) (string, []string) {
		config = strings.Replace(config, "listen 8080", "listen 127.0.0.1:"+port, 1)
		return fmt.Sprintf("daemon off; master_process off; pid %[1]s/pid; error_log stderr warn;\nevents {}\nhttp { access_log off; client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;\n%[2]s\n}", dir, config),
			[]string{"-c", dir + "/config", "-e", "stderr"}
	})
}

func haproxy(addrs []string) string {
	port := freePort()
	return proxied("../../deploy/haproxy/haproxy.cfg", "haproxy", port, addrs, func(dir, config string) (string, []string) {
		return strings.Replace(config, "bind :8080", "bind 127.0.0.1:"+port, 1), []string{"-f", dir + "/config"}
	})
}

// dashboard is a real JavaScript dashboard; from is its address on loopback.
type dashboard struct {
	lines   chan line
	last    int
	updated int      // by an update; an answer may be ahead of it
	heard   []string // for whoever has to find out
}

func open(url, transports, region, from string) *dashboard {
	GinkgoHelper()
	return &dashboard{lines: listen(exec.Command("node", "dashboard.mjs", url, transports, region, from)), last: -1, updated: -1}
}

// subscribed waits for the answer to what the dashboard asks behind its
// subscription.
func (d *dashboard) subscribed() {
	GinkgoHelper()
	Eventually(d.lines, "30s").Should(Receive(HaveField("What", Or(Equal("metrics:history"), Equal("metrics:error")))))
}

// current waits until the dashboard shows n, from an update or from an answer,
// and fails on an older value after a newer and on an update that comes twice.
func (d *dashboard) current(n int, region string) {
	GinkgoHelper()
	type value struct{ Data struct{ N int } }
	for deadline := time.After(30 * time.Second); d.last < n; {
		select {
		case l, more := <-d.lines:
			Expect(more).To(BeTrue(), "the dashboard ended")
			d.heard = append(d.heard, fmt.Sprintf("%.9s %s %.200s", time.Now().Format("05.000000"), l.What, l.Value))
			var seen value
			switch l.What {
			case "metrics-update":
				Expect(json.Unmarshal(l.Value, &seen)).To(Succeed())
				Expect(seen.Data.N).To(And(BeNumerically(">=", d.last), BeNumerically(">", d.updated)), "twice, or older after newer")
				d.updated = seen.Data.N
			case "metrics:data":
				var all struct{ Data map[string]struct{ N int } }
				Expect(json.Unmarshal(l.Value, &all)).To(Succeed())
				seen.Data = all.Data[region]
				Expect(seen.Data.N).To(BeNumerically(">=", d.last), "older after newer")
			default:
				continue
			}
			d.last = max(d.last, seen.Data.N)
		case <-deadline:
			Fail(fmt.Sprintf("the dashboard shows %d, not %d; it heard\n%s", d.last, n, strings.Join(d.heard[max(0, len(d.heard)-20):], "\n")))
		}
	}
}

var _ = DescribeTable("three instances behind a balancer are restarted one after another, and every dashboard is current again", func(balance func([]string) string) {
	redis := wire.StartRedis(GinkgoTB())
	all := instances(3, wire.Start(GinkgoTB()).Database("rolling"), redis)
	up := all[0].Upstream
	var addrs []string
	for _, s := range all {
		addrs = append(addrs, s.Addr())
	}
	url := balance(addrs)
	var dashboards []*dashboard
	for i, transports := range []string{"polling", "websocket", "polling,websocket", "websocket,polling", "polling", "websocket"} {
		dashboards = append(dashboards, open(url, transports, "eu-west", fmt.Sprintf("127.0.0.%d", i+2)))
	}
	n := 0
	everyone := func() {
		GinkgoHelper()
		n++
		up.Set("eu-west", fmt.Sprintf(`{"n":%d}`, n))
		for _, d := range dashboards {
			d.current(n, "eu-west")
		}
	}
	for _, d := range dashboards {
		d.subscribed()
	}
	everyone()
	everyone()
	open := 0
	for _, s := range all {
		if count := connections(s); count > 0 {
			open++
		}
	}
	Expect(open).To(BeNumerically(">", 1), "the balancer uses more than one instance")
	for i := range all {
		By(fmt.Sprintf("restarting instance %d", i))
		n++
		up.Set("eu-west", fmt.Sprintf(`{"n":%d}`, n))
		all[i].Restart()
		for _, d := range dashboards {
			d.current(n, "eu-west")
		}
		everyone()
	}
},
	Entry("nginx", nginx),
	Entry("HAProxy", haproxy),
)

func connections(s *kit.Server) int {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/api/v1/health", http.NoBody)
	Expect(err).NotTo(HaveOccurred())
	resp, err := http.DefaultClient.Do(r)
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = resp.Body.Close() }()
	var health struct {
		Clients int `json:"connected_clients"`
	}
	Expect(json.NewDecoder(resp.Body).Decode(&health)).To(Succeed())
	return health.Clients
}
