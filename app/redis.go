package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/socket"
	"github.com/devops-insights/devops-insights/socket/redisadapter"
	"github.com/devops-insights/devops-insights/socket/socketio"
)

// redisTimeout bounds the first contact.
const redisTimeout = 3 * time.Second

// LibraryLog takes what the Redis library says of each attempt: what matters is
// said once by those who use it.
type LibraryLog struct{ logrus.FieldLogger }

// Printf takes one line.
func (l LibraryLog) Printf(_ context.Context, format string, v ...any) {
	l.FieldLogger.Debugf(format, v...)
}

// openRedis begins to connect to Redis where it is configured. An instance
// goes on alone while Redis is away, unless it is required at the start.
func (a *App) openRedis(ctx context.Context) error {
	c := a.opts.Config
	if c.RedisHost == "" {
		return nil
	}
	o, err := c.redis()
	if err != nil {
		return err
	}
	client := redis.NewUniversalClient(o)
	a.onStop("redis", func(context.Context) error { return client.Close() })
	first, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	if err := client.Ping(first).Err(); err != nil {
		if c.RedisRequired {
			return fmt.Errorf("REDIS_REQUIRED is true and Redis at %s does not answer: %w", strings.Join(o.Addrs, ","), err)
		}
		a.log.WithError(err).Warnf("Redis at %s does not answer: this instance goes on alone and joins the others when it does", strings.Join(o.Addrs, ","))
	}
	a.redis = client
	a.cluster = redisadapter.Open(redisadapter.Options{
		Client: client, Prefix: c.RedisPrefix, Sharded: c.RedisSharded,
		Subscriptions: redisadapter.Subscriptions(c.RedisSubscriptions), Logger: a.log, OnGap: a.missed, OnLoss: a.lost,
	})
	a.onStop("cluster", a.cluster.Close)
	return nil
}

// missed asks for a resynchronisation; one that is asked for already is enough.
func (a *App) missed() {
	select {
	case a.gap <- struct{}{}:
	default:
	}
}

// eventMissed is the server-side event by which an instance tells the others
// that they have missed something; Node instances know nothing of it.
const eventMissed = "devops-insights:missed"

// lost tells the other instances that changes of this one did not reach them.
func (a *App) lost() {
	if err := a.sockets.Of("/").ServerSideEmit(eventMissed); err != nil {
		a.log.WithError(err).Warn("other instances do not know that they missed something")
	}
}

// joinCluster waits for the other instances to be heard, for as long as a
// start may take, and brings the dashboards up to date after each gap.
func (a *App) joinCluster(ctx context.Context, hub *socket.Hub) {
	if err := hub.Prime(ctx); err != nil {
		a.log.WithError(err).Warn("the first changes may repeat what dashboards know")
	}
	if a.cluster == nil {
		return
	}
	a.sockets.Of("/").OnServer(eventMissed, func(socketio.Args, socketio.Acknowledge) { a.missed() })
	first, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	if err := a.cluster.Ready(first); err != nil {
		a.log.WithError(err).Warn("other instances are not heard yet")
	}
	a.background("resynchronisation", func(ctx context.Context) error {
		for {
			select {
			case <-a.gap:
			case <-ctx.Done():
				return nil
			}
			a.cache.Forget(a.opts.Config.API())
			if err := hub.Resync(ctx); err != nil && ctx.Err() == nil {
				a.log.WithError(err).Warn("the dashboards may miss changes that other instances announced")
			}
		}
	})
}

// clusterInfo is what /api/v1/info says of the other instances.
type clusterInfo struct {
	Connected bool      `json:"connected"`
	Since     time.Time `json:"since"`
	Gaps      uint64    `json:"gaps"`
	Published uint64    `json:"published"`
	Dropped   uint64    `json:"dropped"`
	Received  uint64    `json:"received"`
	Malformed uint64    `json:"malformed"`
}

func (a *App) describeCluster() *clusterInfo {
	if a.cluster == nil {
		return nil
	}
	s := a.cluster.Stats()
	return &clusterInfo{s.Connected, s.Since.UTC(), s.Gaps, s.Published, s.Dropped, s.Received, s.Malformed}
}
