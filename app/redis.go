package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisTimeout bounds the first contact.
const redisTimeout = 3 * time.Second

// redisURL reads REDIS_HOST: a redis:// or rediss:// URL, or host:port.
func redisURL(setting string) (*redis.Options, error) {
	if !strings.Contains(setting, "://") {
		setting = "redis://" + setting
	}
	o, err := redis.ParseURL(setting)
	if err != nil {
		// The library's words may hold the URL, and with it a password.
		return nil, fmt.Errorf("REDIS_HOST cannot be used: redis://[user:password@]host:port[/number] or rediss:// is expected")
	}
	return o, nil
}

// openRedis connects to Redis where it is configured. Without it the server
// runs as if it were not, unless it is required.
func (a *App) openRedis(ctx context.Context) error {
	c := a.opts.Config
	if c.RedisHost == "" {
		return nil
	}
	o, err := redisURL(c.RedisHost)
	if err != nil {
		return err
	}
	client := redis.NewClient(o)
	first, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	if err := client.Ping(first).Err(); err != nil {
		_ = client.Close() // it was never of use
		if c.RedisRequired {
			return fmt.Errorf("REDIS_REQUIRED is true and Redis at %s does not answer: %w", o.Addr, err)
		}
		a.log.WithError(err).Warnf("Redis at %s does not answer: the server runs without it until its next start", o.Addr)
		return nil
	}
	a.redis = client
	a.onStop("redis", func(context.Context) error { return client.Close() })
	return nil
}
