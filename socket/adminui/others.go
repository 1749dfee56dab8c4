package adminui

import (
	"bytes"
	"sync"
	"time"

	"github.com/devops-insights/devops-insights/socket/socketio"
)

// others are the servers of the cluster, as far as their figures tell.
type others struct {
	now func() time.Time

	mu     sync.Mutex
	byName map[string]server
}

// server is what one of them said last.
type server struct {
	heard           time.Time
	sockets, admins int
}

const (
	// silence is after how long a server counts as gone: the UI has it so too.
	silence = 10 * time.Second
	// maxServers and maxStats bound what is read and remembered.
	maxServers = 1000
	maxStats   = 64 << 10
)

func newOthers(now func() time.Time) *others {
	return &others{now: now, byName: make(map[string]server)}
}

// overhear takes the figures out of what another server sends to the
// administrators.
func (o *others) overhear(c socketio.Command, next func()) {
	next()
	if c.Kind != socketio.CommandBroadcast || c.Packet == nil || len(c.Packet.Data) > maxStats ||
		!bytes.HasPrefix(c.Packet.Data, []byte(`["`+eventStats+`"`)) {
		return
	}
	var said stats
	args, err := c.Packet.Args()
	if err != nil || args.Decode(1, &said) != nil || said.ServerID == "" {
		return
	}
	one := server{heard: o.now()}
	for _, n := range said.Namespaces {
		one.sockets += max(0, n.Sockets)
		if n.Name == Name {
			one.admins += max(0, n.Sockets)
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.forget()
	if _, known := o.byName[said.ServerID]; known || len(o.byName) < maxServers {
		o.byName[said.ServerID] = one
	}
}

// forget removes who is silent; the caller holds the lock.
func (o *others) forget() {
	now := o.now()
	for name, s := range o.byName {
		if now.Sub(s.heard) > silence {
			delete(o.byName, name)
		}
	}
}

// crowd is what there is on the other servers.
type crowd struct{ servers, sockets, admins int }

// count returns what those have that are not silent.
func (o *others) count() crowd {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.forget()
	all := crowd{servers: len(o.byName)}
	for _, s := range o.byName {
		all.sockets += s.sockets
		all.admins += s.admins
	}
	return all
}
