package quiet

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/discard"
)

// Options configures New. Store and Catalog are required.
type Options struct {
	Store store.Records
	// Catalog says which APIs and regions there are.
	Catalog func() store.Catalog
	// Planned are the windows of the settings.
	Planned []Planned
	// OnWindow is told of each window when it is announced, begins, ends, or is
	// changed. It is called by one goroutine. Nil: nobody is.
	OnWindow func(alert.Window)
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
	// Logger hears of every write, with audit=true, and when the store cannot be
	// read, and can again. Nil: nobody does.
	Logger logrus.FieldLogger
	// Every is the time between two readings. Zero: 1 s.
	Every time.Duration
	// Timeout bounds what one reading or write waits for the store. Zero: 5 s.
	Timeout time.Duration
}

// Quiet knows what people have said, and what is planned. What it knows stays valid
// while the store is away. Its questions never wait.
type Quiet struct {
	opts  Options
	turn  chan struct{} // holds one: for who reads or writes the store
	first chan struct{} // closed when the store was read for the first time
	known atomic.Pointer[known]
	told  map[occasion]alert.Window // by Run, to OnWindow

	mu      sync.Mutex // over all below
	planned []planned
	entries map[place]*entry
	times   []occurrence
	looked  time.Time // the minute that times are as of
	failing time.Time
}

// New returns a Quiet that knows the windows of the settings, and nothing of the
// store yet.
func New(o Options) (*Quiet, error) {
	switch {
	case o.Store == nil:
		return nil, errors.New("silences need a store")
	case o.Catalog == nil:
		return nil, errors.New("silences need the catalog of the APIs")
	}
	o.Every = cmp.Or(max(o.Every, 0), time.Second)
	o.Timeout = cmp.Or(max(o.Timeout, 0), 5*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = discard.Logger()
	}
	q := &Quiet{opts: o, turn: make(chan struct{}, 1), first: make(chan struct{}), entries: make(map[place]*entry)}
	if err := q.Update(o.Planned); err != nil {
		return nil, err
	}
	return q, nil
}

// Update replaces the windows of the settings. One that CheckPlanned refuses is an
// error, and all stay as they were.
func (q *Quiet) Update(all []Planned) error {
	ready, err := compilePlanned(all)
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.planned, q.looked = ready, time.Time{}
	q.look()
	return nil
}

// Await waits until the store was read once, or ctx ends. Before that silences that
// are stored are not known.
func (q *Quiet) Await(ctx context.Context) error {
	select {
	case <-q.first:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Failing returns since when the store cannot be read; the zero time: it can.
func (q *Quiet) Failing() time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.failing
}

// Run reads the store again and again until ctx ends, and deletes what is old.
func (q *Quiet) Run(ctx context.Context) error {
	tick := time.NewTicker(q.opts.Every)
	defer tick.Stop()
	var cleaned time.Time
	for {
		q.lookAgain()
		q.note(ctx, q.read(ctx))
		q.tell()
		if now := q.opts.Now(); now.Sub(cleaned) >= deleteEvery || now.Before(cleaned) {
			cleaned = now
			q.clean(ctx)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (q *Quiet) lookAgain() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.look()
}

// look finds the times of the windows of the settings, once a minute because a cron
// takes long, and shows what is known. It needs mu.
func (q *Quiet) look() {
	if minute := q.opts.Now().Truncate(time.Minute); !minute.Equal(q.looked) {
		q.times, q.looked = occurrences(q.planned, minute), minute
	}
	q.show()
}

// atStore runs what reads or writes the store, one at a time, within the time
// that Options allow.
func (q *Quiet) atStore(ctx context.Context, work func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, q.opts.Timeout)
	defer cancel()
	select {
	case q.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-q.turn }()
	return work(ctx)
}

// note keeps since when the store cannot be read, and logs the begin and the end of
// that.
func (q *Quiet) note(ctx context.Context, failure error) {
	if ctx.Err() != nil {
		return // the end is no failure
	}
	q.mu.Lock()
	since, now := q.failing, q.opts.Now()
	switch {
	case failure == nil:
		q.failing = time.Time{}
	case since.IsZero():
		q.failing = now
	}
	q.mu.Unlock()
	switch {
	case since.IsZero() == (failure == nil):
	case failure != nil:
		q.opts.Logger.WithError(failure).Warn("silences, acknowledgements and maintenance cannot be read from the store: those that are known stay valid")
	default:
		q.opts.Logger.WithField("for", now.Sub(since).Round(time.Second)).Info("silences, acknowledgements and maintenance can be read from the store again")
	}
}
