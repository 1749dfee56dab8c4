package engineio

import (
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/devops-insights/devops-insights/socket/engineio/websocket"
)

// upgradeState is how far a session is on its way to a websocket.
type upgradeState uint8

const (
	upgradeNone   upgradeState = iota
	upgradeOpened              // the websocket is open
	upgradeProbed              // the client has probed it
)

// upgrade moves a polling session to a websocket ("Upgrade"): probe, answer,
// release of the waiting poll, and the switch. A websocket for a session that
// has upgraded, or is about to, is closed at once.
func (srv *Server) upgrade(s *Session, w http.ResponseWriter, r *http.Request) {
	began := srv.uptime()
	c, ok := srv.acceptWebsocket(w, r, nil)
	if !ok {
		return
	}
	s.mu.Lock()
	free := !s.closed && s.ws == nil && s.upgrade == upgradeNone && !srv.opts.DisableUpgrades
	if free {
		s.upgrade = upgradeOpened
	}
	s.mu.Unlock()
	if !free {
		c.reject(websocket.StatusNormal)
		return
	}
	stop := closeWhenDone(s, c.NetConn())
	status, switched := s.probe(c)
	stop()
	srv.upgradeEnded(s, switched, began)
	if !switched {
		s.mu.Lock()
		if s.upgrade == upgradeProbed {
			s.release(true)
		}
		s.upgrade = upgradeNone
		s.mu.Unlock()
		c.reject(status)
		return
	}
	_ = c.NetConn().SetReadDeadline(time.Time{})
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
			draining := s.draining
			s.mu.Unlock()
			if !draining {
				_ = c.Close()
			}
		case <-over:
		}
	})
	return func() { close(over) }
}

// probe answers the client's probe and reports whether it switched over; if
// not, with which status its websocket is to be closed.
func (s *Session) probe(c *wsConn) (status websocket.Status, switched bool) {
	_ = c.NetConn().SetReadDeadline(time.Now().Add(s.server.opts.UpgradeTimeout))
	_ = c.NetConn().SetWriteDeadline(time.Now().Add(s.server.opts.UpgradeTimeout))
	before := s.waitingPoll()
	if status, ok := expect(c, "2probe"); !ok {
		return status, false
	}
	if c.write(websocket.AppendFrame(nil, websocket.Text, "3probe", nil)) != nil {
		return websocket.StatusNormal, false
	}
	s.mu.Lock()
	s.upgrade = upgradeProbed
	if s.poll != nil && s.poll == before {
		s.release(true) // the client waits for this poll before it switches
	}
	s.mu.Unlock()
	if status, ok := expect(c, "5"); !ok {
		return status, false
	}
	_ = c.NetConn().SetWriteDeadline(time.Time{})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed && !s.draining {
		return websocket.StatusNormal, false
	}
	if s.closed {
		c.last = closeFrame(closeNormal, ReasonForcedClose) // for the flusher, after the queue
		s.server.forget(s)
	}
	s.upgrade = upgradeNone
	if !s.closed {
		s.server.counters.moved()
	}
	s.attach(c)
	s.release(false)
	s.queueUp() // what waited for a poll goes first
	return websocket.StatusNormal, true
}

func (s *Session) waitingPoll() chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.poll
}

// expect waits for a text and answers pings meanwhile. Where something else
// comes, the status says what was wrong with it.
func expect(c *wsConn, want string) (websocket.Status, bool) {
	buf := make([]byte, 256)
	for {
		m, err := c.Next(buf)
		var mistake *websocket.Error
		switch {
		case errors.As(err, &mistake):
			return mistake.Status, false
		case err != nil:
			return websocket.StatusNormal, false
		}
		switch m.Opcode {
		case websocket.Continuation, websocket.Pong:
		case websocket.Ping:
			if c.write(websocket.AppendFrame(nil, websocket.Pong, "", m.Data)) != nil {
				return websocket.StatusNormal, false
			}
		case websocket.Close:
			status, _, _ := websocket.ParseClose(m.Data)
			return status, false
		default:
			return websocket.StatusNormal, m.Opcode == websocket.Text && string(m.Data) == want
		}
	}
}
