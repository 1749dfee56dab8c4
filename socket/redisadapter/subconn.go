package redisadapter

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// silence is how long nothing may come before Redis is asked for a sign of
	// life; after as long again the connection counts as dead.
	silence = 2500 * time.Millisecond
	// minRetry and maxRetry bound the pause between two attempts to connect.
	minRetry = 100 * time.Millisecond
	maxRetry = 2 * time.Second
)

// subConn is one connection with its subscriptions. Its fields are guarded by
// the mutex of pubsub.
type subConn struct {
	owner     *pubsub
	at        subscriber
	wake      chan struct{} // assigned has changed
	assigned  map[string]subscription
	confirmed map[string]bool
}

func newSubConn(owner *pubsub, at subscriber) *subConn {
	return &subConn{owner: owner, at: at, wake: make(chan struct{}, 1), confirmed: make(map[string]bool)}
}

// run connects again and again, with growing pauses.
func (c *subConn) run(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; failures++ {
		began := time.Now()
		err := c.connect(ctx)
		c.owner.unconfirm(c)
		if ctx.Err() != nil {
			return
		}
		c.owner.disconnected(err)
		if time.Since(began) > maxRetry {
			failures = 0
		}
		retryAfter(ctx, failures)
	}
}

// retryAfter waits before the next attempt, the longer the more failures there
// were in a row.
func retryAfter(ctx context.Context, failures int) {
	pause := min(minRetry<<min(failures, 10), maxRetry)
	select {
	case <-time.After(pause/2 + rand.N(pause/2)): // #nosec G404 -- jitter
	case <-ctx.Done():
	}
}

// connect opens a connection and reads until it ends.
func (c *subConn) connect(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var reconciler sync.WaitGroup
	defer reconciler.Wait()
	defer cancel()
	ps := c.at.Subscribe(ctx)
	defer func() { _ = ps.Close() }() // it is over in either case
	failed := make(chan error, 1)
	reconciler.Go(func() { failed <- c.reconcile(ctx, ps) })
	pinged := false
	for {
		got, err := receive(ctx, ps)
		select {
		case failure := <-failed:
			return failure
		default:
		}
		var timeout interface{ Timeout() bool }
		switch {
		case err == nil:
			pinged = false
			c.handle(got)
		case errors.As(err, &timeout) && timeout.Timeout() && !pinged:
			pinged = true
			if err := ps.Ping(ctx); err != nil {
				return err
			}
		default:
			return err
		}
	}
}

// receive waits for the next message. The library panics on one that does not
// have the expected parts, and what Redis sends must not end the process.
func receive(ctx context.Context, ps *redis.PubSub) (got any, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("redis sent a message that cannot be read: %v", r)
		}
	}()
	return ps.ReceiveTimeout(ctx, silence)
}

// handle takes what Redis sent.
func (c *subConn) handle(got any) {
	switch m := got.(type) {
	case *redis.Subscription:
		switch m.Kind {
		case "subscribe", "psubscribe", "ssubscribe":
			c.owner.confirm(c, m.Channel, true)
		default:
			c.owner.confirm(c, m.Channel, false)
		}
	case *redis.Message:
		name := m.Channel
		if m.Pattern != "" {
			name = m.Pattern
		}
		c.owner.deliver(name, m.Channel, []byte(m.Payload))
	}
}

// reconcile subscribes to what was added to assigned, and the reverse.
func (c *subConn) reconcile(ctx context.Context, ps *redis.PubSub) error {
	have := make(map[string]subscription)
	for {
		add, remove := c.difference(have)
		for _, s := range add {
			if err := c.subscribe(ctx, ps, s); err != nil {
				return err
			}
			have[s.name] = s
		}
		for _, s := range remove {
			if err := c.unsubscribe(ctx, ps, s); err != nil {
				return err
			}
			delete(have, s.name)
		}
		select {
		case <-c.wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// difference returns what is missing in have, and what is in it too much.
func (c *subConn) difference(have map[string]subscription) (add, remove []subscription) {
	c.owner.mu.Lock()
	defer c.owner.mu.Unlock()
	for name, s := range c.assigned {
		if _, ok := have[name]; !ok {
			add = append(add, s)
		}
	}
	for name, s := range have {
		if _, ok := c.assigned[name]; !ok {
			remove = append(remove, s)
		}
	}
	return add, remove
}

func (c *subConn) subscribe(ctx context.Context, ps *redis.PubSub, s subscription) error {
	switch {
	case c.owner.sharded:
		return ps.SSubscribe(ctx, s.name)
	case s.pattern:
		return ps.PSubscribe(ctx, s.name)
	}
	return ps.Subscribe(ctx, s.name)
}

func (c *subConn) unsubscribe(ctx context.Context, ps *redis.PubSub, s subscription) error {
	switch {
	case c.owner.sharded:
		return ps.SUnsubscribe(ctx, s.name)
	case s.pattern:
		return ps.PUnsubscribe(ctx, s.name)
	}
	return ps.Unsubscribe(ctx, s.name)
}
