package engineio

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/devops-insights/devops-insights/socket/engineio/internal/wire"
)

// servePoll answers a GET ("HTTP long-polling"): what waits, or what comes
// next.
func (s *Session) servePoll(w http.ResponseWriter, r *http.Request, q query) {
	s.mu.Lock()
	s.received(0, arrival{})
	switch {
	case s.ws != nil:
		s.mu.Unlock()
		writeError(w, codeBadRequest)
		return
	case s.poll != nil:
		s.mu.Unlock()
		s.refuse(w, ReasonTransportError) // two polls at once ("HTTP long-polling")
		return
	}
	noop := false
	if s.queue.empty() && !s.closed {
		released := make(chan struct{})
		s.poll, s.noop = released, false
		upgrading := s.upgrade != upgradeNone
		s.mu.Unlock()
		if !s.await(r, released, upgrading) {
			return
		}
		s.mu.Lock()
		noop = s.noop
	}
	if s.ws != nil { // upgraded while it waited: as if the poll had come later
		s.mu.Unlock()
		writeError(w, codeBadRequest)
		return
	}
	if s.closed && (s.reason == ReasonShutdown || s.reason == ReasonMemory) {
		s.mu.Unlock()
		writeUnavailable(w)
		return
	}
	messages, last := s.pollMessages(noop)
	s.mu.Unlock()
	if last {
		s.server.forget(s)
	}
	if err := s.writePoll(w, r, q, messages); err != nil {
		s.because(stalled(err))
		s.end(ReasonTransportError, closeNormal, false) // what it has not read is lost
	}
}

// pollMessages returns what a poll is answered with and whether it is the last
// one. The caller holds the lock.
func (s *Session) pollMessages(noop bool) (messages []*Message, last bool) {
	messages = s.queue.drain()
	switch {
	case len(messages) > 0:
		return messages, false
	case s.closed && s.left:
		return []*Message{control(packetNoop, nil)}, true
	case s.closed:
		// Alone, as in Node: clients look at a close packet before the messages
		// that came in the same payload.
		return []*Message{control(packetClose, nil)}, true
	case noop:
		return []*Message{control(packetNoop, nil)}, false
	}
	return messages, false
}

// noopDelay is how long a poll that comes during an upgrade waits for its end
// before it is released with a noop.
const noopDelay = 100 * time.Millisecond

// await waits until the poll is released and reports whether it is to be
// answered.
func (s *Session) await(r *http.Request, released <-chan struct{}, upgrading bool) bool {
	var tick <-chan time.Time
	if upgrading {
		ticker := time.NewTicker(noopDelay)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		select {
		case <-released:
			return true
		case <-r.Context().Done():
			s.end(ReasonTransportError, closeNormal, false)
			return false
		case <-tick:
			s.mu.Lock()
			if s.upgrade == upgradeProbed {
				s.release(true)
			}
			s.mu.Unlock()
		}
	}
}

// servePost takes a payload of the client's packets.
func (s *Session) servePost(w http.ResponseWriter, r *http.Request, q query) {
	if s.Transport() != Polling {
		writeError(w, codeBadRequest)
		return
	}
	if !s.posting.TryLock() {
		s.refuse(w, ReasonTransportError)
		return
	}
	reason, err := s.post(w, r, q)
	s.posting.Unlock() // before the answer, after which the next POST may come
	switch tooLarge := (*http.MaxBytesError)(nil); {
	case errors.As(err, &tooLarge):
		s.refusePayload(w, r)
	case err != nil:
		s.refuse(w, reason)
	default:
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Cache-Control", "no-store")
		writeShort(w, http.StatusOK, []byte("ok"))
	}
}

var errBinary = errors.New("a binary body, which only version 3 has")

// post reads and handles a payload. With an error it returns the reason to end
// the session for.
func (s *Session) post(w http.ResponseWriter, r *http.Request, q query) (Reason, error) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	binary := kind == "application/octet-stream"
	if binary && s.protocol != 3 {
		return ReasonTransportError, errBinary
	}
	body, err := s.readBody(w, r)
	s.heardFrame(arrival{bytes: len(body)})
	held := cap(body)
	defer func() { s.HoldInbound(-held) }()
	if err != nil {
		return ReasonTransportError, err
	}
	if q.jsonp {
		body = formPayload(body)
	}
	if s.protocol == 3 {
		err = decodePayload3(body, binary, s.receivePosted)
	} else {
		err = wire.DecodePayload(body, s.receivePosted)
	}
	s.pause(false)
	return ReasonParseError, err
}

// receivePosted is receive for a packet of a POST.
func (s *Session) receivePosted(p packet) bool {
	if p.Kind == packetClose {
		s.pause(false) // what came before is handled before this ends the session
	}
	return s.receive(p, arrival{})
}

// refusePayload answers a POST that is too large. The session goes on, as in
// Node: clients end it when they see the answer. They may read it only when
// they have sent everything, so some of the rest is taken.
func (s *Session) refusePayload(w http.ResponseWriter, r *http.Request) {
	s.server.CountLimit(LimitPayload)
	writeShort(w, http.StatusRequestEntityTooLarge, nil)
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(closePatience))
	_, _ = io.CopyN(io.Discard, r.Body, closeDrainBytes)
}

// refuse ends the session for what the request did.
func (s *Session) refuse(w http.ResponseWriter, reason Reason) {
	s.end(reason, closeNormal, false)
	writeError(w, codeBadRequest)
}
