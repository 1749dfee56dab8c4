package engineio

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"

	"github.com/gorilla/websocket"
)

const (
	transportPolling   = "polling"
	transportWebsocket = "websocket"
)

// Server is an http.Handler that speaks Engine.IO v4.
type Server struct {
	opts     Options
	ping     *Message
	upgrader websocket.Upgrader
	work     sync.WaitGroup // flushers and upgrade watchers
	requests sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	sessions map[string]*Session
}

// NewServer returns a server that tells opts.OnSession of its sessions.
func NewServer(opts Options) *Server {
	opts = opts.withDefaults()
	return &Server{
		opts:     opts,
		ping:     control(packetPing, nil),
		sessions: make(map[string]*Session),
		upgrader: websocket.Upgrader{
			// Frames are written by the session, the buffer serves only the
			// handshake; origins are judged by the CORS answer, as in Node.
			WriteBufferPool: &sync.Pool{},
			ReadBufferSize:  1024,
			WriteBufferSize: 1024,
			CheckOrigin:     func(*http.Request) bool { return true },
			Error: func(w http.ResponseWriter, _ *http.Request, _ int, _ error) {
				writeError(w, codeBadRequest)
			},
		},
	}
}

// errorCode is a code of the Engine.IO error answers.
type errorCode int

const (
	codeUnknownTransport errorCode = iota
	codeUnknownSID
	codeBadMethod
	codeBadRequest
	_ // 4, "Forbidden": nothing is forbidden here yet
	codeBadProtocol
)

func (c errorCode) String() string {
	return [...]string{
		"Transport unknown", "Session ID unknown", "Bad handshake method",
		"Bad request", "Forbidden", "Unsupported protocol version",
	}[c]
}

func writeError(w http.ResponseWriter, code errorCode) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = fmt.Fprintf(w, `{"code":%d,"message":%q}`, code, code.String())
}

// ServeHTTP handles every request below the Socket.IO path.
func (srv *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	srv.opts.cors(w.Header(), r)
	if r.Method == http.MethodOptions {
		preflight(w, r)
		return
	}
	srv.mu.Lock()
	if srv.closed {
		srv.mu.Unlock()
		w.Header().Set("Connection", "close")
		writeError(w, codeBadRequest)
		return
	}
	srv.requests.Add(1)
	srv.mu.Unlock()
	defer srv.requests.Done()

	q := r.URL.Query()
	transport, sid := q.Get("transport"), q.Get("sid")
	upgrade := websocket.IsWebSocketUpgrade(r)
	if transport != transportPolling && transport != transportWebsocket {
		writeError(w, codeUnknownTransport)
		return
	}
	if sid != "" {
		srv.serveSession(w, r, sid, transport, upgrade)
		return
	}
	switch {
	case r.Method != http.MethodGet:
		writeError(w, codeBadMethod)
	case (transport == transportWebsocket) != upgrade:
		writeError(w, codeBadRequest)
	case q.Get("EIO") != "4":
		writeError(w, codeBadProtocol)
	case upgrade:
		srv.openWebsocket(w, r)
	default:
		srv.openPolling(w, r)
	}
}

func (srv *Server) serveSession(w http.ResponseWriter, r *http.Request, sid, transport string, upgrade bool) {
	srv.mu.Lock()
	s := srv.sessions[sid]
	srv.mu.Unlock()
	switch {
	case s == nil:
		writeError(w, codeUnknownSID)
	case upgrade && transport == transportWebsocket:
		srv.upgrade(s, w, r)
	case upgrade || transport != transportPolling:
		writeError(w, codeBadRequest)
	case r.Method == http.MethodGet:
		s.servePoll(w, r)
	case r.Method == http.MethodPost:
		s.servePost(w, r)
	default:
		writeError(w, codeBadRequest)
	}
}

func preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET,POST")
	h.Add("Vary", "Access-Control-Request-Headers")
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		h.Set("Access-Control-Allow-Headers", asked)
	}
	h.Set("Content-Length", "0")
	w.WriteHeader(http.StatusNoContent)
}

func (srv *Server) openPolling(w http.ResponseWriter, r *http.Request) {
	s := srv.newSession(r)
	if !srv.start(s) {
		writeError(w, codeBadRequest)
		return
	}
	s.servePoll(w, r)
}

func (srv *Server) newSession(r *http.Request) *Session {
	// The session outlives the request; what it keeps must not hold the body,
	// the context or the server's buffers.
	kept := &http.Request{Method: r.Method, URL: r.URL, Header: r.Header, Host: r.Host, RemoteAddr: r.RemoteAddr, TLS: r.TLS}
	return &Session{
		id: NewID(), server: srv, request: kept,
		queue: backlog{limit: srv.opts.MaxBacklog},
		done:  make(chan struct{}),
	}
}

// start tells the owner, registers the session and sends the open packet. The
// owner comes first: from the registration on, Close may end the session from
// another goroutine and must find its handlers.
func (srv *Server) start(s *Session) bool {
	if srv.opts.OnSession != nil {
		srv.opts.OnSession(s)
	}
	srv.mu.Lock()
	closed := srv.closed
	if !closed {
		srv.sessions[s.id] = s
	}
	srv.mu.Unlock()
	if closed {
		s.close(ReasonShutdown, closeGoingAway)
		return false
	}
	upgrades := []string{}
	if s.ws == nil {
		upgrades = append(upgrades, transportWebsocket)
	}
	open, err := json.Marshal(struct {
		SID          string   `json:"sid"`
		Upgrades     []string `json:"upgrades"`
		PingInterval int64    `json:"pingInterval"`
		PingTimeout  int64    `json:"pingTimeout"`
		MaxPayload   int64    `json:"maxPayload"`
	}{s.id, upgrades, srv.opts.PingInterval.Milliseconds(), srv.opts.PingTimeout.Milliseconds(), srv.opts.MaxPayload})
	if err != nil {
		return false
	}
	s.startHeartbeat()
	return s.Send(control(packetOpen, open)) == nil
}

func (srv *Server) forget(s *Session) {
	srv.mu.Lock()
	delete(srv.sessions, s.id)
	srv.mu.Unlock()
}

// Count returns the number of open sessions.
func (srv *Server) Count() int {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	return len(srv.sessions)
}

// Close ends every session, so that clients reconnect elsewhere, and waits for
// the goroutines of the server or for ctx.
func (srv *Server) Close(ctx context.Context) error {
	srv.mu.Lock()
	srv.closed = true
	open := slices.Collect(maps.Values(srv.sessions))
	srv.mu.Unlock()
	for _, s := range open {
		s.close(ReasonShutdown, closeGoingAway)
	}
	finished := make(chan struct{})
	go func() {
		srv.requests.Wait()
		srv.work.Wait()
		close(finished)
	}()
	select {
	case <-finished:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("closing the sessions took too long, %d left: %w", srv.Count(), ctx.Err())
	}
}

// NewID returns an id that cannot be guessed: 20 characters of base64url, as
// sessions and sockets have it.
func NewID() string {
	var b [15]byte
	_, _ = rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

var _ http.Handler = (*Server)(nil)
