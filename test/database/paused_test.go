package database

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"github.com/onsi/gomega/gexec"

	"github.com/devops-insights/devops-insights/app"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/mongostore"
	"github.com/devops-insights/devops-insights/test/kit"
	"github.com/devops-insights/devops-insights/test/wire"
)

// program is the built server.
func program() string {
	GinkgoHelper()
	path, err := gexec.Build("github.com/devops-insights/devops-insights/cmd/devops-insights")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(gexec.CleanupBuildArtifacts)
	return path
}

// launch starts the program over the database, and returns when it is ready.
func launch(program, uri string, upstream *kit.Upstream, env ...string) (*gexec.Session, string) {
	GinkgoHelper()
	port := freePort()
	cmd := exec.Command(program)
	cmd.Dir = GinkgoT().TempDir()
	cmd.Env = append(append(os.Environ(), "DATABASE_URL="+uri, "SERVER_HOST=127.0.0.1", "SERVER_PORT="+port, "EXTERNAL_API_NAME=acme",
		"UPSTREAM_URL="+upstream.Template()), env...)
	session, err := gexec.Start(cmd, GinkgoWriter, GinkgoWriter)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { session.Kill().Wait("10s") })
	url := "http://127.0.0.1:" + port
	Eventually(func() int { return get(url + "/readyz") }, "20s", "50ms").Should(Equal(200))
	return session, url
}

var _ = DescribeTable("an instance that was stopped past its lease stores nothing when it goes on", func(ctx SpecContext, withRedis bool) {
	uri := wire.Start(GinkgoTB()).Database("paused")
	env := []string{"POLL_LEASE=1s", "POLL_INTERVAL=1m"}
	if withRedis {
		env = append(env, "REDIS_HOST="+wire.StartRedis(GinkgoTB()).URL())
	}
	// The first poll of a region is answered when the test says so, every later
	// one at once with the next number.
	upstream := kit.NewUpstream(GinkgoTB())
	var asked, answered atomic.Int32
	late := make(chan struct{})
	regions := store.Regions()
	for _, region := range regions {
		var polls atomic.Int32
		upstream.Handle(region, func(w http.ResponseWriter, _ *http.Request) {
			n := polls.Add(1)
			if n == 1 {
				asked.Add(1)
				<-late
				defer answered.Add(1)
			}
			_, _ = fmt.Fprintf(w, `{"n":%d}`, n)
		})
	}
	built := program()
	stopped, _ := launch(built, uri, upstream, env...)
	Eventually(asked.Load, "20s").Should(BeEquivalentTo(len(regions)), "it polls every region and waits for the answers")
	launch(built, uri, upstream, env...)
	reader, err := mongostore.Open(ctx, mongostore.Options{URL: uri})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(reader.Close)
	history := func() (all []string) {
		rows, err := store.History(ctx, reader, store.Query{API: "acme", Limit: 100})
		Expect(err).NotTo(HaveOccurred())
		for _, m := range rows {
			all = append(all, string(m.Data))
		}
		return all
	}
	stopped.Signal(syscall.SIGSTOP)
	var newer []string
	for range regions {
		newer = append(newer, `{"n":2}`)
	}
	Eventually(history, "30s", "100ms").Should(Equal(newer), "the other one polls")
	close(late) // the answers wait in the stopped instance's connections
	Eventually(answered.Load, "20s").Should(BeEquivalentTo(len(regions)))
	stopped.Signal(syscall.SIGCONT)
	Eventually(stopped, "20s").Should(Or(gbytes.Say("stops polling"), gbytes.Say("another instance")))
	Consistently(history, "1s", "100ms").Should(Equal(newer))
},
	Entry("without Redis", false),
	Entry("with Redis", true),
)

var _ = It("an instance that is cut off from the database stores nothing over what another one has stored since", func(ctx SpecContext) {
	db := wire.Start(GinkgoTB())
	uri := db.Database("cutoff")
	proxy := db.Through(GinkgoTB())
	upstream := kit.NewUpstream(GinkgoTB())
	set(upstream, 1)
	reader, err := mongostore.Open(ctx, mongostore.Options{URL: uri})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(reader.Close)
	history := func() (all []string) {
		rows, err := store.History(ctx, reader, store.Query{API: "acme", Source: "eu-west", Limit: 100})
		Expect(err).NotTo(HaveOccurred())
		for _, m := range rows {
			all = append(all, string(m.Data))
		}
		return all
	}
	// The change is held when a save has had its time, a second, in vain; by then
	// the lease must not be over, which nobody can renew any more: what is polled
	// without it is not kept. Half of the term is left at least.
	long := func(o *app.Options) { o.Config.PollLease = 15 * time.Second }
	cut := on(proxy.URI(uri), upstream, long)
	Eventually(history, "20s", "50ms").Should(Equal([]string{`{"n":1}`}))
	other := on(uri, upstream, long)
	dashboard := other.Connect()
	dashboard.Subscribe("eu-west")
	proxy.Cut()
	set(upstream, 2)
	Eventually(func() string { return text(cut.URL + "/api/v1/info") }, "20s", "50ms").Should(ContainSubstring(`"changes_held":1`))
	set(upstream, 3)
	Eventually(history, "60s", "50ms").Should(HaveExactElements(`{"n":3}`, `{"n":1}`), "the other one polls")
	proxy.Heal()
	Eventually(func() string { return text(cut.URL + "/api/v1/info") }, "30s", "50ms").ShouldNot(Or(ContainSubstring(`"database_away_since"`), ContainSubstring(`"changes_held"`)))
	Consistently(history, "1s", "50ms").Should(HaveExactElements(`{"n":3}`, `{"n":1}`))
	Expect(updates(dashboard)).To(Equal([]int{3}))
})

// text is the body of an answer.
func text(url string) string {
	resp, err := http.Get(url)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}
