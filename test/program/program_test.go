// Package program tries the real program as an operator meets it: its log, its
// settings, its commands and its exit codes.
package program

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/test/binary"
	"github.com/devops-insights/devops-insights/test/ports"
)

func TestProgram(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "The program")
}

var program string

var _ = BeforeSuite(func() {
	var err error
	program, err = binary.Build(GinkgoT().TempDir())
	Expect(err).NotTo(HaveOccurred())
})

// command prepares a run in a directory of its own, without the settings of the
// machine; the environment has these pairs.
func command(args []string, environ ...string) *exec.Cmd {
	GinkgoHelper()
	cmd := exec.Command(program, args...)
	cmd.Dir = GinkgoT().TempDir()
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "DATA_DIR=" + filepath.Join(cmd.Dir, "data"), "SERVER_HOST=127.0.0.1"}, environ...)
	return cmd
}

// finish runs a command to its end and returns what it wrote and its exit code.
func finish(args []string, environ ...string) (stdout, stderr string, code int) {
	GinkgoHelper()
	cmd := command(args, environ...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	Expect(cmd.Start()).To(Succeed())
	await(cmd, "20s")
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// await waits for the end of a process that was started.
func await(cmd *exec.Cmd, within string) {
	GinkgoHelper()
	over := make(chan struct{})
	go func() { defer close(over); _ = cmd.Wait() }()
	limit, err := time.ParseDuration(within)
	Expect(err).NotTo(HaveOccurred())
	select {
	case <-over:
	case <-time.After(limit):
		_ = cmd.Process.Kill()
		<-over
		Fail("the program did not end within " + within)
	}
}

// start starts a server; it is killed at the end of the spec at the latest.
func start(cmd *exec.Cmd) {
	GinkgoHelper()
	Expect(cmd.Start()).To(Succeed())
	DeferCleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // it was told to
		}
	})
}

// stop ends a server with SIGTERM and expects it to end in order.
func stop(cmd *exec.Cmd, within string) {
	GinkgoHelper()
	Expect(cmd.Process.Signal(syscall.SIGTERM)).To(Succeed())
	await(cmd, within)
	Expect(cmd.ProcessState.ExitCode()).To(BeZero(), cmd.ProcessState.String())
}

func freePort() string { return freePorts(1) }

// freePorts returns the first of n free ports in a row.
func freePorts(n int) string {
	GinkgoHelper()
	first, err := ports.Free(n)
	Expect(err).NotTo(HaveOccurred())
	return strconv.Itoa(first)
}

// ask returns the status and the body of an answer; no answer has status 0.
func ask(url string, header ...string) (int, string) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, err.Error()
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

// ready waits until the server on the address serves dashboards.
func ready(addr string) {
	GinkgoHelper()
	Eventually(func() int { status, _ := ask("http://" + addr + "/readyz"); return status }, "20s", "20ms").Should(Equal(200))
}

// lines are those of a text that hold a part.
func lines(text, part string) (found []string) {
	for line := range strings.SplitSeq(text, "\n") {
		if strings.Contains(line, part) {
			found = append(found, line)
		}
	}
	return found
}
