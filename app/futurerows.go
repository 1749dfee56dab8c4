package app

import (
	"context"
	"errors"
	"time"

	"github.com/devops-insights/devops-insights/store"
)

// Rows of the history that lie ahead of this machine's clock: it was set back, or
// another writer's clock is fast. Nothing is ordered by it but the pages of the
// history, which people read with a clock of their own.

// futurePeriod is the time between two looks for such rows: short enough for health
// to be right within five seconds.
const futurePeriod = 3 * time.Second

// watchFuture looks for rows ahead of the clock until ctx ends.
func (a *App) watchFuture(ctx context.Context) error {
	tick := time.NewTicker(futurePeriod)
	defer tick.Stop()
	for {
		if ahead, err := aheadOf(ctx, a.store, a.Catalog().Names(), time.Now()); err == nil {
			a.clock.noteAhead(ahead)
		} // else the store tells itself what it has
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// errFound ends the reading of rows.
var errFound = errors.New("found")

// aheadOf returns by how much the newest row of the APIs is ahead of the clock;
// zero where it is by no more than clocks differ.
func aheadOf(ctx context.Context, rows store.Reader, apis []string, now time.Time) (ahead time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, futurePeriod/2)
	defer cancel()
	for _, api := range apis {
		err = rows.Scan(ctx, store.Query{API: api, From: now.Add(clockJump), Limit: 1}, func(m store.Metric) error {
			ahead = max(ahead, m.CreatedAt.Sub(now))
			return errFound
		})
		if err != nil && !errors.Is(err, errFound) {
			return 0, err
		}
	}
	return ahead, nil
}
