package history

import (
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gexec"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/mongostore"
	"github.com/devops-insights/devops-insights/test/kit"
	"github.com/devops-insights/devops-insights/test/wire"
)

// polled waits until the region was polled some more times.
func polled(upstream *kit.Upstream, times int) {
	GinkgoHelper()
	polls := upstream.Polls("eu-west")
	Eventually(func() int { return upstream.Polls("eu-west") }, "30s", "10ms").Should(BeNumerically(">=", polls+times))
}

var _ = Describe("several instances on one database", func() {
	var (
		uri      string
		upstream *kit.Upstream
		db       *mongostore.Store
	)
	lease := []string{"POLL_LEASE=1s"}
	BeforeEach(func(ctx SpecContext) {
		uri = wire.Start(GinkgoTB()).Database("history")
		upstream = kit.NewUpstream(GinkgoTB())
		var err error
		db, err = mongostore.Open(ctx, mongostore.Options{URL: uri})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(db.Close)
	})
	start := func() *gexec.Session {
		return run(GinkgoT().TempDir(), upstream, append(lease, "DATABASE_URL="+uri)...)
	}

	It("leave one history when the one that polls stops, is killed, and is stopped past its lease", func(ctx SpecContext) {
		first := start()
		polled(upstream, 5)
		second := start()
		polled(upstream, 5)
		stop(first) // it gives the lease back
		polled(upstream, 10)
		third := start()
		polled(upstream, 5)
		second.Kill().Wait("10s")
		upstream.Set("eu-west", `{"status":"degraded"}`)
		polled(upstream, 10)
		fourth := start()
		polled(upstream, 5)
		third.Signal(syscall.SIGSTOP)
		upstream.Set("eu-west", `{"status":"ok"}`)
		polled(upstream, 10)
		third.Signal(syscall.SIGCONT)
		polled(upstream, 20)
		end := time.Now()
		stop(fourth)
		third.Kill().Wait("10s")

		for _, region := range store.Regions() {
			all := intervals(db, region)
			u := total(db, region, time.Time{}, all[len(all)-1].To)
			Expect(u.Watched()+u.Unknown).To(Equal(all[len(all)-1].To.Sub(all[0].From)), "the whole time since the first poll")
			Expect(u.Down).To(BeZero())
			Expect(all[len(all)-1].To).To(BeTemporally(">=", end.Add(-3*time.Second)))
		}
		var known []store.State
		for _, s := range states(spans(db, "eu-west")) {
			if s != store.StateUnknown {
				known = append(known, s)
			}
		}
		// Unknown times lie between the instances, and nothing else is interrupted.
		Expect(compact(known)).To(Equal([]store.State{store.StateUp, store.StateDegraded, store.StateUp}))
		u := total(db, "us-east", time.Time{}, time.Time{})
		share, _ := u.Ratio()
		Expect(share).To(Equal(1.0))
		Expect(u.Unknown).To(BeNumerically("<", 20*time.Second))
	})

	It("a database that is away leaves what nobody could keep as unknown, and nothing else", func(ctx SpecContext) {
		proxied := wire.Start(GinkgoTB())
		direct := proxied.Database("away")
		proxy := proxied.Through(GinkgoTB())
		dir := GinkgoT().TempDir()
		session := run(dir, upstream, "DATABASE_URL="+proxy.URI(direct), "POLL_LEASE=2s")
		polled(upstream, 10)
		proxy.Cut()
		cut := time.Now()
		upstream.Set("eu-west", `{"status":"degraded"}`)
		time.Sleep(6 * time.Second) // longer than the lease
		proxy.Heal()
		healed := time.Now()
		polled(upstream, 20)
		time.Sleep(time.Second)
		stop(session)
		reader, err := mongostore.Open(ctx, mongostore.Options{URL: direct})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(reader.Close)
		all := intervals(reader, "eu-west")
		Expect(all[0].From).To(BeTemporally("<", cut))
		got := spans(reader, "eu-west")
		Expect(got[0].State).To(Equal(store.StateUp))
		Expect(got[len(got)-1].State).To(Equal(store.StateDegraded))
		Expect(got[len(got)-1].To).To(BeTemporally(">", healed))
		u := total(reader, "eu-west", time.Time{}, time.Time{})
		Expect(u.Down).To(BeZero(), "the upstream was never down")
	})
})

// compact joins neighbours that are the same.
func compact(all []store.State) (list []store.State) {
	for _, s := range all {
		if len(list) == 0 || list[len(list)-1] != s {
			list = append(list, s)
		}
	}
	return list
}
