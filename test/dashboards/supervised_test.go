package dashboards

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/test/binary"
	"github.com/devops-insights/devops-insights/test/ports"
)

// build makes the program once for a spec.
func build() string {
	GinkgoHelper()
	path, err := binary.Build(GinkgoT().TempDir())
	Expect(err).NotTo(HaveOccurred())
	return path
}

func freePort() string {
	GinkgoHelper()
	port, err := ports.Free(1)
	Expect(err).NotTo(HaveOccurred())
	return strconv.Itoa(port)
}

func ready(port string) func() int {
	return func() int {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+port+"/readyz", http.NoBody)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return resp.StatusCode
	}
}

var _ = Describe("the program", func() {
	It("runs, is healthy, and ends in order on SIGTERM", func() {
		program, port := build(), freePort()
		cmd := exec.Command(program, "--port", port, "--data-dir", GinkgoT().TempDir())
		Expect(cmd.Start()).To(Succeed())
		Eventually(ready(port), "20s", "50ms").Should(Equal(200))
		check := exec.Command(program, "healthcheck", "--port", port)
		Expect(check.Run()).To(Succeed())
		Expect(cmd.Process.Signal(syscall.SIGTERM)).To(Succeed())
		Expect(cmd.Wait()).To(Succeed())
		Expect(exec.Command(program, "healthcheck", "--port", port).Run()).NotTo(Succeed())
	})

	It("tells systemd that it is ready, lives and stops", func() {
		program, port := build(), freePort()
		socket := filepath.Join(GinkgoT().TempDir(), "notify")
		l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(l.Close)
		status := ""
		hear := func() string {
			GinkgoHelper()
			for {
				Expect(l.SetReadDeadline(time.Now().Add(20 * time.Second))).To(Succeed())
				b := make([]byte, 1000)
				n, err := l.Read(b)
				Expect(err).NotTo(HaveOccurred())
				text, isStatus := strings.CutPrefix(string(b[:n]), "STATUS=")
				if !isStatus {
					return text
				}
				status = text
			}
		}
		cmd := exec.Command(program, "--port", port, "--data-dir", GinkgoT().TempDir())
		cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+socket, "WATCHDOG_USEC=300000")
		Expect(cmd.Start()).To(Succeed())
		Expect(hear()).To(Equal("READY=1"))
		Expect(ready(port)()).To(Equal(200))
		for range 3 {
			Expect(hear()).To(Equal("WATCHDOG=1"))
		}
		Expect(cmd.Process.Signal(syscall.SIGHUP)).To(Succeed())
		Eventually(hear).Should(MatchRegexp("^RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]+$"))
		Eventually(hear).Should(Equal("READY=1"))
		Expect(status).To(Or(Equal("ok"), HavePrefix("degraded: ")), "how the parts are doing on this machine")
		Expect(cmd.Process.Signal(syscall.SIGTERM)).To(Succeed())
		Eventually(hear).Should(Equal("STOPPING=1"))
		Expect(cmd.Wait()).To(Succeed())
	})

	It("exits with 78 and a sentence on a bad setting", func() {
		cmd := exec.Command(build())
		cmd.Env = append(os.Environ(), "SERVER_PORT=many")
		out, err := cmd.CombinedOutput()
		Expect(err).To(HaveOccurred())
		Expect(cmd.ProcessState.ExitCode()).To(Equal(78))
		Expect(string(out)).To(ContainSubstring("SERVER_PORT"))
	})

	It("does not fail faster than PM2 allows before it gives up", func() {
		cmd := exec.Command(build())
		cmd.Env = append(os.Environ(), "NODE_CHANNEL_FD=3", "SERVER_PORT="+freePort(), "REDIS_HOST=127.0.0.1:1", "REDIS_REQUIRED=true", "DATA_DIR="+GinkgoT().TempDir())
		began := time.Now()
		Expect(cmd.Run()).NotTo(Succeed())
		Expect(cmd.ProcessState.ExitCode()).To(Equal(1))
		Expect(time.Since(began)).To(BeNumerically(">", time.Second), "less counts as unstable; 16 of them end the restarts")
	})

	It("starts, reloads and stops under PM2", func() {
		program, port := build(), freePort()
		home := GinkgoT().TempDir()
		// The project's own file, with the paths of this test.
		config, err := os.ReadFile("../../ecosystem.config.js")
		Expect(err).NotTo(HaveOccurred())
		text := strings.Replace(string(config), `"./bin/devops-insights"`, fmt.Sprintf("%q", program), 1)
		Expect(text).To(ContainSubstring(program))
		file := filepath.Join(home, "ecosystem.config.js")
		Expect(os.WriteFile(file, []byte(text), 0o600)).To(Succeed())
		pm2 := func(args ...string) string {
			GinkgoHelper()
			ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
			defer cancel()
			path, err := filepath.Abs("../js/node_modules/.bin/pm2")
			Expect(err).NotTo(HaveOccurred())
			cmd := exec.CommandContext(ctx, path, args...)
			cmd.Dir = home
			cmd.Env = append(os.Environ(), "PM2_HOME="+home, "SERVER_PORT="+port, "DATA_DIR="+home)
			out, err := cmd.Output()
			Expect(err).NotTo(HaveOccurred(), "pm2 %v: %s", args, out)
			return string(out)
		}
		type process struct {
			PID int `json:"pid"`
			Env struct {
				Status   string `json:"status"`
				Restarts int    `json:"restart_time"`
			} `json:"pm2_env"`
		}
		state := func() process {
			GinkgoHelper()
			out := pm2("jlist")
			var all []process
			Expect(json.Unmarshal([]byte(out[strings.LastIndex(out, "\n[")+1:]), &all)).To(Succeed())
			Expect(all).To(HaveLen(1))
			return all[0]
		}
		pm2("start", file)
		DeferCleanup(func() { pm2("kill") })
		Expect(ready(port)()).To(Equal(200), "wait_ready: when start returns, the server is ready")
		Eventually(func() string { return pm2("describe", "devops-insights") }, "20s", "500ms").Should(MatchRegexp(`Connected clients\s*\S+\s*0`))
		first := state()
		Expect(first.Env.Status).To(Equal("online"))
		pm2("reload", file)
		Eventually(ready(port), "20s", "100ms").Should(Equal(200))
		second := state()
		Expect(second.Env.Status).To(Equal("online"))
		Expect(second.PID).NotTo(Equal(first.PID))
		pm2("stop", "devops-insights")
		Expect(state().Env.Status).To(Equal("stopped"))
		Expect(ready(port)()).To(BeZero())
	})
})
