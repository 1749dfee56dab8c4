package dashboards

import (
	"context"
	"os/exec"
	"strings"
	"time"

	"github.com/chromedp/chromedp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/test/kit"
)

const sample = `{"status":"ok","results":{"stats":{"server":{"cpu_load":%CPU%}},"memory":{"usage_percent":50},"performance":{"error_rate":0.5,"requests_per_second":1200,"response_times":{"p50":10,"p95":20,"p99":30}}}}`

func replaceCPU(v string) string { return strings.Replace(sample, "%CPU%", v, 1) }

var _ = Describe("the built-in page in a browser", func() {
	It("shows a live update, and says so when the server is gone and back", func() {
		path := ""
		for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
			if found, err := exec.LookPath(name); err == nil {
				path = found
				break
			}
		}
		Expect(path).NotTo(BeEmpty(), "Chromium is needed: make deps says what is missing")
		s := kit.Start(GinkgoT())
		s.Upstream.Set("eu-west", replaceCPU("41.25"))

		options := append(chromedp.DefaultExecAllocatorOptions[:],
			chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
			chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
			chromedp.UserDataDir(GinkgoT().TempDir()))
		allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
		DeferCleanup(stop)
		browser, quit := chromedp.NewContext(allocator)
		DeferCleanup(quit)
		ctx, cancel := context.WithTimeout(browser, 90*time.Second)
		DeferCleanup(cancel)

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
		s.Restart()
		Expect(chromedp.Do(ctx, chromedp.WaitVisible(`body[data-connection=live]`))).To(Succeed())
		s.Upstream.Set("eu-west", replaceCPU("12.5"))
		Eventually(read(cpu), "30s", "100ms").Should(HavePrefix("12.5"))
	})
})
