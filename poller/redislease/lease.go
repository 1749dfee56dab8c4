// Package redislease keeps the right to poll in Redis, under the key and with
// the values of the Node backend: a Node instance and one of ours never poll
// at the same time. It knows nothing of polling.
package redislease

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/devops-insights/devops-insights/poller"
)

// Lease is the right to poll one api.
type Lease struct {
	client redis.UniversalClient
	key    string
	holder string
	length time.Duration
}

// New returns the lease of an api that lasts for length without renewal. The
// client stays the caller's.
func New(client redis.UniversalClient, api string, length time.Duration) *Lease {
	return &Lease{
		client: client, key: "devops-insights:poller:leader:" + api, length: length,
		holder: poller.Holder(),
	}
}

// renew and release act only where the lease is still this instance's: between
// a look and an act another could have taken it.
const (
	renew   = `if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("PEXPIRE", KEYS[1], ARGV[2]) end return 0`
	release = `if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) end return 0`
)

// Acquire implements poller.Lease.
func (l *Lease) Acquire(ctx context.Context) (time.Duration, error) {
	renewed, err := l.client.Eval(ctx, renew, []string{l.key}, l.holder, l.length.Milliseconds()).Int()
	if err != nil {
		return 0, fmt.Errorf("the lease %s cannot be renewed in Redis: %w", l.key, err)
	}
	if renewed == 1 {
		return l.length, nil
	}
	err = l.client.SetArgs(ctx, l.key, l.holder, redis.SetArgs{Mode: "NX", TTL: l.length}).Err()
	switch {
	case errors.Is(err, redis.Nil):
		return 0, poller.ErrHeld
	case err != nil:
		return 0, fmt.Errorf("the lease %s cannot be taken in Redis: %w", l.key, err)
	}
	return l.length, nil
}

// Release implements poller.Lease.
func (l *Lease) Release(ctx context.Context) error {
	return l.client.Eval(ctx, release, []string{l.key}, l.holder).Err()
}

var _ poller.Lease = (*Lease)(nil)
