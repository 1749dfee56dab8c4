package alerts

import (
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/test/kit"
	"github.com/devops-insights/devops-insights/test/wire"
)

var _ = Describe("several instances over one database", func() {
	var upstream *kit.Upstream
	var hook *receiver
	var uri string
	start := func(name string) *instance {
		return run(GinkgoT().TempDir(), upstream, "ALERT_WEBHOOK_URL="+hook.server.URL, "DATABASE_URL="+uri, "POLL_LEASE=2s", "UPSTREAM_HEADER_X_INSTANCE="+name)
	}
	BeforeEach(func() {
		uri = wire.Start(GinkgoTB()).Database("alerts")
		upstream, hook = kit.NewUpstream(GinkgoTB()), newReceiver()
	})

	It("tell each message once, however often the one that polls is killed", func() {
		all := []*instance{start("A"), start("B"), start("C")}
		polled(upstream, "eu-west", 3)
		upstream.Fail("eu-west", 503)
		hook.hears(firing)
		all[0].Kill().Wait("10s") // the first one polls
		polled(upstream, "eu-west", 5)
		Expect(hook.heard()).To(Equal([]string{firing}))
		upstream.Set("eu-west", `{"status":"ok"}`)
		hook.hears(firing, resolved)
		upstream.Fail("eu-west", 503)
		polled(upstream, "eu-west", 1)
		all[1].Kill().Wait("10s")
		all[2].Kill().Wait("10s")
		all = []*instance{start("D"), start("E")}
		hook.hears(firing, resolved, firing)
		polled(upstream, "eu-west", 5)
		upstream.Set("eu-west", `{"status":"ok"}`)
		hook.hears(firing, resolved, firing, resolved)
		polled(upstream, "eu-west", 5)
		Expect(hook.heard()).To(HaveLen(4))
		_ = all
	})

	It("tell each message once when the one that polls is stopped past its lease, and goes on", func() {
		one := start("A")
		polled(upstream, "eu-west", 3)
		start("B")
		upstream.Fail("eu-west", 503)
		hook.hears(firing)
		one.Signal(syscall.SIGSTOP)
		polled(upstream, "eu-west", 5) // by the other one
		upstream.Set("eu-west", `{"status":"ok"}`)
		hook.hears(firing, resolved)
		one.Signal(syscall.SIGCONT)
		polled(upstream, "eu-west", 10)
		Expect(hook.heard()).To(Equal([]string{firing, resolved}))
	})
})
