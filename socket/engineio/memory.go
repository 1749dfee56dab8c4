package engineio

import (
	"cmp"
	"slices"
)

// Memory returns the bound of all that waits in the server.
func (srv *Server) Memory() *Budget { return srv.memory }

// HoldInbound counts n bytes of the client's packets that wait for a handler;
// with a negative n they have been handled. Past Options.MaxMemory the session
// may be ended for them.
func (s *Session) HoldInbound(n int) {
	s.inbound.Add(int64(n))
	s.server.memory.add(int64(n))
	if n > 0 && s.server.memory.over() {
		s.server.relieve()
	}
}

// waiting returns how many bytes wait because of this client.
func (s *Session) waiting() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := int64(s.queue.bytes) + s.inbound.Load()
	if s.answer != nil {
		n += int64(s.answer.bytes)
	}
	return n
}

// relief is how far below its bound the memory is brought: an eighth of it, so
// that the search is not made for every message.
const relief = 8

// relieve ends the sessions for which most waits until the memory in use is
// well below its bound. The caller holds no lock of a session.
func (srv *Server) relieve() {
	if !srv.relieving.TryLock() {
		return // somebody does
	}
	defer srv.relieving.Unlock()
	type holder struct {
		session *Session
		bytes   int64
	}
	var holders []holder
	for _, s := range srv.known() {
		if n := s.waiting(); n > 0 {
			holders = append(holders, holder{s, n})
		}
	}
	slices.SortFunc(holders, func(a, b holder) int { return cmp.Compare(b.bytes, a.bytes) })
	excess := srv.memory.Used() - srv.memory.Max() + srv.memory.Max()/relief
	for _, h := range holders {
		if excess <= 0 {
			return
		}
		excess -= h.bytes
		srv.CountLimit(LimitMemory)
		h.session.end(ReasonMemory, closeTryLater, false)
		srv.abandon(h.session) // also one that was closed and waited for its client
	}
}
