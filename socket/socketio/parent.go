package socketio

import "encoding/json"

// Parent stands for namespaces that come to be when clients ask for them, and
// go when their last client has gone. What is registered here before holds for
// each of them.
type Parent struct {
	hooks
	server *Server
	allow  func(name string, auth json.RawMessage) bool
}

// Children returns the namespaces there are at the moment.
func (p *Parent) Children() []*Namespace {
	p.server.mu.RLock()
	defer p.server.mu.RUnlock()
	var all []*Namespace
	for _, n := range p.server.namespaces {
		if n.parent == p {
			all = append(all, n)
		}
	}
	return all
}

// Emit sends an event to every socket of every child.
func (p *Parent) Emit(event string, args ...any) error {
	for _, n := range p.Children() {
		if err := n.Emit(event, args...); err != nil {
			return err
		}
	}
	return nil
}

// child creates a namespace with the parent's hooks; the caller holds the
// server's lock.
func (p *Parent) child(name string) *Namespace {
	n := newNamespace(p.server, name)
	n.parent = p
	p.mu.RLock()
	defer p.mu.RUnlock()
	n.checks, n.onConnect = p.checks, p.onConnect
	for event, h := range p.handlers {
		n.On(event, h)
	}
	return n
}

// enter returns the namespace for a client at the door, so that it stays until
// leaveDoor; nil where there is none of that name.
func (srv *Server) enter(name string, auth json.RawMessage) *Namespace {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	n := srv.namespaces[name]
	for _, p := range srv.parents {
		if n != nil {
			break
		}
		if p.allow(name, auth) {
			n = p.child(name)
			srv.namespaces[name] = n
		}
	}
	if n != nil {
		n.joining.Add(1)
	}
	return n
}

func (n *Namespace) leaveDoor() {
	n.joining.Add(-1)
	if n.rooms.count() == 0 {
		n.server.tidy(n)
	}
}

// tidy removes a namespace that was made for clients who are all gone.
func (srv *Server) tidy(n *Namespace) {
	if n.parent == nil {
		return
	}
	srv.mu.Lock()
	defer srv.mu.Unlock()
	if n.joining.Load() > 0 || n.rooms.count() > 0 || srv.namespaces[n.name] != n || n.remembers() {
		return
	}
	delete(srv.namespaces, n.name)
	if n.adapter != nil {
		_ = n.adapter.Close() // the server that it leaves has nothing to tell it
	}
}

// remembers reports whether clients may come back to it.
func (n *Namespace) remembers() bool { return n.log != nil && n.log.holds() }
