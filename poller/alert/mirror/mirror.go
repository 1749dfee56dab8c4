// Package mirror shows the alerts of every API on every instance, whichever of
// them decides: it reads the ledgers again and again, and tells what has changed.
package mirror

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/engine"
	"github.com/devops-insights/devops-insights/store"
)

// Ledgers is what is read; see store.Ledgers.
type Ledgers interface {
	Ledger(ctx context.Context, api string) (store.Ledger, error)
}

// Options configures New. Catalog and Store are required.
type Options struct {
	// Catalog says which APIs there are. It is asked with every reading.
	Catalog func() store.Catalog
	Store   Ledgers
	// Read returns what a ledger shows. Nil: engine.Read.
	Read func(store.Ledger) (engine.Content, error)
	// Every is the time between two readings. Zero: one second.
	Every time.Duration
	// Timeout bounds the reading of all ledgers. Zero: 10 s.
	Timeout time.Duration
	// OnChange is told of the alerts of an API that have changed, after Alerts has
	// them: begun, another state, acknowledgement, suppression or severity. One that
	// is not in the list any more comes with the state Inactive. All that the first
	// reading finds are changes. It is called by one goroutine, in the order of the
	// changes, and must not keep the slice. Nil: nobody is.
	OnChange func(api string, changed []alert.Alert)
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
	// Logger hears when ledgers cannot be read, and when they can again. Nil: nobody
	// does.
	Logger logrus.FieldLogger
}

// Mirror holds what the ledgers said when they were last read.
type Mirror struct {
	opts Options
	wake chan struct{}

	mu      sync.RWMutex
	apis    map[string]*seen
	failing time.Time
}

// seen is what is known of one API. It never changes.
type seen struct {
	term, version int64
	content       engine.Content
}

// New returns a mirror that knows nothing yet.
func New(o Options) (*Mirror, error) {
	switch {
	case o.Catalog == nil:
		return nil, errors.New("a mirror needs the catalog of the APIs")
	case o.Store == nil:
		return nil, errors.New("a mirror needs the store of the ledgers")
	}
	o.Every = cmp.Or(o.Every, time.Second)
	o.Timeout = cmp.Or(o.Timeout, 10*time.Second)
	if o.Read == nil {
		o.Read = engine.Read
	}
	if o.OnChange == nil {
		o.OnChange = func(string, []alert.Alert) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Mirror{opts: o, wake: make(chan struct{}, 1), apis: make(map[string]*seen)}, nil
}

// Run reads the ledgers until ctx ends.
func (m *Mirror) Run(ctx context.Context) error {
	tick := time.NewTicker(m.opts.Every)
	defer tick.Stop()
	for {
		m.readAll(ctx)
		select {
		case <-tick.C:
		case <-m.wake:
		case <-ctx.Done():
			return nil
		}
	}
}

// Kick has the ledgers read at once. It never waits.
func (m *Mirror) Kick() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// Alerts returns the alerts of an API, the most urgent ones first: those that fire,
// pending ones, resolved ones, each by severity and then newest first. The slice
// must not be changed.
func (m *Mirror) Alerts(api string) []alert.Alert { return m.Content(api).Alerts }

// Content returns what the ledger of an API says, with the alerts in the order of
// Alerts; the zero value where there is none. It must not be changed.
func (m *Mirror) Content(api string) engine.Content {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if s := m.apis[api]; s != nil {
		return s.content
	}
	return engine.Content{}
}

// Failing returns since when the ledger of some API cannot be read; the zero time:
// all can. What was known stays.
func (m *Mirror) Failing() time.Time {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.failing
}

// readAll reads the ledger of every API, and forgets those that there are not any
// more.
func (m *Mirror) readAll(ctx context.Context) {
	reading, cancel := context.WithTimeout(ctx, m.opts.Timeout)
	defer cancel()
	names := m.opts.Catalog().Names()
	var failure error
	for _, api := range names {
		if err := m.read(reading, api); err != nil && failure == nil {
			failure = fmt.Errorf("the alerts of the API %s: %w", api, err)
		}
	}
	for _, api := range m.known() {
		if !slices.Contains(names, api) {
			m.learn(api, nil)
		}
	}
	if ctx.Err() == nil { // the end is no failure
		m.note(failure)
	}
}

// read reads the ledger of one API.
func (m *Mirror) read(ctx context.Context, api string) error {
	l, err := m.opts.Store.Ledger(ctx, api)
	if errors.Is(err, store.ErrNotFound) {
		m.learn(api, nil)
		return nil
	}
	if err != nil {
		return err
	}
	m.mu.RLock()
	before := m.apis[api]
	m.mu.RUnlock()
	if before != nil && before.term == l.Term && before.version == l.Version {
		return nil
	}
	content, err := m.opts.Read(l)
	if err != nil {
		return err
	}
	content.Alerts = byUrgency(content.Alerts)
	m.learn(api, &seen{term: l.Term, version: l.Version, content: content})
	return nil
}

// learn takes what is known of an API, nil for nothing, and tells what has changed.
func (m *Mirror) learn(api string, now *seen) {
	m.mu.Lock()
	var before, after []alert.Alert
	if was := m.apis[api]; was != nil {
		before = was.content.Alerts
	}
	if now == nil {
		delete(m.apis, api)
	} else {
		after, m.apis[api] = now.content.Alerts, now
	}
	m.mu.Unlock()
	if changed := changes(before, after); len(changed) > 0 {
		m.opts.OnChange(api, changed)
	}
}

// known returns the APIs of which something is known.
func (m *Mirror) known() (all []string) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for api := range m.apis {
		all = append(all, api)
	}
	return all
}

// note keeps since when ledgers cannot be read, and logs the begin and the end of
// that.
func (m *Mirror) note(failure error) {
	m.mu.Lock()
	since, now := m.failing, m.opts.Now()
	switch {
	case failure == nil:
		m.failing = time.Time{}
	case since.IsZero():
		m.failing = now
	}
	m.mu.Unlock()
	switch {
	case m.opts.Logger == nil || since.IsZero() == (failure == nil):
	case failure != nil:
		m.opts.Logger.WithError(failure).Warn("alerts cannot be read from the store: those that are shown may be old")
	default:
		m.opts.Logger.WithField("for", now.Sub(since).Round(time.Second)).Info("alerts can be read from the store again")
	}
}
