package contract

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/app"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/test/kit"
)

const (
	httpDocument = "../../docs/http-api.md"
	alertToken   = "correct-horse-battery"
)

var _ = Describe("docs/http-api.md", Ordered, ContinueOnFailure, func() {
	var s *kit.Server
	BeforeAll(func() {
		for _, program := range []string{"sh", "curl", "jq", "sed"} {
			if _, err := exec.LookPath(program); err != nil {
				Skip(program + " is not installed")
			}
		}
		receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		DeferCleanup(receiver.Close)
		s = kit.Start(GinkgoT(), func(o *app.Options) {
			o.Config.AlertWebhookURL, o.Config.AlertToken = receiver.URL, alertToken
		})
		for _, region := range store.Regions() {
			s.Upstream.Fail(region, http.StatusNotFound)
		}
		s.Upstream.Set("us-east", `{"status":"ok","latency_ms":12.5}`)
		s.Upstream.Set("eu-west", `{"status":"ok"}`)
		c := s.Connect()
		Eventually(func() string {
			c.Send(`42["metrics:get"]`)
			return c.Next().Frame
		}, "20s", "50ms").Should(And(ContainSubstring("latency_ms"), ContainSubstring("eu-west")))
		s.Upstream.Set("eu-west", `{"status":"error"}`)
		Eventually(func() string { // the incident knows that the receiver was told
			out, _ := exec.Command("sh", "-c", `curl -fsS "$0/api/v1/incidents/$(curl -fsS "$0/api/v1/incidents?source=eu-west" | jq -r '.items[0].incident')"`, s.URL).Output()
			return string(out)
		}, "30s", "200ms").Should(ContainSubstring("delivered"))
	})

	blocks := examplesIn(httpDocument, "sh", "json")
	for i, e := range blocks {
		if e.kind != "sh" {
			continue
		}
		It(fmt.Sprintf("has a command in line %d that works", e.line), func(ctx SpecContext) {
			run := exec.CommandContext(ctx, "sh", "-ec", strings.ReplaceAll(strings.Join(e.text, "\n"), "http://localhost:5000", s.URL))
			run.Dir, run.Env = GinkgoT().TempDir(), append(os.Environ(), "ALERT_TOKEN="+alertToken)
			out, err := run.CombinedOutput()
			Expect(err).NotTo(HaveOccurred(), string(out))
			if i+1 == len(blocks) || blocks[i+1].kind != "json" {
				Expect(string(out)).NotTo(ContainSubstring(`"error":`))
				return
			}
			var got, want any
			Expect(json.Unmarshal(out, &got)).To(Succeed(), string(out))
			Expect(json.Unmarshal([]byte(strings.Join(blocks[i+1].text, "")), &want)).To(Succeed())
			covers(got, want, "$")
		}, NodeTimeout(time.Minute))
	}
})

// covers expects a JSON value to have the members of another one, with the same
// kinds of values.
func covers(got, want any, path string) {
	GinkgoHelper()
	switch want := want.(type) {
	case map[string]any:
		Expect(got).To(BeAssignableToTypeOf(want), path)
		for name, member := range want {
			Expect(got).To(HaveKey(name), path)
			covers(got.(map[string]any)[name], member, path+"."+name)
		}
	case []any:
		Expect(got).To(BeAssignableToTypeOf(want), path)
		if len(want) > 0 {
			Expect(got).NotTo(BeEmpty(), path)
			covers(got.([]any)[0], want[0], path+"[0]")
		}
	case string:
		Expect(got).To(BeAssignableToTypeOf(want), path)
		if strings.HasSuffix(path, ".error") || strings.HasSuffix(path, ".api") || strings.HasSuffix(path, ".source") {
			Expect(got).To(Equal(want), path)
		}
	}
}
