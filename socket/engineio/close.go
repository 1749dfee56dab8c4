package engineio

import (
	"math"
	"net/http"
	"strings"
	"time"
)

const (
	// closeTimeout is how long a closed session waits for its client to take
	// what was queued before.
	closeTimeout = 30 * time.Second
	// leftTimeout is how long the id of a session is known after its client has
	// closed it: the poll that crosses the close is answered.
	leftTimeout = 5 * time.Second
)

// Close ends the session ("Close"). What was sent before still reaches the
// client: the next poll brings it and the one after a close packet, a websocket
// gets a close frame after it.
func (s *Session) Close() { s.end(ReasonForcedClose, closeNormal, true) }

// end ends the session for its owner. With deliver, what is queued goes out
// first, within closeTimeout.
func (s *Session) end(reason Reason, code uint16, deliver bool) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed, s.direct, s.reason = true, false, reason
	s.record.ended = s.server.uptime()
	s.record.held, s.held = uint32(min(s.queue.bytes, math.MaxUint32)), uint32(s.queue.messages())
	if s.timer != nil {
		s.timer.Stop()
	}
	waits := s.ws == nil && s.poll == nil
	s.draining = deliver && waits
	known := s.draining || s.left && waits || deliver && s.ws != nil && s.ws.busy
	switch {
	case !known:
	case s.left:
		s.timer = time.AfterFunc(leftTimeout, func() { s.server.abandon(s) })
	default:
		s.timer = time.AfterFunc(closeTimeout, func() { s.server.abandon(s) })
	}
	s.closeBy = time.Now().Add(closeTimeout)
	if !deliver {
		s.hurry(reason)
	}
	s.release(false)
	if s.ws != nil {
		var frame []byte
		if reason != ReasonShutdown || !stopsAtCloseFrame(s.request) {
			frame = closeFrame(code, reason)
		}
		s.ws.close(s.server, frame, s.closeBy)
	}
	s.server.counters.ended(s)
	close(s.done)
	s.server.work.Add(1) // before anyone can learn that the session has ended
	s.mu.Unlock()
	if !known {
		s.server.forget(s)
	}
	s.server.ipLimits.release(s.remote)
	s.server.memory.Release(s.kept)
	observer := s.server.opts.Observer
	if s.onClose == nil && observer == nil {
		s.server.work.Done()
		return
	}
	go func() {
		defer s.server.work.Done()
		if observer != nil {
			observer.Closed(s)
		}
		if s.onClose != nil {
			s.onClose(reason)
		}
	}()
}

// stopsAtCloseFrame reports whether the client is one that stops reading at a
// close frame and takes the connection for open until its ping timeout: OkHttp
// waits for its owner to close, and the Java client of Socket.IO does not. The
// end of the connection alone tells it at once.
func stopsAtCloseFrame(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("User-Agent"), "okhttp/")
}

// hurry gives up what waits, and bounds what is being transferred; the caller
// holds the lock.
func (s *Session) hurry(reason Reason) {
	s.queue.clear()
	s.closeBy = time.Now()
	if reason == ReasonMemory {
		// Off the count at once, or others would be ended for it as well.
		s.queue.settle()
		if s.answer != nil {
			s.server.memory.Release(int64(s.answer.bytes))
			s.answer.bytes = 0
		}
	} else {
		s.closeBy = s.closeBy.Add(closePatience)
	}
	s.posted.hurry(time.Now())
	s.answer.hurry(s.closeBy)
}

// abandon forgets a closed session whose client has not taken what was sent.
func (srv *Server) abandon(s *Session) {
	srv.forget(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		return
	}
	if s.timer != nil { // not where the session is about to be forgotten anyway
		s.timer.Stop()
	}
	s.hurry(s.reason)
	if s.ws != nil && s.ws.busy {
		_ = s.ws.NetConn().SetWriteDeadline(s.closeBy)
	}
}
