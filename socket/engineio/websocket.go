package engineio

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"
)

const (
	closeNormal     uint16 = 1000
	closeGoingAway  uint16 = 1001
	closeInvalid    uint16 = 1007
	closeTooLarge   uint16 = 1009
	closePatience          = time.Second // for the client to close after us
	closeDrainBytes        = 1 << 20
)

// wsConn is a websocket whose frames are read by the library and written
// here: whole frames that many connections share, straight into the socket
// when it takes them. The session's lock guards busy, held, rest and last.
type wsConn struct {
	*websocket.Conn
	in      *bufio.Reader   // the library's
	raw     syscall.RawConn // nil where there is no file descriptor
	fd      int             // -1 then
	place   place           // in the parking
	deflate bool            // the client takes compressed messages
	busy    bool            // a flusher is writing
	held    []byte          // the answer to the handshake, until the first frame
	rest    []byte          // the part of a frame that did not fit
	last    []byte          // the close frame that the flusher sends at the end
}

func newWSConn(c *websocket.Conn, in *bufio.Reader) *wsConn {
	w := &wsConn{Conn: c, in: in, fd: -1}
	if sc, ok := c.NetConn().(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			w.raw = raw
			_ = raw.Control(func(fd uintptr) { w.fd = int(fd) })
		}
	}
	return w
}

// first puts what is held back in front of the first frame.
func (w *wsConn) first(frame []byte) []byte {
	if w.held == nil {
		return frame
	}
	frame = append(w.held, frame...)
	w.held = nil
	return frame
}

// try writes as much of the frame as the socket takes now and returns the
// rest. It is called before the connection is closed, never after: the file
// descriptor belongs to another one then.
func (w *wsConn) try(frame []byte) ([]byte, error) {
	frame = w.first(frame)
	if !canWriteNow || w.fd < 0 {
		return frame, nil
	}
	n, err := writeNow(w.fd, frame)
	return frame[n:], err
}

func (w *wsConn) write(frame []byte) error {
	_, err := w.NetConn().Write(w.first(frame))
	return err
}

// cut closes the connection. The session has ended before.
func (w *wsConn) cut() {
	w.place.leave()
	_ = w.NetConn().Close()
}

// close says goodbye with a close frame, after the queue where deliver is
// true, and closes our half of the connection; the reader then closes the
// whole. The caller holds the session's lock.
func (w *wsConn) close(srv *Server, code uint16, reason Reason, deliver bool) {
	w.last = closeFrame(code, string(reason))
	switch {
	case !w.busy:
		rest, err := w.try(w.last)
		if err == nil && len(rest) > 0 {
			w.last, w.busy = rest, true
			srv.work.Go(w.finish)
			return
		}
		w.halfClose()
	case deliver:
		_ = w.NetConn().SetWriteDeadline(time.Now().Add(closeTimeout))
	default:
		w.cut()
	}
}

func closeFrame(code uint16, reason string) []byte {
	return appendFrame(nil, opClose, "", append(binary.BigEndian.AppendUint16(nil, code), reason...))
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
	defer w.place.leave()
	_ = w.NetConn().SetReadDeadline(time.Now().Add(closePatience))
	if half, ok := w.NetConn().(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
		return
	}
	w.cut()
}

// hangUp waits for the client to close, for a moment, and closes.
func (w *wsConn) hangUp() {
	_ = w.NetConn().SetReadDeadline(time.Now().Add(closePatience))
	_, _ = io.CopyN(io.Discard, w.NetConn(), closeDrainBytes)
	w.cut()
}

// turnAway closes a websocket that does not become a session's.
func (w *wsConn) turnAway() {
	_ = w.write(closeFrame(closeNormal, ""))
	w.hangUp()
}

// next reads one packet of the client.
func (w *wsConn) next(s *Session) (packet, error) {
	kind, r, err := w.NextReader()
	if err != nil {
		return packet{}, err
	}
	most := s.server.opts.MaxPayload
	data, err := readMessage(r, most+1)
	switch {
	case err != nil:
		return packet{}, err
	case int64(len(data)) > most: // the library counts compressed bytes
		return packet{}, websocket.ErrReadLimit
	case kind == websocket.TextMessage && !utf8.Valid(data):
		return packet{}, errUTF8
	case kind == websocket.TextMessage && s.protocol == 3:
		return parsed(decodePacket3(data))
	case kind == websocket.TextMessage:
		return parsed(decodePacket(data))
	case s.protocol == 3:
		return parsed(decodeBinary3(data))
	}
	return packet{kind: packetMessage, binary: true, data: data}, nil
}

// readMessage reads to the end or to the limit. It begins small: dashboards
// send short packets.
func readMessage(r io.Reader, limit int64) ([]byte, error) {
	b := make([]byte, 0, 96)
	for int64(len(b)) < limit {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
	return b, nil
}

// whole reports whether the next message has come entirely and is read without
// waiting (RFC 6455, clause 5.2): a final frame, masked, of one length byte or
// three.
func (w *wsConn) whole() bool {
	n := w.in.Buffered()
	b, err := w.in.Peek(n)
	if err != nil || n < 4 || b[0]&bitFinal == 0 {
		return false
	}
	switch size := int(b[1] & 0x7f); size {
	case 126:
		return n >= 8+int(binary.BigEndian.Uint16(b[2:]))
	case 127:
		return false
	default:
		return n >= 6+size
	}
}

// parseError is a packet that came whole and says nothing.
type parseError struct{ error }

func parsed(p packet, err error) (packet, error) {
	if err != nil {
		return p, parseError{err}
	}
	return p, nil
}

// startReading reads the session's websocket until it ends, beside the request
// that brought it: what the request needed is free then.
func (s *Session) startReading() {
	w := s.ws
	w.SetPingHandler(func(data string) error {
		_ = s.Send(rawFrame(opPong, []byte(data)))
		return nil
	})
	w.SetCloseHandler(func(int, string) error { return nil })
	s.server.work.Add(1)
	if !s.server.parking.enter(s) {
		go s.readOn()
	}
}

// readOn hands the client's packets to the session until the connection or the
// session ends, or the client has nothing more to say for now.
func (s *Session) readOn() {
	w := s.ws
	for !s.ended() {
		p, err := w.next(s)
		if err != nil {
			reason, code := s.readFailure(err)
			s.end(reason, code, false)
			if reason == ReasonTransportClose {
				w.cut() // nothing more comes, or nothing came in time
				s.server.work.Done()
				return
			}
			break
		}
		if !s.receive(p) {
			break
		}
		if s.server.parking.enter(s) {
			s.pause(true)
			return
		}
		if !w.whole() {
			s.pause(false) // the next read may wait
		}
	}
	w.hangUp()
	s.server.work.Done()
}

func (s *Session) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// readFailure tells an orderly or lost connection from a broken protocol.
func (s *Session) readFailure(err error) (Reason, uint16) {
	switch {
	case errors.As(err, new(parseError)):
		return ReasonParseError, closeNormal
	case errors.Is(err, websocket.ErrReadLimit):
		s.server.Limited(LimitPayload)
		return ReasonTransportError, closeTooLarge
	case errors.Is(err, errUTF8):
		return ReasonTransportError, closeInvalid
	case websocket.IsCloseError(err, 1002, 1003, 1007, 1009):
		return ReasonTransportError, closeNormal
	}
	return ReasonTransportClose, closeNormal
}

// readBuffer is the size in bytes of a connection's read buffer: dashboards
// send short packets, and what is longer is read past it.
const readBuffer = 512

// hijacker gives the library a smaller read buffer than the HTTP server's and
// us a look at it, and holds the answer to the handshake back, so that it
// travels with the first frame.
type hijacker struct {
	http.ResponseWriter
	in   *bufio.Reader
	conn *holder
}

func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, buffers, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err == nil && buffers.Reader.Buffered() == 0 { // else the library refuses
		h.in = bufio.NewReaderSize(c, readBuffer)
		buffers.Reader = h.in
	}
	tcp, ok := c.(*net.TCPConn)
	if err != nil || !ok {
		return c, buffers, err
	}
	h.conn = &holder{TCPConn: tcp, holds: true}
	return h.conn, buffers, nil
}

// holder is a connection that holds back what is written at first.
type holder struct {
	*net.TCPConn
	holds bool
	held  []byte
}

// Write implements net.Conn.
func (h *holder) Write(b []byte) (int, error) {
	if h.holds {
		h.held = append(h.held, b...)
		return len(b), nil
	}
	return h.TCPConn.Write(b)
}

func (srv *Server) acceptWebsocket(w http.ResponseWriter, r *http.Request, header http.Header) (*wsConn, bool) {
	h := &hijacker{ResponseWriter: w}
	c, err := srv.upgrader.Upgrade(h, r, header)
	if err != nil {
		return nil, false
	}
	c.SetReadLimit(srv.opts.MaxPayload)
	ws := newWSConn(c, h.in)
	if h.conn != nil {
		ws.held, h.conn.held, h.conn.holds = h.conn.held, nil, false
	}
	srv.parking.admit(&ws.place)
	ws.deflate = srv.opts.PerMessageDeflate > 0 && offersDeflate(r)
	return ws, true
}

func (srv *Server) openWebsocket(s *Session, w http.ResponseWriter, r *http.Request, header http.Header) {
	c, ok := srv.acceptWebsocket(w, r, header)
	if !ok {
		srv.addresses.leave(s.remote)
		return
	}
	s.attach(c)
	if srv.start(s) {
		s.startReading()
		return
	}
	c.hangUp()
}
