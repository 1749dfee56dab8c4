package socketio

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/devops-insights/devops-insights/socket/engineio"
)

// Recovery configures connection state recovery: a client that was away for a
// short while gets its id, its rooms, its data and the events that it missed.
// The zero value of every field is usable.
type Recovery struct {
	// MaxDisconnection is how long a client may be away. Zero: 2 minutes.
	MaxDisconnection time.Duration
	// MaxEvents is how many events of a namespace are kept. Zero: 10,000.
	MaxEvents int
	// MaxBytes is how many bytes of them are kept. Zero: 64 MiB.
	MaxBytes int
	// MaxSessions is how many absent clients are remembered. Zero: 10,000.
	MaxSessions int
	// AskMiddleware asks the middlewares also about a client that recovers.
	AskMiddleware bool
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

func (r Recovery) withDefaults() Recovery {
	r.MaxDisconnection = cmp.Or(max(0, r.MaxDisconnection), 2*time.Minute)
	r.MaxEvents = cmp.Or(max(0, r.MaxEvents), 10_000)
	r.MaxBytes = cmp.Or(max(0, r.MaxBytes), 64<<20)
	r.MaxSessions = cmp.Or(max(0, r.MaxSessions), 10_000)
	if r.Now == nil { // functions cannot be compared
		r.Now = time.Now
	}
	return r
}

// recoveryLog keeps the latest events of a namespace and who is away. Events
// are sent under its lock: every client gets them in the order of the log.
type recoveryLog struct {
	Recovery

	mu      sync.Mutex
	next    uint64 // number of the next event
	events  []loggedEvent
	bytes   int
	present map[string]*Socket // by pid
	absent  map[string]*absence
	order   []*absence   // the same, oldest first
	away    atomic.Int64 // how many are absent, for those who must not take the lock
}

type loggedEvent struct {
	at       time.Time
	target   Target
	encoding *encoding
	size     int
}

// absence is what is remembered of a client that is away.
type absence struct {
	at    time.Time
	pid   string
	id    string
	rooms []string
	data  any
	since uint64 // the first event that was sent after the client had connected
}

func newRecoveryLog(r Recovery) *recoveryLog {
	return &recoveryLog{Recovery: r.withDefaults(), present: make(map[string]*Socket), absent: make(map[string]*absence)}
}

// keeps reports whether an event is one that an absent client gets later: not
// a volatile one, and not one that waits for an acknowledgement.
func (l *recoveryLog) keeps(p *Packet, t Target) bool {
	return p.ID == nil && !t.Volatile && (p.Type == PacketEvent || p.Type == PacketBinaryEvent)
}

// broadcast logs the event, with its offset as the last argument (Socket.IO
// v5, "Connection state recovery"), and sends it.
func (l *recoveryLog) broadcast(n *Namespace, p *Packet, t Target) {
	l.mu.Lock()
	defer l.mu.Unlock()
	logged := *p
	logged.Data, logged.text = withOffset(p.Data, l.next), nil
	e := loggedEvent{at: l.Now(), target: t, encoding: &encoding{packet: &logged, target: t}}
	n.deliver(n.rooms.members(t), p, e.encoding)
	l.next++
	l.events = append(l.events, e)
	l.count(&l.events[len(l.events)-1])
	l.prune(e.at)
}

// count counts the bytes of an event, with the encodings made so far; the
// caller holds the lock.
func (l *recoveryLog) count(e *loggedEvent) {
	l.bytes -= e.size
	e.size = len(e.encoding.packet.Data) + e.encoding.size()
	l.bytes += e.size
}

func withOffset(data json.RawMessage, n uint64) json.RawMessage {
	b := slices.Concat(data[:len(data)-1], []byte(`,"`))
	return append(strconv.AppendUint(b, n, 36), `"]`...)
}

// prune forgets what is too old or too much; the caller holds the lock.
func (l *recoveryLog) prune(now time.Time) {
	oldest := now.Add(-l.MaxDisconnection)
	drop := 0
	for _, e := range l.events {
		if len(l.events)-drop <= l.MaxEvents && l.bytes <= l.MaxBytes && !e.at.Before(oldest) {
			break
		}
		l.bytes -= e.size
		drop++
	}
	clear(l.events[:drop])
	l.events = l.events[drop:]
	drop = 0
	for _, a := range l.order {
		if l.absent[a.pid] == a && len(l.absent) <= l.MaxSessions && !a.at.Before(oldest) {
			break
		}
		if l.absent[a.pid] == a {
			delete(l.absent, a.pid)
		}
		drop++
	}
	clear(l.order[:drop])
	l.order = l.order[drop:]
	l.away.Store(int64(len(l.absent)))
}

// register notes a new client and sends it its welcome; no event comes between.
func (l *recoveryLog) register(s *Socket, welcome func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.away = &absence{pid: engineio.NewID(), id: s.id, since: l.next}
	l.present[s.away.pid] = s
	if welcome(); s.disconnected() {
		delete(l.present, s.away.pid)
	}
}

// disconnected remembers a client that may come back, or forgets it.
func (l *recoveryLog) disconnected(s *Socket, rooms []string, back bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := s.away
	if a == nil || l.present[a.pid] != s {
		return
	}
	delete(l.present, a.pid)
	if !back {
		return
	}
	a.at, a.rooms, a.data = l.Now(), rooms, s.Data()
	l.absent[a.pid] = a
	l.order = append(l.order, a)
	l.prune(a.at)
}

// owner returns the socket that has the pid at the moment: a client may be
// back before the loss of its former connection is noticed.
func (l *recoveryLog) owner(pid string) *Socket {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.present[pid]
}

// restore brings a client back that was away: resume gives the new socket the
// old one's identity and connects it, then the missed events follow. It
// reports false where the client or its events are not known any more.
func (l *recoveryLog) restore(s *Socket, pid string, offset *string, resume func(*absence)) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prune(l.Now())
	a := l.absent[pid]
	if a == nil {
		return false
	}
	from := a.since
	if offset != nil {
		n, err := strconv.ParseUint(*offset, 36, 64)
		if err != nil || n >= l.next {
			return false
		}
		from = n + 1
	}
	first := l.next - uint64(len(l.events))
	if from < first {
		return false
	}
	s.away = &absence{pid: a.pid, id: a.id, since: from}
	l.present[pid] = s
	if resume(a); s.disconnected() {
		delete(l.present, pid)
		return true // and the client may try again
	}
	delete(l.absent, pid)
	l.away.Store(int64(len(l.absent)))
	for i := range l.events[from-first:] {
		e := &l.events[from-first+uint64(i)]
		if !e.target.reaches(a) {
			continue
		}
		if messages, err := e.encoding.messages(s.client.parser); err == nil {
			_ = s.sendEncoded(messages, false)
		}
		l.count(e)
	}
	return true
}

// reaches reports whether a broadcast was for a client that is away.
func (t Target) reaches(a *absence) bool {
	in := func(name string) bool { return name == a.id || slices.Contains(a.rooms, name) }
	return (len(t.Rooms) == 0 || slices.ContainsFunc(t.Rooms, in)) && !slices.ContainsFunc(t.Except, in)
}

// anyAbsent reports whether anyone may still come back.
func (l *recoveryLog) anyAbsent() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prune(l.Now())
	return len(l.absent) > 0
}
