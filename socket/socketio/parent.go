package socketio

import (
	"encoding/json"
	"time"
)

// ParentNamespace stands for namespaces that come to be when clients ask for them, and
// go when their last client has gone. What is registered here before holds for
// each of them.
type ParentNamespace struct {
	hooks
	server *Server
	allow  func(name string, auth json.RawMessage) bool
}

// Children returns the namespaces there are at the moment.
func (p *ParentNamespace) Children() []*Namespace {
	p.server.mu.RLock()
	var all []*Namespace
	for _, n := range p.server.namespaces {
		if n.parent == p {
			all = append(all, n)
		}
	}
	p.server.mu.RUnlock()
	for _, n := range all {
		n.start()
	}
	return all
}

// Emit sends an event to every socket of every child.
func (p *ParentNamespace) Emit(event string, args ...any) error {
	for _, n := range p.Children() {
		if err := n.Emit(event, args...); err != nil {
			return err
		}
	}
	return nil
}

// errInternal is all that a client learns of a mistake in the program.
var errInternal = &ConnectError{Message: "Internal server error"}

// reserve returns the namespace that a client asks for and keeps it from going
// until doneJoining. The functions of the program run without a lock.
func (srv *Server) reserve(name string, auth json.RawMessage) (*Namespace, error) {
	srv.mu.RLock()
	n, parents := srv.namespaces[name], srv.parents
	if n != nil {
		n.joining.Add(1)
	}
	srv.mu.RUnlock()
	if n == nil {
		p, err := srv.parentOf(parents, name, auth)
		if err != nil {
			return nil, err
		}
		srv.mu.Lock()
		if n = srv.namespaces[name]; n == nil {
			n = newNamespace(srv, name)
			n.parent = p
			n.set.Store(p.set.Load())
			srv.namespaces[name] = n
		}
		n.joining.Add(1)
		srv.mu.Unlock()
	}
	if !srv.call("NewAdapter for the namespace", name, n.start) {
		n.doneJoining()
		return nil, errInternal
	}
	return n, nil
}

// parentOf returns the first parent that lets the client into the namespace.
func (srv *Server) parentOf(parents []*ParentNamespace, name string, auth json.RawMessage) (*ParentNamespace, error) {
	for _, p := range parents {
		allowed := false
		if !srv.call("the function of OfFunc for the namespace", name, func() { allowed = p.allow(name, auth) }) {
			return nil, errInternal
		}
		if allowed {
			return p, nil
		}
	}
	return nil, &ConnectError{Message: "Invalid namespace"}
}

func (n *Namespace) doneJoining() {
	n.joining.Add(-1)
	if n.rooms.count() == 0 {
		n.server.removeIfEmpty(n)
	}
}

// removeIfEmpty removes a namespace that was made for clients who are all gone
// and will not be back. After Close it is Close that ends its adapter.
func (srv *Server) removeIfEmpty(n *Namespace) {
	if n.parent == nil {
		return
	}
	if n.log != nil && n.log.anyAbsent() {
		time.AfterFunc(n.log.MaxDisconnection+time.Second, func() { srv.removeIfEmpty(n) })
		return
	}
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if srv.closed || n.joining.Load() > 0 || n.rooms.count() > 0 || srv.namespaces[n.name] != n || n.log != nil && n.log.away.Load() > 0 {
		return
	}
	delete(srv.namespaces, n.name)
	// Beside the caller, who may be at work for the adapter that Close waits for.
	srv.work.Go(func() {
		// The server that it leaves has nothing to tell it.
		srv.call("the adapter of the namespace", n.name, func() { _ = n.stop() })
	})
}
