// Package buffer keeps the polling going while its database is unavailable: it
// connects in the background and keeps what is to be stored until the database
// takes it. It knows neither which database it is nor who asks.
//
// Whether the database is available is judged by what is written and by pings,
// never by questions: one slow question says nothing of the writes. What the
// database refuses fails alone; what it fails to write waits in its region, and
// the other regions go on.
package buffer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/singleflight"

	"github.com/devops-insights/devops-insights/store"
)

// ErrUnavailable is returned where only the database could answer, and it
// cannot be reached.
var ErrUnavailable = errors.New("the database is unavailable")

// Options configures a Buffer. Open and Logger are required.
type Options struct {
	// Open connects to the database; it is called again until it succeeds.
	Open func(ctx context.Context) (store.Store, error)
	// Timeout bounds one call of the database. Zero: 5 s.
	Timeout time.Duration
	// Retry is the time between two attempts to reach the database, and between
	// two pings; half of it is by chance. Zero: 2 s.
	Retry time.Duration
	// MaxPending bounds the changes of one region that wait for the database;
	// past it the oldest is dropped and counted. Zero: 1000.
	MaxPending int
	// MaxBytes bounds all that waits; past it the oldest change of the region
	// that has the most is dropped and counted. Zero: 64 MiB.
	MaxBytes int64
	// Turn is asked where several instances take turns at writing: whether it is
	// this one's turn with an api, and for a number that is another one when somebody else
	// had a turn in between. What waits is written in this instance's turn, and
	// dropped when the number has changed: somebody has stored newer values. Nil:
	// it is always this one's turn.
	Turn func(api string) (number int64, mine bool)
	// Logger is told when the database goes and comes.
	Logger logrus.FieldLogger
}

func (o Options) withDefaults() Options {
	o.Timeout = cmp.Or(max(o.Timeout, 0), 5*time.Second)
	o.Retry = cmp.Or(max(o.Retry, 0), 2*time.Second)
	o.MaxPending = cmp.Or(max(o.MaxPending, 0), 1000)
	o.MaxBytes = cmp.Or(max(o.MaxBytes, 0), 64<<20)
	if o.Turn == nil {
		o.Turn = func(string) (int64, bool) { return 0, true }
	}
	return o
}

// Stats says how the Buffer stands.
type Stats struct {
	// Unavailable says since when the database cannot be reached; zero when it
	// can.
	Unavailable time.Time
	// Err is why the database cannot be reached, or why it does not take what
	// waits although it can; nil where neither is so, and before anything is
	// known.
	Err error
	// Pending is the number of changes that wait for the database, and
	// PendingBytes their size.
	Pending      int
	PendingBytes int64
	// Dropped counts changes that waited in vain, since the start: past a bound,
	// refused, or overtaken by another instance.
	Dropped uint64
}

// key is one region.
type key struct{ api, source string }

// Buffer is a store.Store, a store.Past and a store.Alerts in front of another one
// that is all of these.
type Buffer struct {
	opts   Options
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup
	wake   chan struct{} // something waits, or the database is back
	pings  singleflight.Group

	mu          sync.Mutex
	inner       store.Store   // nil until connected
	connected   chan struct{} // closed then
	unavailable time.Time
	said        complaint // that it is
	away        error     // why it is
	refusing    error     // why a change that waits was not taken
	pending     pending
	closed      bool
}

// New begins to connect and returns at once.
func New(o Options) *Buffer {
	o = o.withDefaults()
	b := &Buffer{
		opts: o, connected: make(chan struct{}), wake: make(chan struct{}, 1), unavailable: time.Now(),
		pending: newPending(o.MaxPending, o.MaxBytes),
	}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	b.work.Go(b.run)
	return b
}

// Connected is closed when the database was reached for the first time.
func (b *Buffer) Connected() <-chan struct{} { return b.connected }

// Stats returns how the Buffer stands.
func (b *Buffer) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	why := b.away
	if why == nil && b.pending.count > 0 {
		why = b.refusing
	}
	return Stats{Unavailable: b.unavailable, Err: why, Pending: b.pending.count, PendingBytes: b.pending.bytes, Dropped: b.pending.dropped}
}

// run connects, and from then on pings and writes what waits.
func (b *Buffer) run() {
	if !b.connect() {
		return
	}
	for b.pause() {
		if b.ping() == nil {
			b.flush()
		}
	}
}

// connect tries until it succeeds; false where Close comes first. The reason is
// logged at once, when it changes, and every minute.
func (b *Buffer) connect() bool {
	var said complaint
	for {
		inner, err := b.opts.Open(b.ctx)
		if err == nil {
			b.mu.Lock()
			b.inner, b.unavailable, b.said, b.away = inner, time.Time{}, complaint{}, nil
			close(b.connected)
			b.mu.Unlock()
			b.opts.Logger.Info("the database is connected")
			b.signal()
			return true
		}
		if b.ctx.Err() != nil {
			return false
		}
		b.mu.Lock()
		b.away = err
		b.mu.Unlock()
		if said.isNews(err, time.Now()) {
			b.opts.Logger.WithError(err).Warn("waiting for the database; not ready until it answers")
		}
		if !b.pause() {
			return false
		}
	}
}

// pause waits for the next turn of run; false means Close.
func (b *Buffer) pause() bool {
	timer := time.NewTimer(b.opts.Retry/2 + rand.N(b.opts.Retry/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-b.wake:
		return true
	case <-b.ctx.Done():
		return false
	}
}

// signal ends a pause.
func (b *Buffer) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// database returns the inner store, or ErrUnavailable, or ErrClosed.
func (b *Buffer) database() (store.Store, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return nil, store.ErrClosed
	case b.inner == nil:
		return nil, ErrUnavailable
	}
	return b.inner, nil
}

// available returns the inner store unless it is known to be unavailable:
// nobody should wait for what will not answer.
func (b *Buffer) available() (store.Store, error) {
	inner, err := b.database()
	if err == nil && !b.Stats().Unavailable.IsZero() {
		err = ErrUnavailable
	}
	return inner, err
}

// pinger is a database that can be asked whether it is there.
type pinger interface {
	Ping(ctx context.Context) error
}

// ping asks the database whether it is there, and notes the answer. Whoever asks
// meanwhile shares it.
func (b *Buffer) ping() error {
	inner, err := b.database()
	if err != nil {
		return err
	}
	_, err, _ = b.pings.Do("", func() (any, error) {
		ctx, cancel := context.WithTimeout(b.ctx, b.opts.Timeout/2)
		defer cancel()
		var err error
		if p, ok := inner.(pinger); ok {
			err = p.Ping(ctx)
		} else {
			_, err = inner.AllLatest(ctx, "")
		}
		if b.ctx.Err() != nil {
			return nil, store.ErrClosed
		}
		b.note(err)
		return nil, err
	})
	return err
}

// explain tells whether a call has failed because the database cannot be
// reached, and names that.
func (b *Buffer) explain(ctx context.Context, err error) error {
	if errors.Is(err, store.ErrClosed) || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrBadID) || errors.Is(ctx.Err(), context.Canceled) {
		return err
	}
	if b.ping() != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

// suspect notes that a write was not answered. A ping follows; until it is
// answered nobody else should wait.
func (b *Buffer) suspect() {
	b.mu.Lock()
	if b.unavailable.IsZero() {
		b.unavailable = time.Now()
	}
	b.mu.Unlock()
	b.signal()
}

// note takes the result of a ping or a write. It logs when the database goes,
// when the reason changes, once a minute while it lasts, and when the database
// is back.
func (b *Buffer) note(err error) {
	b.mu.Lock()
	since, said := b.unavailable, b.said.at
	news := false
	if b.away = err; err == nil {
		b.unavailable, b.said = time.Time{}, complaint{}
	} else {
		now := time.Now()
		if since.IsZero() {
			b.unavailable = now
		}
		news = b.said.isNews(err, now)
	}
	b.mu.Unlock()
	switch {
	case news:
		b.opts.Logger.WithError(err).Error("the database is unavailable: the latest values come from memory, changes wait")
	case err == nil && !said.IsZero():
		b.opts.Logger.WithField("duration_ms", time.Since(since).Milliseconds()).Info("the database is back")
	}
	if err == nil && !since.IsZero() {
		b.signal()
	}
}

// complaint is what was said last about a database that cannot be used.
type complaint struct {
	reason string
	at     time.Time
}

// isNews reports whether the error is to be said now: a new reason at once, the
// same one after a minute.
func (c *complaint) isNews(err error, now time.Time) bool {
	if err.Error() == c.reason && now.Sub(c.at) < time.Minute {
		return false
	}
	c.reason, c.at = err.Error(), now
	return true
}

// Close stops waiting and closes the database. What still waits is lost and
// logged.
func (b *Buffer) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	b.mu.Unlock()
	b.cancel()
	b.work.Wait()
	if st := b.Stats(); st.Pending > 0 {
		b.opts.Logger.WithField("changes", st.Pending).Error("changes that waited for the database are lost")
	}
	if b.inner == nil {
		return nil
	}
	return b.inner.Close()
}

var (
	_ store.Store  = (*Buffer)(nil)
	_ store.Past   = (*Buffer)(nil)
	_ store.Alerts = (*Buffer)(nil)
)
