package database

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gexec"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/test/kit"
	"github.com/devops-insights/devops-insights/test/wire"
)

// turns are who has polled, as the upstream sees it: one letter a poll.
type turns struct {
	upstream *kit.Upstream
	program  string
	uri      string

	mu   sync.Mutex
	seen []byte
}

func newTurns() *turns {
	GinkgoHelper()
	t := &turns{upstream: kit.NewUpstream(GinkgoTB()), program: program(), uri: wire.Start(GinkgoTB()).Database("turns")}
	for _, region := range store.Regions() {
		t.upstream.Handle(region, func(w http.ResponseWriter, r *http.Request) {
			t.mu.Lock()
			t.seen = append(t.seen, r.Header.Get("X-Instance")[0])
			t.mu.Unlock()
			_, _ = w.Write([]byte(`{}`))
		})
	}
	return t
}

// start starts an instance of this name over the Redis of an address.
func (t *turns) start(name, redis string) *gexec.Session {
	GinkgoHelper()
	session, _ := launch(t.program, t.uri, t.upstream, "REDIS_HOST="+redis, "UPSTREAM_HEADER_X_INSTANCE="+name,
		"POLL_LEASE="+lease.String(), "POLL_INTERVAL=200ms")
	return session
}

// lease is long enough for a busy machine.
const lease = 2 * time.Second

// all returns who has polled so far.
func (t *turns) all() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.seen)
}

// begin forgets who has polled.
func (t *turns) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen = nil
}

// order returns who has polled after whom: "AB" is two instances that did not
// poll at once.
func (t *turns) order() string { return string(slices.Compact([]byte(t.all()))) }

// polls waits until this instance polls.
func (t *turns) polls(name string) {
	GinkgoHelper()
	before := strings.Count(t.all(), name)
	Eventually(func() int { return strings.Count(t.all(), name) }, "30s", "20ms").Should(BeNumerically(">", before+6))
}

var _ = Describe("two programs take turns at polling", func() {
	const nowhere = "127.0.0.1:1"
	var t *turns
	var redis *wire.Redis
	BeforeEach(func() {
		t, redis = newTurns(), wire.StartRedis(GinkgoTB())
	})
	full := func() {
		GinkgoHelper()
		client := redis.Client()
		defer func() { _ = client.Close() }()
		Expect(client.ConfigSet(context.Background(), "maxmemory", "1").Err()).To(Succeed())
		Expect(client.Set(context.Background(), "more", "", 0).Err()).To(MatchError(ContainSubstring("OOM")))
	}
	// takesOver kills one instance and expects the other one to poll.
	takesOver := func(gone *gexec.Session, next string) {
		GinkgoHelper()
		gone.Kill().Wait("10s")
		t.polls(next)
	}

	It("also when Redis is full for the second one: it renews keys and sets none", func() {
		a := t.start("A", redis.Addr)
		t.polls("A")
		full()
		t.start("B", redis.Addr)
		Consistently(t.order, 3*lease, "100ms").Should(Equal("A"))
		takesOver(a, "B")
		Consistently(t.order, lease, "100ms").Should(Equal("AB"))
	})

	It("also when Redis is full from the start", func() {
		full()
		a := t.start("A", redis.Addr)
		t.polls("A")
		t.start("B", redis.Addr)
		Consistently(t.order, 3*lease, "100ms").Should(Equal("A"))
		takesOver(a, "B")
		Consistently(t.order, lease, "100ms").Should(Equal("AB"))
	})

	It("also when the second one does not reach Redis", func() {
		a := t.start("A", redis.Addr)
		t.polls("A")
		t.start("B", nowhere)
		Consistently(t.order, 3*lease, "100ms").Should(Equal("A"))
		takesOver(a, "B")
		Consistently(t.order, lease, "100ms").Should(Equal("AB"))
	})

	It("also when the first one does not reach Redis: it may yield, once", func() {
		t.start("A", nowhere)
		t.polls("A")
		t.start("B", redis.Addr)
		Consistently(t.order, 4*lease, "100ms").Should(Or(Equal("A"), Equal("AB")))
	})

	It("also when Redis dies and comes back empty", func() {
		t.start("A", redis.Addr)
		t.polls("A")
		t.start("B", redis.Addr)
		for range 3 {
			redis.Kill()
			Consistently(t.order, lease/2, "100ms").Should(MatchRegexp("^A?B?A?B?A?$"), "each may have a turn after the other")
			redis.Start()
			before := len(t.all())
			Eventually(func() int { return len(t.all()) }, "30s", "20ms").Should(BeNumerically(">", before+12), "one of them polls")
		}
		GinkgoWriter.Println("order", t.order())
		Expect(len(t.order())).To(BeNumerically("<=", 4), "at most one change of turns in each round: %s", t.order())
	})

	It("also when one is stopped past its lease and goes on", func() {
		a := t.start("A", redis.Addr)
		t.polls("A")
		t.start("B", redis.Addr)
		for _, state := range []string{"B", "B"} {
			a.Signal(syscall.SIGSTOP)
			t.polls(state)
			a.Signal(syscall.SIGCONT)
			t.polls("B")
			t.begin()
			Consistently(t.order, 2*lease, "100ms").Should(Or(BeEmpty(), Equal("B")))
		}
	})
})
