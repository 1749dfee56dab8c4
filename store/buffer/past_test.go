package buffer

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/storetest"
)

var _ = storetest.PastSpecs("A database behind a buffer", func() storetest.PastFactory {
	path := filepath.Join(GinkgoT().TempDir(), "past.db")
	return func() storetest.Past {
		b := New(Options{Open: func(context.Context) (store.Store, error) { return bolt(path) }, Logger: quiet()})
		DeferCleanup(b.Close)
		Eventually(b.Connected(), "10s").Should(BeClosed())
		return b
	}
})

var _ = storetest.AlertSpecs("A database behind a buffer", func() storetest.AlertFactory {
	path := filepath.Join(GinkgoT().TempDir(), "alerts.db")
	return func() storetest.Alerts {
		b := New(Options{Open: func(context.Context) (store.Store, error) { return bolt(path) }, Logger: quiet()})
		DeferCleanup(b.Close)
		Eventually(b.Connected(), "10s").Should(BeClosed())
		return b
	}
})

var _ = storetest.PagingSpecs("A database behind a buffer", func() storetest.Factory {
	path := filepath.Join(GinkgoT().TempDir(), "paging.db")
	return func() store.Store {
		b := New(Options{Open: func(context.Context) (store.Store, error) { return bolt(path) }, Logger: quiet()})
		DeferCleanup(b.Close)
		Eventually(b.Connected(), "10s").Should(BeClosed())
		return b
	}
})

// moodyPast is a database that fails on command, and keeps the past.
type moodyPast struct {
	*moody
	store.Past
	term atomic.Int64 // of the last PutOutcomes that came through
}

func (m *moodyPast) PutOutcomes(ctx context.Context, term int64, all []store.Interval) error {
	if m.away.Load() {
		return errGone
	}
	if m.hangs.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	m.term.Store(term)
	return m.Past.PutOutcomes(ctx, term, all)
}

func (m *moodyPast) LastOutcome(ctx context.Context, api, source string) (store.Interval, error) {
	if m.away.Load() {
		return store.Interval{}, errGone
	}
	return m.Past.LastOutcome(ctx, api, source)
}

var _ = Describe("the past behind a buffer", func() {
	var (
		inner *moodyPast
		b     *Buffer
	)
	one := store.Interval{API: "acme", Source: "eu-west", From: time.UnixMilli(0), To: time.UnixMilli(1000), Until: time.UnixMilli(2000), State: store.StateUp, Polls: 1}
	BeforeEach(func() {
		db, err := bolt(filepath.Join(GinkgoT().TempDir(), "past.db"))
		Expect(err).NotTo(HaveOccurred())
		inner = &moodyPast{moody: &moody{Store: db}, Past: db.(store.Past)}
		b = New(Options{Open: func(context.Context) (store.Store, error) { return inner, nil }, Timeout: 200 * time.Millisecond, Retry: 20 * time.Millisecond, Logger: quiet()})
		DeferCleanup(b.Close)
		Eventually(b.Connected(), "10s").Should(BeClosed())
	})

	It("is not kept here while the database is away: whoever writes hears so at once", func(ctx SpecContext) {
		inner.away.Store(true)
		Expect(b.PutOutcomes(ctx, 1, []store.Interval{one})).To(MatchError(ErrUnavailable))
		began := time.Now()
		Expect(b.PutOutcomes(ctx, 1, []store.Interval{one})).To(MatchError(ErrUnavailable))
		Expect(b.PutChunks(ctx, 1, store.Mark{API: "acme", Source: "eu-west"}, nil)).To(MatchError(ErrUnavailable))
		_, err := b.LastOutcome(ctx, "acme", "eu-west")
		Expect(err).To(MatchError(ErrUnavailable))
		_, err = b.Import(ctx, nil)
		Expect(err).To(MatchError(ErrUnavailable))
		Expect(b.ScanChunks(ctx, store.ChunkQuery{}, nil)).To(MatchError(ErrUnavailable))
		Expect(b.PutLedger(ctx, store.Ledger{API: "acme", Version: 1, Data: []byte(`1`)})).To(MatchError(ErrUnavailable))
		_, err = b.Ledger(ctx, "acme")
		Expect(err).To(MatchError(ErrUnavailable))
		_, err = b.FindRecords(ctx, store.RecordQuery{Kind: store.RecordAck, Limit: 1})
		Expect(err).To(MatchError(ErrUnavailable))
		Expect(time.Since(began)).To(BeNumerically("<", 10*time.Second))
		inner.away.Store(false)
		Eventually(func() error { return b.PutOutcomes(ctx, 2, []store.Interval{one}) }, "10s").Should(Succeed())
		Expect(inner.term.Load()).To(BeEquivalentTo(2))
	})

	It("is fenced by the database, which is there nevertheless", func(ctx SpecContext) {
		Expect(b.PutOutcomes(ctx, 2, []store.Interval{one})).To(Succeed())
		Expect(b.PutOutcomes(ctx, 1, []store.Interval{one})).To(MatchError(store.ErrFenced))
		Expect(b.Stats().Unavailable).To(BeZero())
	})

	It("does not wait for ever for a write, nor does the polling wait for it", func(ctx SpecContext) {
		inner.hangs.Store(true)
		over := make(chan error, 1)
		go func() { over <- b.PutOutcomes(ctx, 1, []store.Interval{one}) }()
		Consistently(over, "300ms").ShouldNot(Receive(), "it may take longer than a question")
		inner.hangs.Store(false)
		Expect(b.Save(ctx, store.Sample{API: "acme", Source: "eu-west", Data: []byte(`1`), At: time.Now()})).To(BeTrue())
		Eventually(over, "10s").Should(Receive(MatchError(context.DeadlineExceeded)))
	})

	It("is read for as long as rows come, and the time of whoever takes them does not count", func(ctx SpecContext) {
		for i := range 5 {
			one.From, one.To = time.UnixMilli(int64(i)*1000), time.UnixMilli(int64(i+1)*1000)
			Expect(b.PutOutcomes(ctx, 1, []store.Interval{one})).To(Succeed())
		}
		n := 0
		Expect(b.ScanOutcomes(ctx, "acme", "eu-west", time.Time{}, time.Time{}, func(store.Interval) error {
			n++
			time.Sleep(100 * time.Millisecond) // together longer than the timeout of one answer
			return nil
		})).To(Succeed())
		Expect(n).To(Equal(5))
		boom := errors.New("boom")
		Expect(b.ScanOutcomes(ctx, "acme", "eu-west", time.Time{}, time.Time{}, func(store.Interval) error { return boom })).To(Equal(boom))
		inner.slowHistory.Store(true)
		err := b.Scan(ctx, store.Query{API: "acme", Limit: 1}, func(store.Metric) error { return nil })
		Expect(err).To(MatchError(context.DeadlineExceeded))
		Expect(err).To(MatchError(ContainSubstring("200ms")))
	})
})
