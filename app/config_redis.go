package app

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/pflag"

	"github.com/devops-insights/devops-insights/socket/redisadapter"
)

// Redis are the settings of how the instances reach each other.
type Redis struct {
	RedisHost             string
	RedisRequired         bool
	RedisMaster           string
	RedisSentinelUser     string
	RedisSentinelPassword string
	RedisCluster          bool
	RedisPrefix           string
	RedisSharded          bool
	RedisSubscriptions    string
	RedisCA               string
	RedisCert             string
	RedisKey              string
}

// redisSettings declares the flags; each is added with its environment variable.
func (c *Redis) redisSettings(f *pflag.FlagSet, add func(flag string, secret bool, env ...string)) {
	f.StringVar(&c.RedisHost, "redis", c.RedisHost, "redis URL, several hosts separated by commas; empty: a single instance")
	add("redis", true, "REDIS_HOST")
	f.BoolVar(&c.RedisRequired, "redis-required", c.RedisRequired, "do not start without Redis")
	add("redis-required", false, "REDIS_REQUIRED")
	f.StringVar(&c.RedisMaster, "redis-sentinel-master", c.RedisMaster, "name of the master, where the hosts are Sentinels")
	add("redis-sentinel-master", false, "REDIS_SENTINEL_MASTER")
	f.StringVar(&c.RedisSentinelUser, "redis-sentinel-user", c.RedisSentinelUser, "user at the Sentinels; the one of the URL is the user at Redis")
	add("redis-sentinel-user", false, "REDIS_SENTINEL_USER")
	f.StringVar(&c.RedisSentinelPassword, "redis-sentinel-password", c.RedisSentinelPassword, "password at the Sentinels; the one of the URL is the password at Redis")
	add("redis-sentinel-password", true, "REDIS_SENTINEL_PASSWORD")
	f.BoolVar(&c.RedisCluster, "redis-cluster", c.RedisCluster, "the hosts are nodes of a Redis Cluster")
	add("redis-cluster", false, "REDIS_CLUSTER")
	f.StringVar(&c.RedisPrefix, "redis-prefix", c.RedisPrefix, "beginning of the channels' names, the same for all instances")
	add("redis-prefix", false, "REDIS_PREFIX")
	f.BoolVar(&c.RedisSharded, "redis-sharded", c.RedisSharded, "sharded pub/sub of Redis 7, the same for all instances")
	add("redis-sharded", false, "REDIS_SHARDED")
	f.StringVar(&c.RedisSubscriptions, "redis-subscriptions", c.RedisSubscriptions, "rooms with a channel of their own in the sharded mode: static, dynamic or dynamic-private, the same for all instances")
	add("redis-subscriptions", false, "REDIS_SUBSCRIPTIONS")
	f.StringVar(&c.RedisCA, "redis-tls-ca", c.RedisCA, "file with the certificates (PEM) that rediss:// trusts beside those of the system")
	add("redis-tls-ca", false, "REDIS_TLS_CA")
	f.StringVar(&c.RedisCert, "redis-tls-cert", c.RedisCert, "file with the certificate (PEM) of this client, where Redis asks for one")
	add("redis-tls-cert", false, "REDIS_TLS_CERT")
	f.StringVar(&c.RedisKey, "redis-tls-key", c.RedisKey, "file with the key (PEM) of that certificate")
	add("redis-tls-key", false, "REDIS_TLS_KEY")
}

// redis reads the settings of Redis: a redis:// or rediss:// URL, or host:port,
// with further hosts behind commas for Sentinel and Redis Cluster.
func (c *Redis) redis() (*redis.UniversalOptions, error) {
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
	case !slices.Contains([]redisadapter.Subscriptions{redisadapter.Static, redisadapter.Dynamic, redisadapter.DynamicPrivate}, redisadapter.Subscriptions(c.RedisSubscriptions)):
		return nil, fmt.Errorf("REDIS_SUBSCRIPTIONS=%q is unknown: static, dynamic and dynamic-private are allowed", c.RedisSubscriptions)
	case c.RedisMaster == "" && (c.RedisSentinelUser != "" || c.RedisSentinelPassword != ""):
		return nil, errors.New("REDIS_SENTINEL_USER and REDIS_SENTINEL_PASSWORD need REDIS_SENTINEL_MASTER")
	}
	if c.RedisMaster != "" || c.RedisCluster {
		if o.TLSConfig != nil {
			o.TLSConfig.ServerName = "" // each host has its own name
		}
	}
	if err := c.certificates(o.TLSConfig); err != nil {
		return nil, err
	}
	return &redis.UniversalOptions{
		Addrs: addrs, DB: o.DB, Username: o.Username, Password: o.Password, TLSConfig: o.TLSConfig,
		MasterName: c.RedisMaster, SentinelUsername: c.RedisSentinelUser, SentinelPassword: c.RedisSentinelPassword,
		IsClusterMode: c.RedisCluster, DialTimeout: redisTimeout,
		// What is late is dropped and counted by those who ask, and who asks
		// says how long that is.
		MaxRetries: 1, DialerRetries: 1, ContextTimeoutEnabled: true,
	}, nil
}

// certificates puts the files into the TLS settings, which are nil where the
// URL does not ask for TLS.
func (c *Redis) certificates(o *tls.Config) error {
	switch {
	case c.RedisCA == "" && c.RedisCert == "" && c.RedisKey == "":
		return nil
	case o == nil:
		return errors.New("REDIS_TLS_CA, REDIS_TLS_CERT and REDIS_TLS_KEY need a REDIS_HOST that begins with rediss://")
	}
	if c.RedisCA != "" {
		pem, err := os.ReadFile(c.RedisCA)
		if err != nil {
			return fmt.Errorf("REDIS_TLS_CA cannot be read: %w", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return fmt.Errorf("REDIS_TLS_CA=%s holds no certificate (PEM)", c.RedisCA)
		}
		o.RootCAs = pool
	}
	if c.RedisCert == "" && c.RedisKey == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.RedisCert, c.RedisKey)
	if err != nil {
		return fmt.Errorf("REDIS_TLS_CERT and REDIS_TLS_KEY cannot be used together: %w", err)
	}
	o.Certificates = []tls.Certificate{pair}
	return nil
}
