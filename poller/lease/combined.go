package lease

import (
	"context"
	"errors"
	"time"
)

// reliance is for how many terms a holder may go on with the key in Redis alone
// while it cannot reach the database, counted from its last renewal there; and
// so for how many terms an instance that reaches the database alone waits for a
// holder that has vanished. One would end the polling whenever the database is
// away for longer than a term.
const reliance = 2

// Combined is the lease in the database, with the key in Redis held beside it
// for the instances that know only Redis. The package comment has the protocol
// and its argument.
type Combined struct {
	redis *Redis
	db    *Mongo
	term  time.Duration

	// vacantAt is from when on nobody else can rely on the key in Redis, even
	// if Redis has forgotten it; watched is when that was last brought up to
	// date.
	vacantAt, watched time.Time
	// relyUntil is until when this instance, which holds the lease, may go on
	// with the key alone.
	relyUntil time.Time
	untold    trouble // Redis does not tell who has the key
}

// NewCombined combines the leases of one api and one holder.
func NewCombined(r *Redis, db *Mongo) *Combined {
	return &Combined{redis: r, db: db, term: max(r.opts.Term, db.opts.Term), untold: trouble{log: db.opts.Logger}}
}

// Acquire implements Lease.
func (c *Combined) Acquire(ctx context.Context) (time.Duration, error) {
	if c.vacantAt.IsZero() { // nothing is known of the time before
		c.watch(c.term)
	}
	return bounded(ctx, c.term, c.attempt)
}

func (c *Combined) attempt(ctx context.Context) (time.Duration, error) {
	asked := time.Now()
	// A database that does not answer must leave Redis its time.
	looking, cancel := context.WithTimeout(ctx, c.term/4)
	seen, err := c.db.look(looking)
	cancel()
	if err != nil {
		return c.withoutDatabase(ctx, err)
	}
	me, now := c.db.opts.Holder, time.Now()
	if c.db.term.lives(me, now) && c.db.relies.lives(me, now) {
		// Its holder has both: there is nothing to take, only to watch.
		_, left, err := c.redis.peek(ctx)
		if err != nil || left == 0 {
			left = c.term
		}
		c.watch(left)
		return 0, c.db.term.held(now)
	}
	_, err = c.redis.Acquire(ctx)
	var other *HeldError
	switch {
	case err == nil:
		c.untold.over("Redis tells again who has the lease")
		return c.withKey(ctx, asked, seen)
	case errors.As(err, &other):
		c.untold.over("Redis tells again who has the lease")
		c.watch(other.For)
		c.relyUntil = time.Time{}
		// Instances that do not reach Redis must know, and whoever polls without
		// the key must stop. Where that fails, it is tried again.
		if err := c.db.mark(ctx, seen, other.Holder, max(other.For, c.term)); errors.Is(err, errRaced) {
			return 0, err
		}
		return 0, other
	}
	if ctx.Err() == nil {
		c.untold.note(err, "Redis does not tell who has the lease: the database alone decides, and Node instances may poll too")
	}
	c.watch(c.term)
	return c.withoutKey(ctx, seen)
}

// watch notes that somebody may rely on the key for as long as left.
func (c *Combined) watch(left time.Duration) {
	c.watched = time.Now()
	if until := c.watched.Add(left); until.After(c.vacantAt) {
		c.vacantAt = until
	}
}

// withKey asks the database while this instance has the key in Redis.
func (c *Combined) withKey(ctx context.Context, asked time.Time, seen record) (time.Duration, error) {
	me, now := c.db.opts.Holder, time.Now()
	if now.Sub(c.watched) > c.term/3 && seen.Holder != me {
		c.watch(c.term) // the last look is too old to conclude anything from
	}
	c.watched = now
	if c.db.term.lives(me, now) {
		// Its holder does not reach Redis: it is asked to yield to one that does.
		if err := c.db.mark(ctx, seen, me, c.term); errors.Is(err, errRaced) {
			return 0, err
		}
		return 0, c.db.term.held(now)
	}
	if c.db.relies.lives(me, now) && now.Before(c.vacantAt) {
		return 0, c.db.relies.held(now)
	}
	if err := c.db.claim(ctx, seen, reliance*c.term); err != nil {
		if !errors.Is(err, errRaced) && !now.Before(c.relyUntil) {
			// Without the database the key is of no use here, and keeps others from polling.
			_ = c.redis.Release(context.WithoutCancel(ctx)) // it ends by itself
		}
		return 0, err
	}
	c.relyUntil = asked.Add(reliance * c.term)
	return c.term, nil
}

// withoutKey asks the database while nobody can tell who has the key.
func (c *Combined) withoutKey(ctx context.Context, seen record) (time.Duration, error) {
	if err := c.db.busy(); err != nil {
		return 0, err
	}
	c.relyUntil = time.Time{} // before the write: its answer may be lost
	if err := c.db.claim(ctx, seen, 0); err != nil {
		return 0, err
	}
	return c.term, nil
}

// withoutDatabase goes on with the key alone, where the others know that it may.
func (c *Combined) withoutDatabase(ctx context.Context, cause error) (time.Duration, error) {
	asked := time.Now()
	left := c.relyUntil.Sub(asked)
	if left <= 0 {
		return 0, cause
	}
	if _, err := c.redis.Acquire(ctx); err != nil {
		if errors.Is(err, ErrHeld) {
			c.relyUntil = time.Time{}
			return 0, err
		}
		return 0, errors.Join(cause, err)
	}
	return min(c.term, left), nil
}

// Release implements Lease.
func (c *Combined) Release(ctx context.Context) error {
	hadKey := !c.relyUntil.IsZero()
	c.relyUntil = time.Time{}
	err := c.redis.Release(ctx)
	if !hadKey {
		err = nil // tried in case that only the answer was lost
	}
	return errors.Join(err, c.db.Release(ctx))
}

var _ Lease = (*Combined)(nil)
