package engineio

import "github.com/devops-insights/devops-insights/socket/engineio/internal/wire"

// TapEvent is one packet on its way.
type TapEvent struct {
	Session *Session
	// Out says that it goes to the client.
	Out bool
	// Kind is the packet's type; zero for a websocket control frame.
	Kind wire.Type
	// Binary says that Data is not text.
	Binary bool
	// Queued says that it waits: the client does not take it at this moment.
	Queued bool
	// Size is its length in bytes: of the frame where it came by a websocket, else
	// of the packet before compression.
	Size int
	// Data is its payload, without the type. It is borrowed: it must be neither
	// changed nor kept.
	Data []byte
}

// Name returns the name of the packet's type.
func (e TapEvent) Name() string {
	switch e.Kind {
	case packetOpen:
		return "open"
	case packetClose:
		return "close"
	case packetPing:
		return "ping"
	case packetPong:
		return "pong"
	case packetMessage:
		return "message"
	case wire.Upgrade:
		return "upgrade"
	case packetNoop:
		return "noop"
	default:
		return "frame"
	}
}

// taps are the listeners of a server; a list is never changed.
type taps []*func(TapEvent)

func (t *taps) tell(e TapEvent) {
	for _, f := range *t {
		(*f)(e)
	}
}

// Tap lets f see every packet until stop is called: those to a client as they are
// handed over, in order, and those of a client as they come. It is called with
// locks held, by many goroutines at once: it must not wait for anything, nor call
// a method of the session other than ID, Number, Owner, RemoteAddr and Request.
// It may be called for a moment after stop has returned.
func (srv *Server) Tap(f func(TapEvent)) (stop func()) {
	mine := &f
	srv.changeTaps(func(now taps) taps { return append(now, mine) })
	return func() {
		srv.changeTaps(func(now taps) taps {
			var others taps
			for _, t := range now {
				if t != mine {
					others = append(others, t)
				}
			}
			return others
		})
	}
}

// changeTaps puts a new list in the place of the one that is being read.
func (srv *Server) changeTaps(change func(taps) taps) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	var now taps
	if t := srv.taps.Load(); t != nil {
		now = append(now, *t...)
	}
	now = change(now)
	if len(now) == 0 {
		srv.taps.Store(nil)
		return
	}
	srv.taps.Store(&now)
}

// tapped tells of messages that are about to be sent; the caller holds the lock.
func (s *Session) tapped(t *taps, messages []*Message) {
	if s.closed {
		return
	}
	for _, m := range messages {
		e := TapEvent{Session: s, Out: true, Kind: m.kind, Binary: m.binary, Queued: !s.direct && !s.writable(), Size: m.n + 1}
		if m.kind != packetRaw {
			e.Data = m.data()
		}
		t.tell(e)
	}
}

// Number returns the session's number: the sessions of a server are counted from
// 1 on.
func (s *Session) Number() uint64 { return s.record.number }
