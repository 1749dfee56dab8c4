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

// codec is how the messages of a namespace look on the wire.
type codec interface {
	encodeRequest(c socketio.Command, id string, timeout time.Duration) (channel string, body []byte, err error)
	encodeResponse(to message, a socketio.Answer) (channel string, body []byte, err error)
	decode(channel string, body []byte) (message, error)
}

// channels are the channels of a namespace.
type channels struct {
	subscriptions []subscription // of every server
	count         string         // the one whose subscribers are the servers
}

// adapter connects one namespace.
type adapter struct {
	cluster   *Cluster
	namespace *socketio.Namespace
	codec     codec
	channels  channels
	uid       string
	commands  *inbox // in their order
	events    *inbox // of servers: their handlers may ask other servers in turn
	ctx       context.Context
	cancel    context.CancelFunc
	work      sync.WaitGroup

	mu      sync.Mutex
	pending map[string]*pendingRequest
}

func newAdapter(c *Cluster, n *socketio.Namespace) *adapter {
	o := c.options
	a := &adapter{
		cluster: c, namespace: n, uid: newID(), pending: make(map[string]*pendingRequest),
		commands: newInbox(o.QueueBytes), events: newInbox(o.QueueBytes),
	}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	if o.Sharded {
		s := newSharded(o.Prefix, n.Name(), a.uid, o.Subscriptions)
		a.codec, a.channels = s, s.channels()
	} else {
		l := newClassic(o.Prefix, n.Name(), a.uid, o.SpecificResponses)
		a.codec, a.channels = l, l.channels()
	}
	a.work.Go(func() { a.commands.run(a.ctx, a.execute) })
	a.work.Go(func() { a.events.run(a.ctx, a.execute) })
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
	l, ok := a.codec.(*sharded)
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
	channel, body, err := a.codec.encodeRequest(c, "", 0)
	if err != nil {
		return err
	}
	return a.cluster.publish(channel, body)
}

// receive takes a message from Redis.
func (a *adapter) receive(channel string, body []byte) {
	m, err := a.codec.decode(channel, body)
	switch {
	case errors.Is(err, errNotOurs):
		return
	case err != nil:
		a.cluster.malformed.Add(1)
		a.cluster.options.Logger.Debug("a message of the cluster was left out", "channel", channel, "error", err)
		return
	case m.answer != nil:
		a.mu.Lock()
		r := a.pending[m.request]
		a.mu.Unlock()
		if r != nil {
			r.add(*m.answer)
		}
		return
	case m.from == a.uid:
		return
	}
	inbox := a.commands
	if m.command.Kind == socketio.CommandServerEmit {
		inbox = a.events
	}
	inbox.put(a.ctx, m, len(body))
}

// execute does what another server asks for.
func (a *adapter) execute(m message) {
	if m.legacy != legacyNone {
		a.executeLegacy(m)
		return
	}
	respond := func(socketio.Answer) {}
	if m.request != "" {
		respond = func(r socketio.Answer) {
			// The wire format has nothing for a client that has gone.
			if r.Clients >= 0 {
				a.respond(a.codec.encodeResponse(m, r))
			}
		}
	}
	a.namespace.Apply(*m.command, respond)
}

// respond publishes an encoded response.
func (a *adapter) respond(channel string, body []byte, err error) {
	if err == nil {
		err = a.cluster.publish(channel, body)
	}
	if err != nil {
		a.cluster.options.Logger.Debug("another server gets no response", "error", err)
	}
}

// executeLegacy serves the requests of Node that have no Command here.
func (a *adapter) executeLegacy(m message) {
	l, ok := a.codec.(*classic)
	if !ok {
		return
	}
	var found []string
	a.namespace.Apply(socketio.Command{Kind: socketio.CommandFetch, Target: m.command.Target}, func(r socketio.Answer) {
		for _, s := range r.Sockets {
			found = append(found, s.ID)
		}
	})
	switch m.legacy {
	case legacyRooms:
		a.respond(l.encodeLegacyResponse(m, "rooms", a.namespace.Rooms()))
	case legacySockets:
		a.respond(l.encodeLegacyResponse(m, "sockets", found))
	case legacySingle:
		if len(found) > 0 {
			a.namespace.Apply(*m.command, func(socketio.Answer) {})
			a.respond(l.encodeLegacyResponse(m, "", nil))
		}
	}
}

// Close implements socketio.Adapter.
func (a *adapter) Close() error {
	a.cancel()
	a.cluster.remove(a)
	a.work.Wait()
	return nil
}

// Ask implements socketio.Adapter.
func (a *adapter) Ask(ctx context.Context, c socketio.Command, each func(socketio.Answer)) error {
	if !a.cluster.pubsub.isConnected() {
		return ErrDisconnected
	}
	limited, cancel := context.WithTimeout(ctx, a.cluster.options.RequestTimeout)
	defer cancel()
	total, err := a.cluster.countServers(limited, a.channels.count)
	if err != nil {
		return fmt.Errorf("the servers of the cluster cannot be counted: %w", err)
	}
	if total <= 1 {
		return nil
	}
	id := newID()
	r := &pendingRequest{acks: c.Kind == socketio.CommandBroadcastAck, each: each, changed: make(chan struct{}, 1)}
	a.mu.Lock()
	a.pending[id] = r
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		delete(a.pending, id)
		a.mu.Unlock()
		r.close()
	}()
	var timeout time.Duration
	if deadline, ok := ctx.Deadline(); ok {
		timeout = time.Until(deadline)
	}
	channel, body, err := a.codec.encodeRequest(c, id, timeout)
	if err == nil {
		err = a.cluster.publish(channel, body)
	}
	if err != nil {
		return err
	}
	return r.wait(ctx, limited, a.ctx, total-1)
}
