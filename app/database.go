package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/devops-insights/devops-insights/poller"
	"github.com/devops-insights/devops-insights/socket/engineio"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/boltstore"
	"github.com/devops-insights/devops-insights/store/mongostore"
	"github.com/devops-insights/devops-insights/store/shelter"
)

// openStore opens the embedded store, or begins to connect to MongoDB.
func (a *App) openStore() error {
	c := a.opts.Config
	if c.DatabaseURL == "" {
		if err := os.MkdirAll(c.DataDir, 0o750); err != nil {
			return fmt.Errorf("DATA_DIR=%s cannot be made: %w", c.DataDir, err)
		}
		db, err := boltstore.Open(boltstore.Options{
			Path: filepath.Join(c.DataDir, "devops-insights.db"), Retention: c.Retention, Logger: a.log,
			// More than the changes of six regions that are polled every second,
			// and few enough to be cheap where thousands of targets are.
			CommitsPerSecond: 20,
		})
		if err != nil {
			return err
		}
		a.store = db
		a.onStop("store", func(context.Context) error { return db.Close() })
		return nil
	}
	a.shelter = shelter.New(shelter.Options{
		Logger: a.log,
		Open: func(ctx context.Context) (store.Store, error) {
			db, err := mongostore.Open(ctx, mongostore.Options{URL: c.DatabaseURL, Retention: c.Retention, Logger: a.log})
			if err != nil {
				return nil, err
			}
			a.mongo.Store(db)
			return db, nil
		},
	})
	a.store = a.shelter
	a.onStop("store", func(context.Context) error { return a.shelter.Close() })
	return nil
}

// awaitStore waits until the database is connected; the listeners answer
// meanwhile that the server is not ready.
func (a *App) awaitStore(ctx context.Context) error {
	if a.shelter == nil {
		return nil
	}
	var late <-chan time.Time
	if limit := a.opts.Config.DBTimeout; limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-a.shelter.Connected():
		return nil
	case <-late:
		return fmt.Errorf("the database did not answer within DB_TIMEOUT=%s", a.opts.Config.DBTimeout)
	case err := <-a.failed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// everyoneHears reports whether every instance hears of every change by itself:
// then each tells its own dashboards only, and each dashboard hears it once.
func (a *App) everyoneHears() bool {
	db := a.mongo.Load()
	return db == nil || db.Mode().Following == mongostore.ChangeStream
}

// lead runs the poller: always with the embedded store, which no other process
// can open, else while this instance has the lease.
func (a *App) lead(p *poller.Poller) func(context.Context) error {
	if a.shelter == nil {
		return p.Run
	}
	return func(ctx context.Context) error {
		return poller.Lead(ctx, a.lease(), a.opts.Config.PollLease/6, a.log, p.Run)
	}
}

// storeInfo is what /api/v1/info says of the store.
type storeInfo struct {
	Store     string     `json:"store"`
	Following string     `json:"following,omitempty"`
	Why       string     `json:"following_why,omitempty"`
	Away      *time.Time `json:"database_away_since,omitempty"`
	Held      int        `json:"changes_held,omitempty"`
	Dropped   uint64     `json:"changes_dropped,omitempty"`
}

func (a *App) describeStore() storeInfo {
	if a.shelter == nil {
		return storeInfo{Store: "embedded"}
	}
	st := a.shelter.Stats()
	info := storeInfo{Store: "mongodb", Held: st.Held, Dropped: st.Dropped}
	if !st.Away.IsZero() {
		away := st.Away.UTC()
		info.Away = &away
	}
	if db := a.mongo.Load(); db != nil {
		mode := db.Mode()
		info.Following, info.Why = mode.Following, mode.Why
	}
	return info
}

// errStarting refuses dashboards until changes are followed: one that came
// before could miss some.
var errStarting = fmt.Errorf("the server is starting, the database is not connected yet: %w", engineio.ErrUnavailable)
