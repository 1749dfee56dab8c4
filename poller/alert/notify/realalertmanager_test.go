package notify

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/poller/alert"
)

// startAlertmanager runs the real one until the spec ends, and returns its
// address. It tells hook of what it gets.
func startAlertmanager(hook string) string {
	GinkgoHelper()
	binary, err := filepath.Abs("../../../bin/alertmanager")
	Expect(err).NotTo(HaveOccurred())
	if _, err := os.Stat(binary); err != nil {
		Skip("Alertmanager is missing: make deps builds it")
	}
	dir := GinkgoT().TempDir()
	settings := `{route: {receiver: hook, group_by: [alertname, api, region], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}, receivers: [{name: hook, webhook_configs: [{url: "` + hook + `"}]}]}`
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
	var url string
	Eventually(listens, "60s").Should(Receive(&url))
	return url
}

// held is an alert as Alertmanager holds it.
type held struct {
	Labels, Annotations map[string]string
	StartsAt, EndsAt    time.Time
	GeneratorURL        string
	Status              struct{ State string }
}

// holds returns the alerts of which an Alertmanager says that they fire, by region.
func holds(url string) map[string]held {
	GinkgoHelper()
	client := &http.Client{Timeout: deadline, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(url + "/api/v2/alerts")
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	Expect(err).NotTo(HaveOccurred())
	var list []held
	Expect(json.Unmarshal(body, &list)).To(Succeed(), string(body))
	alerts := make(map[string]held)
	for _, a := range list {
		alerts[a.Labels["region"]] = a
	}
	return alerts
}

var _ = Describe("the real Alertmanager", func() {
	// It says itself what it makes of it, to a webhook.
	var (
		mu    sync.Mutex
		heard []string
	)
	told := func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string{}, heard...)
	}
	start := func() string {
		GinkgoHelper()
		mu.Lock()
		heard = nil
		mu.Unlock()
		hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			var d Document // its own version 4 is read as ours
			if json.NewDecoder(r.Body).Decode(&d) == nil {
				mu.Lock()
				defer mu.Unlock()
				heard = append(heard, d.Status+" "+d.CommonLabels["alertname"]+" "+d.GroupLabels["region"])
			}
		}))
		DeferCleanup(hook.Close)
		return startAlertmanager(hook.URL)
	}

	It("holds an alert while it fires, whoever tells it, and no longer", func() {
		url := start()
		fires, east := new(firing), message("am", "east", 1, alert.MessageFiring, time.Now())
		out := newOutbox(east)
		fires.set("am", east)
		options := Options{
			Receivers: []Receiver{alertmanager(url)}, Outbox: out, Firing: fires,
			ExternalURL: "https://insights.example", Repeat: 200 * time.Millisecond,
		}
		run := func(o Options) (stop func()) {
			s, err := New(o)
			Expect(err).NotTo(HaveOccurred())
			ctx, cancel := context.WithCancel(context.Background())
			over := make(chan struct{})
			go func() {
				defer close(over)
				_ = s.Run(ctx)
			}()
			return sync.OnceFunc(func() { cancel(); <-over })
		}
		stop := run(options)
		defer stop()
		Eventually(func() map[string]held { return holds(url) }, deadline).Should(HaveKey("east"))
		first := holds(url)["east"]
		Expect(first.Labels).To(Equal(east.Alert.Labels))
		Expect(first.Annotations).To(Equal(map[string]string{"summary": "acme is down in east"}))
		Expect(first.GeneratorURL).To(Equal("https://insights.example/api/v1/incidents/east-1"))
		Expect(first.StartsAt).To(BeTemporally("==", *east.Alert.StartedAt))
		Expect(first.EndsAt).To(BeTemporally(">", time.Now().Add(holdsFor-time.Minute)))
		Eventually(out.told, deadline).Should(Equal([]string{"east-am-1"}))
		out.commit()

		By("being told again and again")
		Eventually(func() time.Time { return holds(url)["east"].EndsAt }, deadline).Should(BeTemporally(">", first.EndsAt))

		By("another sender taking over")
		stop()
		between := holds(url)["east"].EndsAt
		options.Outbox = newOutbox() // what is delivered has been committed
		stop = run(options)
		defer stop()
		Eventually(func() time.Time { return holds(url)["east"].EndsAt }, deadline).Should(BeTemporally(">", between))
		Expect(holds(url)["east"].StartsAt).To(BeTemporally("==", *east.Alert.StartedAt))

		By("the end of the alert")
		fires.set("am")
		over := options.Outbox.(*outbox)
		over.put(message("am", "east", 2, alert.MessageResolved, time.Now()))
		Eventually(over.told, deadline).Should(Equal([]string{"east-am-2"}))
		Eventually(func() map[string]held { return holds(url) }, deadline).Should(BeEmpty())
		Eventually(told, "60s").Should(Equal([]string{"firing down east", "resolved down east"}))
	})

	It("takes a test, and is left with nothing that fires", func() {
		url := start()
		Expect(SendTest(context.Background(), alertmanager(url), "")).To(Succeed())
		Eventually(func() map[string]held { return holds(url) }, deadline).Should(BeEmpty())
	})

	It("takes every kind of message", func() {
		url := start()
		t, err := compile(alertmanager(url), nil)
		Expect(err).NotTo(HaveOccurred())
		defer t.close()
		for _, m := range situations("am") {
			Expect(t.tellAlertmanager(context.Background(), []postable{toAlertmanager(m.Alert, holdsUntil(m, time.Now()), "")}, time.Now)).To(Succeed())
		}
		Expect(holds(url)).To(HaveKey("eu-west"))
	})
})
