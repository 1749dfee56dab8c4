package poller

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
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
func runFor(t *testing.T, d time.Duration, o Options) (failures []Result) {
	t.Helper()
	for _, r := range resultsOf(t, d, o) {
		if r.Err != nil {
			failures = append(failures, r)
		}
	}
	return failures
}

// resultsOf polls for d of the bubble's own time and returns all results.
func resultsOf(t *testing.T, d time.Duration, o Options) (results []Result) {
	t.Helper()
	var mu sync.Mutex
	o.OnPoll = func(_ context.Context, r Result) {
		mu.Lock()
		defer mu.Unlock()
		results = append(results, r)
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
	return results
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
			return nil, requestError(ctx.Err())
		})})
		g.Expect(most).To(Equal(1))
		g.Expect(lasted[0]).To(Equal(8 * time.Second))
		g.Expect(failures[0].Err.Code).To(Equal(CodeTimeout))
		g.Expect(len(failures)).To(BeNumerically("~", 6, 1))
	})
}

// stopped is a Saver during whose work the process is stopped for a while.
type stopped struct{ d time.Duration }

func (s stopped) Save(context.Context, store.Sample) (bool, error) {
	time.Sleep(s.d)
	return true, nil
}

func TestAPollIsNotPlannedLaterBecauseTheProcessWasStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		value := func(context.Context) (json.RawMessage, error) { return json.RawMessage(`1`), nil }
		for saving, planned := range map[time.Duration]time.Duration{
			0: 10 * time.Second, 5 * time.Second: 10 * time.Second, time.Hour: 19 * time.Second,
		} {
			results := resultsOf(t, 2*time.Hour, Options{Saver: stopped{saving}, Interval: 10 * time.Second, Jitter: -1, Targets: one(value)})
			g.Expect(results[0].Timeout).To(Equal(8 * time.Second))
			g.Expect(results[0].Next.Sub(results[0].Ended)).To(BeNumerically("<=", planned), "saving took %s", saving)
			g.Expect(results[0].Next).To(BeTemporally(">", results[0].Ended))
		}
	})
}

func TestAShortIntervalLeavesAnUpstreamASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		polls := 0
		slow := func(ctx context.Context) (json.RawMessage, error) {
			polls++
			select {
			case <-time.After(900 * time.Millisecond):
				return json.RawMessage(`1`), nil
			case <-ctx.Done():
				return nil, requestError(ctx.Err())
			}
		}
		o := Options{Saver: &memory{}, Interval: 100 * time.Millisecond, Targets: one(slow)}
		failures := runFor(t, 10*time.Second, o)
		g.Expect(polls).To(BeNumerically("~", 10, 1))
		for _, r := range failures {
			g.Expect(r.Err).To(BeNil())
		}
		o.Timeout, polls = time.Second, 0 // which is more than 80 % of the interval
		failures = runFor(t, time.Second, o)
		g.Expect(failures[0].Err).To(HaveField("Code", CodeTimeout))
	})
}

func TestAPanicIsThatSourcesFailureAndTheOthersGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		m := &memory{}
		targets := append(one(func(context.Context) (json.RawMessage, error) { panic("a mistake") }),
			Target{API: "acme", Source: "eu-west", Fetch: func(context.Context) (json.RawMessage, error) { return json.RawMessage(`1`), nil }})
		failures := runFor(t, 35*time.Second, Options{Saver: m, Interval: 10 * time.Second, Targets: targets})
		g.Expect(failures[0].Err.Code).To(Equal(CodePanic))
		g.Expect(failures[0].Err.Error()).NotTo(ContainSubstring("a mistake"), "nobody outside needs to know")
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

func TestAValueThatMayNotBeStoredIsNeitherStoredNorAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		m, polls := &memory{}, 0
		failures := runFor(t, 100*time.Second, Options{
			Saver: m, Interval: 10 * time.Second, Jitter: -1,
			MayStore: func() bool { return polls > 3 }, // asked after the answer has come
			Targets:  one(func(context.Context) (json.RawMessage, error) { polls++; return json.RawMessage(`1`), nil }),
		})
		g.Expect(failures).To(BeEmpty())
		g.Expect(m.saved).To(HaveLen(polls - 3))
	})
}

func TestAFailureOfAnInstanceThatMayNotStoreIsNotReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failures := runFor(t, time.Minute, Options{
			Saver: &memory{}, Interval: 10 * time.Second, MayStore: func() bool { return false },
			Targets: one(func(context.Context) (json.RawMessage, error) { return nil, errors.New("late") }),
		})
		NewWithT(t).Expect(failures).To(BeEmpty())
	})
}

func TestAStoreThatFailsIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		failures := runFor(t, 5*time.Second, Options{
			Saver: &memory{err: errors.New("disk full")}, Interval: 10 * time.Second,
			Targets: one(func(context.Context) (json.RawMessage, error) { return json.RawMessage(`1`), nil }),
		})
		g.Expect(failures[0].Err.Code).To(Equal(CodeStore))
		g.Expect(failures[0].Err.Error()).To(Equal("the value could not be stored"))
		g.Expect(failures[0].Err.Detail).To(ContainSubstring("disk full"), "for the log")
	})
}

func TestRetryAfterPushesTheNextPollBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		var at []time.Time
		runFor(t, 100*time.Second, Options{Saver: &memory{}, Interval: 10 * time.Second, Jitter: -1, Targets: one(func(context.Context) (json.RawMessage, error) {
			at = append(at, time.Now())
			return nil, &Error{Code: CodeHTTP(429), HTTPStatus: 429, RetryAfter: 40 * time.Second, Text: "answered 429"}
		})})
		g.Expect(at[1].Sub(at[0])).To(Equal(40 * time.Second))
	})
}

func TestRetryAfterIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		var at []time.Time
		runFor(t, 30*time.Minute, Options{
			Saver: &memory{}, Interval: 10 * time.Second, Jitter: -1, MaxBackoff: 5 * time.Minute,
			Targets: one(func(context.Context) (json.RawMessage, error) {
				at = append(at, time.Now())
				return nil, &Error{Code: CodeHTTP(503), HTTPStatus: 503, RetryAfter: 24 * time.Hour, Text: "answered 503"}
			}),
		})
		g.Expect(at[1].Sub(at[0])).To(BeNumerically("~", 5*time.Minute, 10*time.Second))
	})
}

func TestAPollThatWaitsForTheRateLimitIsLateAndNotFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		m := &memory{}
		target := one(func(ctx context.Context) (json.RawMessage, error) {
			at, _ := ctx.Deadline()
			if time.Until(at) < 7*time.Second {
				return nil, requestError(context.DeadlineExceeded)
			}
			return json.RawMessage(`1`), nil
		})
		target[0].Wait = func(context.Context) error { time.Sleep(30 * time.Second); return nil }
		failures := runFor(t, 5*time.Minute, Options{Saver: m, Interval: 10 * time.Second, Jitter: -1, Targets: target})
		g.Expect(failures).To(BeEmpty())
		g.Expect(len(m.saved)).To(BeNumerically(">=", 5))
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

func TestEveryPollThatCountsIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		n := 0
		results := resultsOf(t, 95*time.Second, Options{Saver: &memory{}, Interval: 10 * time.Second, Jitter: -1, Targets: one(func(context.Context) (json.RawMessage, error) {
			time.Sleep(2 * time.Second)
			switch n++; n {
			case 2:
				return json.RawMessage(`"part"`), &Error{Code: CodeReset}
			case 3:
				return nil, &Error{Code: CodeHTTP(503), HTTPStatus: 503, RetryAfter: 25 * time.Second}
			}
			return json.RawMessage(`1`), nil
		})})
		g.Expect(len(results)).To(BeNumerically(">", 4))
		var consecutive []int
		for i, r := range results {
			g.Expect(r.Ended.Sub(r.Began)).To(Equal(2 * time.Second))
			g.Expect(r.Interval).To(Equal(10 * time.Second))
			if i > 0 {
				g.Expect(r.Began).To(Equal(results[i-1].Next), "the poll before told when this one comes, Retry-After included")
			}
			g.Expect(r.Data == nil).To(Equal(r.Err != nil), "a failure has no value")
			consecutive = append(consecutive, r.Consecutive)
		}
		g.Expect(consecutive[:4]).To(Equal([]int{0, 1, 2, 0}))
		g.Expect(results[2].Next.Sub(results[2].Ended)).To(BeNumerically(">=", 25*time.Second))
	})
}

func TestAValueThatCannotBeStoredIsInTheResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		m := &memory{err: errors.New("disk full")}
		results := resultsOf(t, 5*time.Second, Options{Saver: m, Interval: 10 * time.Second, Targets: one(func(context.Context) (json.RawMessage, error) {
			return json.RawMessage(`1`), nil
		})})
		g.Expect(results[0].Err.Code).To(Equal(CodeStore))
		g.Expect(string(results[0].Data)).To(Equal("1"))
		g.Expect(m.saved[0].At).To(Equal(results[0].Ended), "row and result have one time")
	})
}

func TestTheOpenCircuitIsAFailureThatAskedNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		upstream, err := NewHTTP(HTTPOptions{
			URLTemplate: "http://status.example/{source}", Retries: -1, BreakAfter: 2, CoolDown: time.Minute,
			Transport: roundTrip(func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 503, Header: http.Header{}, Body: http.NoBody}, nil
			}),
		})
		g.Expect(err).NotTo(HaveOccurred())
		results := resultsOf(t, 35*time.Second, Options{Saver: &memory{}, Interval: 10 * time.Second, Jitter: -1, Targets: []Target{upstream.Target("acme", "us-east")}})
		var asked []bool
		for _, r := range results {
			g.Expect(r.Err.Code).To(Equal(CodeHTTP(503)), "the reason is the real one")
			asked = append(asked, !r.Err.NotAsked)
		}
		g.Expect(asked).To(Equal([]bool{true, true, false, false}))
	})
}

// roundTrip is an upstream without a network.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
