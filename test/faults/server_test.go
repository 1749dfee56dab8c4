// Package faults breaks the parts that the real program lives on, one after the
// other, and reads side by side what it says of each: health, readiness, metrics,
// information and log.
package faults

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/test/binary"
	"github.com/devops-insights/devops-insights/test/kit"
	"github.com/devops-insights/devops-insights/test/ports"
)

func TestFaults(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Faults")
}

var program string

var _ = BeforeSuite(func() {
	var err error
	program, err = binary.Build(GinkgoT().TempDir())
	Expect(err).NotTo(HaveOccurred())
})

// server is a running program.
type server struct {
	url, internal string
	upstream      *kit.Upstream
	log           *log
	cmd           *exec.Cmd
}

// log collects what the program writes; while nobody reads it the pipe fills.
type log struct {
	mu      sync.Mutex
	text    strings.Builder
	reading sync.Cond
	stopped bool
}

// read takes lines until the program has ended.
func (l *log) read(from io.Reader) {
	for in := bufio.NewReader(from); ; {
		l.mu.Lock()
		for l.stopped {
			l.reading.Wait()
		}
		l.mu.Unlock()
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		l.mu.Lock()
		l.text.WriteString(line)
		l.mu.Unlock()
		if !strings.Contains(line, `"level":"debug"`) {
			_, _ = io.WriteString(GinkgoWriter, line)
		}
	}
}

// stop lets nobody read the log, until resume.
func (l *log) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
}

func (l *log) resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = false
	l.reading.Broadcast()
}

// has reports whether there is a line with all of these fields.
func (l *log) has(fields map[string]string) bool {
	l.mu.Lock()
	text := l.text.String()
	l.mu.Unlock()
	for line := range strings.Lines(text) {
		var all map[string]any
		if json.Unmarshal([]byte(line), &all) != nil {
			continue
		}
		fits := true
		for name, value := range fields {
			fits = fits && fmt.Sprint(all[name]) == value
		}
		if fits {
			return true
		}
	}
	return false
}

// command prepares a program that has not been started.
func command(environ ...string) *server {
	GinkgoHelper()
	first, err := ports.Free(2)
	Expect(err).NotTo(HaveOccurred())
	s := &server{
		url: "http://127.0.0.1:" + strconv.Itoa(first), internal: "http://127.0.0.1:" + strconv.Itoa(first+1),
		upstream: kit.NewUpstream(GinkgoTB()), log: new(log), cmd: exec.Command(program),
	}
	s.log.reading.L = &s.log.mu
	s.cmd.Dir = GinkgoT().TempDir()
	s.cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "DATA_DIR=" + filepath.Join(s.cmd.Dir, "data"), "SERVER_HOST=127.0.0.1", "SERVER_PORT=" + strconv.Itoa(first),
		"INTERNAL_ADDR=127.0.0.1:" + strconv.Itoa(first+1), "EXTERNAL_API_NAME=acme", "UPSTREAM_URL=" + s.upstream.Template(),
		"POLL_INTERVAL=1s", "POLL_LEASE=6s",
	}, environ...)
	return s
}

// start starts the program and returns when it is ready and every part is well.
func (s *server) start() *server {
	GinkgoHelper()
	out, err := s.cmd.StdoutPipe()
	Expect(err).NotTo(HaveOccurred())
	s.cmd.Stderr = GinkgoWriter
	Expect(s.cmd.Start()).To(Succeed())
	over := make(chan struct{})
	go func() { defer close(over); s.log.read(out) }()
	DeferCleanup(func() {
		s.log.resume()
		_ = s.cmd.Process.Kill()
		<-over
		_ = s.cmd.Wait() // it was told to
	})
	Eventually(func() int { status, _ := ask(s.url + "/readyz"); return status }, "30s", "50ms").Should(Equal(200))
	return s
}

// ask returns the status and the body of an answer; no answer has status 0.
func ask(url string) (int, string) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, err.Error()
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(body)
}
