package app

import (
	"context"
	"errors"
	"time"

	"github.com/devops-insights/devops-insights/poller"
	"github.com/devops-insights/devops-insights/poller/redislease"
	"github.com/devops-insights/devops-insights/store/mongostore"
)

// lease is in Redis where there is one, as in the Node backend, and in the
// database where there is none or it is away.
func (a *App) lease() poller.Lease {
	c := a.opts.Config
	own := lease{a.mongo.Load().Lease(c.API(), poller.Holder(), c.PollLease)}
	if a.redis == nil {
		return own
	}
	return &twoLeases{first: redislease.New(a.redis, c.API(), c.PollLease), second: own}
}

// lease is the database's lease as the poller asks for it.
type lease struct{ *mongostore.Lease }

// Acquire implements poller.Lease.
func (l lease) Acquire(ctx context.Context) (time.Duration, error) {
	length, held, err := l.Lease.Acquire(ctx)
	if held {
		return 0, poller.ErrHeld
	}
	return length, err
}

// twoLeases holds the first lease, and the second where the first cannot be
// told: Redis that is away must not stop the polling.
type twoLeases struct {
	first, second poller.Lease
	onSecond      bool
}

// Acquire implements poller.Lease.
func (t *twoLeases) Acquire(ctx context.Context) (time.Duration, error) {
	asking, cancel := context.WithTimeout(ctx, redisTimeout)
	length, err := t.first.Acquire(asking)
	cancel()
	switch {
	case err == nil || errors.Is(err, poller.ErrHeld):
		if t.onSecond {
			t.onSecond = false
			_ = t.second.Release(ctx) // where that fails, it ends by itself
		}
		return length, err
	case ctx.Err() != nil:
		return 0, err
	}
	length, second := t.second.Acquire(ctx)
	t.onSecond = t.onSecond || second == nil
	if second != nil && !errors.Is(second, poller.ErrHeld) {
		return 0, errors.Join(err, second)
	}
	return length, second
}

// Release implements poller.Lease.
func (t *twoLeases) Release(ctx context.Context) error {
	if t.onSecond {
		return t.second.Release(ctx)
	}
	return t.first.Release(ctx)
}
