package engineio

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"time"
)

// servePoll answers a GET ("HTTP long-polling"): what waits, or what comes
// next.
func (s *Session) servePoll(w http.ResponseWriter, r *http.Request, a ask) {
	s.mu.Lock()
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
	if len(s.queue.waiting) == 0 && !s.closed {
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
	messages := s.queue.take()
	farewell := s.closed && len(messages) == 0
	switch {
	case farewell && s.left:
		messages = append(messages, control(packetNoop, nil))
	case farewell:
		// Alone, as in Node: clients look at a close packet before the messages
		// that came in the same payload.
		messages = append(messages, control(packetClose, nil))
	case len(messages) == 0 && noop:
		messages = append(messages, control(packetNoop, nil))
	}
	s.mu.Unlock()
	if farewell {
		s.server.forget(s)
	}
	s.writePoll(w, r, a, messages)
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
func (s *Session) servePost(w http.ResponseWriter, r *http.Request, a ask) {
	if s.Transport() != Polling {
		writeError(w, codeBadRequest)
		return
	}
	if !s.posting.TryLock() {
		s.refuse(w, ReasonTransportError)
		return
	}
	defer s.posting.Unlock()
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	binary := kind == "application/octet-stream"
	if binary && s.protocol != 3 {
		s.refuse(w, ReasonTransportError)
		return
	}
	body, err := s.readBody(w, r)
	if err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			s.server.Limited(LimitPayload)
			s.end(ReasonTransportError, closeNormal, false)
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		s.refuse(w, ReasonTransportError)
		return
	}
	if a.jsonp {
		body = formPayload(body)
	}
	if s.protocol == 3 {
		err = decodePayload3(body, binary, s.receive)
	} else {
		err = decodePayload(body, s.receive)
	}
	s.pause(false)
	if err != nil {
		s.refuse(w, ReasonParseError)
		return
	}
	s.writeBody(w, r, "text/html", []byte("ok"), false)
}

// readBody reads a body that must neither be too large nor trickle in.
func (s *Session) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(s.server.opts.PingTimeout))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.server.opts.MaxPayload))
	if err != nil {
		// The rest is not waited for: the deadline stays, the connection goes.
		w.Header().Set("Connection", "close")
		return nil, err
	}
	_ = rc.SetReadDeadline(time.Time{})
	return body, nil
}

// refuse ends the session for what the request did.
func (s *Session) refuse(w http.ResponseWriter, reason Reason) {
	s.end(reason, closeNormal, false)
	writeError(w, codeBadRequest)
}
