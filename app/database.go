package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/devops-insights/devops-insights/poller/lease"
	"github.com/devops-insights/devops-insights/socket/engineio"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/boltstore"
	"github.com/devops-insights/devops-insights/store/buffer"
	"github.com/devops-insights/devops-insights/store/mongostore"
	"github.com/devops-insights/devops-insights/store/observed"
)

// openStore opens the embedded store, or begins to connect to MongoDB.
func (a *App) openStore() error {
	c := a.opts.Config
	if c.DatabaseURL == "" {
		if err := os.MkdirAll(c.DataDir, 0o750); err != nil {
			return settingAtFault(fmt.Errorf("DATA_DIR=%s cannot be made: %w", c.DataDir, err))
		}
		db, err := boltstore.Open(boltstore.Options{
			Path: filepath.Join(c.DataDir, boltstore.FileName), Logger: a.log,
			Retention: c.Retention, Size: c.HistorySize, Tiers: a.keep(), Archive: a.archive(),
			AwaitRollup: time.Hour,
			// Health has to be right within five seconds.
			InspectInterval: 2 * time.Second, StuckAfter: 2 * time.Second,
			// More than the changes of six regions that are polled every second,
			// and few enough to be cheap where thousands of targets are.
			CommitsPerSecond: 20,
		})
		if err != nil {
			return settingAtFault(err)
		}
		a.store, a.embedded = observed.Store(db, a.metrics), db
		a.onStop("store", func(ctx context.Context) error { return within(ctx, db.Close) })
		return nil
	}
	tiers := make(map[store.Tier]mongostore.Keep)
	for tier, keep := range a.keep() {
		tiers[tier] = mongostore.Keep(keep)
	}
	a.buffer = buffer.New(buffer.Options{
		Logger: a.log, Turn: a.turn,
		Open: func(ctx context.Context) (store.Store, error) {
			db, err := mongostore.Open(ctx, mongostore.Options{
				URL: c.DatabaseURL, Logger: a.log, Leads: a.mayStore,
				Retention: c.Retention, Size: c.HistorySize, Tiers: tiers, Archive: a.archive(),
			})
			if err != nil {
				return nil, err
			}
			a.mongo.Store(db)
			return observed.Store(db, a.metrics), nil
		},
	})
	a.store = a.buffer
	a.onStop("store", func(ctx context.Context) error { return within(ctx, a.buffer.Close) })
	return nil
}

// awaitStore waits until the database is connected; the listeners answer
// meanwhile that the server is not ready.
func (a *App) awaitStore(ctx context.Context) error {
	if a.buffer == nil {
		return nil
	}
	var late <-chan time.Time
	if limit := a.opts.Config.DBTimeout; limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-a.buffer.Connected():
		return nil
	case <-late:
		return fmt.Errorf("the database did not answer within DB_TIMEOUT=%s", a.opts.Config.DBTimeout)
	case err := <-a.failed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// feedIsComplete reports whether the feed of every instance brings every change:
// then each sends to its own dashboards only, and each dashboard hears it once.
func (a *App) feedIsComplete() bool {
	db := a.mongo.Load()
	return db == nil || db.Mode().Following == mongostore.ChangeStream
}

// elect returns what decides whether this instance polls an API: with the
// embedded store, which no other process can open, it always does.
func (a *App) elect(api, holder string) *term {
	if a.buffer == nil {
		return new(term)
	}
	c := a.opts.Config
	o := lease.Options{API: api, Holder: holder, Term: c.PollLease, Logger: a.log.WithField("api", api)}
	db := lease.NewMongo(a.mongo.Load().Database(), o)
	leader := lease.LeaderOptions{Lease: db, Wait: c.PollLease / 6, Logger: o.Logger}
	if a.redis != nil {
		leader.Lease = lease.NewCombined(lease.NewRedis(a.redis, o), db)
	}
	return &term{election: &election{db, lease.NewLeader(leader)}}
}

// election is how this instance takes turns at polling with others.
type election struct {
	db     *lease.Mongo
	leader *lease.Leader
}

// turn tells whether values of an API that wait may be stored, and in whose turn
// it is.
func (a *App) turn(api string) (number int64, mine bool) {
	p := a.pollers.Load()
	if p == nil {
		return 0, false // nothing is polled yet
	}
	one := p.find(api)
	if one == nil || one.term.election == nil {
		return 0, false // it is not polled any more
	}
	return one.term.election.db.Epoch(), one.term.valid()
}

// mayStore reports whether it is this instance's turn at what only one may do with
// the whole database: that of the one that polls the first API.
func (a *App) mayStore() bool {
	p := a.pollers.Load()
	if p == nil || len(p.all()) == 0 {
		return false
	}
	return p.all()[0].term.valid()
}

// storeInfo is what /api/v1/info says of the store.
type storeInfo struct {
	Store     string     `json:"store"`
	Following string     `json:"following,omitempty"`
	Why       string     `json:"following_why,omitempty"`
	Away      *time.Time `json:"database_away_since,omitempty"`
	Held      int        `json:"changes_held,omitempty"`
	Dropped   uint64     `json:"changes_dropped,omitempty"`
	// Failing and Cause are of the embedded store's file.
	Failing *time.Time `json:"store_failing_since,omitempty"`
	Cause   string     `json:"store_failing_why,omitempty"`
	// ArchiveFailing is since when rows that are to be deleted cannot be archived.
	ArchiveFailing *time.Time `json:"archive_failing_since,omitempty"`
	// ResultsFailing is since when the results of polls wait in memory.
	ResultsFailing *time.Time `json:"results_failing_since,omitempty"`
	// Unreadable counts the documents that are left out of every answer.
	Unreadable int `json:"documents_unreadable,omitempty"`
}

func (a *App) describeStore() (info storeInfo) {
	defer func() {
		if p := a.pollers.Load(); p != nil {
			info.ResultsFailing = known(p.failingSince())
		}
	}()
	if a.buffer == nil {
		st := a.embedded.Stats()
		info = storeInfo{Store: "embedded", Cause: st.Cause, Held: st.Pending, Dropped: st.Dropped}
		info.Failing, info.ArchiveFailing = known(st.Failing), known(st.ArchiveFailing)
		return info
	}
	st := a.buffer.Stats()
	info = storeInfo{Store: "mongodb", Held: st.Pending, Dropped: st.Dropped}
	info.Away = known(st.Unavailable)
	if db := a.mongo.Load(); db != nil {
		mode := db.Mode()
		info.Following, info.Why = mode.Following, mode.Why
		info.Unreadable = db.Unreadable()
		failing, _ := db.ArchiveFailing()
		info.ArchiveFailing = known(failing)
	}
	return info
}

// known returns a time in UTC, or nil where it is zero.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// errStarting refuses dashboards until changes are followed: one that came
// before could miss some.
var errStarting = fmt.Errorf("the server is starting, the database is not connected yet: %w", engineio.ErrUnavailable)
