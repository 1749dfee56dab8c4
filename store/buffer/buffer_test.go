package buffer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/boltstore"
	"github.com/devops-insights/devops-insights/store/storetest"
)

func TestBuffer(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Buffer")
	goleak.VerifyNone(t, goleak.IgnoreAnyFunction("github.com/onsi/ginkgo/v2/internal/interrupt_handler.(*InterruptHandler).registerForInterrupts.func2"))
}

var errGone = errors.New("connection refused")

// moody is a database that fails on command: a real store behind a door.
type moody struct {
	store.Store
	away, refuses, hangs, slowHistory atomic.Bool
	spoiled                           atomic.Value // the region whose writes fail, a string
	spoil                             atomic.Value // with this error
}

func (m *moody) Save(ctx context.Context, s store.Sample) (bool, error) {
	if m.away.Load() {
		return false, errGone
	}
	if m.hangs.Load() {
		<-ctx.Done()
		return false, ctx.Err()
	}
	if m.refuses.Load() {
		return false, fmt.Errorf("too large: %w", store.ErrRefused)
	}
	if region, _ := m.spoiled.Load().(string); region == s.Source {
		return false, m.spoil.Load().(error)
	}
	return m.Store.Save(ctx, s)
}

func (m *moody) AllLatest(ctx context.Context, api string) ([]store.Metric, error) {
	if m.away.Load() {
		return nil, errGone
	}
	return m.Store.AllLatest(ctx, api)
}

func (m *moody) Latest(ctx context.Context, api, source string) (store.Metric, error) {
	if m.away.Load() {
		return store.Metric{}, errGone
	}
	return m.Store.Latest(ctx, api, source)
}

func (m *moody) Scan(ctx context.Context, q store.Query, each func(store.Metric) error) error {
	if m.away.Load() {
		return errGone
	}
	if m.slowHistory.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	return m.Store.Scan(ctx, q, each)
}

func quiet() *logrus.Logger {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return l
}

func bolt(path string) (store.Store, error) {
	return boltstore.Open(boltstore.Options{Path: path, Retention: -1})
}

var _ = storetest.Specs("buffer over boltstore", func() storetest.Factory {
	path := filepath.Join(GinkgoT().TempDir(), "db")
	return func() store.Store {
		s := New(Options{Open: func(context.Context) (store.Store, error) { return bolt(path) }, Logger: quiet()})
		DeferCleanup(s.Close)
		Eventually(s.Connected(), "10s").Should(BeClosed())
		return s
	}
})

var _ = Describe("while the database is away", func() {
	var (
		db   *moody
		s    *Buffer
		at   = time.Now()
		turn atomic.Int64
		mine atomic.Bool
	)
	saveIn := func(source string, n int) (bool, error) {
		return s.Save(context.Background(), store.Sample{
			API: "acme", Source: source, Data: json.RawMessage(fmt.Sprint(n)), At: at.Add(time.Duration(n) * time.Second),
		})
	}
	save := func(n int) (bool, error) { return saveIn("eu-west", n) }
	historyOf := func(source string) (all []string) {
		rows, err := store.History(context.Background(), db.Store, store.Query{API: "acme", Source: source, Limit: 100})
		Expect(err).NotTo(HaveOccurred())
		for _, m := range rows {
			all = append(all, string(m.Data))
			var n int
			Expect(json.Unmarshal(m.Data, &n)).To(Succeed())
			Expect(m.CreatedAt).To(Equal(store.Milliseconds(at.Add(time.Duration(n)*time.Second))), "it keeps its time")
		}
		return all
	}
	history := func() []string { return historyOf("") }
	BeforeEach(func() {
		inner, err := bolt(filepath.Join(GinkgoT().TempDir(), "db"))
		Expect(err).NotTo(HaveOccurred())
		db = &moody{Store: inner}
		s = New(Options{
			Open:  func(context.Context) (store.Store, error) { return db, nil },
			Retry: 20 * time.Millisecond, MaxPending: 5, MaxBytes: 7 * (256 + 10), Timeout: time.Second, Logger: quiet(),
			Turn: func(string) (int64, bool) { return turn.Load(), mine.Load() },
		})
		turn.Store(1)
		mine.Store(true)
		DeferCleanup(s.Close)
		Eventually(s.Connected(), "10s").Should(BeClosed())
		Expect(save(1)).To(BeTrue())
		_, err = s.AllLatest(context.Background(), "acme")
		Expect(err).NotTo(HaveOccurred())
	})

	It("questions are told so at once, until it is back", func(ctx SpecContext) {
		db.away.Store(true)
		Expect(save(2)).To(BeFalse())
		Eventually(func() time.Time { return s.Stats().Unavailable }, "10s").ShouldNot(BeZero())
		_, err := s.AllLatest(ctx, "acme")
		Expect(err).To(MatchError(ErrUnavailable))
		_, err = s.Latest(ctx, "acme", "us-east")
		Expect(err).To(MatchError(ErrUnavailable))
		_, err = store.History(ctx, s, store.Query{API: "acme", Limit: 1})
		Expect(err).To(MatchError(ErrUnavailable))
		db.away.Store(false)
		Eventually(func() time.Time { return s.Stats().Unavailable }, "10s").Should(BeZero())
		Expect(s.AllLatest(ctx, "acme")).To(HaveLen(1))
		Expect(store.History(ctx, s, store.Query{API: "acme", Limit: 1})).To(HaveLen(1))
	})

	It("changes are held, and stored in order when it is back", func() {
		db.away.Store(true)
		for _, n := range []int{1, 2, 2, 3, 4} {
			Expect(save(n)).To(BeFalse())
		}
		Expect(s.Stats().Pending).To(Equal(3), "the value that is stored already is none")
		Expect(history()).To(Equal([]string{"1"}))
		db.away.Store(false)
		Eventually(history, "10s").Should(Equal([]string{"4", "3", "2", "1"}))
		Eventually(func() int { return s.Stats().Pending }, "10s").Should(BeZero())
		Expect(save(5)).To(BeTrue())
		Expect(save(5)).To(BeFalse())
	})

	It("a value whose caller could not wait is held, too", func(ctx SpecContext) {
		db.hangs.Store(true)
		short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		Expect(s.Save(short, store.Sample{API: "acme", Source: "eu-west", Data: json.RawMessage(`2`), At: at.Add(2 * time.Second)})).To(BeFalse())
		db.hangs.Store(false)
		Eventually(history, "10s").Should(Equal([]string{"2", "1"}))
	})

	It("a value that the database refuses is not held for ever", func() {
		db.refuses.Store(true)
		_, err := save(2)
		Expect(err).To(MatchError(store.ErrRefused))
		db.refuses.Store(false)
		db.away.Store(true)
		_, err = save(3)
		Expect(err).NotTo(HaveOccurred())
		db.refuses.Store(true)
		db.away.Store(false)
		Eventually(func() int { return s.Stats().Pending }, "10s").Should(BeZero())
		Expect(history()).To(Equal([]string{"1"}))
	})

	It("no more are held than the bound allows: the newest stay, the rest are counted", func() {
		db.away.Store(true)
		for n := range 12 {
			Expect(save(n + 2)).To(BeFalse())
		}
		Expect(s.Stats()).To(And(HaveField("Pending", 5), HaveField("Dropped", uint64(7))))
		db.away.Store(false)
		Eventually(history, "10s").Should(Equal([]string{"13", "12", "11", "10", "9", "1"}))
	})

	It("one slow question diverts no write", func(ctx SpecContext) {
		db.slowHistory.Store(true)
		_, err := store.History(ctx, s, store.Query{API: "acme", Limit: 1})
		Expect(err).To(MatchError(context.DeadlineExceeded))
		Expect(err).NotTo(MatchError(ErrUnavailable))
		Expect(s.Stats().Unavailable).To(BeZero())
		Expect(save(2)).To(BeTrue())
		Expect(s.Latest(ctx, "acme", "us-east")).Error().To(MatchError(store.ErrNotFound))
	})

	DescribeTable("a region whose writes fail does not keep the others from being stored, and is stored itself when they succeed", func(spoil error, atLast []string) {
		db.spoil.Store(spoil)
		db.away.Store(true)
		Expect(save(2)).To(BeFalse())
		Expect(saveIn("us-east", 3)).To(BeFalse())
		Expect(saveIn("us-west", 4)).To(BeFalse())
		db.spoiled.Store("eu-west")
		db.away.Store(false)
		Eventually(func() []string { return append(historyOf("us-east"), historyOf("us-west")...) }, "10s").Should(Equal([]string{"3", "4"}))
		Expect(saveIn("us-east", 5)).To(BeTrue())
		Expect(s.Stats().Unavailable).To(BeZero())
		db.spoiled.Store("")
		Eventually(func() []string { return historyOf("eu-west") }, "20s").Should(Equal(atLast))
	},
		Entry("when the database answers an error", errors.New("not authorized"), []string{"2", "1"}),
		Entry("when the database refuses the value", fmt.Errorf("validation: %w", store.ErrRefused), []string{"1"}),
	)

	It("a write that fails although the database answers waits, and what comes later stays behind it", func() {
		db.spoil.Store(errors.New("busy"))
		db.spoiled.Store("eu-west")
		Expect(save(2)).To(BeFalse())
		Expect(save(3)).To(BeFalse())
		Expect(saveIn("us-east", 3)).To(BeTrue())
		db.spoiled.Store("")
		Eventually(func() []string { return historyOf("eu-west") }, "20s").Should(Equal([]string{"3", "2", "1"}))
		Expect(s.Stats().Dropped).To(BeZero())
	})

	It("a write that fails although the database answers is given up at last", func() {
		db.spoil.Store(errors.New("a fault of this value"))
		c := &change{Sample: store.Sample{API: "acme", Source: "us-east", Data: json.RawMessage(`2`), At: at}, turn: 1, attempts: maxAttempts - 1}
		db.spoiled.Store("us-east")
		s.mu.Lock()
		k := key{"acme", "us-east"}
		s.pending.add(k, c.Sample, 1)
		s.pending.of[k][0] = c
		s.mu.Unlock()
		Eventually(s.Stats, "10s").Should(And(HaveField("Pending", 0), HaveField("Dropped", uint64(1))))
	})

	It("no more bytes are held than the bound allows: the region that has the most loses its oldest", func() {
		db.away.Store(true)
		for n := range 4 {
			Expect(save(n + 2)).To(BeFalse())
		}
		for n := range 4 {
			Expect(saveIn("us-east", n+2)).To(BeFalse())
		}
		Expect(s.Stats().PendingBytes).To(BeNumerically("<=", 7*(256+10)))
		Expect(s.Stats()).To(And(HaveField("Pending", 7), HaveField("Dropped", uint64(1))))
		_, err := s.Save(context.Background(), store.Sample{API: "acme", Source: "us-east", At: at, Data: json.RawMessage(`"` + strings.Repeat("x", 1<<20) + `"`)})
		Expect(err).NotTo(HaveOccurred())
		Expect(s.Stats().PendingBytes).To(BeNumerically("<=", 7*(256+10)), "one that is larger than all that may wait")
	})

	It("what waits is stored in this instance's turn only, and dropped when another one had a turn since", func() {
		db.away.Store(true)
		Expect(save(2)).To(BeFalse())
		mine.Store(false)
		db.away.Store(false)
		Eventually(func() time.Time { return s.Stats().Unavailable }, "10s").Should(BeZero())
		Consistently(history, "200ms", "20ms").Should(Equal([]string{"1"}))
		mine.Store(true)
		Eventually(history, "10s").Should(Equal([]string{"2", "1"}))
		db.away.Store(true)
		Expect(save(3)).To(BeFalse())
		mine.Store(false)
		turn.Store(2) // and has stored since
		db.away.Store(false)
		Eventually(s.Stats, "10s").Should(And(HaveField("Pending", 0), HaveField("Dropped", uint64(1))))
		mine.Store(true)
		Expect(save(4)).To(BeTrue())
		Expect(history()).To(Equal([]string{"4", "2", "1"}))
	})

	It("a value equal to the last one that this process stored waits where somebody else has stored since", func(ctx SpecContext) {
		heard := make(chan store.Change, 16)
		watching, stop := context.WithCancel(ctx)
		over := make(chan error, 1)
		go func() {
			over <- s.Watch(watching, nil, func(_ context.Context, c store.Change) error { heard <- c; return nil })
		}()
		Expect(db.Store.Save(ctx, store.Sample{API: "acme", Source: "eu-west", Data: json.RawMessage(`7`), At: at.Add(7 * time.Second)})).To(BeTrue())
		Eventually(heard, "10s").Should(Receive(HaveField("Hash", store.Hash([]byte("7")))))
		stop()
		Eventually(over, "10s").Should(Receive())
		db.away.Store(true)
		Expect(s.Save(ctx, store.Sample{API: "acme", Source: "eu-west", Data: json.RawMessage(`1`), At: at.Add(8 * time.Second)})).To(BeFalse())
		Expect(s.Stats().Pending).To(Equal(1))
	})

	It("a refresh is passed on, and says when it cannot be", func(ctx SpecContext) {
		Expect(s.Refresh(ctx)).To(Succeed())
		Expect(s.Close()).To(Succeed())
		Expect(s.Refresh(ctx)).To(MatchError(store.ErrClosed))
		Expect(save(2)).Error().To(MatchError(store.ErrClosed))
	})
})

var _ = It("waits for a database that is not there at the start", func(ctx SpecContext) {
	var attempts atomic.Int32
	path := filepath.Join(GinkgoT().TempDir(), "db")
	s := New(Options{Retry: 10 * time.Millisecond, Logger: quiet(), Open: func(context.Context) (store.Store, error) {
		if attempts.Add(1) < 4 {
			return nil, errGone
		}
		return bolt(path)
	}})
	DeferCleanup(s.Close)
	_, err := s.AllLatest(ctx, "acme")
	Expect(err).To(Or(BeNil(), MatchError(ErrUnavailable)))
	Expect(s.Save(ctx, store.Sample{API: "acme", Source: "eu-west", Data: json.RawMessage(`1`), At: time.Now()})).To(Or(BeTrue(), BeFalse()))
	Eventually(s.Connected(), "10s").Should(BeClosed())
	Eventually(func() ([]store.Metric, error) { return s.AllLatest(ctx, "acme") }, "10s").Should(HaveLen(1))
	never := New(Options{Retry: time.Millisecond, Logger: quiet(), Open: func(context.Context) (store.Store, error) { return nil, errGone }})
	watching := make(chan error, 1)
	go func() { watching <- never.Watch(ctx, nil, nil) }()
	Expect(never.Close()).To(Succeed())
	Eventually(watching, "10s").Should(Receive(MatchError(store.ErrClosed)))
})

var _ = It("complains at once, at a new reason, and once a minute", func() {
	var c complaint
	now := time.Now()
	after := func(d time.Duration, reason string) bool {
		now = now.Add(d)
		return c.isNews(errors.New(reason), now)
	}
	Expect([]bool{
		after(0, "refused"), after(time.Second, "refused"), after(time.Second, "not resolved"), after(58*time.Second, "not resolved"),
		after(2*time.Second, "not resolved"), after(time.Second, "not resolved"), after(time.Minute, "not resolved"),
	}).To(Equal([]bool{true, false, true, false, true, false, true}))
})
