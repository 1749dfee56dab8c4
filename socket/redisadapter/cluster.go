package redisadapter

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/devops-insights/devops-insights/socket/socketio"
)

// Options configures a Cluster. Only Client is required.
type Options struct {
	// Client reaches Redis: a single server, Sentinel or a Redis Cluster. It
	// stays the caller's. With ContextTimeoutEnabled a Redis that stands still
	// is noticed as soon as it can be; Dialer keeps one that sends nonsense
	// from ending the process.
	Client redis.UniversalClient
	// Prefix begins the name of every channel. Empty: "socket.io", as in Node.
	Prefix string
	// Sharded uses sharded pub/sub (Redis 7), as createShardedAdapter of Node
	// does. All servers of a cluster must agree.
	Sharded bool
	// Subscriptions are the channels of rooms in the sharded mode. All servers
	// of a cluster must agree. Empty: Dynamic, as in Node.
	Subscriptions Subscriptions
	// SpecificResponses sends responses to the asking server alone, the option
	// publishOnSpecificResponseChannel of Node.
	SpecificResponses bool
	// RequestTimeout is how long other servers may take to respond. Zero: 5 s.
	RequestTimeout time.Duration
	// Queue is how many messages may wait for Redis. Zero: 10,000.
	Queue int
	// QueueBytes is how many bytes of messages may wait for Redis, and how many
	// of Redis for this process. Zero: 64 MiB.
	QueueBytes int64
	// OnResync is called when messages come in after a time in which some may
	// have been missed, so that clients can be brought up to date: after an
	// interruption, and at the first connection when it was late.
	OnResync func()
	// OnPublishLoss is called when Redis takes messages again after it did not
	// take some: the other servers have missed them, and do not know.
	OnPublishLoss func()
	// Logger is told when the connection is lost and found. Nil: nothing is logged.
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	o.Prefix = cmp.Or(o.Prefix, "socket.io")
	o.Subscriptions = cmp.Or(o.Subscriptions, Dynamic)
	o.RequestTimeout = cmp.Or(max(o.RequestTimeout, 0), 5*time.Second)
	o.Queue = cmp.Or(max(o.Queue, 0), 10_000)
	o.QueueBytes = cmp.Or(max(o.QueueBytes, 0), 64<<20)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Stats says how the connection to the other servers is doing.
type Stats struct {
	Connected     bool      // messages of other servers come in
	Since         time.Time // of the last change of Connected
	Interruptions uint64    // how often Connected ended
	Published     uint64    // messages that Redis took
	Dropped       uint64    // messages that it did not take in time
	Received      uint64
	Malformed     uint64 // messages that could not be read
}

// Cluster is this process's part in a cluster of servers.
type Cluster struct {
	options     Options
	cancel      context.CancelFunc
	work        sync.WaitGroup
	queue       chan outgoing
	queuedBytes atomic.Int64
	pubsub      *pubsub

	mu       sync.RWMutex
	adapters map[*adapter]struct{}
	routes   map[string]*adapter // by the exact name of a subscription

	published, dropped, received, malformed atomic.Uint64
}

// ErrDisconnected says that Redis is out of reach: what was to be sent did not
// leave this process.
var ErrDisconnected = errors.New("redisadapter: Redis is out of reach, and with it the other servers")

// Open joins the cluster. It returns at once; see Ready.
func Open(o Options) *Cluster {
	o = o.withDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	c := &Cluster{
		options: o, cancel: cancel, queue: make(chan outgoing, o.Queue),
		adapters: make(map[*adapter]struct{}), routes: make(map[string]*adapter),
	}
	c.pubsub = newPubSub(o, c.receive)
	c.work.Go(func() { c.pubsub.run(ctx) })
	c.work.Go(func() { c.runPublisher(ctx) })
	return c
}

// Ready waits until Redis has confirmed every subscription, or ctx ends.
func (c *Cluster) Ready(ctx context.Context) error { return c.pubsub.ready(ctx) }

// Adapter makes the adapter of a namespace; it fits socketio.Options.NewAdapter.
func (c *Cluster) Adapter(n *socketio.Namespace) socketio.Adapter {
	a := newAdapter(c, n)
	c.mu.Lock()
	c.adapters[a] = struct{}{}
	c.mu.Unlock()
	for _, s := range a.channels.subscriptions {
		c.subscribe(a, s)
	}
	return a
}

func (c *Cluster) subscribe(a *adapter, s subscription) {
	c.mu.Lock()
	c.routes[s.name] = a
	c.mu.Unlock()
	c.pubsub.add(s)
}

func (c *Cluster) unsubscribe(a *adapter, s subscription) {
	c.mu.Lock()
	mine := c.routes[s.name] == a
	if mine {
		delete(c.routes, s.name)
	}
	c.mu.Unlock()
	if mine {
		c.pubsub.remove(s.name)
	}
}

// remove takes an adapter out that was closed.
func (c *Cluster) remove(a *adapter) {
	c.mu.Lock()
	delete(c.adapters, a)
	var mine []string
	for name, of := range c.routes {
		if of == a {
			mine = append(mine, name)
			delete(c.routes, name)
		}
	}
	c.mu.Unlock()
	for _, name := range mine {
		c.pubsub.remove(name)
	}
}

// receive hands a message to the adapter whose subscription it came by.
func (c *Cluster) receive(subscribed, channel string, body []byte) {
	c.received.Add(1)
	c.mu.RLock()
	a := c.routes[subscribed]
	c.mu.RUnlock()
	if a != nil {
		a.receive(channel, body)
	}
}

// Stats returns the state of the connection and the counters.
func (c *Cluster) Stats() Stats {
	connected, since, interruptions := c.pubsub.state()
	return Stats{
		Connected: connected, Since: since, Interruptions: interruptions, Published: c.published.Load(),
		Dropped: c.dropped.Load(), Received: c.received.Load(), Malformed: c.malformed.Load(),
	}
}

// Servers asks Redis how many servers share a namespace, this one included.
func (c *Cluster) Servers(ctx context.Context, namespace string) (int, error) {
	c.mu.RLock()
	channel := ""
	for a := range c.adapters {
		if a.namespace.Name() == namespace {
			channel = a.channels.count
		}
	}
	c.mu.RUnlock()
	if channel == "" || !c.pubsub.isConnected() {
		return 0, ErrDisconnected
	}
	return c.countServers(ctx, channel)
}

// Close leaves the cluster; what was handed over before is sent until ctx ends.
func (c *Cluster) Close(ctx context.Context) error {
	for tick := time.NewTicker(5 * time.Millisecond); c.queuedBytes.Load() > 0 && c.pubsub.isConnected(); {
		select {
		case <-tick.C:
			continue
		case <-ctx.Done():
		}
		tick.Stop()
		break
	}
	c.cancel()
	c.work.Wait()
	c.mu.RLock()
	open := make([]*adapter, 0, len(c.adapters))
	for a := range c.adapters {
		open = append(open, a)
	}
	c.mu.RUnlock()
	var err error
	for _, a := range open {
		err = errors.Join(err, a.Close())
	}
	return err
}
