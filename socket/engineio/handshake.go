package engineio

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
)

func (srv *Server) serveHandshake(w http.ResponseWriter, r *http.Request, q query) {
	switch {
	case r.Method != http.MethodGet:
		writeError(w, codeBadMethod)
		return
	case (q.transport == Websocket) != q.upgrade:
		writeError(w, codeBadRequest)
		return
	case q.protocol == 3 && (!srv.opts.AllowEIO3 || q.version != "3"):
		writeError(w, codeBadProtocol)
		return
	}
	s, ok := srv.admit(w, r, q)
	if !ok {
		return
	}
	header := make(http.Header)
	if srv.opts.Cookie != nil {
		c := *srv.opts.Cookie
		c.Value = s.id
		header.Add("Set-Cookie", c.String())
	}
	if q.upgrade {
		srv.openWebsocket(s, w, r, header)
		return
	}
	maps.Copy(w.Header(), header)
	if !srv.start(s) {
		writeError(w, codeBadRequest)
		return
	}
	s.servePoll(w, r, q)
}

// admit asks the limits and the application about a handshake and answers one
// that is refused.
func (srv *Server) admit(w http.ResponseWriter, r *http.Request, q query) (*Session, bool) {
	srv.mu.Lock()
	draining := srv.draining
	srv.mu.Unlock()
	if draining {
		writeUnavailable(w)
		return nil, false
	}
	if srv.opts.AllowRequest != nil {
		if err := srv.opts.AllowRequest(r); err != nil {
			status := http.StatusForbidden
			if errors.Is(err, ErrUnavailable) {
				status = http.StatusServiceUnavailable
			}
			writeRefusal(w, status, codeForbidden, err.Error())
			return nil, false
		}
	}
	s := srv.newSession(r, q)
	if limit := srv.ipLimits.admit(s.remote); limit != "" {
		srv.refuse(limit)
		w.Header().Set("Retry-After", "1")
		writeRefusal(w, http.StatusTooManyRequests, codeForbidden, "Too many "+string(limit))
		return nil, false
	}
	if !srv.memory.Reserve(s.kept) {
		srv.relieve()
		if !srv.memory.Reserve(s.kept) {
			srv.ipLimits.release(s.remote)
			srv.refuse(LimitMemory)
			w.Header().Set("Retry-After", "1")
			writeRefusal(w, http.StatusServiceUnavailable, codeForbidden, "The server has no memory for another connection")
			return nil, false
		}
	}
	return s, true
}

// drop undoes admit for a session that does not start.
func (srv *Server) drop(s *Session) {
	srv.ipLimits.release(s.remote)
	srv.memory.Release(s.kept)
}

func (srv *Server) newSession(r *http.Request, q query) *Session {
	s := &Session{
		id: NewID(), server: srv, protocol: q.protocol, base64: q.base64,
		remote: srv.opts.clientAddress(r),
		queue:  backlog{limit: srv.opts.MaxBacklog, most: srv.opts.MaxQueued, memory: srv.memory},
		done:   make(chan struct{}),
	}
	s.request, s.kept = keptRequest(r)
	if most := srv.opts.MaxByteRate; most > 0 {
		burst := max(10*most, 2*float64(srv.opts.MaxPayload))
		s.traffic = s.NewLimiter(most, int(burst))
	}
	return s
}

// start tells the owner, registers the session and sends the open packet
// ("Handshake"). The owner comes first: from the registration on, Close may
// end the session from another goroutine and must find its handlers.
func (srv *Server) start(s *Session) bool {
	s.record.number = srv.counters.began(s.transport())
	s.record.since = srv.uptime()
	s.record.last = s.record.since
	if srv.opts.OnSession != nil {
		srv.opts.OnSession(s)
	}
	srv.mu.Lock()
	closed := srv.closed || srv.draining
	if !closed {
		srv.sessions[s.id] = s
	}
	srv.mu.Unlock()
	if closed {
		s.end(ReasonShutdown, closeGoingAway, false)
		return false
	}
	if s.Send(control(packetOpen, srv.handshake(s, s.transport()))) != nil {
		return false
	}
	s.startHeartbeat()
	if s.onOpen != nil {
		s.onOpen()
	}
	return true
}

// handshake returns the data of the open packet.
func (srv *Server) handshake(s *Session, transport string) []byte {
	b := append(make([]byte, 0, 160), `{"sid":"`...)
	b = append(b, s.id...)
	b = append(b, `","upgrades":[`...)
	for _, name := range srv.opts.upgrades(transport) {
		b = strconv.AppendQuote(b, name)
	}
	return fmt.Appendf(b, `],"pingInterval":%d,"pingTimeout":%d,"maxPayload":%d}`,
		srv.opts.PingInterval.Milliseconds(), srv.opts.PingTimeout.Milliseconds(), srv.opts.MaxPayload)
}

// NewID returns an id that cannot be guessed: 20 characters of base64url, as
// sessions and sockets have it.
func NewID() string {
	var b [15]byte
	_, _ = rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}
