package socketio

import "sync"

// Target says which sockets of a namespace a broadcast is for.
type Target struct {
	// Rooms are the rooms whose members receive it, each member once. Empty:
	// the whole namespace.
	Rooms []string
	// Except are rooms whose members do not receive it.
	Except []string
	// Local keeps the broadcast within this process.
	Local bool
	// Key marks a broadcast of which only the newest matters to a client that
	// does not keep up; see engineio.Message.
	Key string
}

// Adapter keeps the rooms of one namespace and carries broadcasts to them.
// Its methods may be called from any goroutine.
type Adapter interface {
	// Join adds the socket to the rooms; joining twice is joining once.
	Join(s *Socket, rooms ...string)
	// Leave removes the socket from the rooms; from all of them without rooms.
	Leave(s *Socket, rooms ...string)
	// Broadcast sends the packet to the target's sockets.
	Broadcast(p *Packet, t Target) error
	// Close frees what the adapter holds.
	Close() error
}

// MemoryAdapter is the Adapter of a single process.
type MemoryAdapter struct {
	mu    sync.RWMutex
	rooms map[string]*room
	of    map[*Socket]map[string]struct{}
}

// room keeps its members twice: as a set to change, and as a list for
// broadcasts, made anew only after a change.
type room struct {
	members  map[*Socket]struct{}
	snapshot []*Socket
}

// NewMemoryAdapter returns an adapter without members.
func NewMemoryAdapter() *MemoryAdapter {
	return &MemoryAdapter{rooms: make(map[string]*room), of: make(map[*Socket]map[string]struct{})}
}

// everyone is the room of all sockets; no client can name it.
const everyone = "\x00"

// Join implements Adapter.
func (a *MemoryAdapter) Join(s *Socket, rooms ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	mine := a.of[s]
	if mine == nil {
		mine = make(map[string]struct{})
		a.of[s] = mine
	}
	for _, name := range rooms {
		if _, member := mine[name]; member {
			continue
		}
		mine[name] = struct{}{}
		r := a.rooms[name]
		if r == nil {
			r = &room{members: make(map[*Socket]struct{})}
			a.rooms[name] = r
		}
		r.members[s] = struct{}{}
		r.snapshot = nil
	}
}

// Leave implements Adapter.
func (a *MemoryAdapter) Leave(s *Socket, rooms ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(rooms) == 0 {
		for name := range a.of[s] {
			a.drop(s, name)
		}
		delete(a.of, s)
		return
	}
	for _, name := range rooms {
		a.drop(s, name)
	}
}

func (a *MemoryAdapter) drop(s *Socket, name string) {
	delete(a.of[s], name)
	r := a.rooms[name]
	if r == nil {
		return
	}
	delete(r.members, s)
	r.snapshot = nil
	if len(r.members) == 0 {
		delete(a.rooms, name)
	}
}

// Broadcast implements Adapter: the packet is encoded once and handed to each
// socket of the target.
func (a *MemoryAdapter) Broadcast(p *Packet, t Target) error {
	members := a.members(t)
	if len(members) == 0 {
		return nil
	}
	messages := p.encode(t.Key)
	for _, s := range members {
		_ = s.sendEncoded(messages) // who is gone or too slow is ended, the others go on
	}
	return nil
}

// Close implements Adapter.
func (a *MemoryAdapter) Close() error { return nil }

func (a *MemoryAdapter) members(t Target) []*Socket {
	names := t.Rooms
	if len(names) == 0 {
		names = []string{everyone}
	}
	if len(names) == 1 && len(t.Except) == 0 {
		return a.snapshot(names[0])
	}
	skip := make(map[*Socket]struct{})
	for _, name := range t.Except {
		for _, s := range a.snapshot(name) {
			skip[s] = struct{}{}
		}
	}
	var all []*Socket
	for _, name := range names {
		for _, s := range a.snapshot(name) {
			if _, done := skip[s]; done {
				continue
			}
			skip[s] = struct{}{}
			all = append(all, s)
		}
	}
	return all
}

func (a *MemoryAdapter) snapshot(name string) []*Socket {
	a.mu.RLock()
	r := a.rooms[name]
	if r == nil {
		a.mu.RUnlock()
		return nil
	}
	list := r.snapshot
	a.mu.RUnlock()
	if list != nil {
		return list
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.snapshot == nil {
		list = make([]*Socket, 0, len(r.members))
		for s := range r.members {
			list = append(list, s)
		}
		r.snapshot = list
	}
	return r.snapshot
}

var _ Adapter = (*MemoryAdapter)(nil)
