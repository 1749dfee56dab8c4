package engine

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/poller"
	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/rule"
	"github.com/devops-insights/devops-insights/store"
)

// inbox is a receiver that knows messages by their keys.
type inbox struct {
	mu    sync.Mutex
	keys  map[string]bool
	lines []string
}

func (i *inbox) take(m alert.Message) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.keys[m.Key] {
		i.keys[m.Key] = true
		i.lines = append(i.lines, line(m))
	}
}

func (i *inbox) all() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append([]string(nil), i.lines...)
}

// deliverAll is a sender.
func deliverAll(ctx context.Context, e *Engine, to *inbox) {
	for {
		for _, m := range e.Pending() {
			to.take(m)
			e.Delivered(m.Key)
		}
		select {
		case <-ctx.Done():
			return
		case <-e.Wake():
		}
	}
}

// within is generous: machines are slow.
const within = 15 * time.Second

var _ = Describe("a term", func() {
	var opts Options
	var to *inbox
	result := func(region, data string) poller.Result {
		r := poller.Result{API: "acme", Source: region, Began: time.Now(), Ended: time.Now()}
		if data != "" {
			r.Data = json.RawMessage(data)
		}
		return r
	}
	during := func(e *Engine, term int64, work func(context.Context)) {
		GinkgoHelper()
		err := e.During(context.Background(), term, func(ctx context.Context) error {
			sending, stop := context.WithCancel(ctx)
			var senders sync.WaitGroup
			senders.Go(func() { deliverAll(sending, e, to) })
			defer senders.Wait()
			defer stop()
			work(ctx)
			return nil
		})
		Expect(err).NotTo(HaveOccurred())
	}
	start := func() *Engine {
		GinkgoHelper()
		e, err := New(opts)
		Expect(err).NotTo(HaveOccurred())
		return e
	}

	BeforeEach(func() {
		db := openBolt()
		to = &inbox{keys: make(map[string]bool)}
		opts = Options{
			API: "acme", Store: db, Past: db, Receivers: []Receiver{{Name: "ops"}}, Regions: []Region{{"eu", time.Second}, {"us", time.Second}},
			Rules: compiled(down(func(r *rule.Rule) { r.ForPolls = 3 }), rule.Rule{Name: "bad", Expr: "uptime_24h < 90"}), Every: 10 * time.Millisecond,
		}
	})

	It("decides, commits and sends, with a real store", func() {
		e := start()
		during(e, 1, func(context.Context) {
			for range 3 {
				e.Record(result("eu", ""), store.StateDown, "TIMEOUT")
			}
			Eventually(to.all).WithTimeout(within).Should(Equal([]string{"ops: firing down eu"}))
			e.Record(result("eu", `{}`), store.StateUp, "")
			Eventually(to.all).WithTimeout(within).Should(HaveLen(2))
		})
		Expect(to.all()).To(Equal([]string{"ops: firing down eu", "ops: resolved down eu"}))
		Expect(e.Pending()).To(BeEmpty())
		l, err := opts.Store.Ledger(context.Background(), "acme")
		Expect(err).NotTo(HaveOccurred())
		c, err := Read(l)
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Queues).To(BeEmpty(), "what was delivered is noted when the work ends")
		incidents, err := opts.Store.(store.Records).FindRecords(context.Background(), store.RecordQuery{Kind: store.RecordIncident, Limit: 10})
		Expect(err).NotTo(HaveOccurred())
		Expect(incidents).To(HaveLen(1))
	})

	It("writes at its end what is left, and returns the error of the work", func() {
		e := start()
		err := e.During(context.Background(), 1, func(context.Context) error {
			for range 3 {
				e.Record(result("eu", ""), store.StateDown, "TIMEOUT")
			}
			return errors.New("enough")
		})
		Expect(err).To(MatchError("enough"))
		Expect(e.Pending()).To(BeEmpty(), "it is somebody else's to send")
		during(start(), 2, func(context.Context) {
			Eventually(to.all).WithTimeout(within).Should(Equal([]string{"ops: firing down eu"}))
		})
	})

	It("can follow another one of the same engine", func() {
		e := start()
		for term := range int64(3) {
			during(e, term, func(context.Context) {
				for range 3 {
					e.Record(result("eu", ""), store.StateDown, "TIMEOUT")
				}
				Eventually(to.all).WithTimeout(within).Should(HaveLen(int(2*term + 1)))
				e.Record(result("eu", `{}`), store.StateUp, "")
				Eventually(to.all).WithTimeout(within).Should(HaveLen(int(2*term + 2)))
			})
		}
	})

	It("does not fail any more when its time is over", func() {
		away := newMemory()
		away.before = func(string) error { return errAway }
		opts.Store, opts.Past = away, nil
		e := start()
		during(e, 1, func(context.Context) {
			Eventually(e.Failing).WithTimeout(within).ShouldNot(BeZero())
		})
		Expect(e.Failing()).To(BeZero(), "it is another instance's to write the ledger")
	})

	It("lets polling go on while it waits for what people have said", func() {
		said := make(chan struct{})
		opts.Await = func(ctx context.Context) error {
			select {
			case <-said:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		e := start()
		during(e, 1, func(context.Context) {
			for range 3 {
				e.Record(result("eu", ""), store.StateDown, "TIMEOUT")
			}
			_, err := opts.Store.Ledger(context.Background(), "acme")
			Expect(err).To(MatchError(store.ErrNotFound), "nothing is decided yet")
		})
		Expect(to.all()).To(BeEmpty(), "and the end of polling does not wait either")
		during(e, 2, func(context.Context) {
			for range 3 {
				e.Record(result("eu", ""), store.StateDown, "TIMEOUT")
			}
			close(said)
			Eventually(to.all).WithTimeout(within).Should(Equal([]string{"ops: firing down eu"}))
		})
	})

	It("takes no polls outside of it", func() {
		e := start()
		for range 3 {
			e.Record(result("eu", ""), store.StateDown, "TIMEOUT")
		}
		during(e, 1, func(context.Context) {
			e.Record(result("us", `{}`), store.StateUp, "")
			Eventually(func() error { _, err := opts.Store.Ledger(context.Background(), "acme"); return err }).WithTimeout(within).Should(Succeed())
		})
		Expect(to.all()).To(BeEmpty())
	})

	It("asks rules about the past once that is known", func() {
		from := store.Milliseconds(time.Now().Add(-time.Hour))
		for i, state := range []store.State{store.StateDown, store.StateUp} {
			begin := from.Add(time.Duration(i) * 30 * time.Minute)
			err := opts.Store.(store.Outcomes).PutOutcomes(context.Background(), 0, []store.Interval{{
				API: "acme", Source: "eu", From: begin, To: begin.Add(30 * time.Minute), Until: begin.Add(31 * time.Minute), State: state, Polls: 10,
			}})
			Expect(err).NotTo(HaveOccurred())
		}
		e := start()
		during(e, 1, func(context.Context) {
			e.Record(result("eu", `{}`), store.StateUp, "")
			Eventually(to.all).WithTimeout(within).Should(Equal([]string{"ops: firing bad eu"}))
		})
		during(e, 2, func(context.Context) {
			e.Record(result("eu", `{}`), store.StateUp, "")
			e.Record(result("us", `{}`), store.StateUp, "")
			Consistently(to.all).WithTimeout(300 * time.Millisecond).Should(HaveLen(1))
		})
	})

	It("lives through everything at once", func() {
		e := start()
		during(e, 1, func(ctx context.Context) {
			var all sync.WaitGroup
			for _, region := range []string{"eu", "us"} {
				all.Go(func() {
					for range 50 {
						e.Record(result(region, ""), store.StateDown, "TIMEOUT")
						e.Record(result(region, `{"n":1}`), store.StateUp, "")
					}
				})
			}
			all.Go(func() {
				for range 20 {
					e.Update(opts.Rules, opts.Receivers, opts.Regions)
					_, _, _ = e.Pending(), e.Firing("ops"), e.Failing()
				}
			})
			all.Wait()
			for range 3 {
				e.Record(result("us", ""), store.StateDown, "TIMEOUT")
			}
			Eventually(to.all).WithTimeout(within).Should(ContainElement("ops: firing down us"))
		})
	})
})

var _ = Describe("an engine", func() {
	It("needs a store and an API", func() {
		_, err := New(Options{API: "acme"})
		Expect(err).To(MatchError(ContainSubstring("required")))
		_, err = New(Options{Store: newMemory()})
		Expect(err).To(MatchError(ContainSubstring("required")))
	})

	It("leaves out results of other APIs and regions, and polls that are too many", func() {
		b := newBench(down())
		b.e.Record(poller.Result{API: "other", Source: "eu"}, store.StateDown, "")
		b.poll("mars", store.StateDown)
		b.expectHeard()
		for range maxQueued + 5 {
			b.e.Record(poller.Result{API: "acme", Source: "eu"}, store.StateDown, "")
		}
		Expect(b.e.queue.polls).To(HaveLen(maxQueued))
		large := make(json.RawMessage, maxQueuedBytes/4)
		for range 10 {
			b.e.Record(poller.Result{API: "acme", Source: "eu", Data: large}, store.StateUp, "")
		}
		Expect(len(b.e.queue.polls)).To(BeNumerically("<=", 5+maxQueued))
		Expect(b.e.queue.bytes).To(BeNumerically("<=", maxQueuedBytes))
	})
})
