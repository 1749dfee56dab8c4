package app

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/devops-insights/devops-insights/app/config"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/archive"
	"github.com/devops-insights/devops-insights/store/boltstore"
)

// term is this instance's time in office as the one that polls. With the embedded
// store it has no end, and the number 0.
type term struct {
	election *election // nil with the embedded store
	number   atomic.Int64
}

// valid reports whether it lasts.
func (t *term) valid() bool { return t.election == nil || t.election.leader.Valid() }

// current returns its number while it lasts.
func (t *term) current() (number int64, lasts bool) { return t.number.Load(), t.valid() }

// during works while this instance is the one that polls.
func (t *term) during(ctx context.Context, work func(context.Context, int64) error) error {
	if t.election == nil {
		return work(ctx, 0)
	}
	return t.election.leader.RunWhileLeader(ctx, func(ctx context.Context) error {
		// It is read once: later it may be that of an instance that has taken over.
		t.number.Store(t.election.db.Epoch())
		return work(ctx, t.number.Load())
	})
}

// wholeStore keeps the values, all that is known of the past, and what alerting
// has to remember.
type wholeStore interface {
	store.Store
	store.Past
	store.Alerts
}

// keepPast polls an API, and keeps the results of the polls and the tiers of the history
// meanwhile.
func (a *App) keepPast(ctx context.Context, u *apiPoller) error {
	return u.term.during(ctx, func(ctx context.Context, number int64) error {
		keepTiers := func(ctx context.Context) { a.keepTiers(ctx, u.runner) }
		return beside(ctx, keepTiers, func(ctx context.Context) error {
			return u.during(ctx, number, func(ctx context.Context) error {
				return u.recorder.During(ctx, number, u.poller.Run)
			})
		})
	})
}

// beside does the work, and something else meanwhile that goes on until its ctx
// ends: it ends with the work, and is waited for.
func beside(ctx context.Context, other func(context.Context), work func(context.Context) error) error {
	meanwhile, stop := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		other(meanwhile)
	}()
	defer func() {
		stop()
		<-over
	}()
	return work(ctx)
}

// faultPause is the time after a fault until the tiers are tried again.
const faultPause = time.Minute

// keepTiers keeps the tiers of the history until ctx ends. Nobody waits for them:
// a fault there, which one value may cause, ends no polling.
func (a *App) keepTiers(ctx context.Context, runner interface{ Run(context.Context) error }) {
	for ctx.Err() == nil {
		_ = a.guard("tiers of the history", func() error { return runner.Run(ctx) })
		select {
		case <-time.After(faultPause):
		case <-ctx.Done():
		}
	}
}

// keep is how much a store keeps of each tier.
func (a *App) keep() map[store.Tier]boltstore.Keep {
	c := a.opts.Config
	keep := func(t config.RollupTier) boltstore.Keep { return boltstore.Keep{Age: t.Retention, Bytes: t.Size} }
	return map[store.Tier]boltstore.Keep{
		store.TierMinute: keep(c.Minutes), store.TierHour: keep(c.Hours), store.TierDay: keep(c.Days),
	}
}

// archive takes the rows that leave the history; nil where none is wanted.
func (a *App) archive() boltstore.Archive {
	if a.opts.Config.ArchiveDir == "" {
		return nil
	}
	return archive.New(archive.Options{Dir: a.opts.Config.ArchiveDir, Logger: a.log})
}
