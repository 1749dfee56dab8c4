package engineio

import (
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/devops-insights/devops-insights/socket/engineio/websocket"
)

const (
	closeSilent     uint16 = 0 // the connection is gone: there is nobody to tell
	closeNormal            = uint16(websocket.StatusNormal)
	closeGoingAway         = uint16(websocket.StatusGoingAway)
	closePolicy     uint16 = 1008
	closeTryLater   uint16 = 1013
	closePatience          = time.Second // for the client to close after us
	closeDrainBytes        = 1 << 20
)

// wsConn is a websocket to which whole frames are written that many connections
// share, straight into the socket when it takes them. The session's lock guards
// busy, rest and last.
type wsConn struct {
	*websocket.Conn
	raw            syscall.RawConn // nil where there is no file descriptor
	fd             int             // -1 then, and where the system cannot write without waiting
	registration   registration    // with the idle poller
	partial        int             // bytes of an unfinished message that the budget counts
	busy           bool            // a flusher is writing
	restCompressed bool            // rest is of a compressed frame
	rest           []byte          // the part of a frame that did not fit
	last           []byte          // the close frame that the flusher sends at the end
	counted        uint64          // bytes of the client that have been counted; only the reader touches it
}

// newWSConn finds the descriptor of a plain TCP connection. One that only
// embeds such a connection does not count: it may encrypt or count what is
// written to it.
func newWSConn(c *websocket.Conn) *wsConn {
	w := &wsConn{Conn: c, fd: -1}
	if tcp, ok := c.NetConn().(*net.TCPConn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			w.raw = raw
			_ = raw.Control(func(fd uintptr) {
				if canWriteNow {
					w.fd = int(fd)
				}
			})
		}
	}
	return w
}

// try writes as much of the frame as the socket takes now and returns the
// rest. It is called before the connection is closed, never after: the file
// descriptor belongs to another one then.
func (w *wsConn) try(frame []byte) ([]byte, error) {
	if w.fd < 0 {
		return frame, nil
	}
	n, err := writeNow(w.fd, frame)
	return frame[n:], err
}

func (w *wsConn) write(frame []byte) error {
	_, err := w.NetConn().Write(frame)
	return err
}

// cut closes the connection. The session has ended before.
func (w *wsConn) cut() {
	w.registration.resume()
	_ = w.NetConn().Close()
}

// close sends a close frame, if one is given, and closes our half of
// the connection; the reader then closes the whole. What is being written, or
// waits in the queue, goes out first where the client takes it until by. The
// caller holds the session's lock.
func (w *wsConn) close(srv *Server, frame []byte, by time.Time) {
	w.last = frame
	if w.busy {
		_ = w.NetConn().SetWriteDeadline(by)
		return
	}
	rest, err := w.try(w.last)
	if err == nil && len(rest) > 0 {
		w.last, w.busy = rest, true
		srv.work.Go(w.finish)
		return
	}
	w.halfClose()
}

// closeFrame returns the frame that ends a connection, or nothing for a client
// that has gone. A client that closes gets its own status back.
func closeFrame(code uint16, reason Reason) []byte {
	if code == closeSilent {
		return nil
	}
	text := string(reason)
	if reason == ReasonTransportClose {
		text = ""
	}
	return websocket.AppendClose(nil, websocket.Status(code), text)
}

// finish sends the close frame that the socket did not take at once.
func (w *wsConn) finish() {
	_ = w.NetConn().SetWriteDeadline(time.Now().Add(closePatience))
	_ = w.write(w.last)
	w.halfClose()
}

// halfClose lets the client read everything to the end: to close both halves
// while bytes of the client are unread would reset the connection.
func (w *wsConn) halfClose() {
	defer w.registration.resume()
	_ = w.NetConn().SetReadDeadline(time.Now().Add(closePatience))
	if half, ok := w.NetConn().(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
		return
	}
	w.cut()
}

// closeAndDrain waits for the client to close, for a moment, and closes.
func (w *wsConn) closeAndDrain() {
	_ = w.NetConn().SetReadDeadline(time.Now().Add(closePatience))
	_, _ = io.CopyN(io.Discard, w.NetConn(), closeDrainBytes)
	w.cut()
}

// reject closes a websocket that does not become a session's.
func (w *wsConn) reject(status websocket.Status) {
	_ = w.write(websocket.AppendClose(nil, status, ""))
	w.closeAndDrain()
}

// acceptWebsocket takes the connection over, or answers why not.
func (srv *Server) acceptWebsocket(w http.ResponseWriter, r *http.Request, header http.Header) (*wsConn, bool) {
	if header == nil {
		header = make(http.Header)
	}
	for _, name := range srv.opts.KeepHeaders {
		if values := w.Header().Values(name); len(values) > 0 {
			header[http.CanonicalHeaderKey(name)] = values
		}
	}
	u := websocket.Upgrader{Header: header, MaxMessage: srv.opts.MaxPayload}
	if srv.opts.PerMessageDeflate > 0 {
		u.Flate = &srv.flate
	}
	c, err := u.Upgrade(w, r)
	var refused *websocket.HandshakeError
	if errors.As(err, &refused) {
		refused.WriteHeaders(w.Header())
		writeRefusal(w, refused.Code, codeBadRequest, codeBadRequest.String())
	}
	if err != nil {
		return nil, false
	}
	ws := newWSConn(c)
	srv.idle.register(&ws.registration)
	return ws, true
}

func (srv *Server) openWebsocket(s *Session, w http.ResponseWriter, r *http.Request, header http.Header) {
	c, ok := srv.acceptWebsocket(w, r, header)
	if !ok {
		srv.drop(s)
		return
	}
	s.attach(c)
	if srv.start(s) {
		s.startReading()
		return
	}
	c.closeAndDrain()
}
