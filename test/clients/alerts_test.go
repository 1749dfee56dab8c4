package clients

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/socket"
	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/live"
)

// values is a store with one value of each region.
type values struct{ all []store.Metric }

func (v values) Watch(ctx context.Context, ready func(), handle func(context.Context, store.Change) error) error {
	for _, m := range v.all {
		if err := handle(ctx, store.Change{Metric: m, Snapshot: true}); err != nil {
			return err
		}
	}
	ready()
	<-ctx.Done()
	return ctx.Err()
}

func (v values) Refresh(context.Context) error { return nil }

func (v values) Scan(_ context.Context, _ store.Query, each func(store.Metric) error) error {
	for _, m := range v.all {
		if err := each(m); err != nil {
			return err
		}
	}
	return nil
}

// startDashboards serves dashboards, with these alerts.
func startDashboards(alerts func(api string) []socket.Notice) (hub *socket.Hub, url string) {
	GinkgoHelper()
	acme := store.API{Name: "acme"}
	var kept values
	for _, region := range []string{"us-east", "eu-west"} {
		acme.Regions = append(acme.Regions, store.Region{Name: region})
		kept.all = append(kept.all, store.Metric{API: "acme", Source: region, Data: []byte(`{"status":"ok"}`), Hash: region, CreatedAt: time.Now(), UpdatedAt: time.Now()})
	}
	catalog := func() store.Catalog { return store.Catalog{acme} }
	srv, log := socketio.NewServer(socketio.Options{}), logrus.New()
	log.SetOutput(GinkgoWriter)
	view := live.New(live.Options{Catalog: catalog, Feed: kept, History: kept, Audience: socket.NewAudience(srv.Of("/"), time.Now), Logger: log})
	hub = socket.NewHub(srv.Of("/"), socket.Options{Catalog: catalog, View: view, History: kept, Alerts: alerts, Logger: log})
	ctx, cancel := context.WithCancel(context.Background())
	ready, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		_ = view.Run(ctx, func() { close(ready) })
	}()
	<-ready
	web := httptest.NewServer(srv)
	DeferCleanup(func(ctx SpecContext) {
		cancel()
		<-over
		Expect(srv.Close(ctx)).To(Succeed())
		web.Close()
	})
	return hub, web.URL
}

// page is a dashboard in a process of its own, which prints whatever it hears.
type page struct {
	in io.Writer

	mu    sync.Mutex
	heard []string
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
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.mu.Lock()
			p.heard = append(p.heard, lines.Text())
			p.mu.Unlock()
		}
	}()
	DeferCleanup(func() {
		_ = in.Close()
		<-over
		Expect(cmd.Wait()).To(Succeed())
	})
	p.awaits(`["connect"]`)
	return p
}

func (p *page) emits(event, payload string) {
	GinkgoHelper()
	_, err := fmt.Fprintf(p.in, "[%q,%s]\n", event, payload)
	Expect(err).NotTo(HaveOccurred())
}

// awaits waits for a line that begins so, and forgets it and those before it.
func (p *page) awaits(begin string) {
	GinkgoHelper()
	Eventually(func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		i := slices.IndexFunc(p.heard, func(line string) bool { return strings.HasPrefix(line, begin) })
		p.heard = p.heard[i+1:]
		return i >= 0
	}, "20s", "10ms").Should(BeTrue(), "it never heard %s: %s", begin, p.said())
}

func (p *page) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.heard, "\n")
}

var _ = Describe("socket.io-client", func() {
	It("hears of alerts when it asks for them, and of nothing new when it does not", func() {
		begun := socket.Notice{API: "acme", ID: "1", Sources: []string{"eu-west"}, Data: []byte(`{"id":"1","state":"firing","summary":"€ 😀 <b>"}`)}
		hub, url := startDashboards(func(string) []socket.Notice { return []socket.Notice{begun} })

		asks, original := openPage(url), openPage(url)
		for _, region := range []string{"us-east", "eu-west"} {
			original.emits("metrics:subscribe", `{"source":"`+region+`"}`)
			original.emits("metrics:getHistory", `{"source":"`+region+`"}`)
			original.awaits(`["metrics:history"`)
		}
		original.emits("metrics:get", `{}`)
		original.awaits(`["metrics:data"`)
		asks.emits("metrics:getAlerts", `{}`)
		asks.awaits(`["metrics:alerts",{"api":"acme","alerts":[{"id":"1","state":"firing","summary":"€ 😀 <b>"}],"maintenance":[],"timestamp":"`)

		over := begun
		over.Data = []byte(`{"id":"1","state":"resolved"}`)
		Expect(hub.SendAlert(over)).To(Succeed())
		Expect(hub.SendMaintenance(socket.Notice{API: "acme", ID: "w", Data: []byte(`{"id":"w"}`)})).To(Succeed())
		asks.awaits(`["metrics:alert",{"api":"acme","alert":{"id":"1","state":"resolved"}}]`)
		asks.awaits(`["metrics:maintenance",{"api":"acme","maintenance":{"id":"w"}}]`)

		asks.emits("metrics:getAlerts", `{"subscribe":false}`)
		asks.awaits(`["metrics:alerts"`)
		Expect(hub.SendAlert(over)).To(Succeed())
		for _, p := range []*page{asks, original} {
			p.emits("metrics:get", `{}`)
			Eventually(p.said, "20s").Should(HavePrefix(`["metrics:data"`), "it has heard nothing before")
		}
	})
})
