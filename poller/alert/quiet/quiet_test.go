package quiet_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"go.uber.org/goleak"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/quiet"
	"github.com/devops-insights/devops-insights/store"
)

func TestQuiet(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "silences, acknowledgements and maintenance")
	// Ginkgo keeps one goroutine for interrupts.
	goleak.VerifyNone(t, goleak.IgnoreAnyFunction("github.com/onsi/ginkgo/v2/internal/interrupt_handler.(*InterruptHandler).registerForInterrupts.func2"))
}

// noon is when the specs begin.
var noon = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)

func after(d time.Duration) time.Time { return noon.Add(d) }

// records is a store in memory that several instances share.
type records struct {
	mu   sync.Mutex
	all  []store.Record
	away error
	// before runs ahead of the next write, as another instance would.
	before func()
}

func (r *records) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away = err
}

func (r *records) PutRecord(_ context.Context, one store.Record) error {
	r.mu.Lock()
	before := r.before
	r.before = nil
	r.mu.Unlock()
	if before != nil {
		before()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.away != nil {
		return r.away
	}
	if err := one.Check(); err != nil {
		return err
	}
	i := slices.IndexFunc(r.all, func(o store.Record) bool { return o.Kind == one.Kind && o.API == one.API && o.ID == one.ID })
	switch {
	case i < 0:
		r.all = append(r.all, one)
	case r.all[i].Version >= one.Version:
		return store.ErrConflict
	case !r.all[i].At.Equal(one.At):
		return store.ErrRefused
	default:
		r.all[i] = one
	}
	return nil
}

func (r *records) FindRecords(_ context.Context, q store.RecordQuery) (found []store.Record, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.away != nil {
		return nil, r.away
	}
	for _, one := range r.all {
		if one.Kind == q.Kind && (q.API == "" || q.API == one.API) && (q.ID == "" || q.ID == one.ID) && !one.At.Before(q.From) {
			found = append(found, one)
		}
	}
	slices.SortFunc(found, func(a, b store.Record) int { return b.Place().Compare(a.Place()) })
	return found[:min(len(found), q.Limit)], q.Check()
}

func (r *records) DeleteRecords(_ context.Context, kind store.RecordKind, before time.Time, _ int) (deleted int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	was := len(r.all)
	r.all = slices.DeleteFunc(r.all, func(one store.Record) bool { return one.Kind == kind && one.At.Before(before) })
	return was - len(r.all), nil
}

// clock is set by the specs.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = t
}

// instance is a Quiet with what it needs.
type instance struct {
	*quiet.Quiet
	clock *clock
	logs  *test.Hook
}

func served() store.Catalog {
	return store.Catalog{
		{Name: "acme", Regions: []store.Region{{Name: "eu-west"}, {Name: "us-east"}}},
		{Name: "other", Regions: []store.Region{{Name: "mars"}}},
	}
}

// begin starts an instance at noon.
func begin(on *records, planned ...quiet.Planned) *instance {
	GinkgoHelper()
	log, hook := test.NewNullLogger()
	log.SetLevel(logrus.DebugLevel)
	i := &instance{clock: &clock{now: noon}, logs: hook}
	var err error
	i.Quiet, err = quiet.New(quiet.Options{Store: on, Catalog: served, Planned: planned, Now: i.clock.Now, Logger: log, Every: 2 * time.Millisecond})
	Expect(err).NotTo(HaveOccurred())
	return i
}

// listen starts an instance that tells of windows.
func listen(on *records, planned ...quiet.Planned) (*instance, <-chan alert.Window) {
	GinkgoHelper()
	told, i := make(chan alert.Window, 100), &instance{clock: &clock{now: noon}}
	var err error
	i.Quiet, err = quiet.New(quiet.Options{
		Store: on, Catalog: served, Planned: planned, Now: i.clock.Now, Every: 2 * time.Millisecond, OnWindow: func(w alert.Window) { told <- w },
	})
	Expect(err).NotTo(HaveOccurred())
	return i.run(), told
}

// run lets it read the store until the spec ends.
func (i *instance) run() *instance {
	GinkgoHelper()
	ctx, stop := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- i.Run(ctx) }()
	DeferCleanup(func() {
		stop()
		Eventually(over, "10s").Should(Receive(BeNil()))
	})
	wait, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	Expect(i.Await(wait)).To(Succeed())
	return i
}

func (i *instance) quiets(api string, labels map[string]string) *alert.Suppression {
	return i.Of(api).Suppression(labels, i.clock.Now())
}

// audited returns the fields of the lines about writes.
func (i *instance) audited() (lines []logrus.Fields) {
	for _, e := range i.logs.AllEntries() {
		if e.Data["audit"] == true {
			lines = append(lines, e.Data)
		}
	}
	return lines
}

var (
	jo      = quiet.Who{Name: "Jo", Address: "192.0.2.7:1234", RequestID: "r1"}
	kim     = quiet.Who{Name: "Kim", Address: "192.0.2.8:1234"}
	inEU    = []alert.Matcher{{Name: "region", Value: "eu-west", IsEqual: true}}
	eu      = map[string]string{"alertname": "region-down", "api": "acme", "region": "eu-west", "severity": "critical"}
	us      = map[string]string{"alertname": "region-down", "api": "acme", "region": "us-east", "severity": "critical"}
	whole   = map[string]string{"alertname": "offline", "api": "acme", "severity": "critical"}
	ctx     = context.Background()
	errAway = errors.New("the database is away")
)
