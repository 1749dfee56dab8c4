package alerts

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/test/kit"
	"github.com/devops-insights/devops-insights/test/ports"
)

// ask returns what a server answers; empty where it does not.
func ask(url string) string {
	resp, err := http.Get(url)
	if err != nil {
		return ""
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(resp.Body)
	return string(body)
}

// partOfHealth returns a function that asks for the state and the class of a part.
func (i *instance) partOfHealth(name string) func() string {
	return func() string {
		var health struct {
			Checks map[string]struct{ State, Class string }
		}
		_ = json.Unmarshal([]byte(ask(i.url("/api/v1/health"))), &health)
		part := health.Checks[name]
		return strings.TrimSpace(part.State + " " + part.Class)
	}
}

var _ = Describe("what a server says of itself", func() {
	It("has the alerts, and the receiver that does not take its messages", func() {
		upstream, hook := kit.NewUpstream(GinkgoTB()), newReceiver()
		port, err := ports.Free(1)
		Expect(err).NotTo(HaveOccurred())
		internal := fmt.Sprint("127.0.0.1:", port)
		i := run(GinkgoT().TempDir(), upstream, "ALERT_WEBHOOK_URL="+hook.server.URL+"/hunter2", "INTERNAL_ADDR="+internal)
		metrics := func() string { return ask("http://" + internal + "/metrics") }
		Eventually(i.partOfHealth("alerts"), "40s", "100ms").Should(Equal("ok"))
		Expect(metrics()).To(And(
			MatchRegexp(`(?m)^(\w+_)?alerts\{severity="critical",state="firing"\} 0$`),
			MatchRegexp(`(?m)^(\w+_)?notifications_total\{receiver="webhook",result="sent"\} 0$`)))
		polled(upstream, "eu-west", 3)

		hook.does(func(w http.ResponseWriter, _ string, _ func()) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(503)
		})
		upstream.Fail("eu-west", 503)
		Eventually(metrics, "40s", "100ms").Should(And(
			MatchRegexp(`(?m)^(\w+_)?alerts\{severity="critical",state="firing"\} 1$`),
			MatchRegexp(`(?m)^(\w+_)?notifications_total\{receiver="webhook",result="failed"\} [1-9]`)))
		Expect(i.partOfHealth("alerts")()).To(Equal("ok"), "a try that failed is no news")
		Eventually(i.partOfHealth("alerts"), "60s", "200ms").Should(Equal("degraded RECEIVER_FAILING"))
		Expect(ask(i.url("/readyz?verbose"))).To(MatchRegexp(`(?m)alerts.*RECEIVER_FAILING|alerts.*the receiver webhook of alerts takes no messages`))
		Expect(ask(i.url("/api/v1/health"))).To(And(ContainSubstring("the receiver webhook of alerts takes no messages since "), Not(ContainSubstring("hunter2"))))
		Expect(metrics()).To(MatchRegexp(`(?m)^(\w+_)?notification_oldest_pending_seconds\{receiver="webhook"\} [1-9]`))

		hook.does(nil)
		hook.hears(firing)
		Eventually(i.partOfHealth("alerts"), "40s", "200ms").Should(Equal("ok"))
		Eventually(metrics, "40s", "100ms").Should(And(
			MatchRegexp(`(?m)^(\w+_)?notifications_total\{receiver="webhook",result="sent"\} 1$`),
			MatchRegexp(`(?m)^(\w+_)?notification_oldest_pending_seconds\{receiver="webhook"\} 0$`)))
		Expect(string(i.Err.Contents()) + string(i.Out.Contents())).NotTo(ContainSubstring("hunter2"))
	})
})
