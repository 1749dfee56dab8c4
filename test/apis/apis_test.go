// Package apis serves several APIs, with regions of their own, to dashboards with
// the real socket.io-client.
package apis

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/app"
	"github.com/devops-insights/devops-insights/app/config"
	"github.com/devops-insights/devops-insights/test/kit"
	"github.com/devops-insights/devops-insights/test/wire"
)

func TestAPIs(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Several APIs")
}

// upstream answers every region of every API with its name and a number.
type upstream struct {
	mu sync.Mutex
	n  int
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	defer u.mu.Unlock()
	_, _ = fmt.Fprintf(w, `{"of":%q,"n":%d}`, strings.Trim(r.URL.Path, "/"), u.n)
}

// next changes the values of all regions.
func (u *upstream) next() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.n++
}

// dashboard is a process with the real client.
type dashboard struct {
	in io.Writer

	mu    sync.Mutex
	heard []string
}

func connect(url string) *dashboard {
	GinkgoHelper()
	d := new(dashboard)
	cmd := exec.Command("node", "../js/events.mjs", url)
	in, err := cmd.StdinPipe()
	Expect(err).NotTo(HaveOccurred())
	out, err := cmd.StdoutPipe()
	Expect(err).NotTo(HaveOccurred())
	d.in, cmd.Stderr = in, GinkgoWriter
	Expect(cmd.Start()).To(Succeed())
	over := make(chan struct{})
	go func() {
		defer close(over)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			d.mu.Lock()
			d.heard = append(d.heard, lines.Text())
			d.mu.Unlock()
		}
	}()
	DeferCleanup(func() {
		_ = in.Close()
		<-over
		Expect(cmd.Wait()).To(Succeed())
	})
	Eventually(d.all, "20s").Should(ContainElement(`["connect"]`))
	return d
}

func (d *dashboard) emit(event, payload string) {
	GinkgoHelper()
	_, err := fmt.Fprintf(d.in, "[%q,%s]\n", event, payload)
	Expect(err).NotTo(HaveOccurred())
}

// all returns every line so far.
func (d *dashboard) all() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string{}, d.heard...)
}

// since returns a function that returns what was heard from now on.
func (d *dashboard) since() func() string {
	begin := len(d.all())
	return func() string { return strings.Join(d.all()[begin:], "\n") }
}

// update is how a change begins, up to the number.
func update(api, source string, n int) string {
	return fmt.Sprintf(`["metrics-update",{"api":%q,"source":%q,"data":{"of":"%s/%s","n":%d}`, api, source, api, source, n)
}

func several(environ func() []string) {
	up := new(upstream)
	web := httptest.NewServer(up)
	DeferCleanup(web.Close)
	acme := "  - {name: acme, regions: [us-east, eu-west, mars_1], interval: 100ms, url: \"" + web.URL + "/{api}/{source}\"}\n"
	other := "  - {name: other.2, regions: [us-east, mars_2, mars_3], interval: 100ms, url: \"" + web.URL + "/{api}/{source}\"}\n"
	file := filepath.Join(GinkgoT().TempDir(), "devops-insights.yaml")
	write := func(apis ...string) {
		GinkgoHelper()
		Expect(os.WriteFile(file, []byte("apis:\n"+strings.Join(apis, "")), 0o600)).To(Succeed())
	}
	write(acme, other)
	s := kit.Start(GinkgoT(), func(o *app.Options) {
		loader := config.NewLoader(nil, append(environ(), "CONFIG_FILE="+file, "SERVER_HOST=127.0.0.1", "SERVER_PORT=0", "DATA_DIR="+GinkgoT().TempDir()))
		c, _, err := loader.Load()
		Expect(err).NotTo(HaveOccurred())
		c.Port = 0
		o.Config, o.Loader = c, loader
	})
	d := connect(s.URL)

	By("without an api the first is meant")
	stored := func(question string) func() string {
		return func() string {
			heard := d.since()
			d.emit("metrics:get", question)
			Eventually(heard, "20s", "5ms").Should(ContainSubstring(`"metrics:data"`))
			return heard()
		}
	}
	Eventually(stored(`{}`), "20s").Should(And(ContainSubstring(`{"api":"acme","data":{`), ContainSubstring(`"count":3`), Not(ContainSubstring("other.2"))))
	Eventually(stored(`{"api":"Other.2"}`), "20s").Should(And(ContainSubstring(`{"api":"other.2","data":{`), ContainSubstring(`"count":3`), Not(ContainSubstring("acme"))))

	By("what does not exist is refused with what does")
	heard := d.since()
	d.emit("metrics:get", `{"source":"mars_2"}`)
	d.emit("metrics:subscribe", `{"api":"mars","source":"us-east"}`)
	d.emit("metrics:getHistory", `{"api":"other.2","source":"eu-west"}`)
	Eventually(heard, "10s").Should(And(
		ContainSubstring(`["metrics:error",{"message":"Invalid source","allowed":["us-east","eu-west","mars_1"]`),
		ContainSubstring(`["error",{"message":"Invalid api","allowed":["acme","other.2"]}]`),
		ContainSubstring(`["metrics:error",{"message":"Invalid source","allowed":["us-east","mars_2","mars_3"]`)))

	By("each region of each API has a room of its own")
	d.emit("metrics:subscribe", `{"source":"us-east"}`)
	d.emit("metrics:subscribe", `{"api":"other.2","source":"mars_2"}`)
	stored(`{}`)() // the subscriptions are there
	heard = d.since()
	up.next()
	Eventually(heard, "20s").Should(And(ContainSubstring(update("acme", "us-east", 1)), ContainSubstring(update("other.2", "mars_2", 1))))
	Expect(heard()).NotTo(Or(ContainSubstring(`"api":"other.2","source":"us-east"`), ContainSubstring("mars_3")))
	heard = d.since()
	d.emit("metrics:getHistory", `{"api":"other.2","limit":9}`)
	Eventually(heard, "10s").Should(And(ContainSubstring(`["metrics:history",{"api":"other.2","items":[`), Not(ContainSubstring("acme"))))

	By("an API that is gone is not answered, and its rooms are silent")
	write(acme)
	Expect(s.Reload(context.Background())).To(Succeed())
	heard = d.since()
	d.emit("metrics:get", `{"api":"other.2"}`)
	Eventually(heard, "10s").Should(ContainSubstring(`{"message":"Invalid api","allowed":["acme"]`))
	up.next()
	Eventually(heard, "20s").Should(ContainSubstring(update("acme", "us-east", 2)))
	up.next()
	Eventually(heard, "20s").Should(ContainSubstring(update("acme", "us-east", 3)))
	Expect(heard()).NotTo(ContainSubstring(`"api":"other.2"`))

	By("when it returns, those who have stayed hear it, and it may be the first one")
	write(other, acme)
	heard = d.since()
	Expect(s.Reload(context.Background())).To(Succeed())
	Eventually(heard, "20s").Should(ContainSubstring(update("other.2", "mars_2", 3)))
	Eventually(stored(`{}`), "20s").Should(ContainSubstring(`{"api":"other.2","data":{`))
	d.emit("metrics:unsubscribe", `{"api":"acme","source":"us-east"}`)
	stored(`{}`)()
	heard = d.since()
	up.next()
	Eventually(heard, "20s").Should(ContainSubstring(update("other.2", "mars_2", 4)))
	Eventually(stored(`{"api":"acme"}`), "20s").Should(ContainSubstring(`"us-east":{"of":"acme/us-east","n":4}`))
	Expect(heard()).NotTo(ContainSubstring(`["metrics-update",{"api":"acme"`))

	By("HTTP knows the same")
	resp, err := http.Get(s.URL + "/api/v1/info")
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = resp.Body.Close() }()
	var info struct {
		APIs []string `json:"external_apis"`
	}
	Expect(json.NewDecoder(resp.Body).Decode(&info)).To(Succeed())
	Expect(info.APIs).To(Equal([]string{"other.2", "acme"}))
	Expect(strings.Join(d.all(), "\n")).NotTo(ContainSubstring(`["disconnect"`))
}

var _ = Describe("several APIs with regions of their own", func() {
	It("are served from the embedded store", func() { several(func() []string { return nil }) })

	It("are served from MongoDB, over one change stream", func() {
		server := wire.Start(GinkgoTB())
		several(func() []string { return []string{"DATABASE_URL=" + server.Database("apis")} })
	})
})
