//go:build unix

package alerts

import (
	"net/http"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/test/kit"
	"github.com/devops-insights/devops-insights/test/silence"
)

var _ = Describe("an outage of the monitor's own network", func() {
	It("is one alert, and none of the regions", func() {
		upstream, witness, hook := kit.NewUpstream(GinkgoTB()), silence.New(GinkgoTB()), newReceiver()
		regions := []string{"us-east", "us-west", "eu-west", "eu-central", "sa-east", "ap-southeast"}
		i := run(GinkgoT().TempDir(), upstream, "ALERT_WEBHOOK_URL="+hook.server.URL, "NETWORK_CHECK="+witness.Addr(), "POLL_INTERVAL=2s")
		Eventually(i.partOfHealth("network"), "40s", "50ms").Should(Equal("ok"))

		By("cutting it")
		witness.Silence()
		for _, region := range regions {
			upstream.Handle(region, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		}
		Eventually(i.partOfHealth("network"), "40s", "50ms").Should(Equal("down NO_NETWORK"))
		hook.hears("firing own-network ")
		Expect(hook.messages()[0].CommonLabels).To(HaveKeyWithValue("severity", "critical"))
		// Meanwhile the last values become older than those that data-stale means.
		Consistently(hook.heard, "20s", "500ms").Should(HaveLen(1))

		By("mending it")
		for _, region := range regions {
			upstream.Set(region, `{"status":"ok"}`)
		}
		witness.Speak()
		Eventually(i.partOfHealth("network"), "40s", "50ms").Should(Equal("ok"))
		hook.hears("firing own-network ", "resolved own-network ")
		for _, region := range regions {
			polled(upstream, region, 3)
		}
		Expect(hook.heard()).To(Equal([]string{"firing own-network ", "resolved own-network "}))
	})
})
