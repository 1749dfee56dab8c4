package cache

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store"
)

func TestCache(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Cache")
}

// database counts the questions; block, if set, holds every one back.
type database struct {
	asked  atomic.Int32
	block  chan struct{}
	mu     sync.Mutex
	values []store.Metric
	err    error
}

func (d *database) AllLatest(context.Context, string) ([]store.Metric, error) {
	d.mu.Lock()
	values, err := d.values, d.err
	d.mu.Unlock()
	d.asked.Add(1)
	if d.block != nil {
		<-d.block
	}
	return values, err
}

func (d *database) Latest(context.Context, string, string) (store.Metric, error) {
	panic("the cache asks for all")
}

func (d *database) History(context.Context, store.Query) ([]store.Metric, error) {
	d.asked.Add(1)
	if d.block != nil {
		<-d.block
	}
	return []store.Metric{{Source: "row"}}, nil
}

// shelf is a Shared in this process.
type shelf struct {
	mu    sync.Mutex
	value []byte
}

func (s *shelf) Get(context.Context, string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.value
}

func (s *shelf) Put(_ context.Context, _ string, b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.value = b
}

func metric(source, data string, at int) store.Metric {
	return store.Metric{API: "acme", Source: source, Data: []byte(data), UpdatedAt: time.UnixMilli(int64(at)).UTC()}
}

func always(d time.Duration) func() time.Duration { return func() time.Duration { return d } }

func TestTenThousandQuestionsAtOnceAreOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		db := &database{block: make(chan struct{}), values: []store.Metric{metric("eu-west", "1", 1)}}
		r := New(Options{Reader: db, MaxAge: always(time.Minute)})
		var asking sync.WaitGroup
		for i := range 10_000 {
			asking.Go(func() {
				if i%2 == 0 {
					if m, err := r.Latest(t.Context(), "acme", "eu-west"); err != nil || string(m.Data) != "1" {
						t.Error(m, err)
					}
				} else if _, err := r.History(t.Context(), store.Query{API: "acme", Limit: 5}); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		close(db.block)
		asking.Wait()
		g.Expect(db.asked.Load()).To(BeEquivalentTo(2))
	})
}

func TestAValueNotedWhileTheStoreIsAskedIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		db := &database{block: make(chan struct{}), values: []store.Metric{metric("eu-west", "1", 1)}}
		r := New(Options{Reader: db, MaxAge: always(time.Minute)})
		answer := make(chan store.Metric, 1)
		go func() { m, _ := r.Latest(t.Context(), "acme", "eu-west"); answer <- m }()
		synctest.Wait()
		r.Note(metric("eu-west", "2", 2))
		close(db.block)
		g.Expect(string((<-answer).Data)).To(Equal("2"))
		r.Note(metric("eu-west", "late", 1))
		m, err := r.Latest(t.Context(), "acme", "eu-west")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(m.Data)).To(Equal("2"), "an older value does not take the place of a newer one")
	})
}

var _ = Describe("the latest values", func() {
	It("are asked for again when they are old, or forgotten", func(ctx SpecContext) {
		now := time.Now()
		db := &database{values: []store.Metric{metric("eu-west", "1", 1)}}
		r := New(Options{Reader: db, MaxAge: always(time.Minute), Now: func() time.Time { return now }})
		for range 3 {
			Expect(r.AllLatest(ctx, "acme")).To(HaveLen(1))
		}
		Expect(db.asked.Load()).To(BeEquivalentTo(1))
		now = now.Add(time.Minute)
		Expect(r.AllLatest(ctx, "acme")).To(HaveLen(1))
		Expect(db.asked.Load()).To(BeEquivalentTo(2))
		r.Forget("acme")
		Expect(r.AllLatest(ctx, "acme")).To(HaveLen(1))
		Expect(db.asked.Load()).To(BeEquivalentTo(3))
	})

	It("come from the other processes when they are old, unless these may be behind", func(ctx SpecContext) {
		now := time.Now()
		db, shared := &database{values: []store.Metric{metric("eu-west", "1", 1)}}, &shelf{}
		o := Options{Reader: db, MaxAge: always(time.Minute), Shared: shared, Now: func() time.Time { return now }}
		a, b := New(o), New(o)
		a.ask(ctx)
		b.ask(ctx)
		Expect(db.asked.Load()).To(BeEquivalentTo(2), "the first time each asks the store")
		now = now.Add(time.Minute)
		a.ask(ctx)
		b.ask(ctx)
		Expect(db.asked.Load()).To(BeEquivalentTo(2))
		b.Forget("acme")
		b.ask(ctx)
		Expect(db.asked.Load()).To(BeEquivalentTo(3))
	})

	It("keep the order of their first storing, and say what is not there", func(ctx SpecContext) {
		db := &database{values: []store.Metric{metric("eu-west", "1", 1), metric("us-east", "1", 1)}}
		r := New(Options{Reader: db, MaxAge: always(time.Minute)})
		r.ask(ctx)
		r.Note(metric("sa-east", "1", 2))
		r.Note(metric("eu-west", "2", 2))
		all, err := r.AllLatest(ctx, "acme")
		Expect(err).NotTo(HaveOccurred())
		Expect([]string{all[0].Source, all[1].Source, all[2].Source}).To(Equal([]string{"eu-west", "us-east", "sa-east"}))
		_, err = r.Latest(ctx, "acme", "us-west")
		Expect(err).To(MatchError(store.ErrNotFound))
	})

	It("hand on the error of the store, and ask again the next time", func(ctx SpecContext) {
		db := &database{err: errors.New("away")}
		r := New(Options{Reader: db, MaxAge: always(time.Minute)})
		_, err := r.AllLatest(ctx, "acme")
		Expect(err).To(MatchError("away"))
		db.err = nil
		Expect(r.AllLatest(ctx, "acme")).To(BeEmpty())
	})
})

func (r *Reader) ask(ctx context.Context) {
	GinkgoHelper()
	_, err := r.AllLatest(ctx, "acme")
	Expect(err).NotTo(HaveOccurred())
}
