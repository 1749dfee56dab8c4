package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/app/config"
	"github.com/devops-insights/devops-insights/app/logging"
	"github.com/devops-insights/devops-insights/socket/redisadapter"
	"github.com/devops-insights/devops-insights/socket/socketio"
)

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
	o, err := c.RedisOptions()
	if err != nil {
		return err
	}
	client := redis.NewUniversalClient(o)
	a.onStop("redis", func(context.Context) error { return client.Close() })
	said := pingRedis(ctx, client, o)
	if said != nil {
		if c.RedisRequired {
			return fmt.Errorf("REDIS_REQUIRED is true: %w", said)
		}
		a.log.WithError(said).Warn("Redis does not serve: this instance goes on alone and joins the others when it does")
	}
	a.redis = client
	a.cluster = redisadapter.Open(redisadapter.Options{
		Client: client, Prefix: c.RedisPrefix, Sharded: c.RedisSharded,
		Subscriptions: redisadapter.Subscriptions(c.RedisSubscriptions), Logger: slog.New(logging.Handler(a.log)), OnResync: a.requestResync, OnPublishLoss: a.onPublishLoss,
	})
	a.onStop("cluster", a.cluster.Close)
	a.background("redis", func(ctx context.Context) error { return a.watchRedis(ctx, o, said) })
	return nil
}

// requestResync asks for a resynchronisation; one that is asked for already is
// enough.
func (a *App) requestResync() {
	select {
	case a.resync <- struct{}{}:
	default:
	}
}

// eventMissed is the server-side event by which an instance tells the others
// that they have missed something; Node instances know nothing of it.
const eventMissed = "devops-insights:missed"

// onPublishLoss tells the other instances that changes of this one did not
// reach them.
func (a *App) onPublishLoss() {
	if err := a.sockets.Of("/").ServerSideEmit(eventMissed); err != nil {
		a.log.WithError(err).Warn("other instances do not know that they missed something")
	}
}

// joinCluster waits for the other instances to be heard, for as long as a
// start may take, and brings the dashboards up to date after each
// interruption.
func (a *App) joinCluster(ctx context.Context) {
	if a.cluster == nil {
		return
	}
	a.sockets.Of("/").OnServer(eventMissed, func(socketio.Args, socketio.Ack) { a.requestResync() })
	first, cancel := context.WithTimeout(ctx, config.RedisTimeout)
	defer cancel()
	if err := a.cluster.Ready(first); err != nil {
		a.log.WithError(err).Warn("other instances are not heard yet")
	}
	a.background("resynchronisation", func(ctx context.Context) error {
		for {
			select {
			case <-a.resync:
			case <-ctx.Done():
				return nil
			}
			if err := a.view.Refresh(ctx); err != nil && ctx.Err() == nil {
				a.log.WithError(err).Warn("the dashboards may miss changes that other instances announced")
			}
		}
	})
}

// clusterInfo is what /api/v1/info says of the other instances.
type clusterInfo struct {
	Connected bool      `json:"connected"`
	Since     time.Time `json:"since"`
	Gaps      uint64    `json:"gaps"` // interruptions
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
	return &clusterInfo{s.Connected, s.Since.UTC(), s.Interruptions, s.Published, s.Dropped, s.Received, s.Malformed}
}
