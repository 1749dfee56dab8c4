package engineio

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/devops-insights/devops-insights/socket/engineio/websocket"
)

// Send queues messages or writes them at once; no other message comes between
// them. It never blocks on the client. ErrNotUTF8 and ErrTooLarge concern the
// messages, of which none was sent; after ErrClosed and ErrSlow the session is
// over.
func (s *Session) Send(messages ...*Message) error { return s.send(messages, false) }

// SendVolatile is Send for messages that may be lost: where the client cannot
// take them at this moment, they are dropped.
func (s *Session) SendVolatile(messages ...*Message) error { return s.send(messages, true) }

func (s *Session) send(messages []*Message, volatile bool) error {
	for _, m := range messages {
		if err := s.server.sendable(m); err != nil {
			return err
		}
	}
	s.mu.Lock()
	if volatile && !s.closed && !s.writable() {
		s.mu.Unlock()
		return nil
	}
	err := s.sendLocked(messages)
	s.mu.Unlock()
	if s.server.memory.over() {
		s.server.relieve()
	}
	if err == nil || errors.Is(err, ErrClosed) {
		return err
	}
	s.end(s.sendFailure(err), closeGoingAway, false)
	if errors.Is(err, ErrSlow) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrClosed, err)
}

// AwaitRoom waits until n more bytes fit into what may wait for the client.
// Call it before a large answer is built: a client that asks for several of
// them and reads slowly gets one after the other, where Send would end the
// session. It returns ErrTooLarge, ErrClosed, or the error of ctx.
func (s *Session) AwaitRoom(ctx context.Context, n int) error {
	if most := s.server.opts.MaxBacklog; n > most {
		return fmt.Errorf("%w: %d bytes, MaxBacklog is %d", ErrTooLarge, n, most)
	}
	for {
		s.mu.Lock()
		closed, room := s.closed, s.queue.bytes+n <= s.queue.limit
		if !closed && !room && s.queue.freed == nil {
			s.queue.freed = make(chan struct{})
		}
		freed := s.queue.freed
		s.mu.Unlock()
		switch {
		case closed:
			return ErrClosed
		case room:
			return nil
		}
		select {
		case <-freed:
		case <-s.done:
		case <-ctx.Done():
			return fmt.Errorf("the client does not read: %w", ctx.Err())
		}
	}
}

// sendable refuses what must not go out to anyone.
func (srv *Server) sendable(m *Message) error {
	if !m.valid() {
		return ErrNotUTF8
	}
	if m.Len() > srv.opts.MaxBacklog {
		return fmt.Errorf("%w: %d bytes, MaxBacklog is %d", ErrTooLarge, m.Len(), srv.opts.MaxBacklog)
	}
	return nil
}

// writable reports whether the transport takes a message at this moment; the
// caller holds the lock.
func (s *Session) writable() bool {
	if s.ws != nil {
		return !s.ws.busy
	}
	return s.poll != nil && s.upgrade != upgradeProbed
}

func (s *Session) sendFailure(err error) Reason {
	if errors.Is(err, ErrSlow) {
		s.server.CountLimit(LimitBacklog)
		return ReasonSlow
	}
	return ReasonTransportError
}

func (s *Session) sendLocked(messages []*Message) error {
	if s.closed {
		return ErrClosed
	}
	if t := s.server.taps.Load(); t != nil {
		s.tapped(t, messages)
	}
	for _, m := range messages {
		if !s.direct {
			if !s.queue.push(m) {
				return ErrSlow
			}
			continue
		}
		frame := s.frame(m)
		n, err := writeNow(int(s.fd), frame)
		if err != nil {
			return err
		}
		s.packetsOut++
		s.bytesOut += uint64(n)
		if websocket.IsCompressed(frame) {
			s.record.bytesOutCompressed += uint64(n)
		}
		if n < len(frame) {
			s.ws.rest, s.ws.restCompressed = frame[n:], websocket.IsCompressed(frame)
			s.queue.begin(m)
			s.queueUp()
		}
	}
	if s.ws != nil && !s.direct && !s.ws.busy {
		s.queueUp()
	}
	s.release(false)
	return nil
}

// queueUp leaves the writing to a flusher until nothing waits any more; the
// caller holds the lock.
func (s *Session) queueUp() {
	s.direct, s.ws.busy = false, true
	s.server.work.Go(s.flush)
}

// frame returns the message as this session's websocket carries it.
func (s *Session) frame(m *Message) []byte {
	if s.protocol == 3 {
		return m.frame3(s.base64)
	}
	if m.n < int(s.deflateMax) {
		return m.deflated(&s.server.flate, s.server.opts.PerMessageDeflate)
	}
	return m.wire()
}

// release lets a waiting poll go; the caller holds the lock.
func (s *Session) release(noop bool) {
	if s.poll != nil {
		s.noop = noop
		close(s.poll)
		s.poll = nil
	}
}

// flush writes what did not fit into the socket's buffer and ends when nothing
// waits any more: a client that keeps up never has this goroutine.
func (s *Session) flush() {
	for {
		frame, compressed := s.nextFrame()
		if frame == nil {
			return
		}
		if err := s.writeFrame(frame, compressed); err != nil {
			s.because(stalled(err))
			s.end(ReasonTransportError, closeGoingAway, false)
			s.ws.cut()
			s.mu.Lock()
			s.queue.settle()
			s.mu.Unlock()
			return
		}
	}
}

// nextFrame returns what the flusher is to write, or nil at the end, and
// whether it is compressed.
func (s *Session) nextFrame() (next []byte, compressed bool) {
	s.mu.Lock()
	next, compressed = s.ws.rest, s.ws.restCompressed
	s.ws.rest = nil
	if next == nil {
		if m := s.queue.pop(); m != nil {
			next = s.frame(m)
			compressed = websocket.IsCompressed(next)
			s.sent(1, 0, false)
		}
	}
	if next != nil {
		s.mu.Unlock()
		return next, compressed
	}
	_ = s.ws.NetConn().SetWriteDeadline(time.Time{})
	s.ws.busy = false
	s.direct = s.fd >= 0 && !s.closed
	closed := s.closed
	s.mu.Unlock()
	if closed {
		s.ws.finish()
		s.server.forget(s)
	}
	return nil, false
}

// writeFrame writes a frame in parts, each of which the client must take within
// the StallTimeout.
func (s *Session) writeFrame(frame []byte, compressed bool) error {
	for len(frame) > 0 {
		s.mu.Lock()
		by := time.Now().Add(s.server.opts.StallTimeout)
		if s.closed && s.closeBy.Before(by) {
			by = s.closeBy
		}
		err := s.ws.NetConn().SetWriteDeadline(by)
		s.mu.Unlock()
		if err != nil {
			return err
		}
		n, err := s.ws.NetConn().Write(frame[:min(len(frame), writeChunk)])
		s.mu.Lock()
		s.sent(0, n, compressed)
		s.mu.Unlock()
		if err != nil {
			return err
		}
		frame = frame[n:]
	}
	return nil
}
