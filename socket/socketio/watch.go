package socketio

import "slices"

// Watcher hears what happens to the sockets of a namespace in this process. Its
// methods are called by the goroutine that does it, which they must not keep
// waiting, and may be called by many at once.
type Watcher interface {
	// Wants reports whether the socket is one to hear of. It is asked first, for
	// a broadcast once for each receiver.
	Wants(s *Socket) bool
	// Event hears of an event that the client sent, or that is sent to it: the
	// arguments begin with its name and must not be changed.
	Event(s *Socket, sent bool, args Args)
	// Joined hears of rooms that the socket entered.
	Joined(s *Socket, rooms []string)
	// Left hears of rooms that the socket left, not of those that it leaves by its
	// end.
	Left(s *Socket, rooms []string)
}

// watcher holds a Watcher, for an atomic pointer.
type watcher struct{ Watcher }

// Watch sets who hears what happens to the sockets of the namespace, in the place
// of whoever did so before. Nil: nobody, and then it costs nothing.
func (n *Namespace) Watch(w Watcher) {
	if w == nil {
		n.watching.Store(nil)
		return
	}
	n.watching.Store(&watcher{w})
}

const aWatcher = "the watcher of the namespace"

// watchBroadcast tells the watcher of a packet on its way to many.
func (n *Namespace) watchBroadcast(members []member, p *Packet) {
	w := n.watching.Load()
	if w == nil {
		return
	}
	n.server.call(aWatcher, n.name, func() {
		var args Args
		for _, m := range members {
			if !w.Wants(m.Socket) {
				continue
			}
			if args.raw == nil {
				var err error
				if args, err = p.Args(); err != nil {
					return
				}
			}
			w.Event(m.Socket, true, args)
		}
	})
}

// watcher returns the watcher that wants to hear of the socket; nil where none
// does.
func (s *Socket) watcher() Watcher {
	w := s.namespace.watching.Load()
	if w == nil {
		return nil
	}
	wanted := false
	s.namespace.server.call(aWatcher, s.namespace.name, func() { wanted = w.Wants(s) })
	if !wanted {
		return nil
	}
	return w.Watcher
}

// watchSent tells the watcher of a packet for this socket alone.
func (s *Socket) watchSent(p *Packet) {
	w := s.watcher()
	if w == nil {
		return
	}
	if args, err := p.Args(); err == nil {
		s.namespace.server.call(aWatcher, s.namespace.name, func() { w.Event(s, true, args) })
	}
}

// watchReceived tells the watcher of an event of the client.
func (s *Socket) watchReceived(args Args) {
	if w := s.watcher(); w != nil {
		s.namespace.server.call(aWatcher, s.namespace.name, func() { w.Event(s, false, args) })
	}
}

// watchRooms prepares to tell the watcher of rooms that the socket is about to
// enter or to leave.
func (s *Socket) watchRooms(names []string, enters bool) (tell func()) {
	w := s.watcher()
	if w == nil {
		return func() {}
	}
	changes := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return s.In(name) == enters || name == s.id })
	if len(changes) == 0 {
		return func() {}
	}
	return func() {
		s.namespace.server.call(aWatcher, s.namespace.name, func() {
			if enters {
				w.Joined(s, changes)
			} else {
				w.Left(s, changes)
			}
		})
	}
}
