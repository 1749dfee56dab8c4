package shelter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
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

func TestShelter(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Shelter")
	goleak.VerifyNone(t, goleak.IgnoreAnyFunction("github.com/onsi/ginkgo/v2/internal/interrupt_handler.(*InterruptHandler).registerForInterrupts.func2"))
}

var errGone = errors.New("connection refused")

// moody is a database that can be away: a real store behind a door.
type moody struct {
	store.Store
	away, refuses, hangs atomic.Bool
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

func (m *moody) History(ctx context.Context, q store.Query) ([]store.Metric, error) {
	if m.away.Load() {
		return nil, errGone
	}
	return m.Store.History(ctx, q)
}

func quiet() *logrus.Logger {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return l
}

func bolt(path string) (store.Store, error) {
	return boltstore.Open(boltstore.Options{Path: path, Retention: -1})
}

var _ = storetest.Specs("shelter over boltstore", func() storetest.Factory {
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
		db *moody
		s  *Store
		at = time.Now()
	)
	save := func(n int) (bool, error) {
		return s.Save(context.Background(), store.Sample{
			API: "acme", Source: "eu-west", Data: json.RawMessage(fmt.Sprint(n)), At: at.Add(time.Duration(n) * time.Second),
		})
	}
	history := func() (all []string) {
		rows, err := db.Store.History(context.Background(), store.Query{API: "acme", Limit: 100})
		Expect(err).NotTo(HaveOccurred())
		for _, m := range rows {
			all = append(all, string(m.Data))
		}
		return all
	}
	BeforeEach(func() {
		inner, err := bolt(filepath.Join(GinkgoT().TempDir(), "db"))
		Expect(err).NotTo(HaveOccurred())
		db = &moody{Store: inner}
		s = New(Options{
			Open:  func(context.Context) (store.Store, error) { return db, nil },
			Retry: 20 * time.Millisecond, MaxHeld: 5, Logger: quiet(),
		})
		DeferCleanup(s.Close)
		Eventually(s.Connected(), "10s").Should(BeClosed())
		Expect(save(1)).To(BeTrue())
		_, err = s.AllLatest(context.Background(), "acme")
		Expect(err).NotTo(HaveOccurred())
	})

	It("the latest values come from memory with their time, and the history says that it cannot", func(ctx SpecContext) {
		db.away.Store(true)
		all, err := s.AllLatest(ctx, "acme")
		Expect(err).NotTo(HaveOccurred())
		Expect(all).To(HaveLen(1))
		Expect(all[0].UpdatedAt).To(Equal(store.Milliseconds(at.Add(time.Second))))
		Expect(s.Latest(ctx, "acme", "eu-west")).To(HaveField("Hash", store.Hash([]byte("1"))))
		_, err = s.Latest(ctx, "acme", "us-east")
		Expect(err).To(MatchError(ErrAway))
		_, err = s.History(ctx, store.Query{API: "acme", Limit: 1})
		Expect(err).To(MatchError(ErrAway))
		Expect(s.Stats().Away).NotTo(BeZero())
		db.away.Store(false)
		Eventually(func() time.Time { return s.Stats().Away }, "10s").Should(BeZero())
		Expect(s.History(ctx, store.Query{API: "acme", Limit: 1})).To(HaveLen(1))
	})

	It("changes are held, and stored in order when it is back", func() {
		db.away.Store(true)
		for _, n := range []int{1, 2, 2, 3, 4} {
			Expect(save(n)).To(BeFalse())
		}
		Expect(s.Stats().Held).To(Equal(3), "the value that is stored already is none")
		Expect(history()).To(Equal([]string{"1"}))
		db.away.Store(false)
		Eventually(history, "10s").Should(Equal([]string{"4", "3", "2", "1"}))
		Eventually(func() int { return s.Stats().Held }, "10s").Should(BeZero())
		Expect(save(5)).To(BeTrue())
		Expect(save(5)).To(BeFalse())
	})

	It("a value whose caller could not wait is held, too", func(ctx SpecContext) {
		db.hangs.Store(true)
		short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		Expect(s.Save(short, store.Sample{API: "acme", Source: "eu-west", Data: json.RawMessage(`2`), At: at.Add(time.Minute)})).To(BeFalse())
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
		Eventually(func() int { return s.Stats().Held }, "10s").Should(BeZero())
		Expect(history()).To(Equal([]string{"1"}))
	})

	It("no more are held than the bound allows: the newest stay, the rest are counted", func() {
		db.away.Store(true)
		for n := range 12 {
			Expect(save(n + 2)).To(BeFalse())
		}
		Expect(s.Stats()).To(And(HaveField("Held", 5), HaveField("Dropped", uint64(7))))
		db.away.Store(false)
		Eventually(history, "10s").Should(Equal([]string{"13", "12", "11", "10", "9", "1"}))
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
	Expect(err).To(Or(BeNil(), MatchError(ErrAway)))
	Expect(s.Save(ctx, store.Sample{API: "acme", Source: "eu-west", Data: json.RawMessage(`1`), At: time.Now()})).To(Or(BeTrue(), BeFalse()))
	Eventually(s.Connected(), "10s").Should(BeClosed())
	Eventually(func() ([]store.Metric, error) { return s.AllLatest(ctx, "acme") }, "10s").Should(HaveLen(1))
	never := New(Options{Retry: time.Millisecond, Logger: quiet(), Open: func(context.Context) (store.Store, error) { return nil, errGone }})
	watching := make(chan error, 1)
	go func() { watching <- never.Watch(ctx, nil, nil) }()
	Expect(never.Close()).To(Succeed())
	Eventually(watching, "10s").Should(Receive(MatchError(store.ErrClosed)))
})
