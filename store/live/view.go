package live

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/singleflight"

	"github.com/devops-insights/devops-insights/store"
)

// Feed hands on the changes of a store; see store.Feed.
type Feed interface {
	Watch(ctx context.Context, ready func(), handle func(context.Context, store.Change) error) error
	Refresh(ctx context.Context) error
}

// History goes through the rows that a store holds; see store.Reader.
type History interface {
	Scan(ctx context.Context, q store.Query, each func(store.Metric) error) error
}

// Audience are the dashboards of all regions.
type Audience interface {
	// Send sends a change to the dashboards that hear its region: with local to
	// those of this process, else to those of all. It returns what was sent, and
	// must not wait for a dashboard. With an error this process' dashboards have
	// it, and others may not.
	Send(c store.Change, local bool) (update json.RawMessage, err error)
}

// Options configures a View. Catalog, Feed, History, Audience and Logger are
// required.
type Options struct {
	// Catalog says which regions are answered and sent: what the store holds of
	// others is only kept, for a time when they are in it. It must not wait. When it
	// changes, Adopt has to be called.
	Catalog func() store.Catalog
	// Feed is where the values come from.
	Feed Feed
	// History is asked whether the store had a value that somebody announced.
	History History
	// Audience is sent what is news.
	Audience Audience
	// Complete reports whether the feed brings the changes of every writer: then
	// each instance sends to its own dashboards only. Nil: it always does.
	Complete func() bool
	// MaxAge is how old an answer may be while the feed is not complete. Zero: 1 s.
	MaxAge time.Duration
	// Compare is the time between two looks into the store that nobody asked for.
	// Zero: 30 s.
	Compare time.Duration
	// Timeout bounds one look into the store, which others may wait for. Zero: 10 s.
	Timeout time.Duration
	// Logger is told what could not be sent or compared.
	Logger logrus.FieldLogger
	// Now is the clock for ages: only differences are used. Nil: time.Now.
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	o.MaxAge = cmp.Or(o.MaxAge, time.Second)
	o.Compare = cmp.Or(o.Compare, 30*time.Second)
	o.Timeout = cmp.Or(o.Timeout, 10*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Complete == nil {
		o.Complete = func() bool { return true }
	}
	return o
}

// View holds the newest value of each region of each API. One feed brings the
// values of all of them. Its methods may be called from
// any goroutine, but Apply from one only.
type View struct {
	o          Options
	refreshing singleflight.Group
	unverified chan unverifiedUpdate // announcements that are to be compared with the store
	stale      chan struct{}         // holds one: a refresh is due
	life       context.Context       // ends with Run: nobody looks into the store any more
	end        context.CancelFunc
	looks      sync.WaitGroup

	mu        sync.Mutex
	apis      map[string]*api
	count     uint64    // of news, in all regions
	comparing bool      // a look into the store is under way
	began     uint64    // count when it began
	confirmed time.Time // when the store was last known to hold these values
}

// region is what is known of one region. Who sends one of its values holds gate
// for writing; who answers or subscribes one of its dashboards, for reading.
type region struct {
	gate   sync.RWMutex
	api    *api
	source string

	// Guarded by the view's lock.
	served    bool // the catalog has it
	known     bool
	value     store.Metric // the newest of the store
	one       *Snapshot    // the answer with the value; nil after a change
	sequence  uint64       // of the newest news
	sent      string       // its hash: the store's value, or an announced one
	update    json.RawMessage
	announced uint64    // sequence of the newest announcement
	clock     time.Time // what the sender of the newest news took for the time
	outside   string    // hash of an announced value that the store never had
	recent    [8]string // hashes of the news before
	next      int       // in recent
}

// New returns a View without values; Run fills it.
func New(o Options) *View {
	v := &View{
		o: o.withDefaults(), unverified: make(chan unverifiedUpdate, 256), stale: make(chan struct{}, 1),
		apis: make(map[string]*api),
	}
	v.life, v.end = context.WithCancel(context.Background())
	return v
}

// Run follows the feed until ctx ends or the feed does, and returns its error.
// ready is called when the view holds every value of the store. Call it once.
func (v *View) Run(ctx context.Context, ready func()) error {
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	defer func() {
		cancel()
		v.mu.Lock()
		v.end()
		v.mu.Unlock()
		work.Wait()
		v.looks.Wait()
	}()
	work.Go(func() { v.reconcile(ctx) })
	return v.o.Feed.Watch(ctx, func() {
		v.confirm()
		ready()
	}, func(_ context.Context, c store.Change) error {
		if err := v.Apply(c); err != nil {
			v.o.Logger.WithError(err).WithFields(logrus.Fields{"api": c.API, "region": c.Source}).Error("a change could not be sent")
		}
		return nil
	})
}

func (v *View) confirm() {
	v.mu.Lock()
	v.confirmed = v.o.Now()
	v.mu.Unlock()
}

// Apply takes the next change of the feed. Where it is news it is sent, in one
// step with becoming the newest value. The error is that of the sending.
func (v *View) Apply(c store.Change) error {
	r := v.region(c.API, c.Source)
	r.gate.Lock()
	defer r.gate.Unlock()
	news := v.store(r, c)
	if !news {
		return nil
	}
	return v.send(r, c, c.Snapshot || v.o.Complete())
}

// keep makes the change the region's value and reports whether the dashboards
// have yet to hear of it.
func (v *View) store(r *region, c store.Change) (news bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if c.Snapshot && v.comparing && r.announced > v.began {
		v.requestRefresh() // what was announced while the store was read may be newer
		return false
	}
	before := r.value.Hash
	if !r.known {
		r.known = true
		r.api.order = append(r.api.order, r)
	}
	r.value, r.one, r.api.all = c.Metric, nil, nil
	v.confirmed = v.o.Now()
	switch {
	case !r.served, c.Hash == r.sent:
		return false
	case c.Snapshot && c.Hash == before:
		// The store is where it was, and the dashboards have been told something
		// else since: by somebody outside, or by one who was late.
		if r.sent != r.outside {
			v.verifyLater(unverifiedUpdate{api: c.API, source: r.source, hash: r.sent, sent: true})
		}
		return false
	}
	v.assignSequence(r, c.Hash, c.UpdatedAt)
	return true
}

// assignSequence gives what is about to be sent its place. The caller holds the gate and
// the view's lock: an answer that has the value already has its sequence number too.
func (v *View) assignSequence(r *region, hash string, clock time.Time) {
	v.count++
	r.clock = clock
	r.sequence = v.count
	r.recent[r.next] = r.sent
	r.next = (r.next + 1) % len(r.recent)
	r.sent = hash
}

// send sends a numbered value to the region's room. The caller holds the gate.
func (v *View) send(r *region, c store.Change, local bool) error {
	update, err := v.o.Audience.Send(c, local)
	v.mu.Lock()
	defer v.mu.Unlock()
	r.update = update
	return err
}

func (r *region) sentLately(hash string) bool { return slices.Contains(r.recent[:], hash) }
