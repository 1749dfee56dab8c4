package cluster

import (
	"io"
	"net/http"
	"regexp"
	"strconv"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/app"
	"github.com/devops-insights/devops-insights/test/kit"
	"github.com/devops-insights/devops-insights/test/wire"
)

// metric reads one figure without labels, or with them as they are written.
func metric(s *kit.Server, name string) float64 {
	GinkgoHelper()
	resp, err := http.Get(s.URL + "/metrics")
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	Expect(err).NotTo(HaveOccurred())
	found := regexp.MustCompile(`(?m)^devops_insights_` + regexp.QuoteMeta(name) + ` (\S+)$`).FindSubmatch(text)
	Expect(found).To(HaveLen(2), name)
	value, err := strconv.ParseFloat(string(found[1]), 64)
	Expect(err).NotTo(HaveOccurred())
	return value
}

var _ = Describe("the metrics of instances with one database and one Redis", func() {
	It("tell who polls, who is there, how changes are followed, and how large the history is", func() {
		all := instances(2, wire.Start(GinkgoTB()).Database("metrics"), wire.StartRedis(GinkgoTB()), func(o *app.Options) { o.Config.MetricsAt = "public" })
		sum := func(name string) func() float64 {
			return func() float64 { return metric(all[0], name) + metric(all[1], name) }
		}
		Eventually(sum("leader"), "30s", "100ms").Should(BeEquivalentTo(1))
		Expect(sum("lease_changes_total")()).To(BeNumerically(">=", 1))
		for _, s := range all {
			is := func(name string) func() float64 { return func() float64 { return metric(s, name) } }
			Eventually(is("cluster_nodes"), "30s", "100ms").Should(BeEquivalentTo(2))
			Eventually(is("redis_connected"), "30s", "100ms").Should(BeEquivalentTo(1))
			Eventually(is("change_stream_open"), "30s", "100ms").Should(BeEquivalentTo(1))
			Expect(is(`health{part="redis"}`)()).To(BeNumerically(">=", 0))
		}
		all[0].Upstream.Set("eu-west", `{"n":1}`)
		Eventually(sum(`poll_to_write_seconds_count`), "30s", "100ms").Should(BeNumerically(">=", 2), "each sends it to its own dashboards")
		Eventually(sum(`store_seconds_count{op="save"}`), "30s", "100ms").Should(BeNumerically(">=", 1))
		Eventually(sum("history_rows"), "30s", "100ms").Should(BeNumerically(">=", 0), "it is known")
	})
})
