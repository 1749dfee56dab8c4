package observed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.uber.org/goleak"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/boltstore"
	"github.com/devops-insights/devops-insights/store/storetest"
)

func TestObserved(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Observed store")
	goleak.VerifyNone(t, goleak.IgnoreAnyFunction("github.com/onsi/ginkgo/v2/internal/interrupt_handler.(*InterruptHandler).registerForInterrupts.func2"))
}

// recorder is an Observer that keeps what it is told.
type recorder struct {
	mu    sync.Mutex
	lines []string
}

type nameKey struct{}

func (r *recorder) Began(ctx context.Context, op, api, source string) (context.Context, func(error)) {
	return named{r, "a"}.Began(ctx, op, api, source)
}

func (r *recorder) note(format string, values ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, fmt.Sprintf(format, values...))
}

// take returns the lines since the last call.
func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := r.lines
	r.lines = nil
	return lines
}

// whole opens an embedded store with the observers.
func whole(path string, observers ...Observer) Whole {
	GinkgoHelper()
	db, err := boltstore.Open(boltstore.Options{Path: path, Retention: -1})
	Expect(err).NotTo(HaveOccurred())
	s := Store(db, observers...)
	DeferCleanup(func() { _ = s.Close() })
	return s
}

func fresh() func() Whole {
	path := filepath.Join(GinkgoT().TempDir(), "db")
	return func() Whole { return whole(path, new(recorder)) }
}

var (
	_ = storetest.Specs("an observed store", func() storetest.Factory {
		open := fresh()
		return func() store.Store { return open() }
	})
	_ = storetest.AlertSpecs("an observed store", func() storetest.AlertFactory {
		open := fresh()
		return func() storetest.Alerts { return open() }
	})
	_ = storetest.PastSpecs("an observed store", func() storetest.PastFactory {
		open := fresh()
		return func() storetest.Past { return open() }
	})
)

var _ = Describe("an observer", func() {
	var (
		seen *recorder
		s    Whole
		ctx  = context.Background()
		at   = time.Date(2026, 11, 24, 3, 45, 1, 0, time.UTC)
	)
	BeforeEach(func() {
		seen = new(recorder)
		s = whole(filepath.Join(GinkgoT().TempDir(), "db"), seen)
	})

	It("is told of every operation by its name, and of how it ended", func() {
		row := store.Metric{API: "acme", Source: "eu-west", Data: json.RawMessage(`1`), Hash: store.Hash([]byte(`1`)), CreatedAt: at, UpdatedAt: at}
		interval := func(source string) store.Interval {
			return store.Interval{API: "acme", Source: source, From: at, To: at.Add(time.Second), Until: at.Add(time.Minute), State: store.StateUp, Polls: 1}
		}
		operations := []struct {
			op, about string
			run       func() error
		}{
			{Save, "acme/us-east", func() error {
				_, err := s.Save(ctx, store.Sample{API: "acme", Source: "us-east", Data: json.RawMessage(`1`), At: at})
				return err
			}},
			{Latest, "acme/us-east", func() error { _, err := s.Latest(ctx, "acme", "us-east"); return err }},
			{AllLatest, "acme/", func() error { _, err := s.AllLatest(ctx, "acme"); return err }},
			{Scan, "acme/us-east", func() error {
				return s.Scan(ctx, store.Query{API: "acme", Source: "us-east", Limit: 1}, func(store.Metric) error { return nil })
			}},
			{Refresh, "/", func() error { return s.Refresh(ctx) }},
			{Ping, "/", func() error { return s.(interface{ Ping(context.Context) error }).Ping(ctx) }},
			{PutOutcomes, "acme/us-east", func() error { return s.PutOutcomes(ctx, 1, []store.Interval{interval("us-east")}) }},
			{PutOutcomes, "acme/", func() error {
				return s.PutOutcomes(ctx, 1, []store.Interval{interval("us-east"), interval("us-west"), interval("us-east")})
			}},
			{LastOutcome, "acme/us-east", func() error { _, err := s.LastOutcome(ctx, "acme", "us-east"); return err }},
			{ScanOutcomes, "acme/us-east", func() error {
				return s.ScanOutcomes(ctx, "acme", "us-east", time.Time{}, time.Time{}, func(store.Interval) error { return nil })
			}},
			{Mark, "acme/us-east", func() error { _, err := s.Mark(ctx, "acme", "us-east"); return err }},
			{PutChunks, "acme/us-west", func() error { return s.PutChunks(ctx, 1, store.Mark{API: "acme", Source: "us-west"}, nil) }},
			{ScanChunks, "acme/us-east", func() error {
				return s.ScanChunks(ctx, store.ChunkQuery{API: "acme", Source: "us-east", Field: "n", Tier: store.TierMinute}, func(store.Chunk) error { return nil })
			}},
			{Import, "acme/", func() error { _, err := s.Import(ctx, []store.Metric{row}); return err }},
			{PutLedger, "acme/", func() error {
				return s.PutLedger(ctx, store.Ledger{API: "acme", Term: 1, Version: 1, Data: json.RawMessage(`{}`)})
			}},
			{Ledger, "acme/", func() error { _, err := s.Ledger(ctx, "acme"); return err }},
			{PutRecord, "acme/", func() error {
				return s.PutRecord(ctx, store.Record{Kind: store.RecordAck, API: "acme", ID: "1", At: at, Version: 1, Data: json.RawMessage(`{}`)})
			}},
			{FindRecords, "acme/", func() error {
				_, err := s.FindRecords(ctx, store.RecordQuery{Kind: store.RecordAck, API: "acme", Limit: 1})
				return err
			}},
			{DeleteRecords, "/", func() error { _, err := s.DeleteRecords(ctx, store.RecordAck, at.Add(time.Hour), 1); return err }},
		}
		var tried []string
		for _, o := range operations {
			Expect(o.run()).To(Succeed(), o.op)
			Expect(seen.take()).To(Equal([]string{"a began " + o.op + " " + o.about, "a ended " + o.op + ": <nil>"}))
			tried = append(tried, o.op)
		}
		Expect(tried).To(ContainElements(Operations()), "every operation is tried here")
	})

	It("hears nothing of what was not found", func() {
		_, err := s.Latest(ctx, "acme", "us-east")
		Expect(err).To(MatchError(store.ErrNotFound))
		_, err = s.LastOutcome(ctx, "acme", "us-east")
		Expect(err).To(MatchError(store.ErrNotFound))
		_, err = s.Ledger(ctx, "acme")
		Expect(err).To(MatchError(store.ErrNotFound))
		Expect(seen.take()).To(HaveEach(Not(ContainSubstring("nothing stored"))))
	})

	It("hears nothing of what the caller itself ended", func() {
		_, err := s.Save(ctx, store.Sample{API: "acme", Source: "us-east", Data: json.RawMessage(`1`), At: at})
		Expect(err).NotTo(HaveOccurred())
		seen.take()
		enough := errors.New("enough")
		err = s.Scan(ctx, store.Query{API: "acme", Limit: 1}, func(store.Metric) error { return enough })
		Expect(err).To(MatchError(enough))
		Expect(seen.take()).To(ContainElement("a ended scan: <nil>"))
	})

	It("hears the error of the store", func() {
		Expect(s.Close()).To(Succeed())
		_, err := s.AllLatest(ctx, "acme")
		Expect(err).To(MatchError(store.ErrClosed))
		Expect(seen.take()).To(ContainElement("a ended all_latest: " + store.ErrClosed.Error()))
	})

	It("is told before those behind it and after them", func() {
		all := new(recorder)
		s := whole(filepath.Join(GinkgoT().TempDir(), "db"), nil, named{all, "a"}, named{all, "b"})
		_, err := s.AllLatest(ctx, "acme")
		Expect(err).NotTo(HaveOccurred())
		Expect(all.take()).To(Equal([]string{
			"a began all_latest acme/", "a>b began all_latest acme/", "a>b ended all_latest: <nil>", "a ended all_latest: <nil>",
		}))
	})

	It("costs nothing where there is none", func() {
		db, err := boltstore.Open(boltstore.Options{Path: filepath.Join(GinkgoT().TempDir(), "db"), Retention: -1})
		Expect(err).NotTo(HaveOccurred())
		defer func() { Expect(db.Close()).To(Succeed()) }()
		Expect(Store(db, nil)).To(BeIdenticalTo(db))
	})
})

// named is one of several observers that write into the same list.
type named struct {
	*recorder
	as string
}

func (n named) Began(ctx context.Context, op, api, source string) (context.Context, func(error)) {
	outer, _ := ctx.Value(nameKey{}).(string)
	n.note("%s%s began %s %s/%s", outer, n.as, op, api, source)
	return context.WithValue(ctx, nameKey{}, outer+n.as+">"), func(err error) {
		n.note("%s%s ended %s: %v", outer, n.as, op, err)
	}
}
