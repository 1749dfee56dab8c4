package engineio

import (
	"net"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

// upgradeState is how far a session is on its way to a websocket.
type upgradeState int

const (
	upgradeNone   upgradeState = iota
	upgradeOpened              // the websocket is open
	upgradeProbed              // the client has probed it
)

// upgrade moves a polling session to a websocket ("Upgrade"): probe, answer,
// release of the waiting poll, and the switch. A websocket for a session that
// has upgraded, or is about to, is closed at once.
func (srv *Server) upgrade(s *Session, w http.ResponseWriter, r *http.Request) {
	c, ok := srv.acceptWebsocket(w, r, nil)
	if !ok {
		return
	}
	_ = c.write(nil) // the answer: here the client speaks first
	s.mu.Lock()
	free := !s.closed && s.ws == nil && s.upgrade == upgradeNone && !srv.opts.DisableUpgrades
	if free {
		s.upgrade = upgradeOpened
	}
	s.mu.Unlock()
	if !free {
		c.turnAway()
		return
	}
	stop := closeWhenDone(s, c.NetConn())
	switched := s.probe(c)
	stop()
	if !switched {
		s.mu.Lock()
		if s.upgrade == upgradeProbed {
			s.release(true)
		}
		s.upgrade = upgradeNone
		s.mu.Unlock()
		c.turnAway()
		return
	}
	_ = c.SetReadDeadline(time.Time{})
	s.startReading()
}

// closeWhenDone closes the connection when the session ends before the switch
// and has nothing left to deliver.
func closeWhenDone(s *Session, c net.Conn) (stop func()) {
	over := make(chan struct{})
	s.server.work.Go(func() {
		select {
		case <-s.done:
			s.mu.Lock()
			lingers := s.lingers
			s.mu.Unlock()
			if !lingers {
				_ = c.Close()
			}
		case <-over:
		}
	})
	return func() { close(over) }
}

// probe answers the client's probe and reports whether it switched over.
func (s *Session) probe(c *wsConn) bool {
	_ = c.SetReadDeadline(time.Now().Add(s.server.opts.UpgradeTimeout))
	_ = c.NetConn().SetWriteDeadline(time.Now().Add(s.server.opts.UpgradeTimeout))
	before := s.waitingPoll()
	if !expect(c, "2probe") {
		return false
	}
	if c.write(appendFrame(nil, opText, "3probe", nil)) != nil {
		return false
	}
	s.mu.Lock()
	s.upgrade = upgradeProbed
	if s.poll != nil && s.poll == before {
		s.release(true) // the client waits for this poll before it switches
	}
	s.mu.Unlock()
	if !expect(c, "5") {
		return false
	}
	_ = c.NetConn().SetWriteDeadline(time.Time{})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed && !s.lingers {
		return false
	}
	if s.closed {
		c.last = closeFrame(closeNormal, string(ReasonForcedClose)) // for the flusher, after the queue
		s.server.forget(s)
	}
	s.upgrade = upgradeNone
	s.attach(c)
	s.release(false)
	s.queueUp() // what waited for a poll goes first
	return true
}

func (s *Session) waitingPoll() chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.poll
}

func expect(c *wsConn, want string) bool {
	kind, data, err := c.ReadMessage()
	return err == nil && kind == websocket.TextMessage && string(data) == want
}
