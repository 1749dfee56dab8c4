package redisadapter

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sirupsen/logrus"
)

// subscription is one name to listen to.
type subscription struct {
	kind subscriptionKind
	name string
}

type subscriptionKind int

const (
	byName subscriptionKind = iota
	byPattern
)

const (
	// silence is how long nothing may come before Redis is asked for a sign of
	// life; after as long again the connection counts as dead.
	silence      = 5 * time.Second
	retryLeast   = 100 * time.Millisecond
	retryMost    = 5 * time.Second
	routingCheck = 10 * time.Second
)

// links are the connections by which subscriptions are held: one, or with
// sharded pub/sub on a Redis Cluster one for each node.
type links struct {
	client  redis.UniversalClient
	sharded bool
	deliver func(subscribed, channel string, body []byte)
	onGap   func()
	log     logrus.FieldLogger

	mu      sync.Mutex
	wanted  map[string]subscription
	open    map[string]*link // by node; the only one is ""
	live    bool
	since   time.Time
	gaps    uint64
	changed chan struct{} // closed and replaced at each change
	work    sync.WaitGroup
}

func newLinks(client redis.UniversalClient, sharded bool, deliver func(string, string, []byte), onGap func(), log logrus.FieldLogger) *links {
	return &links{
		client: client, sharded: sharded, deliver: deliver, onGap: onGap, log: log, since: time.Now(),
		wanted: make(map[string]subscription), open: make(map[string]*link), changed: make(chan struct{}),
	}
}

func (l *links) want(s subscription) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wanted[s.name] = s
	l.notify()
}

func (l *links) drop(s subscription) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.wanted, s.name)
	l.notify()
}

// notify wakes everyone who waits for a change; the caller holds the lock.
func (l *links) notify() {
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *links) state() (connected bool, since time.Time, gaps uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.live, l.since, l.gaps
}

func (l *links) connected() bool { live, _, _ := l.state(); return live }

// complete reports whether every wanted name is confirmed; the caller holds
// the lock.
func (l *links) complete() bool {
	for name := range l.wanted {
		held := false
		for _, k := range l.open {
			held = held || k.confirmed[name]
		}
		if !held {
			return false
		}
	}
	return true
}

func (l *links) ready(ctx context.Context) error {
	for {
		l.mu.Lock()
		complete, changed := l.complete(), l.changed
		l.mu.Unlock()
		if complete {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("redis has not confirmed the subscriptions: %w", ctx.Err())
		}
	}
}

// node returns where a name has to be subscribed.
func (l *links) node(ctx context.Context, s subscription) (string, subscriber, error) {
	all, clustered := l.client.(*redis.ClusterClient)
	if !clustered || !l.sharded {
		return "", l.client, nil
	}
	node, err := all.MasterForKey(ctx, s.name)
	if err != nil {
		return "", nil, err
	}
	return node.Options().Addr, node, nil
}

// subscriber is what can open a connection for subscriptions.
type subscriber interface {
	Subscribe(ctx context.Context, channels ...string) *redis.PubSub
	SSubscribe(ctx context.Context, channels ...string) *redis.PubSub
}

// run keeps what is wanted subscribed until ctx ends.
func (l *links) run(ctx context.Context) {
	defer l.work.Wait()
	for ctx.Err() == nil {
		l.mu.Lock()
		changed := l.changed
		wanted := make([]subscription, 0, len(l.wanted))
		for _, s := range l.wanted {
			wanted = append(wanted, s)
		}
		l.mu.Unlock()
		shares := make(map[string]map[string]subscription)
		for _, s := range wanted {
			node, at, err := l.node(ctx, s)
			if err != nil {
				l.lost(err)
				continue
			}
			if shares[node] == nil {
				shares[node] = make(map[string]subscription)
			}
			shares[node][s.name] = s
			l.link(ctx, node, at)
		}
		l.assign(shares)
		select {
		case <-changed:
		case <-time.After(routingCheck):
		case <-ctx.Done():
		}
	}
}

// link opens the connection to a node unless it is open.
func (l *links) link(ctx context.Context, node string, at subscriber) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[node] != nil {
		return
	}
	k := &link{links: l, at: at, wake: make(chan struct{}, 1), share: make(map[string]subscription), confirmed: make(map[string]bool)}
	l.open[node] = k
	l.work.Go(func() { k.run(ctx) })
}

// assign tells each link its share of the names.
func (l *links) assign(shares map[string]map[string]subscription) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for node, k := range l.open {
		k.share = shares[node]
		select {
		case k.wake <- struct{}{}:
		default:
		}
	}
}

// lost notes that messages may be missed from now on.
func (l *links) lost(err error) {
	l.mu.Lock()
	was := l.live
	if was {
		l.live, l.since = false, time.Now()
		l.gaps++
	}
	l.notify()
	l.mu.Unlock()
	if was {
		l.log.WithError(err).Warn("the connection to Redis is lost: clients of this process go on, other servers are not heard")
	}
}

// found notes that a link is complete.
func (l *links) found() {
	l.mu.Lock()
	back := !l.live && l.complete()
	again := back && l.gaps > 0
	if back {
		l.live, l.since = true, time.Now()
	}
	l.notify()
	l.mu.Unlock()
	if again {
		l.log.Info("Redis is back: other servers are heard again")
		if l.onGap != nil {
			l.work.Go(l.onGap)
		}
	}
}

// link is one connection with its share of the names. Its fields are guarded
// by the mutex of links.
type link struct {
	links     *links
	at        subscriber
	wake      chan struct{}
	share     map[string]subscription
	confirmed map[string]bool
}

// run connects again and again, with growing pauses.
func (k *link) run(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; failures++ {
		began := time.Now()
		err := k.session(ctx)
		k.links.mu.Lock()
		clear(k.confirmed)
		k.links.mu.Unlock()
		if ctx.Err() != nil {
			return
		}
		k.links.lost(err)
		if time.Since(began) > retryMost {
			failures = 0
		}
		pause := min(retryLeast<<min(failures, 10), retryMost)
		select {
		case <-time.After(pause/2 + rand.N(pause/2)): // #nosec G404 -- jitter
		case <-ctx.Done():
		}
	}
}

// session is the life of one connection.
func (k *link) session(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var helper sync.WaitGroup
	defer helper.Wait()
	defer cancel()
	ps := k.at.Subscribe(ctx)
	defer func() { _ = ps.Close() }() // it is over in either case
	failed := make(chan error, 1)
	helper.Go(func() { failed <- k.reconcile(ctx, ps) })
	asked := false
	for {
		got, err := ps.ReceiveTimeout(ctx, silence)
		select {
		case failure := <-failed:
			return failure
		default:
		}
		var timeout interface{ Timeout() bool }
		switch {
		case err == nil:
			asked = false
		case errors.As(err, &timeout) && timeout.Timeout() && !asked:
			asked = true
			if err := ps.Ping(ctx); err != nil {
				return err
			}
			continue
		default:
			return err
		}
		switch m := got.(type) {
		case *redis.Subscription:
			k.note(m)
		case *redis.Message:
			name := m.Channel
			if m.Pattern != "" {
				name = m.Pattern
			}
			k.links.deliver(name, m.Channel, []byte(m.Payload))
		}
	}
}

// note takes a confirmation of Redis.
func (k *link) note(m *redis.Subscription) {
	k.links.mu.Lock()
	switch m.Kind {
	case "subscribe", "psubscribe", "ssubscribe":
		k.confirmed[m.Channel] = true
	default:
		delete(k.confirmed, m.Channel)
		// Redis itself took the name away: its slot moved to another node.
		if _, still := k.share[m.Channel]; still {
			k.links.notify()
		}
	}
	k.links.mu.Unlock()
	k.links.found()
}

// reconcile subscribes to what was added to the share, and the reverse.
func (k *link) reconcile(ctx context.Context, ps *redis.PubSub) error {
	have := make(map[string]subscription)
	for {
		k.links.mu.Lock()
		var add, remove []subscription
		for name, s := range k.share {
			if _, ok := have[name]; !ok {
				add = append(add, s)
			}
		}
		for name, s := range have {
			if _, ok := k.share[name]; !ok {
				remove = append(remove, s)
			}
		}
		k.links.mu.Unlock()
		for _, s := range add {
			if err := k.subscribe(ctx, ps, s); err != nil {
				return err
			}
			have[s.name] = s
		}
		for _, s := range remove {
			if err := k.unsubscribe(ctx, ps, s); err != nil {
				return err
			}
			delete(have, s.name)
		}
		select {
		case <-k.wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (k *link) subscribe(ctx context.Context, ps *redis.PubSub, s subscription) error {
	switch {
	case k.links.sharded:
		return ps.SSubscribe(ctx, s.name)
	case s.kind == byPattern:
		return ps.PSubscribe(ctx, s.name)
	}
	return ps.Subscribe(ctx, s.name)
}

func (k *link) unsubscribe(ctx context.Context, ps *redis.PubSub, s subscription) error {
	switch {
	case k.links.sharded:
		return ps.SUnsubscribe(ctx, s.name)
	case s.kind == byPattern:
		return ps.PUnsubscribe(ctx, s.name)
	}
	return ps.Unsubscribe(ctx, s.name)
}
