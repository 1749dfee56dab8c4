package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/devops-insights/devops-insights/socket"
	"github.com/devops-insights/devops-insights/socket/redisadapter"
	"github.com/devops-insights/devops-insights/socket/socketio"
)

// redisTimeout bounds the first contact.
const redisTimeout = 3 * time.Second

// redis reads the settings of Redis: a redis:// or rediss:// URL, or host:port,
// with further hosts behind commas for Sentinel and Redis Cluster.
func (c Config) redis() (*redis.UniversalOptions, error) {
	setting := c.RedisHost
	if !strings.Contains(setting, "://") {
		setting = "redis://" + setting
	}
	head, rest, more := strings.Cut(setting, ",")
	if more { // the number of the database may stand behind the last host
		if last, path, found := strings.Cut(rest, "/"); found {
			head, rest = head+"/"+path, last
		}
	}
	o, err := redis.ParseURL(head)
	if err != nil {
		// The library's words may hold the URL, and with it a password.
		return nil, fmt.Errorf("REDIS_HOST cannot be used: redis://[user:password@]host:port[,host:port…][/number] or rediss:// is expected")
	}
	addrs := []string{o.Addr}
	if more {
		addrs = append(addrs, strings.Split(rest, ",")...)
	}
	switch {
	case c.RedisMaster != "" && c.RedisCluster:
		return nil, fmt.Errorf("REDIS_SENTINEL_MASTER and REDIS_CLUSTER exclude each other")
	case len(addrs) > 1 && c.RedisMaster == "" && !c.RedisCluster:
		return nil, fmt.Errorf("REDIS_HOST names %d hosts: set REDIS_SENTINEL_MASTER or REDIS_CLUSTER=true to say what they are", len(addrs))
	case c.RedisCluster && o.DB != 0:
		return nil, fmt.Errorf("REDIS_HOST names database %d: a Redis Cluster has only 0", o.DB)
	}
	return &redis.UniversalOptions{
		Addrs: addrs, DB: o.DB, Username: o.Username, Password: o.Password, TLSConfig: o.TLSConfig,
		MasterName: c.RedisMaster, IsClusterMode: c.RedisCluster, DialTimeout: redisTimeout,
		// What is late is dropped and counted by those who ask, and who asks
		// says how long that is.
		MaxRetries: 1, DialerRetries: 1, ContextTimeoutEnabled: true,
	}, nil
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
		Client: client, Prefix: c.RedisPrefix, Sharded: c.RedisSharded, Logger: a.log, OnGap: a.missed, OnLoss: a.lost,
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
