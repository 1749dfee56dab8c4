package program

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/test/binary"
	"github.com/devops-insights/devops-insights/test/kit"
)

// loud is a server that logs each request, and a dashboard of it.
type loud struct {
	cmd       *exec.Cmd
	addr      string
	upstream  *kit.Upstream
	dashboard *kit.Client
	n         int
}

func startLoud(stdout, stderr *os.File, environ ...string) *loud {
	GinkgoHelper()
	up, port := kit.NewUpstream(GinkgoTB()), freePort()
	l := &loud{upstream: up, addr: "127.0.0.1:" + port}
	l.cmd = command(nil, append([]string{
		"SERVER_PORT=" + port, "UPSTREAM_URL=" + up.Template(), "POLL_INTERVAL=100ms", "LOG_LEVEL=debug", "DRAIN_TIMEOUT=5s",
	}, environ...)...)
	l.cmd.Stdout, l.cmd.Stderr = stdout, stderr
	start(l.cmd)
	ready(l.addr)
	l.dashboard = kit.Dial(GinkgoTB(), "http://"+l.addr)
	l.dashboard.Subscribe("eu-west")
	return l
}

// talk makes the server log about this many bytes.
func (l *loud) talk(bytes int) {
	GinkgoHelper()
	long := "http://" + l.addr + "/" + strings.Repeat("x", 8000)
	for range bytes / 8000 {
		status, body := ask(long)
		Expect(status).To(Equal(404), body)
	}
}

// hear changes a value and expects the dashboard to hear of it.
func (l *loud) hear() {
	GinkgoHelper()
	l.n++
	value := fmt.Sprintf(`{"n":%d}`, l.n)
	l.upstream.Set("eu-west", value)
	Eventually(l.dashboard.Events, "20s").Should(Receive(HaveField("Frame", ContainSubstring(value))))
}

var _ = Describe("the log of the program", func() {
	pipe := func() (r, w *os.File) {
		GinkgoHelper()
		r, w, err := os.Pipe()
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() { _ = r.Close(); _ = w.Close() })
		return r, w
	}

	It("may be read by nobody: dashboards hear of changes, and SIGTERM ends the program", func() {
		r, w := pipe()
		l := startLoud(w, w)
		l.talk(200_000) // three times what a pipe takes
		for range 5 {
			l.upstream.Fail("us-east", 500)
			l.hear()
			l.upstream.Set("us-east", `{}`)
		}
		began := time.Now()
		stop(l.cmd, "15s")
		Expect(time.Since(began)).To(BeNumerically("<", 12*time.Second))
		Expect(r.Close()).To(Succeed())
	})

	It("may be longer than what is kept for a reader: it says how much was lost, once it is read", func() {
		r, w := pipe()
		l := startLoud(w, nil)
		Expect(w.Close()).To(Succeed())
		l.talk(6 << 20)
		l.hear()
		var all strings.Builder
		read := bufio.NewReader(r)
		for !strings.Contains(all.String(), "were lost") {
			line, err := read.ReadString('\n')
			Expect(err).NotTo(HaveOccurred())
			Expect(json.Valid([]byte(line))).To(BeTrue(), line)
			all.WriteString(line)
		}
		Expect(all.Len()).To(BeNumerically(">", 4<<20))
		Expect(all.Len()).To(BeNumerically("<", 5<<20))
		report := lines(all.String(), "were lost")
		Expect(report).To(HaveLen(1))
		Expect(report[0]).To(MatchRegexp(`"lost":\d{2,}`))
		l.talk(8000)
		go func() { _, _ = io.Copy(io.Discard, read) }()
		stop(l.cmd, "15s")
	})

	It("may be read slowly", func() {
		r, w := pipe()
		l := startLoud(w, nil)
		Expect(w.Close()).To(Succeed())
		over := make(chan struct{})
		go func() {
			defer close(over)
			b := make([]byte, 4096)
			for {
				if _, err := r.Read(b); err != nil {
					return
				}
				time.Sleep(20 * time.Millisecond) // it is slow
			}
		}()
		l.talk(400_000)
		for range 3 {
			l.hear()
		}
		stop(l.cmd, "15s")
		Eventually(over, "10s").Should(BeClosed())
	})

	It("may lose its reader, on stdout and on stderr", func() {
		r, w := pipe()
		l := startLoud(w, w)
		Expect(w.Close()).To(Succeed())
		Expect(r.Close()).To(Succeed())
		l.talk(100_000)
		for range 3 {
			l.hear()
		}
		stop(l.cmd, "15s")
	})

	It("may have no disk any more", func() {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			Skip("there is no /dev/full on this system")
		}
		DeferCleanup(full.Close)
		l := startLoud(full, full)
		l.talk(100_000)
		l.hear()
		stop(l.cmd, "15s")
	})

	It("is for people at a terminal, and JSON elsewhere", func() {
		script, err := exec.LookPath("script")
		if err != nil {
			Skip("script of util-linux, which makes a terminal, is missing")
		}
		run := func(cmd *exec.Cmd, port string) string {
			GinkgoHelper()
			out := new(binary.Output)
			cmd.Stdout = out
			start(cmd)
			ready("127.0.0.1:" + port)
			Eventually(out.String, "10s").Should(ContainSubstring("dashboards can connect"))
			Expect(cmd.Process.Signal(syscall.SIGTERM)).To(Succeed())
			await(cmd, "10s")
			return out.String()
		}
		port := freePort()
		cmd := command(nil, "SERVER_PORT="+port, "TERM=xterm")
		cmd.Path, cmd.Args = script, []string{"script", "-qec", program, "/dev/null"}
		Expect(run(cmd, port)).To(And(
			MatchRegexp(`\x1b\[32mINFO \x1b\[0m ready: dashboards can connect`),
			ContainSubstring("http://localhost:"+port+"/")))

		port = freePort()
		for line := range strings.SplitSeq(strings.TrimSpace(run(command(nil, "SERVER_PORT="+port), port)), "\n") {
			Expect(json.Valid([]byte(line))).To(BeTrue(), line)
		}
		port = freePort()
		Expect(run(command(nil, "SERVER_PORT="+port, "LOG_FORMAT=text"), port)).To(MatchRegexp(`(?m)^\d\d:\d\d:\d\d INFO  ready`))
	})
})
