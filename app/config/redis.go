package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/devops-insights/devops-insights/socket/redisadapter"
)

// RedisTimeout bounds the first contact with Redis.
const RedisTimeout = 3 * time.Second

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

func defaultRedis() Redis {
	return Redis{RedisPrefix: "socket.io", RedisSubscriptions: string(redisadapter.Dynamic)}
}

func (c *Redis) declare(d *declaration) {
	d.secret(&c.RedisHost, "redis", "REDIS_HOST", "redis URL, several hosts separated by commas; empty: a single instance", redactRedis)
	d.add(&c.RedisRequired, "redis-required", "REDIS_REQUIRED", "do not start without Redis")
	d.add(&c.RedisMaster, "redis-sentinel-master", "REDIS_SENTINEL_MASTER", "name of the master, where the hosts are Sentinels")
	d.add(&c.RedisSentinelUser, "redis-sentinel-user", "REDIS_SENTINEL_USER", "user at the Sentinels; the one of the URL is the user at Redis")
	d.secret(&c.RedisSentinelPassword, "redis-sentinel-password", "REDIS_SENTINEL_PASSWORD", "password at the Sentinels; the one of the URL is the password at Redis", redactAll)
	d.add(&c.RedisCluster, "redis-cluster", "REDIS_CLUSTER", "the hosts are nodes of a Redis Cluster")
	d.add(&c.RedisPrefix, "redis-prefix", "REDIS_PREFIX", "beginning of the channels' names, the same for all instances")
	d.add(&c.RedisSharded, "redis-sharded", "REDIS_SHARDED", "sharded pub/sub of Redis 7, the same for all instances")
	d.add(&c.RedisSubscriptions, "redis-subscriptions", "REDIS_SUBSCRIPTIONS", "rooms with a channel of their own in the sharded mode: static, dynamic or dynamic-private, the same for all instances")
	d.add(&c.RedisCA, "redis-tls-ca", "REDIS_TLS_CA", "file with the certificates (PEM) that rediss:// trusts beside those of the system")
	d.add(&c.RedisCert, "redis-tls-cert", "REDIS_TLS_CERT", "file with the certificate (PEM) of this client, where Redis asks for one")
	d.add(&c.RedisKey, "redis-tls-key", "REDIS_TLS_KEY", "file with the key (PEM) of that certificate")
}

func (c *Redis) check(r *report) {
	switch {
	case c.RedisHost != "":
		_, err := c.RedisOptions()
		r.err(err)
	case c.RedisRequired:
		r.bad("REDIS_REQUIRED is true, but REDIS_HOST is not set")
	}
}

// RedisOptions reads the settings of Redis: a redis:// or rediss:// URL, or host:port,
// with further hosts behind commas for Sentinel and Redis Cluster.
func (c *Redis) RedisOptions() (*redis.UniversalOptions, error) {
	o, addrs, err := c.addresses()
	if err != nil {
		return nil, err
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
	options := &redis.UniversalOptions{
		Addrs: addrs, DB: o.DB, Username: o.Username, Password: o.Password, TLSConfig: o.TLSConfig,
		MasterName: c.RedisMaster, SentinelUsername: c.RedisSentinelUser, SentinelPassword: c.RedisSentinelPassword,
		IsClusterMode: c.RedisCluster, DialTimeout: RedisTimeout,
		// What is late is dropped and counted by those who ask, and who asks
		// says how long that is.
		MaxRetries: 1, DialerRetries: 1, ContextTimeoutEnabled: true,
	}
	options.Dialer = redisadapter.Dialer(options)
	return options, nil
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
			return fmt.Errorf("REDIS_TLS_CA cannot be read: %s", reason(err))
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
		return fmt.Errorf("REDIS_TLS_CERT and REDIS_TLS_KEY cannot be used together: %s", reason(err))
	}
	o.Certificates = []tls.Certificate{pair}
	return nil
}

// errRedisHost never repeats the setting: any part of it may be a password.
var errRedisHost = errors.New("REDIS_HOST cannot be used: redis://[user:password@]host:port[,host:port…][/number] or rediss:// is expected, with the signs : / ? # [ ] @ % , of user and password written as %3A %2F %3F %23 %5B %5D %40 %25 %2C")

// addresses takes the hosts apart. The number of the database may stand behind
// the last one, and each may repeat the user and the password of the first.
func (c *Redis) addresses() (*redis.Options, []string, error) {
	text := strings.TrimSpace(c.RedisHost)
	if !strings.Contains(text, "://") {
		text = "redis://" + text
	}
	scheme, rest, _ := strings.Cut(text, "://")
	rest, query, _ := strings.Cut(rest, "?")
	if _, err := url.ParseQuery(query); err != nil || strings.Contains(text, "#") {
		return nil, nil, errRedisHost
	}
	hosts, path, _ := strings.Cut(rest, "/")
	user, addrs := "", []string{hosts}
	if strings.Count(hosts, "@") == 1 { // a comma before it belongs to the password
		user, hosts, _ = strings.Cut(hosts, "@")
	}
	for i, host := range strings.Split(hosts, ",") {
		own, addr, found := strings.Cut(strings.TrimSpace(host), "@")
		switch {
		case !found:
			addr = own
		case i > 0 && own != user:
			return nil, nil, errors.New("REDIS_HOST has a user or password of its own for a further host: all hosts share those of the first")
		default:
			user = own
		}
		addrs = append(addrs, addr)
	}
	addrs = addrs[1:]
	if user != "" {
		user += "@"
	}
	head := scheme + "://" + user + addrs[0] + "/" + path
	if query != "" {
		head += "?" + query
	}
	o, err := redis.ParseURL(head)
	if err != nil {
		return nil, nil, errRedisHost
	}
	addrs[0] = o.Addr
	for i, addr := range addrs {
		if strings.LastIndexByte(addr, ':') <= strings.LastIndexByte(addr, ']') {
			addr = net.JoinHostPort(strings.Trim(addr, "[]"), "6379")
			addrs[i] = addr
		}
		host, port, err := net.SplitHostPort(addr)
		n, notANumber := strconv.Atoi(port)
		if o.Network != "unix" && (err != nil || notANumber != nil || n < 1 || n > 65535 || host == "" || !isHost(host)) {
			return nil, nil, errRedisHost
		}
	}
	return o, addrs, nil
}
