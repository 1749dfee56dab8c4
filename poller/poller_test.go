package poller

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.uber.org/goleak"

	"github.com/devops-insights/devops-insights/store"
)

func TestPoller(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Poller")
	// Ginkgo keeps one goroutine for interrupts.
	goleak.VerifyNone(t, goleak.IgnoreAnyFunction("github.com/onsi/ginkgo/v2/internal/interrupt_handler.(*InterruptHandler).registerForInterrupts.func2"))
}

// memory is a Saver that keeps what it was given.
type memory struct {
	mu    sync.Mutex
	saved []store.Sample
	err   error
}

func (m *memory) Save(_ context.Context, s store.Sample) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.saved = append(m.saved, s)
	return true, m.err
}

// runFor polls for d of the bubble's own time and returns the failures.
func runFor(t *testing.T, d time.Duration, o Options) (failures []Failure) {
	t.Helper()
	var mu sync.Mutex
	o.OnFailure = func(_ context.Context, f Failure) {
		mu.Lock()
		defer mu.Unlock()
		failures = append(failures, f)
	}
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if err := p.Run(ctx); err != nil {
		t.Fatal(err)
	}
	return failures
}

func one(fetch Source) []Target { return []Target{{API: "acme", Source: "us-east", Fetch: fetch}} }

// The specs below run in a bubble with a clock of its own, which Ginkgo's
// nodes cannot; Gomega's assertions they share.

func TestAPollNeverOverlapsAndIsCutAt80Percent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		var mu sync.Mutex
		running, most := 0, 0
		var lasted []time.Duration
		failures := runFor(t, 60*time.Second, Options{Saver: &memory{}, Interval: 10 * time.Second, Jitter: -1, Targets: one(func(ctx context.Context) (json.RawMessage, error) {
			began := time.Now()
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			<-ctx.Done()
			mu.Lock()
			defer mu.Unlock()
			running--
			lasted = append(lasted, time.Since(began))
			return nil, networkError(ctx.Err(), "the upstream")
		})})
		g.Expect(most).To(Equal(1))
		g.Expect(lasted[0]).To(Equal(8 * time.Second))
		g.Expect(failures[0].Class).To(Equal(ClassTimeout))
		g.Expect(failures[0].Code).To(Equal("ETIMEDOUT"))
		g.Expect(len(failures)).To(BeNumerically("~", 6, 1))
	})
}

func TestAPanicIsThatSourcesFailureAndTheOthersGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		m := &memory{}
		targets := append(one(func(context.Context) (json.RawMessage, error) { panic("a mistake") }),
			Target{API: "acme", Source: "eu-west", Fetch: func(context.Context) (json.RawMessage, error) { return json.RawMessage(`1`), nil }})
		failures := runFor(t, 35*time.Second, Options{Saver: m, Interval: 10 * time.Second, Targets: targets})
		g.Expect(failures[0].Class).To(Equal(ClassPanic))
		g.Expect(failures[len(failures)-1].Consecutive).To(Equal(len(failures)))
		g.Expect(len(m.saved)).To(BeNumerically(">=", 3))
	})
}

// deadline is a Saver that notes how long it may take.
type deadline struct{ left time.Duration }

func (d *deadline) Save(ctx context.Context, _ store.Sample) (bool, error) {
	if at, ok := ctx.Deadline(); ok {
		d.left = max(d.left, time.Until(at))
	}
	return true, nil
}

func TestASlowUpstreamLeavesTheStoreItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		saver := &deadline{}
		failures := runFor(t, 30*time.Second, Options{Saver: saver, Interval: 10 * time.Second, Jitter: -1, Targets: one(func(context.Context) (json.RawMessage, error) {
			time.Sleep(7999 * time.Millisecond)
			return json.RawMessage(`1`), nil
		})})
		g.Expect(failures).To(BeEmpty())
		g.Expect(saver.left).To(Equal(8 * time.Second))
	})
}

func TestAStoreThatFailsIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		failures := runFor(t, 5*time.Second, Options{
			Saver: &memory{err: errors.New("disk full")}, Interval: 10 * time.Second,
			Targets: one(func(context.Context) (json.RawMessage, error) { return json.RawMessage(`1`), nil }),
		})
		g.Expect(failures[0].Class).To(Equal(ClassStore))
		g.Expect(failures[0].Err.Error()).To(ContainSubstring("disk full"))
	})
}

func TestRetryAfterPushesTheNextPollBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		var at []time.Time
		runFor(t, 100*time.Second, Options{Saver: &memory{}, Interval: 10 * time.Second, Jitter: -1, Targets: one(func(context.Context) (json.RawMessage, error) {
			at = append(at, time.Now())
			return nil, &Error{Class: ClassStatus, HTTPStatus: 429, RetryAfter: 40 * time.Second, Err: errors.New("busy")}
		})})
		g.Expect(at[1].Sub(at[0])).To(Equal(40 * time.Second))
	})
}

var _ = Describe("the options", func() {
	DescribeTable("refuses options that cannot work, with a sentence", func(o Options, part string) {
		_, err := New(o)
		Expect(err).To(MatchError(ContainSubstring(part)))
	},
		Entry("no saver", Options{}, "Saver"),
		Entry("a negative interval", Options{Saver: &memory{}, Interval: -1}, "negative"),
		Entry("too much jitter", Options{Saver: &memory{}, Jitter: 2}, "0.5"),
		Entry("a target without a source", Options{Saver: &memory{}, Targets: []Target{{}}}, "target 0"),
	)
})
