package redisadapter

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/devops-insights/devops-insights/socket/socketio"
)

// layout is how messages look on the wire.
type layout interface {
	subscriptions() []subscription
	servers() subscription
	request(c socketio.Command, id string, wait time.Duration) (channel string, body []byte, err error)
	answer(to message, a socketio.Answer) (channel string, body []byte, err error)
	read(channel string, body []byte) (message, error)
}

// workQueue bounds the commands of other servers that wait for this one. When
// it is full, Redis has to wait, and drops this connection in the end: a gap.
const workQueue = 1000

// adapter connects one namespace.
type adapter struct {
	cluster   *Cluster
	namespace *socketio.Namespace
	layout    layout
	uid       string
	commands  chan message // in their order
	events    chan message // of servers: their handlers may ask other servers in turn
	over      chan struct{}
	once      sync.Once
	work      sync.WaitGroup

	mu      sync.Mutex
	waiting map[string]*waiter
}

func newAdapter(c *Cluster, n *socketio.Namespace) *adapter {
	a := &adapter{
		cluster: c, namespace: n, uid: newID(), waiting: make(map[string]*waiter), over: make(chan struct{}),
		commands: make(chan message, workQueue), events: make(chan message, workQueue),
	}
	if c.o.Sharded {
		a.layout = newSharded(c.o.Prefix, n.Name(), a.uid, c.o.Subscriptions)
	} else {
		a.layout = newClassic(c.o.Prefix, n.Name(), a.uid, c.o.SpecificResponses)
	}
	for _, queue := range []chan message{a.commands, a.events} {
		a.work.Go(func() {
			for {
				select {
				case m := <-queue:
					a.carryOut(m)
				case <-a.over:
					return
				}
			}
		})
	}
	return a
}

// newID makes a uid or a request id: six characters, as in Node.
func newID() string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	for i := range b {
		b[i] = alphabet[b[i]&63]
	}
	return string(b[:])
}

// WatchRoom implements socketio.RoomWatcher.
func (a *adapter) WatchRoom(name string, exists bool) {
	l, ok := a.layout.(*sharded)
	if !ok {
		return
	}
	s, own := l.room(name)
	switch {
	case own && exists:
		a.cluster.subscribe(a, s)
	case own:
		a.cluster.unsubscribe(a, s)
	}
}

// Publish implements socketio.Adapter.
func (a *adapter) Publish(c socketio.Command) error {
	channel, body, err := a.layout.request(c, "", 0)
	if err != nil {
		return err
	}
	return a.cluster.send(channel, body)
}

// waiter gathers the answers to one request.
type waiter struct {
	acks bool // each client answers too, not only each server

	mu       sync.Mutex
	each     func(socketio.Answer)
	servers  int
	expected int // clients
	answered int
	changed  chan struct{}
}

func (w *waiter) take(a socketio.Answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.acks && a.Args != nil:
		w.answered++
	case w.acks:
		w.expected += a.Clients
		w.servers++
	default:
		w.servers++
	}
	w.each(a)
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

func (w *waiter) progress() (servers, clients int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.servers, w.expected - w.answered
}

// Ask implements socketio.Adapter.
func (a *adapter) Ask(ctx context.Context, c socketio.Command, each func(socketio.Answer)) error {
	if !a.cluster.links.connected() {
		return ErrDisconnected
	}
	limited, cancel := context.WithTimeout(ctx, a.cluster.o.RequestTimeout)
	defer cancel()
	total, err := a.cluster.servers(limited, a.layout.servers().name)
	if err != nil {
		return fmt.Errorf("the servers of the cluster cannot be counted: %w", err)
	}
	if total <= 1 {
		return nil
	}
	id := newID()
	w := &waiter{acks: c.Kind == socketio.CommandBroadcastAck, each: each, changed: make(chan struct{}, 1)}
	a.mu.Lock()
	a.waiting[id] = w
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		delete(a.waiting, id)
		a.mu.Unlock()
		w.mu.Lock() // each is not called after Ask has returned
		w.each = func(socketio.Answer) {}
		w.mu.Unlock()
	}()
	var wait time.Duration
	if deadline, ok := ctx.Deadline(); ok {
		wait = time.Until(deadline)
	}
	channel, body, err := a.layout.request(c, id, wait)
	if err == nil {
		err = a.cluster.send(channel, body)
	}
	if err != nil {
		return err
	}
	return a.await(ctx, limited, w, total-1)
}

// await returns when every server has answered, and every client that they
// counted: servers until limited ends, clients until ctx does.
func (a *adapter) await(ctx, limited context.Context, w *waiter, servers int) error {
	late := limited.Done()
	var missing error
	for {
		answered, clients := w.progress()
		if (answered >= servers || missing != nil) && clients <= 0 {
			return missing
		}
		select {
		case <-w.changed:
		case <-late:
			late = nil
			if answered < servers {
				missing = fmt.Errorf("%d of %d other servers answered in time: %w", answered, servers, context.DeadlineExceeded)
			}
		case <-ctx.Done():
			return errors.Join(missing, fmt.Errorf("%d of %d other servers answered, %d clients did not: %w", answered, servers, max(0, clients), ctx.Err()))
		case <-a.over:
			return errors.New("the namespace is closed")
		}
	}
}

// receive takes a message from Redis.
func (a *adapter) receive(channel string, body []byte) {
	m, err := a.layout.read(channel, body)
	switch {
	case errors.Is(err, errNotOurs):
		return
	case err != nil:
		a.cluster.malformed.Add(1)
		a.cluster.o.Logger.WithError(err).WithField("channel", channel).Debug("a message of the cluster was left out")
		return
	case m.answer != nil:
		a.mu.Lock()
		w := a.waiting[m.request]
		a.mu.Unlock()
		if w != nil {
			w.take(*m.answer)
		}
		return
	case m.from == a.uid:
		return
	}
	queue := a.commands
	if m.command.Kind == socketio.CommandServerEmit {
		queue = a.events
	}
	select {
	case queue <- m:
	case <-a.over:
	}
}

// carryOut does what another server asks for.
func (a *adapter) carryOut(m message) {
	answer := func(socketio.Answer) {}
	if m.request != "" {
		answer = func(r socketio.Answer) {
			// A client that went has no word of its own on the wire.
			if r.Clients >= 0 {
				a.reply(a.layout.answer(m, r))
			}
		}
	}
	if m.plain != "" {
		a.carryOutPlain(m)
		return
	}
	a.namespace.Apply(*m.command, answer)
}

func (a *adapter) reply(channel string, body []byte, err error) {
	if err == nil {
		err = a.cluster.send(channel, body)
	}
	if err != nil {
		a.cluster.o.Logger.WithError(err).Debug("another server gets no answer")
	}
}

// carryOutPlain serves the requests of Node that have no Command here.
func (a *adapter) carryOutPlain(m message) {
	l, ok := a.layout.(*classic)
	if !ok {
		return
	}
	var found []string
	a.namespace.Apply(socketio.Command{Kind: socketio.CommandFetch, Target: m.command.Target}, func(r socketio.Answer) {
		for _, s := range r.Sockets {
			found = append(found, s.ID)
		}
	})
	switch m.plain {
	case "rooms":
		a.reply(l.list(m, "rooms", a.namespace.Rooms()))
	case "sockets":
		a.reply(l.list(m, "sockets", found))
	case "done":
		if len(found) > 0 {
			a.namespace.Apply(*m.command, func(socketio.Answer) {})
			a.reply(l.list(m, "done", nil))
		}
	}
}

// Close implements socketio.Adapter.
func (a *adapter) Close() error {
	a.once.Do(func() {
		close(a.over)
		a.cluster.forget(a)
	})
	a.work.Wait()
	return nil
}
