package engineio

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"
)

const (
	// writeChunk is how many bytes a client must take within the StallTimeout.
	writeChunk = 16 << 10
	// slowestRate, in bytes a second, gives a large answer more time than the
	// TransferTimeout.
	slowestRate = 64 << 10
	// firstRead is the size of the first buffer for a body: most are short.
	firstRead = 512
)

// transfer is an HTTP body on its way to or from a client. It has a deadline
// for each part and one for all. The session's lock guards it.
type transfer struct {
	set   func(time.Time) error // the deadline of the connection
	stall time.Duration
	until time.Time
	bytes int // counted by the budget
}

// extend gives the next part its time.
func (t *transfer) extend() {
	by := time.Now().Add(t.stall)
	if t.until.Before(by) {
		by = t.until
	}
	_ = t.set(by) // where a writer of the application has no deadlines there are none
}

// hurry brings the end forward.
func (t *transfer) hurry(by time.Time) {
	if t != nil && by.Before(t.until) {
		t.until = by
		t.extend()
	}
}

func (s *Session) newTransfer(set func(time.Time) error, longest time.Duration) *transfer {
	return &transfer{set: set, stall: s.server.opts.StallTimeout, until: time.Now().Add(longest)}
}

func (s *Session) extend(t *transfer) {
	s.mu.Lock()
	t.extend()
	s.mu.Unlock()
}

// sendBody writes the answer to a poll, counting it where own is true: its
// bytes are not those of a message. The memory is free when it returns.
func (s *Session) sendBody(w http.ResponseWriter, body []byte, own bool) error {
	rc := http.NewResponseController(w)
	longest := max(s.server.opts.TransferTimeout, time.Duration(len(body)/slowestRate)*time.Second)
	t := s.newTransfer(rc.SetWriteDeadline, longest)
	if own {
		t.bytes = len(body)
	}
	s.mu.Lock()
	if own {
		s.queue.settle()
	}
	s.answer = t
	s.server.memory.add(int64(t.bytes))
	s.mu.Unlock()
	var err error
	for len(body) > 0 && err == nil {
		s.extend(t)
		n := 0
		n, err = w.Write(body[:min(len(body), writeChunk)])
		body = body[n:]
	}
	if err == nil {
		err = flush(rc)
	}
	s.mu.Lock()
	s.server.memory.Release(int64(t.bytes))
	if s.answer == t { // else the next poll has come already
		s.queue.settle()
		s.answer = nil
	}
	s.mu.Unlock()
	if err == nil {
		_ = rc.SetWriteDeadline(time.Time{})
	}
	return err
}

// flush writes what is buffered while the deadline holds.
func flush(rc *http.ResponseController) error {
	err := rc.Flush()
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// writeShort writes an answer that fits into any socket's buffer, unless the
// client sends requests and reads no answers.
func writeShort(w http.ResponseWriter, status int, body []byte) {
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Now().Add(closePatience))
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		return
	}
	if flush(rc) == nil {
		_ = rc.SetWriteDeadline(time.Time{})
	}
}

// readBody reads a body that must neither be too large nor trickle in. Its
// bytes count as inbound until the caller takes them off.
func (s *Session) readBody(w http.ResponseWriter, r *http.Request) (body []byte, err error) {
	rc := http.NewResponseController(w)
	t := s.newTransfer(rc.SetReadDeadline, s.server.opts.TransferTimeout)
	s.mu.Lock()
	s.posted = t
	if s.closed {
		t.hurry(time.Now())
	}
	s.mu.Unlock()
	in := http.MaxBytesReader(w, r.Body, s.server.opts.MaxPayload)
	body = make([]byte, 0, firstRead)
	s.HoldInbound(firstRead)
	for err == nil {
		if len(body) == cap(body) {
			before := cap(body)
			body = append(body, 0)[:len(body)]
			s.HoldInbound(cap(body) - before)
		}
		s.extend(t)
		n := 0
		n, err = in.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
	}
	s.mu.Lock()
	s.posted = nil
	s.mu.Unlock()
	if errors.Is(err, io.EOF) {
		_ = rc.SetReadDeadline(time.Time{})
		return body, nil
	}
	// The rest is not waited for: the deadline stays, the connection goes.
	w.Header().Set("Connection", "close")
	return body, err
}
