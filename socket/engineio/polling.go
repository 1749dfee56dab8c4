package engineio

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"
)

// servePoll answers a GET: what waits, or what comes next.
func (s *Session) servePoll(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if s.closed || s.ws != nil {
		s.mu.Unlock()
		writeError(w, codeBadRequest)
		return
	}
	if s.poll != nil {
		s.mu.Unlock()
		s.refuse(w, ReasonTransportError)
		return
	}
	noop := s.upgrading
	if len(s.queue.waiting) == 0 && !noop {
		released := make(chan struct{})
		s.poll = released
		s.mu.Unlock()
		select {
		case <-released:
		case <-r.Context().Done():
			s.close(ReasonTransportError, closeNormal)
			return
		}
		s.mu.Lock()
		noop = s.noop
	}
	var messages []*Message
	if s.ws == nil {
		messages = s.queue.take()
	}
	closed := s.closed
	s.mu.Unlock()
	var body []byte
	for i, m := range messages {
		if i > 0 {
			body = append(body, separator)
		}
		body = append(body, m.packet()...)
	}
	switch {
	case closed && len(body) > 0:
		body = append(body, separator, byte(packetClose))
	case closed:
		body = []byte{byte(packetClose)}
	case len(body) == 0 && noop:
		body = []byte{byte(packetNoop)}
	}
	writePayload(w, "text/plain; charset=UTF-8", body)
}

// servePost takes a payload of the client's packets.
func (s *Session) servePost(w http.ResponseWriter, r *http.Request) {
	if s.Transport() != transportPolling {
		writeError(w, codeBadRequest)
		return
	}
	if !s.posting.TryLock() {
		s.refuse(w, ReasonTransportError)
		return
	}
	defer s.posting.Unlock()
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/octet-stream" {
		s.refuse(w, ReasonTransportError)
		return
	}
	// A body that trickles in must not hold its connection for ever.
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Now().Add(s.server.opts.PingTimeout))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.server.opts.MaxPayload))
	_ = rc.SetReadDeadline(time.Time{})
	if err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			s.close(ReasonTransportError, closeNormal)
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		s.refuse(w, ReasonTransportError)
		return
	}
	if err := decodePayload(body, s.receive); err != nil {
		s.refuse(w, ReasonParseError)
		return
	}
	writePayload(w, "text/html", []byte("ok"))
}

// refuse ends the session for what the request did.
func (s *Session) refuse(w http.ResponseWriter, reason Reason) {
	s.close(reason, closeNormal)
	writeError(w, codeBadRequest)
}

func writePayload(w http.ResponseWriter, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(body)
}
