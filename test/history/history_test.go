// Package history tries what the real program keeps of polling: an upstream has
// outages by a script, the program is killed, paused and started again, and the
// intervals that it leaves are compared with what happened.
package history

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gexec"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/boltstore"
	"github.com/devops-insights/devops-insights/store/outcome"
	"github.com/devops-insights/devops-insights/test/kit"
	"github.com/devops-insights/devops-insights/test/ports"
)

func TestHistory(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "The history")
}

var program string

var _ = SynchronizedBeforeSuite(func() []byte {
	path, err := gexec.Build("github.com/devops-insights/devops-insights/cmd/devops-insights")
	Expect(err).NotTo(HaveOccurred())
	return []byte(path)
}, func(path []byte) { program = string(path) })

var _ = SynchronizedAfterSuite(func() {}, gexec.CleanupBuildArtifacts)

const (
	// pollInterval is how often the program polls.
	pollInterval = 200 * time.Millisecond
	// edge is how far the beginning of a state may be from when it began: the poll
	// that finds it, and what a busy machine needs.
	edge = pollInterval + 500*time.Millisecond
)

// run starts the program over a directory and returns when it is ready.
func run(dir string, upstream *kit.Upstream, environ ...string) *gexec.Session {
	GinkgoHelper()
	return runOn(freePort(), dir, upstream, environ...)
}

func freePort() int {
	GinkgoHelper()
	port, err := ports.Free(1)
	Expect(err).NotTo(HaveOccurred())
	return port
}

// runOn starts it on a port.
func runOn(port int, dir string, upstream *kit.Upstream, environ ...string) *gexec.Session {
	GinkgoHelper()
	cmd := exec.Command(program)
	cmd.Dir = dir
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "DATA_DIR=" + dir, "SERVER_HOST=127.0.0.1", fmt.Sprint("SERVER_PORT=", port), "CONFIG_FILE=",
		"EXTERNAL_API_NAME=acme", "UPSTREAM_URL=" + upstream.Template(), "POLL_INTERVAL=" + pollInterval.String(),
	}, environ...)
	session, err := gexec.Start(cmd, GinkgoWriter, GinkgoWriter)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { session.Kill().Wait("10s") })
	url := fmt.Sprint("http://127.0.0.1:", port, "/readyz")
	Eventually(func() int {
		resp, err := http.Get(url)
		if err != nil {
			return 0
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}, "20s", "20ms").Should(Equal(200))
	return session
}

// stop ends the program in order, and returns when that was.
func stop(session *gexec.Session) time.Time {
	GinkgoHelper()
	at := time.Now()
	session.Terminate()
	Eventually(session, "20s").Should(gexec.Exit(0))
	return at
}

// past reads what the program has left in a directory.
type past struct{ *boltstore.Store }

func open(dir string) past {
	GinkgoHelper()
	db, err := boltstore.Open(boltstore.Options{Path: filepath.Join(dir, boltstore.FileName), Retention: -1})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(db.Close)
	return past{db}
}

// intervals returns those of a region, after it has seen that they follow each
// other without hole or overlap.
func intervals(s store.Outcomes, source string) (all []store.Interval) {
	GinkgoHelper()
	err := s.ScanOutcomes(context.Background(), "acme", source, time.Time{}, time.Time{}, func(iv store.Interval) error {
		iv.Latency = nil
		all = append(all, iv)
		return nil
	})
	Expect(err).NotTo(HaveOccurred())
	Expect(all).NotTo(BeEmpty())
	for i, iv := range all {
		GinkgoWriter.Println(source, iv.State, iv.From.Format("15:04:05.000"), iv.To.Format("15:04:05.000"), iv.Reason, iv.Polls)
		Expect(iv.To.Before(iv.From)).To(BeFalse())
		if i > 0 {
			Expect(iv.From).To(Equal(all[i-1].To), "neither hole nor overlap")
		}
	}
	return all
}

// spans returns those of all of a region's time.
func spans(s outcome.Scanner, source string) (all []outcome.Span) {
	GinkgoHelper()
	err := outcome.Spans(context.Background(), s, "acme", source, time.Time{}, time.Time{}, time.Now(), func(s outcome.Span) error {
		all = append(all, s)
		return nil
	})
	Expect(err).NotTo(HaveOccurred())
	return all
}

// total returns how long a region was in a state between two times.
func total(s outcome.Scanner, source string, from, to time.Time) outcome.Uptime {
	GinkgoHelper()
	u, err := outcome.Measure(context.Background(), s, "acme", source, from, to, time.Now())
	Expect(err).NotTo(HaveOccurred())
	return u
}

// states are those of spans.
func states(all []outcome.Span) (list []store.State) {
	for _, s := range all {
		list = append(list, s.State)
	}
	return list
}

// uptime is the answer about a region over HTTP.
type uptime struct {
	Uptime, Watched, DownSeconds, DegradedSeconds float64
	IncidentCount                                 int
}

func ask(port int, region string) uptime {
	GinkgoHelper()
	resp, err := http.Get(fmt.Sprint("http://127.0.0.1:", port, "/api/v1/uptime?window=24h&source=", region))
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = resp.Body.Close() }()
	var answer struct{ Regions []uptime }
	Expect(json.NewDecoder(resp.Body).Decode(&answer)).To(Succeed())
	Expect(answer.Regions).To(HaveLen(1))
	return answer.Regions[0]
}

// act is a part of a script: what the upstream does, and for how long.
type act struct {
	state store.State
	lasts time.Duration
	begin func(u *kit.Upstream, region string)
}

func answers(status string) func(*kit.Upstream, string) {
	return func(u *kit.Upstream, region string) { u.Set(region, `{"status":"`+status+`"}`) }
}

func fails(status int) func(*kit.Upstream, string) {
	return func(u *kit.Upstream, region string) { u.Fail(region, status) }
}

// hangs answers nobody in time.
func hangs(u *kit.Upstream, region string) { u.Delay(region, `{"status":"ok"}`, 10*time.Second) }

// cuts ends every connection before the answer is complete.
func cuts(u *kit.Upstream, region string) {
	u.Handle(region, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
}

var _ = It("outages are kept as they were", func() {
	script := []act{
		{store.StateUp, 3 * time.Second, answers("ok")},
		{store.StateDown, 2 * time.Second, fails(503)},
		{store.StateUp, 2 * time.Second, answers("OK")},
		{store.StateDegraded, 2 * time.Second, answers("degraded")},
		{store.StateDown, 2 * time.Second, answers("maintenance")},
		{store.StateUp, 2 * time.Second, answers("ok")},
		{store.StateDown, 2 * time.Second, cuts},
		{store.StateUp, 2 * time.Second, answers("ok")},
		{store.StateDown, 4 * time.Second, hangs},
		{store.StateUp, 3 * time.Second, answers("ok")},
	}
	upstream, dir := kit.NewUpstream(GinkgoTB()), GinkgoT().TempDir()
	const region = "eu-west"
	script[0].begin(upstream, region)
	port := freePort()
	session := runOn(port, dir, upstream)
	Eventually(func() int { return upstream.Polls(region) }, "20s", "5ms").Should(BeNumerically(">", 0))
	var began []time.Time
	for _, a := range script {
		a.begin(upstream, region)
		began = append(began, time.Now())
		time.Sleep(a.lasts) // the script, not a wait
	}
	answer := ask(port, region)
	end := stop(session)
	db := open(dir)
	all := intervals(db, region)
	got := spans(db, region)
	var want []store.State
	for _, a := range script {
		want = append(want, a.state)
	}
	Expect(states(got)).To(Equal(want))
	for i, s := range got {
		late := edge
		if i == len(got)-1 {
			late += time.Second // the last question into the void is given up
		}
		Expect(s.From).To(BeTemporally(">=", began[i].Add(-edge)), "state %d", i)
		Expect(s.From).To(BeTemporally("<=", began[i].Add(late)), "state %d", i)
	}
	Expect(got[1].Reasons).To(Equal([]string{"HTTP_503"}))
	Expect(got[3].Reasons).To(Equal([]string{"degraded"}))
	Expect(got[4].Reasons).To(Equal([]string{"maintenance"}))
	Expect(got[6].Reasons).To(Equal([]string{"RESET"}))
	Expect(got[8].Reasons).To(Equal([]string{"TIMEOUT"}))
	u := total(db, region, time.Time{}, time.Time{})
	Expect(u.Count).To(Equal(4))
	Expect(u.Ended).To(Equal(4))
	Expect(u.Down).To(BeNumerically("~", 10*time.Second, 4*edge))
	Expect(u.Unknown).To(BeZero())
	Expect(u.Watched()).To(BeNumerically("~", end.Sub(began[0]), edge), "the whole time since the first poll")
	var polls int64
	for _, iv := range all {
		polls += iv.Polls
	}
	Expect(polls).To(BeNumerically(">", 30))
	Expect(answer.DownSeconds).To(BeNumerically("~", u.Down.Seconds(), 0.01), "what it said while it ran")
	Expect(answer.DegradedSeconds).To(BeNumerically("~", u.Degraded.Seconds(), 0.01))
	Expect(answer.IncidentCount).To(Equal(4))
	Expect(answer.Uptime).To(BeNumerically("~", 100*u.Up.Seconds()/u.Watched().Seconds(), 15), "the last seconds may be on their way")
	Expect(answer.Watched).To(Equal(100.0))
	other := total(db, "us-east", time.Time{}, time.Time{})
	share, _ := other.Ratio()
	Expect(share).To(Equal(1.0), "the other regions were up all the time")
})

var _ = It("the time after a kill is unknown, never up", func() {
	upstream, dir := kit.NewUpstream(GinkgoTB()), GinkgoT().TempDir()
	var killed, again []time.Time
	var session *gexec.Session
	for range 3 {
		session = run(dir, upstream)
		if len(killed) > 0 {
			again = append(again, time.Now())
		}
		polls := upstream.Polls("eu-west")
		Eventually(func() int { return upstream.Polls("eu-west") }, "20s", "10ms").Should(BeNumerically(">", polls+5))
		killed = append(killed, time.Now())
		session.Kill().Wait("10s")
		time.Sleep(4 * time.Second) // nobody polls
	}
	session = run(dir, upstream)
	again = append(again, time.Now())
	polls := upstream.Polls("eu-west")
	Eventually(func() int { return upstream.Polls("eu-west") }, "20s", "10ms").Should(BeNumerically(">", polls+5))
	stop(session)
	db := open(dir)
	for _, region := range store.Regions() {
		intervals(db, region)
		for i := range killed {
			u := total(db, region, killed[i].Add(edge), again[i].Add(-edge))
			Expect(u.Up+u.Degraded+u.Down).To(BeZero(), "between a kill and the start nothing is known")
			Expect(u.Unknown).To(BeNumerically(">", 2*time.Second))
		}
	}
})

var _ = It("the time in which the process is stopped is unknown", func() {
	upstream, dir := kit.NewUpstream(GinkgoTB()), GinkgoT().TempDir()
	session := run(dir, upstream)
	Eventually(func() int { return upstream.Polls("eu-west") }, "20s", "10ms").Should(BeNumerically(">", 10))
	session.Signal(syscall.SIGSTOP)
	stopped := time.Now()
	time.Sleep(5 * time.Second) // nobody polls
	upstream.Set("eu-west", `{"status":"degraded"}`)
	polls := upstream.Polls("eu-west")
	on := time.Now()
	session.Signal(syscall.SIGCONT)
	Eventually(func() int { return upstream.Polls("eu-west") }, "20s", "10ms").Should(BeNumerically(">", polls+5))
	stop(session)
	db := open(dir)
	got := spans(db, "eu-west")
	Expect(states(got)).To(HaveExactElements(store.StateUp, store.StateUnknown, store.StateDegraded))
	Expect(got[1].From).To(BeTemporally("~", stopped, edge))
	Expect(got[1].To).To(BeTemporally("~", on, edge+time.Second))
	intervals(db, "eu-west")
})

var _ = It("a restart in order loses nothing: what is missing is the time in which nobody polled", func() {
	upstream, dir := kit.NewUpstream(GinkgoTB()), GinkgoT().TempDir()
	session := run(dir, upstream)
	Eventually(func() int { return upstream.Polls("eu-west") }, "20s", "10ms").Should(BeNumerically(">", 5))
	first := stop(session)
	time.Sleep(3 * time.Second) // nobody polls
	session = run(dir, upstream)
	polls := upstream.Polls("eu-west")
	Eventually(func() int { return upstream.Polls("eu-west") }, "20s", "10ms").Should(BeNumerically(">", polls+5))
	end := stop(session)
	db := open(dir)
	all := intervals(db, "eu-west")
	got := spans(db, "eu-west")
	Expect(states(got)).To(HaveExactElements(store.StateUp, store.StateUnknown, store.StateUp))
	Expect(got[1].From).To(BeTemporally("~", first, edge), "the last poll before the stop is kept")
	Expect(got[2].To).To(BeTemporally("~", end, edge))
	var counted int64
	for _, iv := range all {
		counted += iv.Polls
	}
	Expect(counted).To(BeNumerically("~", upstream.Polls("eu-west"), 3))
	u := total(db, "eu-west", time.Time{}, time.Time{})
	Expect(u.Watched() + u.Unknown).To(Equal(all[len(all)-1].To.Sub(all[0].From)))
})
