package engineio

import (
	"encoding/binary"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/gorilla/websocket"
)

const (
	closeNormal    uint16 = 1000
	closeGoingAway uint16 = 1001
)

// wsConn is a websocket whose frames are read by the library and written
// here: whole frames that many connections share, straight into the socket
// when it takes them. The session's lock guards busy and rest.
type wsConn struct {
	*websocket.Conn
	raw  syscall.RawConn // nil where the socket cannot be written without blocking
	busy bool            // a flusher is writing
	rest []byte          // the part of a frame that did not fit
}

func newWSConn(c *websocket.Conn) *wsConn {
	w := &wsConn{Conn: c}
	if sc, ok := c.NetConn().(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			w.raw = raw
		}
	}
	return w
}

// try writes as much of the frame as the socket takes now and returns the rest.
func (w *wsConn) try(frame []byte) ([]byte, error) {
	if w.raw == nil {
		return frame, nil
	}
	n, err := tryWrite(w.raw, frame)
	return frame[n:], err
}

func (w *wsConn) write(frame []byte) error {
	_, err := w.NetConn().Write(frame)
	return err
}

// end sends a close frame if that is possible at once, and closes the
// connection, which also ends its reader and its flusher.
func (w *wsConn) end(code uint16, reason string) {
	if !w.busy {
		payload := append(binary.BigEndian.AppendUint16(nil, code), reason...)
		_, _ = w.try(appendFrame(nil, opClose, "", payload))
	}
	_ = w.NetConn().Close()
}

// readLoop hands the client's packets to the session until the connection or
// the session ends.
func (s *Session) readLoop(w *wsConn) {
	w.SetPingHandler(func(data string) error {
		_ = s.Send(rawFrame(opPong, []byte(data)))
		return nil
	})
	w.SetCloseHandler(func(int, string) error { return nil })
	for {
		kind, data, err := w.ReadMessage()
		if err != nil {
			s.close(readFailure(err), closeNormal)
			return
		}
		p := packet{kind: packetMessage, binary: true, data: data}
		if kind == websocket.TextMessage {
			if p, err = decodePacket(data); err != nil {
				s.close(ReasonParseError, closeNormal)
				return
			}
		}
		if !s.receive(p) {
			return
		}
	}
}

// readFailure tells an orderly or lost connection from a broken protocol.
func readFailure(err error) Reason {
	if websocket.IsCloseError(err, 1002, 1003, 1007, 1009) {
		return ReasonTransportError
	}
	return ReasonTransportClose
}

func (srv *Server) acceptWebsocket(w http.ResponseWriter, r *http.Request) (*wsConn, bool) {
	c, err := srv.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return nil, false
	}
	c.SetReadLimit(srv.opts.MaxPayload)
	return newWSConn(c), true
}

func (srv *Server) openWebsocket(w http.ResponseWriter, r *http.Request) {
	c, ok := srv.acceptWebsocket(w, r)
	if !ok {
		return
	}
	s := srv.newSession(r)
	s.ws = c
	if !srv.start(s) {
		return
	}
	s.readLoop(c)
}

// upgrade moves a polling session to a websocket (Engine.IO v4, "Upgrade"):
// probe, answer, release of the waiting poll, and the switch.
func (srv *Server) upgrade(s *Session, w http.ResponseWriter, r *http.Request) {
	c, ok := srv.acceptWebsocket(w, r)
	if !ok {
		return
	}
	stop := closeWhenDone(s, c.NetConn())
	switched := s.probe(c)
	stop()
	if !switched {
		c.end(closeNormal, "")
		return
	}
	_ = c.SetReadDeadline(time.Time{})
	s.readLoop(c)
}

// closeWhenDone closes the connection when the session ends before the switch.
func closeWhenDone(s *Session, c net.Conn) (stop func()) {
	over := make(chan struct{})
	s.server.work.Go(func() {
		select {
		case <-s.done:
			_ = c.Close()
		case <-over:
		}
	})
	return func() { close(over) }
}

func (s *Session) probe(c *wsConn) bool {
	_ = c.SetReadDeadline(time.Now().Add(s.server.opts.UpgradeTimeout))
	if !expect(c, "2probe") {
		return false
	}
	s.mu.Lock()
	if s.closed || s.ws != nil || s.upgrading {
		s.mu.Unlock()
		return false
	}
	s.upgrading = true
	s.release(true)
	s.mu.Unlock()
	answered := c.write(appendFrame(nil, opText, "3probe", nil)) == nil
	switched := answered && expect(c, "5")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.upgrading = false
	if !switched || s.closed {
		return false
	}
	s.release(true)
	s.ws = c
	c.busy = true
	s.server.work.Go(s.flush)
	return true
}

func expect(c *wsConn, want string) bool {
	kind, data, err := c.ReadMessage()
	return err == nil && kind == websocket.TextMessage && string(data) == want
}
