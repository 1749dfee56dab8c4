// Package shelter keeps the service going while its database is away: it
// connects in the background, answers the latest values from memory when the
// database cannot, and holds what is to be stored until the database is back.
// It knows neither which database it is nor who asks.
package shelter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/store"
)

// ErrAway is returned where only the database could answer, and it is away.
var ErrAway = errors.New("the database is away")

// Options configures a Store. Open is required.
type Options struct {
	// Open connects to the database; it is called again until it succeeds.
	Open func(ctx context.Context) (store.Store, error)
	// Timeout bounds one call of the database. Zero: 5 s.
	Timeout time.Duration
	// Retry is the time between two attempts to reach the database, half of it
	// by chance. Zero: 2 s.
	Retry time.Duration
	// MaxHeld bounds the changes of one region that wait for the database; past
	// it the oldest is dropped and counted. Zero: 1000.
	MaxHeld int
	// Logger is told when the database goes and comes. Required.
	Logger logrus.FieldLogger
}

// Stats says how the shelter stands.
type Stats struct {
	// Away says since when the database cannot be reached; zero when it can.
	Away time.Time
	// Held is the number of changes that wait for the database.
	Held int
	// Dropped counts changes that were held in vain, since the start.
	Dropped uint64
}

// key is one region.
type key struct{ api, source string }

// Store is a store.Store in front of another one.
type Store struct {
	opts   Options
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu        sync.Mutex
	inner     store.Store   // nil until connected
	connected chan struct{} // closed then
	away      time.Time
	latest    map[key]store.Metric
	held      map[key][]store.Sample
	dropped   uint64
	closed    bool
}

// New begins to connect and returns at once.
func New(o Options) *Store {
	for value, def := range map[*time.Duration]time.Duration{&o.Timeout: 5 * time.Second, &o.Retry: 2 * time.Second} {
		if *value <= 0 {
			*value = def
		}
	}
	if o.MaxHeld <= 0 {
		o.MaxHeld = 1000
	}
	s := &Store{
		opts: o, connected: make(chan struct{}), away: time.Now(),
		latest: make(map[key]store.Metric), held: make(map[key][]store.Sample),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.work.Go(s.keep)
	return s
}

// Connected is closed when the database was reached for the first time.
func (s *Store) Connected() <-chan struct{} { return s.connected }

// Stats returns how the shelter stands.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Stats{Away: s.away, Dropped: s.dropped}
	for _, list := range s.held {
		st.Held += len(list)
	}
	return st
}

// keep connects, and from then on writes what is held whenever it can.
func (s *Store) keep() {
	for said := false; ; {
		inner, err := s.opts.Open(s.ctx)
		if err == nil {
			s.mu.Lock()
			s.inner, s.away = inner, time.Time{}
			close(s.connected)
			s.mu.Unlock()
			s.opts.Logger.Info("the database is connected")
			break
		}
		if s.ctx.Err() != nil {
			return
		}
		if !said {
			s.opts.Logger.WithError(err).Warn("waiting for the database; not ready until it answers")
			said = true
		}
		if !s.pause() {
			return
		}
	}
	for s.pause() {
		if s.probe() {
			s.flush()
		}
	}
}

func (s *Store) pause() bool {
	timer := time.NewTimer(s.opts.Retry/2 + rand.N(s.opts.Retry/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// database returns the inner store, or ErrAway, or ErrClosed.
func (s *Store) database() (store.Store, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, store.ErrClosed
	case s.inner == nil:
		return nil, ErrAway
	}
	return s.inner, nil
}

// try calls the database, unless it is known to be away: nobody should wait
// for what will not answer.
func (s *Store) try(ctx context.Context, call func(context.Context, store.Store) error) error {
	s.mu.Lock()
	away := !s.away.IsZero() && s.inner != nil && !s.closed
	s.mu.Unlock()
	if away {
		return ErrAway
	}
	return s.attempt(ctx, call)
}

// attempt calls the database within the timeout and notes whether it is there.
func (s *Store) attempt(ctx context.Context, call func(context.Context, store.Store) error) error {
	inner, err := s.database()
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	err = call(bounded, inner)
	switch {
	case err == nil || errors.Is(err, store.ErrNotFound):
		s.note(nil)
	case errors.Is(err, store.ErrRefused):
		s.note(nil) // it is there, and says no
	case !errors.Is(ctx.Err(), context.Canceled) && !errors.Is(err, store.ErrClosed):
		s.note(err)
		err = fmt.Errorf("%w: %w", ErrAway, err)
	}
	return err
}

// pinger is a database that can be asked whether it is there.
type pinger interface {
	Ping(ctx context.Context) error
}

// probe asks a database that is away whether it is back.
func (s *Store) probe() bool {
	if s.Stats().Away.IsZero() {
		return true
	}
	return s.attempt(s.ctx, func(ctx context.Context, inner store.Store) error {
		if p, ok := inner.(pinger); ok {
			return p.Ping(ctx)
		}
		_, err := inner.AllLatest(ctx, "")
		return err
	}) == nil
}

// note logs once when the database goes and once when it is back.
func (s *Store) note(err error) {
	s.mu.Lock()
	was := s.away
	switch {
	case err != nil && was.IsZero():
		s.away = time.Now()
	case err == nil:
		s.away = time.Time{}
	}
	s.mu.Unlock()
	switch {
	case err != nil && was.IsZero():
		s.opts.Logger.WithError(err).Error("the database is away: the latest values come from memory, changes are held")
	case err == nil && !was.IsZero():
		s.opts.Logger.WithField("seconds", int(time.Since(was).Seconds())).Info("the database is back")
	}
}

// remember keeps a value for times without the database.
func (s *Store) remember(all ...store.Metric) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range all {
		s.latest[key{m.API, m.Source}] = m
	}
}

// Latest implements store.Reader; without the database it answers what was
// last known.
func (s *Store) Latest(ctx context.Context, api, source string) (m store.Metric, err error) {
	err = s.try(ctx, func(ctx context.Context, inner store.Store) error {
		m, err = inner.Latest(ctx, api, source)
		return err
	})
	if err == nil {
		s.remember(m)
		return m, nil
	}
	if !errors.Is(err, ErrAway) {
		return store.Metric{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.latest[key{api, source}]; ok {
		return known, nil
	}
	return store.Metric{}, err
}

// AllLatest implements store.Reader; without the database it answers what was
// last known.
func (s *Store) AllLatest(ctx context.Context, api string) (all []store.Metric, err error) {
	err = s.try(ctx, func(ctx context.Context, inner store.Store) error {
		all, err = inner.AllLatest(ctx, api)
		return err
	})
	if err == nil {
		s.remember(all...)
		return all, nil
	}
	if !errors.Is(err, ErrAway) {
		return nil, err
	}
	if known := s.known(api); len(known) > 0 {
		return known, nil
	}
	return nil, err
}

func (s *Store) known(api string) (all []store.Metric) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, m := range s.latest {
		if k.api == api {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b store.Metric) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.Source, b.Source))
	})
	return all
}

// History implements store.Reader. Only the database has it.
func (s *Store) History(ctx context.Context, q store.Query) (rows []store.Metric, err error) {
	err = s.try(ctx, func(ctx context.Context, inner store.Store) error {
		rows, err = inner.History(ctx, q)
		return err
	})
	return rows, err
}

// Watch implements store.Feed. It begins when the database is connected; what
// happens to the feed then is the database package's own business.
func (s *Store) Watch(ctx context.Context, ready func(), handle func(context.Context, store.Change) error) error {
	select {
	case <-s.connected:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.ctx.Done():
		return store.ErrClosed
	}
	inner, err := s.database()
	if err != nil {
		return err
	}
	return inner.Watch(ctx, ready, func(ctx context.Context, c store.Change) error {
		s.remember(c.Metric)
		return handle(ctx, c)
	})
}

// Close stops waiting and closes the database. What is still held is lost and
// logged.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.work.Wait()
	if st := s.Stats(); st.Held > 0 {
		s.opts.Logger.WithField("changes", st.Held).Error("changes that waited for the database are lost")
	}
	if s.inner == nil {
		return nil
	}
	return s.inner.Close()
}

var _ store.Store = (*Store)(nil)
