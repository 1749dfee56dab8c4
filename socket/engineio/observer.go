package engineio

import (
	"math"
	"time"
)

// Observer is told what happens to sessions. It is called from many goroutines
// at once, without locks, and should return soon: the client waits for it.
type Observer interface {
	// Upgraded is told of each attempt to move to a websocket and how long it took.
	Upgraded(ok bool, took time.Duration)
	// Ponged is told how long a client took to answer a ping.
	Ponged(rtt time.Duration)
	// Closed is told that a session has ended. Its OnClose comes after it: what
	// the layers above keep of the session is still there.
	Closed(s *Session)
}

// Observers joins observers; nil ones are left out.
func Observers(all ...Observer) Observer {
	var list observers
	for _, o := range all {
		if o != nil {
			list = append(list, o)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list
}

type observers []Observer

func (list observers) Upgraded(ok bool, took time.Duration) {
	for _, o := range list {
		o.Upgraded(ok, took)
	}
}

func (list observers) Ponged(rtt time.Duration) {
	for _, o := range list {
		o.Ponged(rtt)
	}
}

func (list observers) Closed(s *Session) {
	for _, o := range list {
		o.Closed(s)
	}
}

// upgradeEnded notes the end of an attempt to move to a websocket.
func (srv *Server) upgradeEnded(s *Session, ok bool, began time.Duration) {
	took := srv.uptime() - began
	srv.counters.upgraded(ok)
	if ok {
		s.mu.Lock()
		s.record.upgraded = uint32(min(took.Microseconds(), math.MaxUint32))
		s.mu.Unlock()
	}
	if o := srv.opts.Observer; o != nil {
		o.Upgraded(ok, took)
	}
}
