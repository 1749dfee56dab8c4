package dashboards

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/chromedp/chromedp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/app"
	"github.com/devops-insights/devops-insights/app/config"
	"github.com/devops-insights/devops-insights/test/chromium"
	"github.com/devops-insights/devops-insights/test/kit"
)

const sample = `{"status":"ok","results":{"stats":{"server":{"cpu_load":%CPU%}},"memory":{"usage_percent":50},"performance":{"error_rate":0.5,"requests_per_second":1200,"response_times":{"p50":10,"p95":20,"p99":30}}}}`

func replaceCPU(v string) string { return strings.Replace(sample, "%CPU%", v, 1) }

// browser starts Chromium, and returns the context of a tab.
func browser() context.Context {
	GinkgoHelper()
	return chromium.Start(GinkgoT(), 90*time.Second)
}

var _ = Describe("the built-in page in a browser", func() {
	It("shows a live update, and says so when the server is gone and back", func() {
		s := kit.Start(GinkgoT())
		s.Upstream.Set("eu-west", replaceCPU("41.25"))
		ctx := browser()
		cpu := `[data-region="eu-west"] [data-field="cpu"]`
		read := func(selector string) func() string {
			return func() string {
				text, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`document.querySelector('`+selector+`')?.textContent ?? ""`))
				return text
			}
		}
		Expect(chromedp.Do(ctx, chromedp.Navigate(s.URL), chromedp.WaitVisible(`body[data-connection=live]`))).To(Succeed())
		Eventually(read(cpu), "15s", "100ms").Should(HavePrefix("41.3"))
		s.Upstream.Set("eu-west", replaceCPU("77.75"))
		Eventually(read(cpu), "15s", "100ms").Should(HavePrefix("77.8"))
		Expect(chromedp.Do(ctx, chromedp.Click(`[data-region="eu-west"]`), chromedp.WaitVisible(`#history svg path`))).To(Succeed())

		By("a part of the server that is not well")
		Expect(read("#health")()).To(BeEmpty())
		s.Upstream.Fail("eu-west", 503)
		Eventually(read("#health"), "20s", "100ms").Should(And(HavePrefix("upstream:eu-west down since "), ContainSubstring("answered 503")))
		s.Upstream.Set("eu-west", replaceCPU("77.75"))
		Eventually(read("#health"), "20s", "100ms").Should(BeEmpty())
		s.Restart()
		Expect(chromedp.Do(ctx, chromedp.WaitVisible(`body[data-connection=live]`))).To(Succeed())
		s.Upstream.Set("eu-west", replaceCPU("12.5"))
		Eventually(read(cpu), "30s", "100ms").Should(HavePrefix("12.5"))
	})

	It("shows an alert while it fires, in words", func() {
		s := kit.Start(GinkgoT(), func(o *app.Options) {
			o.Config.AlertWebhookURL, o.Config.AlertAfter = "http://127.0.0.1:1/", 2
		})
		ctx := browser()
		alerts := func() string {
			text, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`document.querySelector("section:not([hidden]) > #alerts")?.textContent ?? "none"`))
			return text
		}
		Expect(chromedp.Do(ctx, chromedp.Navigate(s.URL), chromedp.WaitVisible(`body[data-connection=live]`))).To(Succeed())
		Expect(alerts()).To(Equal("none"))
		s.Upstream.Fail("eu-west", 503)
		Eventually(alerts, "30s", "100ms").Should(And(HavePrefix("critical: eu-west of "), ContainSubstring("is down for 2 polls")))
		s.Upstream.Set("eu-west", replaceCPU("1"))
		Eventually(alerts, "30s", "100ms").Should(Equal("none"))
	})

	It("shows the regions of the settings, under their titles", func() {
		file := filepath.Join(GinkgoT().TempDir(), "devops-insights.yaml")
		const settings = "apis:\n  - {name: acme, simulated: true, regions: [{name: mars, title: Mars Base}, eu-west]}\n  - {name: other, simulated: true, regions: [us-east]}\n"
		Expect(os.WriteFile(file, []byte(settings), 0o600)).To(Succeed())
		s := kit.Start(GinkgoT(), func(o *app.Options) {
			loader := config.NewLoader(nil, []string{"CONFIG_FILE=" + file, "SERVER_HOST=127.0.0.1", "SERVER_PORT=0", "DATA_DIR=" + GinkgoT().TempDir()})
			c, _, err := loader.Load()
			Expect(err).NotTo(HaveOccurred())
			o.Config, o.Loader = c, loader
		})
		ctx := browser()
		Expect(chromedp.Do(ctx, chromedp.Navigate(s.URL), chromedp.WaitVisible(`body[data-connection=live]`))).To(Succeed())
		names, err := chromedp.Run(ctx, chromedp.Evaluate[string](`[...document.querySelectorAll("[data-region] .name")].map((n) => n.textContent).join()`))
		Expect(err).NotTo(HaveOccurred())
		Expect(names).To(Equal("Mars Base,eu-west"))
		Eventually(func() string {
			updates, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`document.querySelector('[data-region="mars"]').dataset.updates`))
			return updates
		}, "15s", "100ms").ShouldNot(Equal("0"))
	})
})
