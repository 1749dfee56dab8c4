package alerts

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/test/kit"
)

const (
	calm = `{"status":"ok","load":10}`
	busy = `{"status":"ok","load":95}`
)

// ofRule returns what a receiver was told of one rule, in order.
func (r *receiver) ofRule(name string) func() []string {
	return func() (texts []string) {
		for _, n := range r.messages() {
			if n.Alerts[0].Labels["alertname"] == name {
				texts = append(texts, n.String())
			}
		}
		return texts
	}
}

// posts is a server that keeps the bodies of what is posted to it.
type posts struct {
	url string

	mu     sync.Mutex
	bodies []string
}

func newPosts() *posts {
	p := new(posts)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.bodies = append(p.bodies, r.Header.Get("Content-Type")+" "+string(body))
	}))
	DeferCleanup(server.Close)
	p.url = server.URL
	return p
}

func (p *posts) all() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.bodies)
}

var _ = Describe("rules of the settings file", func() {
	var upstream *kit.Upstream
	BeforeEach(func() {
		upstream = kit.NewUpstream(GinkgoTB())
		for _, region := range []string{"us-east", "us-west", "eu-west", "eu-central", "sa-east", "ap-southeast"} {
			upstream.Set(region, calm)
		}
	})

	It("hear of each change of a value, and with keep_for not of one that flaps", func() {
		hook := newReceiver()
		file := newSettings(
			"alerts:",
			"  receivers: [{name: ops, url: "+hook.server.URL+"}]",
			"  rules:",
			"    - {name: load, expr: data.load > 90, for: 2 polls, regions: [eu-west]}",
			"    - {name: load-held, expr: data.load > 90, for: 1s, keep_for: 15s, summary: '{{.region}} has {{value \"load\"}}'}",
		)
		run(GinkgoT().TempDir(), upstream, file.environ())
		polled(upstream, "eu-west", 3)
		var want []string
		for range 3 {
			upstream.Set("eu-west", busy)
			want = append(want, "firing load eu-west")
			Eventually(hook.ofRule("load"), "40s", "20ms").Should(Equal(want))
			if len(want) == 1 {
				Eventually(hook.ofRule("load-held"), "40s", "20ms").Should(Equal([]string{"firing load-held eu-west"}))
			}
			upstream.Set("eu-west", calm)
			want = append(want, "resolved load eu-west")
			Eventually(hook.ofRule("load"), "40s", "20ms").Should(Equal(want))
			Expect(hook.ofRule("load-held")()).To(HaveLen(1))
		}
		Eventually(hook.ofRule("load-held"), "40s", "50ms").Should(Equal([]string{"firing load-held eu-west", "resolved load-held eu-west"}))
		Expect(hook.heard()).To(HaveLen(8))
		i := slices.Index(hook.heard(), "firing load-held eu-west")
		Expect(hook.messages()[i].CommonAnnotations).To(HaveKeyWithValue("summary", "eu-west has 95"))
	})

	It("tell receivers of the severities that they want, in the form that they want", func() {
		pager, chat, slack := newReceiver(), newReceiver(), newPosts()
		file := newSettings(
			"alerts:",
			"  receivers:",
			"    - {name: pager, url: "+pager.server.URL+", severities: [critical]}",
			"    - {name: chat, url: "+chat.server.URL+", severities: [warning, info]}",
			"    - {name: slack, url: "+slack.url+", template: slack.tmpl, severities: [critical]}",
			"  rules:",
			"    - {name: several, expr: count(down) >= 2, severity: critical, labels: {team: ops}, summary: '{{len .down}} regions: {{.down}} <&>'}",
			`    - {name: region-down, expr: down && reason == "HTTP_503", for: 2 polls, severity: info}`,
		)
		file.beside("../../deploy/receivers/slack.tmpl")
		run(GinkgoT().TempDir(), upstream, file.environ())
		polled(upstream, "eu-west", 3)

		By("one region being down in another way than the rule region-down means here")
		upstream.Fail("us-east", 500)
		polled(upstream, "us-east", 6)
		By("another one being down as it means")
		upstream.Fail("eu-west", 503)
		chat.hears("firing region-down eu-west")
		pager.hears("firing several ")
		Expect(chat.messages()[0].CommonLabels).To(HaveKeyWithValue("severity", "info"))
		Expect(pager.messages()[0].CommonLabels).To(And(HaveKeyWithValue("severity", "critical"), HaveKeyWithValue("team", "ops"), Not(HaveKey("region"))))
		Eventually(slack.all, "40s", "50ms").Should(HaveLen(1))
		var message struct {
			Text   string
			Blocks []struct{ Type string }
		}
		kind, body, _ := strings.Cut(slack.all()[0], " ")
		Expect(kind).To(HavePrefix("application/json"))
		Expect(json.Unmarshal([]byte(body), &message)).To(Succeed(), body)
		Expect(message.Text).To(MatchRegexp("^FIRING: 2 regions: (us-east and eu-west|eu-west and us-east) &lt;&amp;&gt;$"))
		Expect(message.Blocks).To(ContainElement(HaveField("Type", "header")))

		By("both being well again")
		upstream.Set("eu-west", calm)
		upstream.Set("us-east", calm)
		chat.hears("firing region-down eu-west", "resolved region-down eu-west")
		pager.hears("firing several ", "resolved several ")
		Eventually(slack.all, "40s", "50ms").Should(HaveExactElements(ContainSubstring("FIRING: "), ContainSubstring("RESOLVED: ")))
	})

	It("change with the file, also while they fire", func() {
		before, after, late := newReceiver(), newReceiver(), newReceiver()
		file := newSettings(
			"alerts:",
			"  receivers: [{name: ops, url: "+before.server.URL+"}]",
			"  rules: [{name: load, expr: data.load > 90, for: 2 polls}]",
		)
		i := run(GinkgoT().TempDir(), upstream, file.environ())
		polled(upstream, "eu-west", 3)
		upstream.Set("eu-west", busy)
		before.hears("firing load eu-west")

		file.write(
			"alerts:",
			"  receivers: [{name: ops, url: "+after.server.URL+"}, {name: late, url: "+late.server.URL+"}]",
			"  rules: [{name: hot, expr: data.load > 80, for: 2 polls}]",
		)
		reloads(i)
		Eventually(after.heard, "40s", "50ms").Should(ConsistOf("resolved load eu-west", "firing hot eu-west"))
		late.hears("firing hot eu-west")

		By("a file that cannot be used")
		file.write("alerts:", "  rules: [{name: hot, expr: nonsense > 80}]")
		reloads(i)
		Eventually(i.partOfHealth("settings"), "40s", "100ms").Should(Equal("degraded SETTINGS_REFUSED"))
		upstream.Set("eu-west", calm)
		late.hears("firing hot eu-west", "resolved hot eu-west")
		Eventually(after.heard, "40s", "50ms").Should(HaveLen(3))
		Expect(before.heard()).To(Equal([]string{"firing load eu-west"}))
	})
})
