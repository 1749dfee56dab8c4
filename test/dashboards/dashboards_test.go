// Package dashboards runs the server with the clients that people use: the
// real socket.io-client, a real browser, many raw connections, hostile ones.
package dashboards

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/test/kit"
)

func TestDashboards(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Dashboards")
}

type line struct {
	What  string          `json:"what"`
	Value json.RawMessage `json:"value"`
}

// javascript starts a dashboard in Node and returns what it reports.
func javascript(url, transports, region string) <-chan line {
	GinkgoHelper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "node", "dashboard.mjs", url, transports, region)
	cmd.Dir = "../js"
	cmd.Stderr = GinkgoWriter
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.StdoutPipe()
	Expect(err).NotTo(HaveOccurred())
	Expect(cmd.Start()).To(Succeed(), "Node.js is needed: make deps says what is missing")
	lines := make(chan line, 1000)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			var l line
			if json.Unmarshal(s.Bytes(), &l) == nil {
				lines <- l
			}
		}
	}()
	DeferCleanup(func() { cancel(); _ = cmd.Wait() })
	return lines
}

// hear waits for a line of that kind whose value holds the text.
func hear(lines <-chan line, what, text string) {
	GinkgoHelper()
	deadline := time.After(20 * time.Second)
	var seen []string
	for {
		select {
		case l, open := <-lines:
			if !open {
				Fail("the dashboard ended; it said " + strings.Join(seen, " "))
			}
			if l.What == what && strings.Contains(string(l.Value), text) {
				return
			}
			seen = append(seen, fmt.Sprintf("%s:%.80s", l.What, l.Value))
		case <-deadline:
			Fail(fmt.Sprintf("no %s with %s; the dashboard said %s", what, text, strings.Join(seen, " ")))
		}
	}
}

// hearBoth waits for two kinds of lines that may come in either order.
func hearBoth(lines <-chan line, a, b string) {
	GinkgoHelper()
	missing := map[string]bool{a: true, b: true}
	deadline := time.After(20 * time.Second)
	for len(missing) > 0 {
		select {
		case l, open := <-lines:
			if !open {
				Fail("the dashboard ended")
			}
			delete(missing, l.What)
		case <-deadline:
			Fail(fmt.Sprintf("the dashboard never said %v", missing))
		}
	}
}

var _ = Describe("an unchanged JavaScript dashboard", func() {
	DescribeTable("shows live regions", func(transports string, first, upgraded string) {
		s := kit.Start(GinkgoT())
		seed := s.Connect()
		Eventually(func() string { seed.Emit("metrics:get", map[string]any{}); return seed.Next().Frame }, "10s").Should(ContainSubstring(`"count":6`))
		d := javascript(s.URL, transports, "eu-west")
		hear(d, "open", first)
		if upgraded != "" {
			hearBoth(d, "upgrade", "metrics:history")
		} else {
			hear(d, "metrics:history", `"region":"eu-west"`)
		}
		s.Upstream.Set("us-east", `{"n":"not for this dashboard"}`)
		s.Upstream.Set("eu-west", `{"n":1}`)
		hear(d, "metrics-update", `"data":{"n":1}`)
		s.Upstream.Set("eu-west", `{"n":2}`)
		hear(d, "metrics-update", `"data":{"n":2}`)
	},
		Entry("over websocket", "websocket", "websocket", ""),
		Entry("over long-polling", "polling", "polling", ""),
		Entry("over long-polling with the upgrade", "polling,websocket", "polling", "websocket"),
	)

	DescribeTable("comes back by itself when the server restarts, and is current again", func(transports string) {
		s := kit.Start(GinkgoT())
		d := javascript(s.URL, transports, "eu-west")
		hear(d, "metrics:history", "") // asked for after the subscription, which has been taken therefore
		s.Upstream.Set("eu-west", `{"n":"before"}`)
		hear(d, "metrics-update", "before")
		s.Restart()
		hear(d, "disconnect", "transport")
		hear(d, "connect", "")
		hear(d, "metrics:data", "before")
		hear(d, "metrics:history", "before")
		s.Upstream.Set("eu-west", `{"n":"after"}`)
		hear(d, "metrics-update", "after")
	},
		Entry("over websocket", "websocket"),
		Entry("over long-polling", "polling"),
	)
})

var _ = Describe("many dashboards", func() {
	It("hear one change exactly once each, and only those that subscribed", func() {
		s := kit.Start(GinkgoT())
		const subscribed, others = 1000, 50
		var listening, silent []*kit.Client
		for range subscribed {
			c := s.Connect()
			c.Emit("metrics:subscribe", map[string]string{"source": "eu-west"})
			listening = append(listening, c)
		}
		for range others {
			c := s.Connect()
			c.Emit("metrics:subscribe", map[string]string{"source": "us-west"})
			silent = append(silent, c)
		}
		for _, c := range append(listening, silent...) {
			c.Sync() // the regions' first values may come here
		}
		s.Upstream.Set("eu-west", `{"change":"the one"}`)
		for _, c := range listening {
			Expect(c.Next().Frame).To(ContainSubstring("the one"))
		}
		for _, c := range append(listening, silent...) {
			Expect(c.Sync()).To(BeEmpty())
		}
	})
})
