package socketio

import (
	"maps"
	"slices"
	"sync"

	"github.com/devops-insights/devops-insights/socket/engineio"
)

// rooms are the sockets of a namespace in this process and the rooms they are
// in. A socket's own id works as a room without being one.
type rooms struct {
	mu      sync.RWMutex
	sockets map[string]*Socket
	all     []member // snapshot of sockets; nil after a change
	named   map[string]*room
	watch   func(name string, exists bool) // under the lock
}

// room keeps its members twice: as a set to change, and as a list for
// broadcasts, made anew only after a change.
type room struct {
	name     string // one text for all its members
	members  map[*Socket]struct{}
	snapshot []member
}

// member is a socket with its connection at hand: a broadcast to thousands
// needs nothing else of each.
type member struct {
	*Socket
	session *engineio.Session
	parser  parser
}

func (s *Socket) member() member { return member{s, s.client.session, s.client.parser} }

func newRooms() *rooms {
	return &rooms{sockets: make(map[string]*Socket), named: make(map[string]*room), watch: func(string, bool) {}}
}

// add takes a socket in. welcome sends it its CONNECT packet under the lock: no
// broadcast comes before it, and none that follows is missed.
func (r *rooms) add(s *Socket, welcome func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	welcome()
	r.sockets[s.id] = s
	r.all = nil
	if r.named[s.id] == nil {
		r.watch(s.id, true)
	}
}

// remove takes the socket out of the namespace and reports how many are left.
// The socket itself knows its rooms until forget.
func (r *rooms) remove(s *Socket) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range s.rooms {
		r.drop(s, name)
	}
	if r.sockets[s.id] == s {
		delete(r.sockets, s.id)
		r.all = nil
		if r.named[s.id] == nil {
			r.watch(s.id, false)
		}
	}
	return len(r.sockets)
}

func (r *rooms) forget(s *Socket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.rooms, s.left = nil, true
}

// join adds the socket to rooms and reports false, adding none, where it would
// be in more than most.
func (r *rooms) join(s *Socket, names []string, most int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	var fresh []string
	for _, name := range names {
		in := r.named[name]
		if in != nil {
			if _, member := in.members[s]; member {
				continue
			}
		}
		if name != s.id && !slices.Contains(fresh, name) {
			fresh = append(fresh, name)
		}
	}
	if len(s.rooms)+len(fresh) > most {
		return false
	}
	for i, name := range fresh {
		in := r.named[name]
		if in == nil {
			in = &room{name: name, members: make(map[*Socket]struct{})}
			r.named[name] = in
			r.watch(name, true)
		}
		in.members[s] = struct{}{}
		in.snapshot = nil
		fresh[i] = in.name
	}
	s.rooms = append(s.rooms, fresh...)
	return true
}

func (r *rooms) leave(s *Socket, names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range names {
		if i := slices.Index(s.rooms, name); i >= 0 {
			s.rooms = slices.Delete(s.rooms, i, i+1)
			r.drop(s, name)
		}
	}
}

// drop removes a member; the caller holds the lock.
func (r *rooms) drop(s *Socket, name string) {
	in := r.named[name]
	if in == nil {
		return
	}
	delete(in.members, s)
	in.snapshot = nil
	if len(in.members) == 0 {
		delete(r.named, name)
		if r.sockets[name] == nil {
			r.watch(name, false)
		}
	}
}

// of returns the rooms of a socket, without its id.
func (r *rooms) of(s *Socket) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Clone(s.rooms)
}

// withID returns the rooms of a socket, its id first.
func (r *rooms) withID(s *Socket) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if s.left {
		return nil
	}
	return append([]string{s.id}, s.rooms...)
}

// has reports whether the socket is a member of the room, or the room its id.
func (r *rooms) has(s *Socket, name string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return !s.left && (name == s.id || slices.Contains(s.rooms, name))
}

func (r *rooms) names() []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.AppendSeq(slices.Collect(maps.Keys(r.sockets)), maps.Keys(r.named))
}

func (r *rooms) count() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.sockets)
}

// size returns how many members the room has.
func (r *rooms) size(name string) int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	in := r.named[name]
	if in == nil {
		return 0
	}
	return len(in.members)
}

// members returns the sockets of the target, each once. The result is shared:
// it must not be changed.
func (r *rooms) members(t Target) []member {
	if len(t.Except) == 0 {
		switch len(t.Rooms) {
		case 0:
			return r.everyone()
		case 1:
			return r.inRoom(t.Rooms[0])
		}
	}
	seen := make(map[*Socket]struct{})
	for _, name := range t.Except {
		for _, s := range r.inRoom(name) {
			seen[s.Socket] = struct{}{}
		}
	}
	var result []member
	add := func(list []member) {
		for _, s := range list {
			if _, done := seen[s.Socket]; !done {
				seen[s.Socket] = struct{}{}
				result = append(result, s)
			}
		}
	}
	if len(t.Rooms) == 0 {
		add(r.everyone())
	}
	for _, name := range t.Rooms {
		add(r.inRoom(name))
	}
	return result
}

func (r *rooms) everyone() []member {
	r.mu.RLock()
	list := r.all
	r.mu.RUnlock()
	if list != nil {
		return list
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = make([]member, 0, len(r.sockets))
		for _, s := range r.sockets {
			r.all = append(r.all, s.member())
		}
	}
	return r.all
}

func (r *rooms) inRoom(name string) []member {
	r.mu.RLock()
	in, own := r.named[name], r.sockets[name]
	var list []member
	if in != nil {
		list = in.snapshot
	}
	r.mu.RUnlock()
	if in != nil && list == nil {
		list = r.renew(in)
	}
	if own != nil && !slices.Contains(list, own.member()) {
		return append(slices.Clip(list), own.member())
	}
	return list
}

func (r *rooms) renew(in *room) []member {
	r.mu.Lock()
	defer r.mu.Unlock()
	if in.snapshot == nil {
		in.snapshot = make([]member, 0, len(in.members))
		for s := range in.members {
			in.snapshot = append(in.snapshot, s.member())
		}
	}
	return in.snapshot
}
