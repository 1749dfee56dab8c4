package engine

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/sirupsen/logrus/hooks/test"

	"github.com/devops-insights/devops-insights/poller"
	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/rule"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/past"
)

// broken is a Quiet, and a past, that panic as often as they are told to.
type broken struct {
	loud
	past.Reader
	left atomic.Int64
}

func (b *broken) Suppression(map[string]string, time.Time) *alert.Suppression { return b.fail() }

func (b *broken) Scan(context.Context, store.Query, func(store.Metric) error) error {
	b.fail()
	return nil
}

func (b *broken) fail() *alert.Suppression {
	if b.left.Add(-1) >= 0 {
		panic("a value that nobody thought of")
	}
	return nil
}

var _ = Describe("a fault in the program", func() {
	var opts Options
	var part *broken
	var faults []string
	var mu sync.Mutex
	during := func(work func(e *Engine)) {
		GinkgoHelper()
		e, err := New(opts)
		Expect(err).NotTo(HaveOccurred())
		ended := fmt.Errorf("the polls have ended")
		Expect(e.During(context.Background(), 1, func(context.Context) error {
			work(e)
			return ended
		})).To(MatchError(ended), "polling ends when it ends")
	}
	fails := func(e *Engine) {
		e.Record(poller.Result{API: "acme", Source: "eu", Began: time.Now(), Ended: time.Now()}, store.StateDown, "TIMEOUT")
	}
	BeforeEach(func() {
		part, faults = new(broken), nil
		part.left.Store(1)
		opts = Options{
			API: "acme", Store: newMemory(), Receivers: []Receiver{{Name: "ops"}}, Regions: []Region{{"eu", time.Second}}, Rules: compiled(rule.Rule{Name: "down", Expr: "down"}),
			Every: 5 * time.Millisecond, FaultPause: 5 * time.Millisecond, Fault: func(part string, fault any) {
				mu.Lock()
				defer mu.Unlock()
				faults = append(faults, fmt.Sprint(part, ": ", fault))
			},
		}
	})
	told := func() []string {
		mu.Lock()
		defer mu.Unlock()
		return faults
	}

	It("ends neither polling nor alerting", func() {
		opts.Quiet = part
		during(func(e *Engine) {
			fails(e)
			Eventually(told).WithTimeout(within).Should(Equal([]string{"alerts of the API acme: a value that nobody thought of"}))
			Eventually(e.Failing).WithTimeout(within).Should(BeZero(), "it has begun anew")
			fails(e)
			Eventually(e.Pending).WithTimeout(within).Should(HaveLen(1))
		})
	})

	It("while the past is read leaves decisions alone", func() {
		opts.Past = part
		during(func(e *Engine) {
			Eventually(told).WithTimeout(within).Should(Equal([]string{"uptimes of the API acme: a value that nobody thought of"}))
			fails(e)
			Eventually(e.Pending).WithTimeout(within).Should(HaveLen(1))
		})
	})

	It("does not keep a term from ending, and is logged with its stack", func() {
		log, hook := test.NewNullLogger()
		opts.Quiet, opts.FaultPause, opts.Fault, opts.Logger = part, time.Hour, nil, log
		during(func(e *Engine) {
			fails(e)
			Eventually(e.Failing).WithTimeout(within).ShouldNot(BeZero(), "people see that nothing is decided")
		})
		Expect(hook.LastEntry().Data).To(HaveKeyWithValue("err_class", "PANIC"))
		Expect(hook.LastEntry().Data["stack"]).To(ContainSubstring("fail"))
	})
})
