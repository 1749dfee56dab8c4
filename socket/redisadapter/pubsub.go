package redisadapter

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// subscription is one channel, or one pattern of channels, to listen to.
type subscription struct {
	name    string
	pattern bool
}

// routingCheck is how often the nodes of a Redis Cluster are looked up again.
const routingCheck = 10 * time.Second

// pubsub keeps the wanted subscriptions: on one connection, or with sharded
// pub/sub on a Redis Cluster on one for each node.
type pubsub struct {
	client   redis.UniversalClient
	sharded  bool
	deliver  func(subscribed, channel string, body []byte)
	onResync func()
	log      *slog.Logger

	mu            sync.Mutex
	wanted        map[string]subscription
	unconfirmed   map[string]struct{} // wanted, and not confirmed by Redis
	conns         map[string]*subConn // by node; the only one is ""
	connected     bool
	since         time.Time // of the last change of connected
	late          bool      // messages may have been missed since the last resync
	interruptions uint64
	changed       chan struct{} // closed and replaced at each change
	work          sync.WaitGroup
}

func newPubSub(o Options, deliver func(subscribed, channel string, body []byte)) *pubsub {
	return &pubsub{
		client: o.Client, sharded: o.Sharded, deliver: deliver, onResync: o.OnResync, log: o.Logger, since: time.Now(),
		wanted: make(map[string]subscription), unconfirmed: make(map[string]struct{}),
		conns: make(map[string]*subConn), changed: make(chan struct{}),
	}
}

func (p *pubsub) add(s subscription) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted[s.name] = s
	p.unconfirmed[s.name] = struct{}{}
	p.notify()
}

func (p *pubsub) remove(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.wanted, name)
	delete(p.unconfirmed, name)
	p.notify()
}

// notify wakes everyone who waits for a change; the caller holds the lock.
func (p *pubsub) notify() {
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *pubsub) state() (connected bool, since time.Time, interruptions uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.connected, p.since, p.interruptions
}

func (p *pubsub) isConnected() bool { connected, _, _ := p.state(); return connected }

// ready waits until every subscription is confirmed. If ctx ends before,
// onResync is called when they are.
func (p *pubsub) ready(ctx context.Context) error {
	for {
		p.mu.Lock()
		complete, changed := len(p.unconfirmed) == 0, p.changed
		p.mu.Unlock()
		if complete {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			p.mu.Lock()
			p.late = true
			p.mu.Unlock()
			return fmt.Errorf("redis has not confirmed the subscriptions: %w", ctx.Err())
		}
	}
}

// subscriber opens a connection for subscriptions.
type subscriber interface {
	Subscribe(ctx context.Context, channels ...string) *redis.PubSub
}

// nodeOf returns the node on which a name has to be subscribed.
func (p *pubsub) nodeOf(ctx context.Context, s subscription) (string, subscriber, error) {
	cluster, clustered := p.client.(*redis.ClusterClient)
	if !clustered || !p.sharded {
		return "", p.client, nil
	}
	node, err := cluster.MasterForKey(ctx, s.name)
	if err != nil {
		return "", nil, err
	}
	return node.Options().Addr, node, nil
}

// run keeps what is wanted subscribed until ctx ends.
func (p *pubsub) run(ctx context.Context) {
	defer p.work.Wait()
	for failures := 0; ctx.Err() == nil; {
		p.mu.Lock()
		changed := p.changed
		wanted := make([]subscription, 0, len(p.wanted))
		for _, s := range p.wanted {
			wanted = append(wanted, s)
		}
		p.mu.Unlock()
		byNode := make(map[string]map[string]subscription)
		failed := false
		for _, s := range wanted {
			node, at, err := p.nodeOf(ctx, s)
			if err != nil {
				failed = true
				p.disconnected(err)
				continue
			}
			if byNode[node] == nil {
				byNode[node] = make(map[string]subscription)
				p.open(ctx, node, at)
			}
			byNode[node][s.name] = s
		}
		p.assign(byNode)
		if failed { // which is a change itself: waiting for one would not wait
			retryAfter(ctx, failures)
			failures++
			continue
		}
		failures = 0
		select {
		case <-changed:
		case <-time.After(routingCheck):
		case <-ctx.Done():
		}
	}
}

// open opens the connection to a node unless there is one.
func (p *pubsub) open(ctx context.Context, node string, at subscriber) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns[node] != nil {
		return
	}
	c := newSubConn(p, at)
	p.conns[node] = c
	p.work.Go(func() { c.run(ctx) })
}

// assign gives each connection the names of its node.
func (p *pubsub) assign(byNode map[string]map[string]subscription) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for node, c := range p.conns {
		c.assigned = byNode[node]
		for name := range c.assigned {
			if _, wanted := p.wanted[name]; wanted && !c.confirmed[name] {
				p.unconfirmed[name] = struct{}{}
			}
		}
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

// disconnected notes that messages may be missed from now on.
func (p *pubsub) disconnected(err error) {
	p.mu.Lock()
	was := p.connected
	p.late = true
	if was {
		p.connected, p.since = false, time.Now()
		p.interruptions++
	}
	p.notify()
	p.mu.Unlock()
	if was {
		p.log.Warn("the connection to Redis is lost: clients of this process go on, other servers are not heard", "error", err)
	}
}

// confirm notes what Redis says of a subscription of c.
func (p *pubsub) confirm(c *subConn, name string, subscribed bool) {
	p.mu.Lock()
	_, wanted := p.wanted[name]
	_, assigned := c.assigned[name]
	switch {
	case subscribed:
		c.confirmed[name] = true
		delete(p.unconfirmed, name)
	default:
		delete(c.confirmed, name)
		if wanted && assigned { // Redis took the name away: its slot moved to another node
			p.unconfirmed[name] = struct{}{}
		}
	}
	back := !p.connected && len(p.unconfirmed) == 0 && len(p.wanted) > 0
	resync := back && p.late
	if back {
		p.connected, p.since, p.late = true, time.Now(), false
	}
	p.notify()
	p.mu.Unlock()
	if resync {
		p.log.Info("Redis is reached: other servers are heard")
		if p.onResync != nil {
			p.work.Go(p.onResync)
		}
	}
}

// unconfirm notes that the connection c and its subscriptions are gone.
func (p *pubsub) unconfirm(c *subConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name := range c.confirmed {
		if _, assigned := c.assigned[name]; !assigned {
			continue
		}
		if _, wanted := p.wanted[name]; wanted {
			p.unconfirmed[name] = struct{}{}
		}
	}
	clear(c.confirmed)
}
