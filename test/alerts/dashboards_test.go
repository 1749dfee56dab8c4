package alerts

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/test/kit"
	"github.com/devops-insights/devops-insights/test/wire"
)

// pollersOf notes which instances poll the regions that it answers for: they call
// themselves by UPSTREAM_HEADER_X_INSTANCE.
type pollersOf struct {
	mu    sync.Mutex
	names []string
}

func (p *pollersOf) answer(upstream *kit.Upstream, region, body string) {
	upstream.Handle(region, func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		if name := r.Header.Get("X-Instance"); !slices.Contains(p.names, name) {
			p.names = append(p.names, name)
		}
		p.mu.Unlock()
		_, _ = w.Write([]byte(body))
	})
}

func (p *pollersOf) all() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.names)
}

var _ = Describe("dashboards", func() {
	// A condition holds for so long before its alert fires that every instance has
	// read of it meanwhile.
	rules := []string{"alerts:", "  rules: [{name: load, expr: data.load > 90, for: 8s}]"}

	for _, kind := range []string{"without Redis", "with Redis"} {
		It("hear each change of an alert once, on every instance, if they ask: "+kind, func() {
			upstream, pollers := kit.NewUpstream(GinkgoTB()), new(pollersOf)
			for _, region := range []string{"us-east", "us-west", "eu-west", "eu-central", "sa-east", "ap-southeast"} {
				pollers.answer(upstream, region, calm)
			}
			environ := []string{newSettings(rules...).environ(), "DATABASE_URL=" + wire.Start(GinkgoTB()).Database("dashboards")}
			if kind == "with Redis" {
				environ = append(environ, "REDIS_HOST="+wire.StartRedis(GinkgoTB()).URL())
			}
			one := run(GinkgoT().TempDir(), upstream, append(environ, "UPSTREAM_HEADER_X_INSTANCE=A")...)
			polled(upstream, "eu-west", 3)
			other := run(GinkgoT().TempDir(), upstream, append(environ, "UPSTREAM_HEADER_X_INSTANCE=B")...)
			here, there, original := openPage(one.url("")), openPage(other.url("")), openPage(other.url(""))
			asking := []*page{here, there}
			for _, p := range asking {
				p.emits("metrics:getAlerts", `{}`)
				p.awaits(`["metrics:alerts",{"api":"acme","alerts":[],`, 1)
			}
			original.emits("metrics:subscribe", `{"source":"eu-west"}`)

			want := []string{}
			hear := func(text string) {
				GinkgoHelper()
				want = append(want, text)
				for _, p := range asking {
					Eventually(p.events("metrics:alert"), "40s", "50ms").Should(Equal(want))
				}
			}
			for _, region := range []string{"eu-west", "us-east"} {
				pollers.answer(upstream, region, busy)
				hear("pending load " + region)
				hear("firing load " + region)
				pollers.answer(upstream, region, calm)
				hear("resolved load " + region)
			}
			Expect(pollers.all()).To(Equal([]string{"A"}), "the other instance polls nothing")
			there.emits("metrics:getAlerts", `{}`)
			there.awaits(`["metrics:alerts",{"api":"acme","alerts":[{`, 1)
			Expect(there.events("metrics:alert")()).To(Equal(want))
			original.awaits(`["metrics-update"`, 2)
			Expect(strings.Join(original.heard(), "\n")).NotTo(Or(ContainSubstring("metrics:alert"), ContainSubstring("metrics:maintenance")))
		})
	}

	It("hear when a window of maintenance of the settings begins and ends, if they ask", func() {
		upstream, file := kit.NewUpstream(GinkgoTB()), newSettings(rules...)
		i := run(GinkgoT().TempDir(), upstream, file.environ())
		asks, original := openPage(i.url("")), openPage(i.url(""))
		asks.emits("metrics:getAlerts", `{}`)
		asks.awaits(`["metrics:alerts",`, 1)
		at := func(d time.Duration) string { return time.Now().Add(d).Format(time.RFC3339) }
		file.write(append(slices.Clone(rules),
			"  maintenance:",
			"    - {name: begins, regions: [eu-west], start: '"+at(15*time.Second)+"', end: '"+at(time.Hour)+"'}",
			"    - {name: ends, title: Move, start: '"+at(-time.Hour)+"', end: '"+at(15*time.Second)+"'}",
			"    - {name: later, start: '"+at(3*time.Hour)+"', end: '"+at(4*time.Hour)+"'}")...)
		reloads(i)
		Eventually(asks.windows("begins"), "40s", "50ms").Should(Equal([]string{"scheduled begins", "active begins"}))
		Eventually(asks.windows("ends"), "40s", "50ms").Should(Equal([]string{"active ends", "ended ends"}))
		Expect(asks.windows("later")()).To(BeEmpty(), "it has not been announced")
		original.emits("metrics:get", `{}`)
		original.awaits(`["metrics:data"`, 1)
		Expect(strings.Join(original.heard(), "\n")).NotTo(ContainSubstring("metrics:maintenance"))
	})
})
