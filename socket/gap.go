package socket

import (
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/devops-insights/devops-insights/socket/socketio"
)

// gap closes what lies between a dashboard's question and its subscription: an
// update that is sent in between would reach it with the next change only. It
// remembers the last update of each room, and for a while who has asked when.
type gap struct {
	now func() time.Time

	mu     sync.Mutex
	count  uint64 // updates so far, of all rooms
	rooms  map[string]*sent
	turned time.Time // when the younger of the two began
	young  map[*socketio.Socket]uint64
	old    map[*socketio.Socket]uint64
}

// sent is the last update of a room. Who holds the gate sends or subscribes:
// an update goes to all members, or a new member finds it here.
type sent struct {
	gate   sync.Mutex
	number uint64
	update json.RawMessage
}

// gapLasts is how long a question is remembered at least: dashboards subscribe
// as soon as they have the answer.
const gapLasts = 10 * time.Second

func (g *gap) room(name string) *sent {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.rooms == nil {
		g.rooms = make(map[string]*sent)
	}
	if g.rooms[name] == nil {
		g.rooms[name] = new(sent)
	}
	return g.rooms[name]
}

// send sends an update to a room with the given function. What dashboards are
// answered holds its value already.
func (g *gap) send(room string, update json.RawMessage, send func() error) error {
	r := g.room(room)
	r.gate.Lock()
	defer r.gate.Unlock()
	g.mu.Lock()
	g.count++
	r.number, r.update = g.count, update
	g.mu.Unlock()
	return send()
}

// asks notes that the dashboard knows every update so far. Call it before the
// answer is looked up.
func (g *gap) asks(s *socketio.Socket) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := g.now(); g.young == nil || now.Sub(g.turned) >= gapLasts {
		g.old, g.young, g.turned = g.young, make(map[*socketio.Socket]uint64), now
	}
	g.young[s] = g.count
}

// missed reports whether the update came after the dashboard's question.
func (g *gap) missed(s *socketio.Socket, number uint64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	known, asked := g.young[s]
	if !asked {
		known, asked = g.old[s]
	}
	return asked && number > known
}

// subscribe lets the dashboard join and sends it what it has missed.
func (g *gap) subscribe(s *socketio.Socket, room string) error {
	r := g.room(room)
	r.gate.Lock()
	defer r.gate.Unlock()
	missed := g.missed(s, r.number) && !slices.Contains(s.Rooms(), room)
	if err := s.Join(room); err != nil || !missed {
		return err
	}
	return s.Emit(EventUpdate, r.update)
}
