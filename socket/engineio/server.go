package engineio

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Server is an http.Handler that speaks Engine.IO.
type Server struct {
	opts      Options
	ping      *Message
	upgrader  websocket.Upgrader
	addresses *addresses
	counters  *counters
	deflater  deflater
	zippers   sync.Pool      // of *gzip.Writer, for polls
	work      sync.WaitGroup // flushers, readers and upgrade watchers
	parking   parking        // of connections that have nothing to say
	requests  sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	draining bool // no new sessions
	sessions map[string]*Session
}

// NewServer returns a server that tells opts.OnSession of its sessions.
func NewServer(opts Options) *Server {
	opts = opts.withDefaults()
	return &Server{
		opts:      opts,
		ping:      control(packetPing, nil),
		addresses: newAddresses(opts),
		counters:  newCounters(),
		sessions:  make(map[string]*Session),
		upgrader: websocket.Upgrader{
			// Frames are written by the session, the buffer serves only the
			// handshake; origins are judged by the CORS answer, as in Node.
			WriteBufferPool:   &sync.Pool{},
			ReadBufferSize:    0, // that of the hijacker
			WriteBufferSize:   1024,
			EnableCompression: opts.PerMessageDeflate > 0,
			CheckOrigin:       func(*http.Request) bool { return true },
			Error: func(w http.ResponseWriter, _ *http.Request, _ int, _ error) {
				writeError(w, codeBadRequest)
			},
		},
	}
}

// ServeHTTP handles every request below the Engine.IO path.
func (srv *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	srv.opts.AllowOrigin.Set(w.Header(), r)
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
	asked := ask{
		transport: q.Get("transport"), sid: q.Get("sid"), upgrade: websocket.IsWebSocketUpgrade(r),
		protocol: 3, base64: q.Get("b64") != "", jsonp: q.Has("j"), index: q.Get("j"),
	}
	asked.version = q.Get("EIO")
	if asked.version == "4" {
		asked.protocol = 4
	}
	switch {
	case !srv.opts.serves(asked.transport):
		writeError(w, codeUnknownTransport)
	case asked.sid != "":
		srv.serveSession(w, r, asked)
	default:
		srv.serveHandshake(w, r, asked)
	}
}

// ask is what the query of a request says.
type ask struct {
	transport, sid, version string
	protocol                int // 3 or 4
	upgrade                 bool
	base64                  bool // the client cannot read binary (version 3)
	jsonp                   bool
	index                   string // of the JSON-P callback
}

func (srv *Server) serveSession(w http.ResponseWriter, r *http.Request, a ask) {
	srv.mu.Lock()
	s := srv.sessions[a.sid]
	srv.mu.Unlock()
	switch {
	case s == nil:
		writeError(w, codeUnknownSID)
	case s.protocol != a.protocol:
		writeError(w, codeBadRequest)
	case a.upgrade && a.transport == Websocket:
		srv.upgrade(s, w, r)
	case a.upgrade || a.transport != Polling:
		writeError(w, codeBadRequest)
	case r.Method == http.MethodGet:
		s.servePoll(w, r, a)
	case r.Method == http.MethodPost:
		s.servePost(w, r, a)
	default:
		writeError(w, codeBadRequest)
	}
}

func (srv *Server) serveHandshake(w http.ResponseWriter, r *http.Request, a ask) {
	switch {
	case r.Method != http.MethodGet:
		writeError(w, codeBadMethod)
		return
	case (a.transport == Websocket) != a.upgrade:
		writeError(w, codeBadRequest)
		return
	case a.protocol == 3 && (!srv.opts.AllowEIO3 || a.version != "3"):
		writeError(w, codeBadProtocol)
		return
	}
	srv.mu.Lock()
	draining := srv.draining
	srv.mu.Unlock()
	if draining {
		w.Header().Set("Connection", "close")
		writeRefusal(w, http.StatusServiceUnavailable, codeForbidden, "The server is stopping")
		return
	}
	if srv.opts.AllowRequest != nil {
		if err := srv.opts.AllowRequest(r); err != nil {
			status := http.StatusForbidden
			if errors.Is(err, ErrUnavailable) {
				status = http.StatusServiceUnavailable
			}
			writeRefusal(w, status, codeForbidden, err.Error())
			return
		}
	}
	s := srv.newSession(r, a)
	if limit := srv.addresses.enter(s.remote); limit != "" {
		srv.Limited(limit)
		w.Header().Set("Retry-After", "1")
		writeRefusal(w, http.StatusTooManyRequests, codeForbidden, "Too many "+string(limit))
		return
	}
	header := make(http.Header)
	if srv.opts.Cookie != nil {
		c := *srv.opts.Cookie
		c.Value = s.id
		header.Add("Set-Cookie", c.String())
	}
	if a.upgrade {
		srv.openWebsocket(s, w, r, header)
		return
	}
	maps.Copy(w.Header(), header)
	if !srv.start(s) {
		writeError(w, codeBadRequest)
		return
	}
	s.servePoll(w, r, a)
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

func (srv *Server) newSession(r *http.Request, a ask) *Session {
	// The session outlives the request; what it keeps must not hold the body,
	// the context or the server's buffers.
	kept := &http.Request{Method: r.Method, URL: r.URL, Header: r.Header, Host: r.Host, RemoteAddr: r.RemoteAddr, TLS: r.TLS}
	return &Session{
		id: NewID(), server: srv, request: kept, protocol: a.protocol, base64: a.base64,
		remote: srv.opts.clientAddress(r),
		queue:  backlog{limit: srv.opts.MaxBacklog, most: srv.opts.MaxQueued},
		done:   make(chan struct{}),
	}
}

// start tells the owner, registers the session and sends the open packet
// ("Handshake"). The owner comes first: from the registration on, Close may
// end the session from another goroutine and must find its handlers.
func (srv *Server) start(s *Session) bool {
	srv.counters.began()
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
	transport := Polling
	if s.ws != nil {
		transport = Websocket
	}
	if s.Send(control(packetOpen, srv.handshake(s, transport))) != nil {
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

// Drain takes no new sessions and ends the open ones evenly over a time of at
// most spread, a millisecond apart where they are few, so that their clients do
// not all reconnect elsewhere in one moment. It returns early when ctx ends.
func (srv *Server) Drain(ctx context.Context, spread time.Duration) {
	srv.mu.Lock()
	srv.draining = true
	open := slices.Collect(maps.Values(srv.sessions))
	srv.mu.Unlock()
	if len(open) == 0 {
		return
	}
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	began := time.Now()
	whole := min(spread, time.Duration(len(open))*time.Millisecond)
	for i, s := range open {
		for time.Since(began) < whole*time.Duration(i)/time.Duration(len(open)) {
			select {
			case <-pace.C:
			case <-ctx.Done():
				return
			}
		}
		s.end(ReasonShutdown, closeGoingAway, false)
	}
}

// Close ends every session, so that clients reconnect elsewhere, and waits for
// the goroutines of the server or for ctx.
func (srv *Server) Close(ctx context.Context) error {
	srv.mu.Lock()
	srv.closed = true
	open := slices.Collect(maps.Values(srv.sessions))
	srv.mu.Unlock()
	for _, s := range open {
		s.end(ReasonShutdown, closeGoingAway, false)
		srv.forget(s) // one that lingers would wait for a poll that is not answered any more
	}
	finished := make(chan struct{})
	go func() {
		srv.requests.Wait()
		srv.work.Wait()
		srv.parking.close()
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
