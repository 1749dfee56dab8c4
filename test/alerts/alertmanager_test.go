package alerts

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/test/kit"
)

// startAlertmanager runs the real one until the spec ends, and returns its address.
// It tells its own receiver of what it gets.
func startAlertmanager(own string) (url string) {
	GinkgoHelper()
	binary, err := filepath.Abs("../../bin/alertmanager")
	Expect(err).NotTo(HaveOccurred())
	if _, err := os.Stat(binary); err != nil {
		Skip("Alertmanager is missing: make deps builds it, or says why not")
	}
	dir := GinkgoT().TempDir()
	settings := `{route: {receiver: own, group_by: [alertname, api, region], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}, receivers: [{name: own, webhook_configs: [{url: "` + own + `"}]}]}`
	Expect(os.WriteFile(filepath.Join(dir, "alertmanager.yml"), []byte(settings), 0o600)).To(Succeed())
	cmd := exec.Command(binary, "--config.file=alertmanager.yml", "--storage.path=data", "--web.listen-address=127.0.0.1:0", "--cluster.listen-address=")
	cmd.Dir = dir
	said, err := cmd.StderrPipe()
	Expect(err).NotTo(HaveOccurred())
	Expect(cmd.Start()).To(Succeed())
	listens, over := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(over)
		address := regexp.MustCompile(`msg="Listening on" address=(\S+)`)
		for lines := bufio.NewScanner(said); lines.Scan(); {
			if m := address.FindStringSubmatch(lines.Text()); m != nil {
				listens <- "http://" + m[1]
			}
		}
	}()
	DeferCleanup(func() {
		_ = cmd.Process.Kill()
		<-over
		_ = cmd.Wait()
	})
	Eventually(listens, "60s").Should(Receive(&url))
	return url
}

// held is an alert as Alertmanager's API shows it.
type held struct {
	Labels, Annotations map[string]string
	StartsAt, EndsAt    time.Time
	GeneratorURL        string
	Status              struct{ State string }
}

// holds asks an Alertmanager for what fires.
func holds(url string) func() []held {
	return func() (all []held) {
		_ = json.Unmarshal([]byte(ask(url+"/api/v2/alerts")), &all)
		return all
	}
}

var _ = Describe("the real Alertmanager", func() {
	It("shows an alert while it fires, also over a restart, and tells its own receivers of begin and end", func() {
		upstream, own := kit.NewUpstream(GinkgoTB()), newPosts()
		url, dir := startAlertmanager(own.url), GinkgoT().TempDir()
		file := newSettings(
			"alerts:",
			"  receivers: [{name: am, type: alertmanager, url: "+url+"}]",
			"  rules: [{name: region-down, expr: down, for: 2 polls, severity: critical, runbook_url: 'https://wiki.example/{{.region}}'}]",
		)
		start := func() *instance { return run(dir, upstream, file.environ(), "PUBLIC_URL=https://insights.example") }
		now := start()
		polled(upstream, "eu-west", 3)
		upstream.Fail("eu-west", 503)
		Eventually(holds(url), "40s", "100ms").Should(HaveExactElements(And(
			HaveField("Labels", Equal(map[string]string{"alertname": "region-down", "api": "acme", "region": "eu-west", "severity": "critical"})),
			HaveField("Annotations", HaveKeyWithValue("runbook_url", "https://wiki.example/eu-west")),
			HaveField("Status.State", "active"),
			HaveField("GeneratorURL", HavePrefix("https://insights.example/api/v1/incidents/")),
		)))
		first := holds(url)()[0]
		Expect(first.EndsAt).To(BeTemporally(">", time.Now()))

		now.Kill().Wait("10s")
		start()
		Eventually(func() time.Time {
			if all := holds(url)(); len(all) == 1 {
				return all[0].EndsAt
			}
			return time.Time{}
		}, "40s", "100ms").Should(BeTemporally(">", first.EndsAt), "the one that takes over tells it at once")
		Expect(holds(url)()[0].StartsAt).To(BeTemporally("==", first.StartsAt))

		upstream.Set("eu-west", `{"status":"ok"}`)
		Eventually(holds(url), "40s", "100ms").Should(BeEmpty())
		Eventually(own.all, "40s", "100ms").Should(HaveExactElements(
			ContainSubstring(`"status":"firing"`), ContainSubstring(`"status":"resolved"`)))
	})
})
