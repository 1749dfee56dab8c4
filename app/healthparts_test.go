package app

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/app/config"
	"github.com/devops-insights/devops-insights/app/health"
	"github.com/devops-insights/devops-insights/app/logging"
	"github.com/devops-insights/devops-insights/poller"
	"github.com/devops-insights/devops-insights/poller/lease"
	"github.com/devops-insights/devops-insights/socket/redisadapter"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/mongostore"
)

// moment is the now of the entries.
func moment() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

func before(d time.Duration) time.Time { return moment().Add(-d) }

var _ = DescribeTable("a part reports", func(r health.Report, state health.State, class, message string) {
	Expect(r.State).To(Equal(state))
	Expect(r.Class).To(Equal(class))
	Expect(r.Message).To(ContainSubstring(message))
},
	Entry("a stream that answers", streamReport(mongostore.StreamHealth{Opened: before(time.Hour), Answered: before(time.Second), Awaited: before(2 * time.Second)}, moment()), health.OK, "", ""),
	Entry("a stream that is closed", streamReport(mongostore.StreamHealth{Err: errors.New("no")}, moment()), health.Down, "OTHER", "not followed"),
	Entry("a stream that is being opened", streamReport(mongostore.StreamHealth{}, moment()), health.Down, "CLOSED", "being opened"),
	Entry("a stream without answers", streamReport(mongostore.StreamHealth{Opened: before(time.Second), Answered: before(4 * time.Second)}, moment()), health.Down, "MUTE", "for 4s"),
	Entry("a stream that leaves a change out", streamReport(mongostore.StreamHealth{Opened: before(time.Hour), Answered: moment(), Awaited: before(4 * time.Second)}, moment()), health.Down, "MUTE", "4s ago"),

	Entry("my lease", leaseReport(lease.Status{Mine: true}, time.Minute, before(time.Hour), moment()), health.OK, "", ""),
	Entry("somebody's lease", leaseReport(lease.Status{Asked: before(5 * time.Second), Until: before(-time.Second)}, time.Minute, before(time.Hour), moment()), health.OK, "", ""),
	Entry("a lease that was not asked for yet", leaseReport(lease.Status{}, time.Minute, before(time.Second), moment()), health.State(""), "", ""),
	Entry("nobody's lease", leaseReport(lease.Status{Asked: before(3 * time.Minute), Until: before(2 * time.Minute)}, time.Minute, before(time.Hour), moment()), health.Down, "NOBODY", "nothing is polled"),
	Entry("a lease of which nobody can tell", leaseReport(lease.Status{Asked: before(time.Second), Err: context.DeadlineExceeded}, time.Minute, before(time.Hour), moment()), health.Degraded, "TIMEOUT", "nobody can tell"),
	Entry("a lease of which nobody could tell for long", leaseReport(lease.Status{Asked: before(time.Hour), Err: context.DeadlineExceeded}, time.Minute, before(time.Hour), moment()), health.Down, "TIMEOUT", "no instance"),

	Entry("subscriptions", subscriptionReport(redisadapter.Stats{Connected: true}, moment()), health.OK, "", ""),
	Entry("subscriptions that come in a moment", subscriptionReport(redisadapter.Stats{Since: before(time.Second)}, moment()), health.OK, "", ""),
	Entry("subscriptions that do not come", subscriptionReport(redisadapter.Stats{Since: before(time.Minute)}, moment()), health.Down, "SUBSCRIPTION", "not heard"),

	Entry("a log", logReport(logging.WriterStats{Stuck: time.Second, Lost: 7}), health.OK, "", ""),
	Entry("a log that nobody reads", logReport(logging.WriterStats{Stuck: 3 * time.Second}), health.Degraded, "STUCK", "for 3s"),
	Entry("a log that is full", logReport(logging.WriterStats{Stuck: 3 * time.Second, Losing: true, Lost: 7}), health.Degraded, "LOST", "7 lines"),
	Entry("a log that cannot be written", logReport(logging.WriterStats{Losing: true, Err: "broken pipe"}), health.Degraded, "WRITE", "broken pipe"),

	Entry("memory", memoryReport(89<<20, 100<<20, 200<<20, 200<<20), health.OK, "", ""),
	Entry("memory that is nearly full", memoryReport(91<<20, 100<<20, 0, 200<<20), health.Degraded, "BUDGET", "91 MiB"),
	Entry("memory that is full", memoryReport(101<<20, 100<<20, 0, 200<<20), health.Down, "BUDGET", "connections are closed"),
	Entry("a heap beyond its goal", memoryReport(0, 100<<20, 300<<20, 200<<20), health.Degraded, "HEAP", "300 MiB"),
	Entry("memory without a bound", memoryReport(0, 100<<20, 300<<20, 0), health.OK, "", ""),

	Entry("a disk", spaceReport("DATA_DIR", 200<<20, 1<<30), health.OK, "", ""),
	Entry("a disk with little room", spaceReport("DATA_DIR", 99<<20, 1<<30), health.Degraded, "DISK_FULL", "99 of 1024 MiB are free on the disk of DATA_DIR"),
	Entry("a large disk with little room", spaceReport("DATA_DIR", 1<<30, 100<<30), health.Degraded, "DISK_FULL", ""),
	Entry("a full disk", spaceReport("ARCHIVE_DIR", 9<<20, 1<<30), health.Down, "DISK_FULL", "ARCHIVE_DIR"),

	Entry("a poll", upstreamReport(poller.Result{Data: json.RawMessage(`1`)}), health.OK, "", ""),
	Entry("a poll whose value is not stored", upstreamReport(poller.Result{Data: json.RawMessage(`1`), Err: &poller.Error{Code: poller.CodeStore}}), health.OK, "", ""),
	Entry("a poll that failed", upstreamReport(poller.Result{Err: &poller.Error{Code: poller.CodeHTTP(503), Text: "answered 503"}}), health.Down, "HTTP_503", "the last poll failed: answered 503"),
	Entry("a fault of our own", upstreamReport(poller.Result{Err: &poller.Error{Code: poller.CodePanic}}), health.Unknown, "PANIC", ""),

	Entry("another one's poll", storedReport(store.Interval{State: store.StateUp, Until: before(-time.Second)}, moment()), health.OK, "", ""),
	Entry("another one's value that says down", storedReport(store.Interval{State: store.StateDown, Reason: "error", Until: before(-time.Second)}, moment()), health.OK, "", ""),
	Entry("another one's poll that failed", storedReport(store.Interval{State: store.StateDown, Reason: "DNS", Failures: 1, Until: before(-time.Second)}, moment()), health.Down, "DNS", "another instance"),
	Entry("another one's poll of long ago", storedReport(store.Interval{State: store.StateUp, Until: before(time.Second)}, moment()), health.State(""), "", ""),
)

var _ = It("has a part for each region of each API, as long as it is polled", func(ctx SpecContext) {
	board := health.New(health.Options{})
	board.SetServing(true)
	u := &upstreams{board: board, polls: func(api string) bool { return api == "acme" }}
	u.stored = func(_ context.Context, api, region string) (store.Interval, error) {
		Expect(api).To(Equal("other"), "the others are polled here")
		if region == "a" {
			return store.Interval{}, store.ErrNotFound
		}
		return store.Interval{State: store.StateDown, Failures: 1, Reason: "TLS", Until: time.Now().Add(time.Minute)}, nil
	}
	names := func() (names []string) {
		for _, p := range board.Parts() {
			names = append(names, p.Name+" "+string(p.State))
		}
		return names
	}
	api := func(name string, regions ...string) config.API {
		a := config.API{Name: name}
		for _, r := range regions {
			a.Regions = append(a.Regions, config.Region{Name: r, Interval: time.Second})
		}
		return a
	}
	u.set([]config.API{api("acme", "a", "b"), api("other", "a", "b")})
	u.polled(poller.Result{API: "acme", Source: "a", Data: json.RawMessage(`1`)})
	u.polled(poller.Result{API: "gone", Source: "a"})
	u.look(ctx, u.others(), 0)
	Expect(names()).To(Equal([]string{"upstream:a ok", "upstream:b unknown", "upstream:other:a unknown", "upstream:other:b down"}))
	u.set([]config.API{api("other", "b"), api("acme", "a")})
	Expect(names()).To(Equal([]string{"upstream:acme:a unknown", "upstream:b unknown"}), "the first one has changed: nothing is known under these names")
	u.polled(poller.Result{API: "acme", Source: "b", Data: json.RawMessage(`1`)})
	Expect(names()).To(HaveLen(2), "the last poll of a region that is gone")
})

var _ = It("notices a process that is stuck, and not one that was only stopped", func(ctx SpecContext) {
	var lock sync.Mutex
	b := newBeat(func() { lock.Lock(); defer lock.Unlock() })
	long := time.Now().Add(-2 * beatStuck)
	Expect(b.stuckFor(ctx)).To(BeZero())
	lock.Lock()
	b.last.Store(&long)
	running, stop := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() { defer close(over); _ = b.run(running) }()
	Expect(b.stuckFor(ctx)).To(BeNumerically(">=", 2*beatStuck))
	lock.Unlock()
	Expect(b.stuckFor(ctx)).To(BeZero(), "it goes on within the grace")
	stop()
	<-over
})

var _ = It("answers for machines and for people from the same board", func(ctx SpecContext) {
	a := serving(ctx)
	ask := func(path string) (int, string) {
		GinkgoHelper()
		resp, err := http.Get("http://" + a.Addr() + path)
		Expect(err).NotTo(HaveOccurred())
		defer func() { _ = resp.Body.Close() }()
		Expect(resp.Header.Get("Cache-Control")).To(Equal("no-store"))
		body, err := io.ReadAll(resp.Body)
		Expect(err).NotTo(HaveOccurred())
		return resp.StatusCode, string(body)
	}
	redis := a.board.Part("redis", 0)
	redis.Report(down("TIMEOUT", "it does not answer"))
	status, body := ask("/api/v1/health")
	Expect(status).To(Equal(http.StatusOK), "dashboards are served")
	Expect(body).To(And(HavePrefix(`{"status":"ok","service":"devops-insights-backend","timestamp":"`), ContainSubstring(`"overall":"degraded"`),
		MatchRegexp(`"redis":\{"state":"down","since":"[^"]+Z","class":"TIMEOUT","message":"it does not answer"\}`)))
	status, body = ask("/readyz?verbose")
	Expect(status).To(Equal(http.StatusOK))
	Expect(body).To(And(HavePrefix("[+]serving ok\n"), MatchRegexp(`(?m)^\[-\]redis down since \S+Z: it does not answer$`), HaveSuffix("ready: dashboards can be sent here\n")))
	_, body = ask("/readyz")
	Expect(body).To(MatchRegexp(`"redis":"down since \S+Z: it does not answer"`))
	Expect(a.healthLine()).To(And(HavePrefix("degraded: "), ContainSubstring("redis down (TIMEOUT)")))
	_, body = ask("/api/v1/info")
	Expect(body).To(And(ContainSubstring(`"overall":"degraded"`), ContainSubstring(`"go":"go1`), ContainSubstring(`{"api":"demo","regions":[{"name":"us-east"`), MatchRegexp(`"config":\{"digest":"[0-9a-f]+"`)))

	a.setReady(false)
	status, body = ask("/api/v1/health")
	Expect(status).To(Equal(http.StatusServiceUnavailable))
	Expect(body).To(HavePrefix(`{"status":"down"`))
	status, body = ask("/readyz?verbose")
	Expect(status).To(Equal(http.StatusServiceUnavailable))
	Expect(body).To(And(HavePrefix("[-]serving starting or stopping\n"), HaveSuffix("not ready: starting or stopping\n")))
	a.setReady(true)
	status, _ = ask("/livez")
	Expect(status).To(Equal(http.StatusOK))
})

// serving starts a server with a simulated upstream.
func serving(ctx context.Context) *App {
	GinkgoHelper()
	c := config.Default()
	c.Host, c.Port, c.DataDir, c.InternalAddr = "127.0.0.1", 0, GinkgoT().TempDir(), ""
	a, err := New(ctx, Options{Config: c})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(a.Stop()).To(Succeed()) })
	return a
}
