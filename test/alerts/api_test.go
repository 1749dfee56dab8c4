package alerts

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/test/kit"
	"github.com/devops-insights/devops-insights/test/ports"
)

const token = "correct-horse-battery"

// call asks the HTTP API, with the token and a body where there is one, and returns
// its JSON.
func call(method, url, body string) (status int, answer map[string]any) {
	GinkgoHelper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	Expect(err).NotTo(HaveOccurred())
	req.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	Expect(err).NotTo(HaveOccurred())
	Expect(json.Unmarshal(text, &answer)).To(Succeed(), string(text))
	return resp.StatusCode, answer
}

// firing returns the alert of eu-west when it is shown as one that fires, and as it
// is expected.
func (i *instance) firing(as OmegaMatcher) (one map[string]any) {
	GinkgoHelper()
	Eventually(func() any {
		_, answer := call(http.MethodGet, i.url("/api/v1/alerts?source=eu-west&state=firing"), "")
		return answer["items"]
	}, "40s", "50ms").Should(ConsistOf(as))
	_, answer := call(http.MethodGet, i.url("/api/v1/alerts?source=eu-west&state=firing"), "")
	Expect(answer["items"]).To(HaveLen(1))
	return answer["items"].([]any)[0].(map[string]any)
}

// incident returns the incident of an alert when it is as it is expected.
func (i *instance) incident(of map[string]any, as OmegaMatcher) {
	GinkgoHelper()
	Eventually(func() any {
		_, answer := call(http.MethodGet, i.url("/api/v1/incidents/"+of["incident"].(string)), "")
		return answer
	}, "40s", "50ms").Should(as)
}

func suppressedBy(by, id string) OmegaMatcher {
	return HaveKeyWithValue("suppressed", And(HaveKeyWithValue("by", by), HaveKeyWithValue("id", id)))
}

// event is one of an incident.
func event(kind, by string) OmegaMatcher {
	if by == "" {
		return HaveKeyWithValue("kind", kind)
	}
	return And(HaveKeyWithValue("kind", kind), HaveKeyWithValue("by", by))
}

var _ = Describe("the HTTP API", func() {
	const up, down = `{"status":"ok","load":1}`, `{"status":"error","load":99}`
	var upstream *kit.Upstream
	var hook *receiver
	var dir string
	start := func(environ ...string) *instance {
		GinkgoHelper()
		i := run(dir, upstream, append([]string{"ALERT_WEBHOOK_URL=" + hook.server.URL, "ALERT_TOKEN=" + token}, environ...)...)
		polled(upstream, "eu-west", 3)
		return i
	}
	BeforeEach(func() {
		upstream, hook, dir = kit.NewUpstream(GinkgoTB()), newReceiver(), GinkgoT().TempDir()
		upstream.Set("eu-west", up)
	})

	It("takes a silence: nobody hears of an outage until it is ended, on whichever address", func() {
		port, err := ports.Free(1)
		Expect(err).NotTo(HaveOccurred())
		internal := fmt.Sprint("127.0.0.1:", port)
		i := start("INTERNAL_ADDR=" + internal)
		const silence = `{"id":"deploy-17","matchers":[{"name":"region","value":"eu-.+","isRegex":true}],"duration":"1h","createdBy":"Jo"}`
		for _, want := range []int{201, 200} { // the second one is the same
			status, _ := call(http.MethodPost, i.url("/api/v1/silences"), silence)
			Expect(status).To(Equal(want))
		}
		upstream.Set("eu-west", down)
		one := i.firing(suppressedBy("silence", "deploy-17"))
		polled(upstream, "eu-west", 5)
		Expect(hook.tried()).To(BeZero())
		req, err := http.NewRequest(http.MethodDelete, "http://"+internal+"/api/v1/silences/deploy-17?by=Kim", http.NoBody) // without the token
		Expect(err).NotTo(HaveOccurred())
		resp, err := http.DefaultClient.Do(req)
		Expect(err).NotTo(HaveOccurred())
		Expect(resp.Body.Close()).To(Succeed())
		Expect(resp.StatusCode).To(Equal(200))
		hook.hears(firing)
		i.incident(one, HaveKeyWithValue("events", ContainElements(event("suppressed", ""), event("unsuppressed", ""), event("delivered", "webhook"))))
	})

	It("takes an acknowledgement, which the alert and its incident show", func() {
		i := start()
		upstream.Set("eu-west", down)
		one := i.firing(Not(HaveKey("acknowledged")))
		status, _ := call(http.MethodPost, i.url("/api/v1/alerts/"+one["id"].(string)+"/acknowledge"), `{"by":"Jo","comment":"on it"}`)
		Expect(status).To(Equal(200))
		i.firing(HaveKeyWithValue("acknowledged", And(HaveKeyWithValue("by", "Jo"), HaveKeyWithValue("comment", "on it"))))
		i.incident(one, HaveKeyWithValue("events", ContainElement(event("acknowledged", "Jo"))))
		upstream.Set("eu-west", up)
		hook.hears(firing, resolved)
		status, _ = call(http.MethodPost, i.url("/api/v1/alerts/"+one["incident"].(string)+"/acknowledge"), `{"by":"Kim"}`)
		Expect(status).To(Equal(409))
	})

	It("knows maintenance of the settings, and takes more", func() {
		now := time.Now().UTC()
		settings := fmt.Sprintf("alerts:\n  maintenance:\n    - {name: move, title: Move, regions: [eu-west], start: %q, end: %q}\n",
			now.Add(-time.Hour).Format("2006-01-02 15:04"), now.Add(2*time.Hour).Format("2006-01-02 15:04"))
		Expect(os.WriteFile(filepath.Join(dir, "devops-insights.yaml"), []byte(settings), 0o600)).To(Succeed())
		i := start()
		_, answer := call(http.MethodGet, i.url("/api/v1/maintenance"), "")
		Expect(answer["items"]).To(ConsistOf(And(HaveKeyWithValue("id", "move"), HaveKeyWithValue("state", "active"), HaveKeyWithValue("settings", true))))
		upstream.Set("eu-west", down)
		i.firing(suppressedBy("maintenance", "move"))
		status, _ := call(http.MethodDelete, i.url("/api/v1/maintenance/move?by=Jo"), "")
		Expect(status).To(Equal(409))
		status, longer := call(http.MethodPost, i.url("/api/v1/maintenance"), `{"title":"It takes longer","duration":"5h","createdBy":"Jo"}`)
		Expect(status).To(Equal(201))
		i.firing(suppressedBy("maintenance", longer["id"].(string)))
		status, _ = call(http.MethodDelete, i.url("/api/v1/maintenance/"+longer["id"].(string)+"?by=Jo"), "")
		Expect(status).To(Equal(200))
		i.firing(suppressedBy("maintenance", "move"))
		Expect(hook.tried()).To(BeZero())
	})

	It("tells of an incident with what happened, and what changed in the value", func() {
		i := start()
		upstream.Set("eu-west", down)
		one := i.firing(Not(BeEmpty()))
		hook.hears(firing)
		upstream.Set("eu-west", up)
		hook.hears(firing, resolved)
		change := func(field string, from, to any) OmegaMatcher {
			return And(HaveKeyWithValue("source", "eu-west"), HaveKeyWithValue("field", field), HaveKeyWithValue("from", from), HaveKeyWithValue("to", to))
		}
		i.incident(one, And(
			HaveKeyWithValue("state", "resolved"), HaveKeyWithValue("moreChanges", false),
			HaveKeyWithValue("events", ContainElements(event("pending", ""), event("firing", ""), event("delivered", "webhook"), event("resolved", ""))),
			HaveKeyWithValue("changes", HaveExactElements(
				change("status", "ok", "error"), change("load", 1.0, 99.0), change("status", "error", "ok"), change("load", 99.0, 1.0)))))
		_, answer := call(http.MethodGet, i.url("/api/v1/incidents?source=eu-west"), "")
		Expect(answer["items"]).To(ConsistOf(HaveKeyWithValue("incident", one["incident"])))
	})
})
