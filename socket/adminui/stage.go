package adminui

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/store/jsjson"
)

const (
	// eventRate and eventBurst bound the events that this server shows: the UI
	// keeps a thousand, and a person reads fewer.
	eventRate  = 200
	eventBurst = 500
	// relistPeriod is the least time between two lists that nobody asked for.
	relistPeriod = 10 * time.Second
	// queueSize is how many events may wait to be sent.
	queueSize = 1000
)

// stage holds the sockets that are shown in development mode, of all namespaces,
// and tells of what happens to them. While nobody looks it is empty.
type stage struct {
	admin  *Admin
	events *rate.Limiter
	asked  chan struct{} // holds one: a new list is wanted
	queue  chan func()   // what is sent, beside those to whom it happens

	mu     sync.RWMutex
	lit    bool // somebody looks
	stale  bool // others could be shown, or something was not told
	actors map[*socketio.Socket]state
}

// state is what the UI was told of a socket and may change.
type state struct {
	transport, data string
	over            bool // it has gone, and exit has not been called yet
}

func stateOf(one shown) state { return state{transport: one.Transport, data: string(one.Data)} }

func newStage(a *Admin) *stage {
	t := &stage{
		admin: a, events: rate.NewLimiter(eventRate, eventBurst), asked: make(chan struct{}, 1), queue: make(chan func(), queueSize),
		actors: make(map[*socketio.Socket]state),
	}
	for _, n := range a.Server.Namespaces() {
		n.OnConnect(t.enter)
		n.OnDisconnecting(t.exit)
	}
	return t
}

// open shows an administrator the sockets of this server at once, and those of
// the others when they have answered.
func (t *stage) open(s *socketio.Socket) {
	t.light()
	t.enqueue(func() { _ = s.Emit(eventList, t.list(t.admin.MaxSockets)) }) // who has gone needs none
	if t.admin.others.count().servers > 0 {
		t.request()
	}
}

// request asks run for a list of the whole cluster.
func (t *stage) request() {
	select {
	case t.asked <- struct{}{}:
	default:
	}
}

// light begins to show, unless it has begun, and reports whether it has.
func (t *stage) light() (began bool) {
	t.mu.Lock()
	began, t.lit = !t.lit, true
	t.mu.Unlock()
	if !began {
		return false
	}
	t.fill()
	for _, n := range t.admin.Server.Namespaces() {
		if n != t.admin.namespace {
			n.Watch(t)
		}
	}
	return true
}

// dim ends it.
func (t *stage) dim() {
	t.mu.RLock()
	lit := t.lit
	t.mu.RUnlock()
	if !lit {
		return
	}
	for _, n := range t.admin.Server.Namespaces() {
		n.Watch(nil)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lit, t.stale = false, false
	clear(t.actors)
}

// fill chooses who is shown. Broadcasts do not wait for it.
func (t *stage) fill() {
	actors := make(map[*socketio.Socket]state)
	for _, s := range choose(everyone(t.admin.Server), t.admin.MaxSockets) {
		actors[s] = stateOf(showLocal(s))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for s, told := range t.actors {
		if len(actors) < t.admin.MaxSockets && s.Context().Err() == nil {
			actors[s] = told // it came meanwhile
		}
	}
	t.actors, t.stale = actors, false
}

// count returns how many sockets are shown.
func (t *stage) count() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.actors)
}

// run keeps what is shown up to date until ctx ends.
func (t *stage) run(ctx context.Context) {
	tick := time.NewTicker(t.admin.Interval)
	defer tick.Stop()
	defer t.dim()
	var work sync.WaitGroup
	defer work.Wait()
	work.Go(func() { t.deliver(ctx) })
	servers, listed := 0, time.Now()
	for {
		wanted := false
		select {
		case <-tick.C:
		case <-t.asked:
			wanted = true
		case <-ctx.Done():
			return
		}
		t.admin.protect("sockets", func() {
			lit := t.review()
			now := t.admin.others.count().servers
			stale := t.isStale() && time.Since(listed) >= relistPeriod
			if !lit || !wanted && now == servers && !stale {
				return
			}
			servers, listed = now, time.Now()
			t.relist(ctx, stale)
		})
	}
}

// review begins or ends to show, tells of what has changed of the sockets, and
// reports whether somebody looks.
func (t *stage) review() bool {
	watched := t.admin.watched()
	switch {
	case !watched:
		t.dim()
		return false
	case t.light():
		t.request() // for who came meanwhile
	}
	t.mu.Lock()
	var actors []*socketio.Socket
	for s := range t.actors {
		actors = append(actors, s)
	}
	t.mu.Unlock()
	for _, s := range actors {
		if s.Context().Err() == nil {
			t.compare(s, showLocal(s))
		} else if t.missed(s) {
			t.exit(s, socketio.ReasonTransportClose)
		}
	}
	return watched
}

// missed reports whether the socket had gone at the last look already: then exit
// was called before it was chosen.
func (t *stage) missed(s *socketio.Socket) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	before, known := t.actors[s]
	if known {
		t.actors[s] = state{over: true}
	}
	return before.over
}

// compare tells what of a socket is not as the UI knows it.
func (t *stage) compare(s *socketio.Socket, now shown) {
	t.mu.Lock()
	before, known := t.actors[s]
	after := stateOf(now)
	if known {
		t.actors[s] = after
	}
	t.mu.Unlock()
	if !known || before == after {
		return
	}
	change := map[string]any{"id": now.ID, "nsp": now.Namespace}
	if before.transport != after.transport {
		change["transport"] = now.Transport
	}
	if before.data != after.data {
		change["data"] = now.Data
	}
	t.tell("socket_updated", change)
}

func (t *stage) isStale() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.stale
}

func (t *stage) setStale() {
	t.mu.Lock()
	t.stale = true
	t.mu.Unlock()
}

// enter shows a socket that has connected, if there is room.
func (t *stage) enter(s *socketio.Socket) {
	if _, is := s.Data().(link); is || s.Data() == nil {
		s.SetData(link{s}) // Node's servers need it, and a recovered one has that of before
	}
	t.mu.Lock()
	if !t.lit {
		t.mu.Unlock()
		return
	}
	if len(t.actors) >= t.admin.MaxSockets {
		t.stale = true
		t.mu.Unlock()
		return
	}
	one := showLocal(s)
	t.actors[s] = stateOf(one)
	t.mu.Unlock()
	if !t.tell("socket_connected", one, t.time()) {
		t.setStale()
	}
}

// exit tells that a socket has gone that is shown.
func (t *stage) exit(s *socketio.Socket, reason socketio.Reason) {
	t.mu.Lock()
	_, is := t.actors[s]
	delete(t.actors, s)
	if is && len(t.actors) < t.population() {
		t.stale = true // there is room for another one
	}
	t.mu.Unlock()
	if !is {
		return
	}
	if !t.tell("socket_disconnected", s.Namespace().Name(), s.ID(), string(reason), t.time()) {
		t.setStale()
	}
	t.moved("room_left", s, s.Rooms()) // or the UI would show them with this member
}

// population is how many sockets could be shown.
func (t *stage) population() (all int) {
	for _, n := range t.admin.Server.Namespaces() {
		all += n.Count()
	}
	return all
}

// tell sends an event to the administrators of the cluster, and reports whether
// it was not left out. It is not volatile: Node would leave out each one that
// comes right behind another.
func (t *stage) tell(event string, args ...any) bool {
	if !t.allows() {
		return false
	}
	return t.send(event, args...)
}

// allows reports whether one more event may be shown.
func (t *stage) allows() bool { return t.events.AllowN(t.admin.Now(), 1) }

func (t *stage) send(event string, args ...any) bool {
	return t.enqueue(func() {
		if err := t.admin.namespace.Emit(event, args...); err != nil {
			t.admin.Logger.WithError(err).Debug("an event does not reach all administrators")
		}
	})
}

// enqueue lets deliver do it, and reports false where too much waits.
func (t *stage) enqueue(f func()) bool {
	select {
	case t.queue <- f:
		return true
	default:
		return false
	}
}

// deliver sends what happens until ctx ends, so that nobody waits to whom it
// happens.
func (t *stage) deliver(ctx context.Context) {
	for {
		select {
		case f := <-t.queue:
			t.admin.protect("events", f)
		case <-ctx.Done():
			return
		}
	}
}

// time is the time as JavaScript has it.
func (t *stage) time() string { return t.admin.Now().UTC().Format(jsjson.TimeFormat) }
