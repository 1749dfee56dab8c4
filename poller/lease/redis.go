package lease

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Redis is the lease under the key of the Node backend, with values as it
// writes them.
type Redis struct {
	client redis.UniversalClient
	key    string
	opts   Options
}

// NewRedis returns the lease of an api in Redis. The client stays the caller's.
func NewRedis(client redis.UniversalClient, o Options) *Redis {
	o = o.withDefaults()
	return &Redis{client: client, key: "devops-insights:poller:leader:" + o.API, opts: o}
}

// The scripts look and act in one step: between the two another instance could
// take the key. take and peek return what holds and for how many milliseconds,
// -1 where it does not expire.
const (
	take = `
local holder = redis.call("GET", KEYS[1])
if holder == ARGV[1] then
  redis.call("PEXPIRE", KEYS[1], ARGV[2])
  return {holder, tonumber(ARGV[2])}
end
if holder then return {holder, redis.call("PTTL", KEYS[1])} end
redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[2])
return {ARGV[1], tonumber(ARGV[2])}`
	peek    = `return {redis.call("GET", KEYS[1]) or "", redis.call("PTTL", KEYS[1])}`
	release = `if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) end return 0`
)

// Acquire implements Lease.
func (r *Redis) Acquire(ctx context.Context) (time.Duration, error) {
	holder, left, err := r.ask(ctx, take)
	if err != nil {
		return 0, fmt.Errorf("the lease %s cannot be taken in Redis: %w", r.key, err)
	}
	if holder != r.opts.Holder {
		return 0, &HeldError{Holder: holder, For: left}
	}
	return r.opts.Term, nil
}

// peek returns who holds the key and for how long, without taking it; an empty
// name where nobody does.
func (r *Redis) peek(ctx context.Context) (holder string, left time.Duration, err error) {
	return r.ask(ctx, peek)
}

func (r *Redis) ask(ctx context.Context, script string) (holder string, left time.Duration, err error) {
	// Redis is asked beside the database: it must leave time for it.
	ctx, cancel := context.WithTimeout(ctx, min(r.opts.Term/6, 3*time.Second))
	defer cancel()
	answer, err := r.client.Eval(ctx, script, []string{r.key}, r.opts.Holder, r.opts.Term.Milliseconds()).Slice()
	if err != nil {
		return "", 0, err
	}
	if len(answer) != 2 {
		return "", 0, errors.New("the answer of Redis is not understood")
	}
	name, isText := answer[0].(string)
	ms, isNumber := answer[1].(int64)
	if !isText || !isNumber {
		return "", 0, errors.New("the answer of Redis is not understood")
	}
	if ms < 0 { // no expiry: somebody means to keep it
		ms = r.opts.Term.Milliseconds()
	}
	return name, time.Duration(ms) * time.Millisecond, nil
}

// Release implements Lease.
func (r *Redis) Release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, min(r.opts.Term/6, time.Second))
	defer cancel()
	if err := r.client.Eval(ctx, release, []string{r.key}, r.opts.Holder).Err(); err != nil {
		return fmt.Errorf("the lease %s cannot be given back in Redis: %w", r.key, err)
	}
	return nil
}

var _ Lease = (*Redis)(nil)
