package alerts

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// page is a dashboard with the real socket.io-client, in a process of its own.
type page struct {
	in io.Writer

	mu    sync.Mutex
	lines []string // each is [event, payload]
}

func openPage(url string) *page {
	GinkgoHelper()
	p := new(page)
	cmd := exec.Command("node", "../js/events.mjs", url)
	in, err := cmd.StdinPipe()
	Expect(err).NotTo(HaveOccurred())
	out, err := cmd.StdoutPipe()
	Expect(err).NotTo(HaveOccurred())
	p.in, cmd.Stderr = in, GinkgoWriter
	Expect(cmd.Start()).To(Succeed())
	over := make(chan struct{})
	go func() {
		defer close(over)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			p.mu.Lock()
			p.lines = append(p.lines, lines.Text())
			p.mu.Unlock()
		}
	}()
	DeferCleanup(func() {
		_ = in.Close()
		<-over
		_ = cmd.Wait()
	})
	p.awaits(`["connect"]`, 1)
	return p
}

func (p *page) emits(event, payload string) {
	GinkgoHelper()
	_, err := fmt.Fprintf(p.in, "[%q,%s]\n", event, payload)
	Expect(err).NotTo(HaveOccurred())
}

func (p *page) heard() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.lines)
}

// awaits waits until it has heard that many lines that begin so.
func (p *page) awaits(begin string, times int) {
	GinkgoHelper()
	Eventually(func() (n int) {
		for _, line := range p.heard() {
			if strings.HasPrefix(line, begin) {
				n++
			}
		}
		return n
	}, "40s", "20ms").Should(BeNumerically(">=", times), "it has not heard %s", begin)
}

// events returns what it has heard of alerts and of maintenance, in order: state and
// name.
func (p *page) events(name string) func() []string {
	return func() (all []string) {
		for _, line := range p.heard() {
			var event string
			var payload struct {
				Alert       struct{ State, Rule, Region string }
				Maintenance json.RawMessage
			}
			if json.Unmarshal([]byte(line), &[]any{&event, &payload}) != nil || event != name {
				continue
			}
			if name == "metrics:alert" {
				all = append(all, payload.Alert.State+" "+payload.Alert.Rule+" "+payload.Alert.Region)
				continue
			}
			var window struct{ ID, State string }
			_ = json.Unmarshal(payload.Maintenance, &window)
			all = append(all, window.State+" "+window.ID)
		}
		return all
	}
}

// windows returns what it has heard of one window of maintenance.
func (p *page) windows(name string) func() []string {
	return func() (all []string) {
		for _, said := range p.events("metrics:maintenance")() {
			if strings.HasSuffix(said, " "+name) {
				all = append(all, said)
			}
		}
		return all
	}
}
