package quiet

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/store"
)

// Options configures New. Store and Catalog are required.
type Options struct {
	// Store keeps what people say.
	Store store.Records
	// Catalog says which APIs and regions there are.
	Catalog func() store.Catalog
	// Planned are the windows of the settings, see Quiet.Update. They have been
	// checked by CheckPlanned.
	Planned []Planned
	// Every is the time between two readings. Zero: 1 s.
	Every time.Duration
	// Timeout bounds one call of the store. Zero: 5 s.
	Timeout time.Duration
	// OnWindow is told of each window when it is announced, begins, and ends. It is
	// called by one goroutine. Nil: nobody is.
	OnWindow func(alert.Window)
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
	// Logger hears when records cannot be read, and when they can again. Nil: nobody
	// does.
	Logger logrus.FieldLogger
}

// Quiet knows when nobody is to be woken. What it has read stays valid while the
// store is away.
type Quiet struct {
	opts Options
	kick chan struct{}

	writing sync.Mutex // one write at a time: bounds and ids are looked up before

	mu       sync.Mutex
	planned  []Planned
	silences map[string]silence      // by ID
	windows  map[string]alert.Window // made by people, by ID
	acks     map[string]alert.Ack    // by incident
	read     map[store.RecordKind]time.Time
	calendar calendar
	failing  time.Time
	told     map[windowKey]alert.Window
}

type silence struct {
	alert.Silence
	matchers []matcher
}

// New returns a Quiet that has read nothing yet.
func New(o Options) (*Quiet, error) {
	if o.Store == nil || o.Catalog == nil {
		return nil, errors.New("quiet: a Store and a Catalog are required")
	}
	o.Every = cmp.Or(max(o.Every, 0), time.Second)
	o.Timeout = cmp.Or(max(o.Timeout, 0), 5*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		silent := logrus.New()
		silent.SetOutput(io.Discard)
		o.Logger = silent
	}
	return &Quiet{
		opts: o, kick: make(chan struct{}, 1), planned: o.Planned,
		silences: make(map[string]silence), windows: make(map[string]alert.Window), acks: make(map[string]alert.Ack),
		read: make(map[store.RecordKind]time.Time), told: make(map[windowKey]alert.Window),
	}, nil
}

// Update replaces the windows of the settings.
func (q *Quiet) Update(planned []Planned) {
	q.mu.Lock()
	q.planned, q.calendar = planned, calendar{}
	q.mu.Unlock()
	q.signal()
}

func (q *Quiet) signal() {
	select {
	case q.kick <- struct{}{}:
	default:
	}
}

// pruneEvery is how often records are deleted that nobody needs any more, and
// kept for how long they stay.
const (
	pruneEvery = time.Hour
	kept       = 400 * 24 * time.Hour
	pruneMax   = 1000
)

// Run reads what people have said on all instances, again and again, until ctx
// ends.
func (q *Quiet) Run(ctx context.Context) error {
	tick := time.NewTicker(q.opts.Every)
	defer tick.Stop()
	var pruned time.Time
	for {
		q.refresh(ctx)
		q.tellWindows()
		if now := q.opts.Now(); now.Sub(pruned).Abs() >= pruneEvery {
			q.prune(ctx, now)
			pruned = now
		}
		select {
		case <-tick.C:
		case <-q.kick:
		case <-ctx.Done():
			return nil
		}
	}
}

// Failing returns since when records cannot be read; zero where they can.
func (q *Quiet) Failing() time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.failing
}

func (q *Quiet) prune(ctx context.Context, now time.Time) {
	for _, kind := range kinds() {
		call, cancel := context.WithTimeout(ctx, q.opts.Timeout)
		_, _ = q.opts.Store.DeleteRecords(call, kind, now.Add(-kept), pruneMax) // the next time takes what is left
		cancel()
	}
}

// Of returns what is known of an API, for those who decide about its alerts.
func (q *Quiet) Of(api string) API { return API{q, api} }

// API is what is known of one API.
type API struct {
	quiet *Quiet
	name  string
}

// Suppression says why an alert with these labels is not told at a time; nil: it
// is. Where several reasons hold, it is the one that ends last.
func (a API) Suppression(labels map[string]string, now time.Time) *alert.Suppression {
	q := a.quiet
	q.mu.Lock()
	defer q.mu.Unlock()
	var found *alert.Suppression
	note := func(by, id string, until time.Time) {
		if found == nil || until.After(*found.Until) {
			found = &alert.Suppression{By: by, ID: id, Until: &until}
		}
	}
	for _, w := range q.active(a.name, now) {
		if len(w.Regions) == 0 || slices.Contains(w.Regions, labels["region"]) {
			note("maintenance", w.ID, w.EndsAt)
		}
	}
	for _, s := range q.silences {
		if s.API == a.name && !now.Before(s.StartsAt) && now.Before(s.EndsAt) && matches(s.matchers, labels) {
			note("silence", s.ID, s.EndsAt)
		}
	}
	return found
}

// Ack is who has taken an incident on; nil: nobody.
func (a API) Ack(incident string) *alert.Ack {
	a.quiet.mu.Lock()
	defer a.quiet.mu.Unlock()
	if ack, ok := a.quiet.acks[incident]; ok {
		return &ack
	}
	return nil
}
