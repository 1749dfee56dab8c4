package engineio

import (
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/devops-insights/devops-insights/socket/engineio/websocket"
)

// Server is an http.Handler that speaks Engine.IO.
type Server struct {
	opts        Options
	taps        atomic.Pointer[taps] // nil while nobody listens
	began       time.Time
	ping        *Message
	ipLimits    *ipLimits
	excesses    *excesses
	memory      *Budget
	counters    *counters
	flate       websocket.Flate
	zippers     sync.Pool      // of *gzip.Writer, for polls
	readBuffers sync.Pool      // of *[readBuffer]byte
	work        sync.WaitGroup // flushers, readers and upgrade watchers
	idle        idlePoller     // of websockets that have nothing to say
	requests    sync.WaitGroup

	relieving sync.Mutex // held by who looks for memory

	mu       sync.Mutex
	closed   bool
	draining bool // no new sessions
	sessions map[string]*Session
}

// NewServer returns a server that tells opts.OnSession of its sessions.
func NewServer(opts Options) *Server {
	opts = opts.withDefaults()
	return &Server{
		opts:        opts,
		began:       time.Now(),
		ping:        control(packetPing, nil),
		ipLimits:    newIPLimits(opts),
		excesses:    newExcesses(opts.Now),
		memory:      newBudget(opts.MaxMemory),
		counters:    newCounters(),
		sessions:    make(map[string]*Session),
		readBuffers: sync.Pool{New: func() any { return new([readBuffer]byte) }},
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
		writeUnavailable(w)
		return
	}
	srv.requests.Add(1)
	srv.mu.Unlock()
	defer srv.requests.Done()
	srv.boundReading(w, r)
	if err := srv.checkOrigin(r); err != nil {
		srv.refuse(LimitOrigin)
		writeRefusal(w, http.StatusForbidden, codeForbidden, err.Error())
		return
	}

	q := r.URL.Query()
	asked := query{
		transport: q.Get("transport"), sid: q.Get("sid"), upgrade: websocket.IsUpgrade(r),
		protocol: 3, base64: q.Get("b64") != "", jsonp: q.Has("j"), index: q.Get("j"),
	}
	asked.version = q.Get("EIO")
	if asked.version == "4" {
		asked.protocol = 4
	}
	switch {
	case !srv.opts.serves(asked.transport):
		writeError(w, codeUnknownTransport)
	case asked.jsonp && !srv.opts.AllowEIO3:
		// A <script> of any page could read the answer, whatever its origin.
		writeError(w, codeBadRequest)
	case asked.sid != "":
		srv.serveSession(w, r, asked)
	default:
		srv.serveHandshake(w, r, asked)
	}
}

// boundReading gives a body that nobody will read its time, and a poll all the
// time that it needs, whatever the HTTP server's ReadTimeout is.
func (srv *Server) boundReading(w http.ResponseWriter, r *http.Request) {
	var by time.Time
	if r.Body != nil && r.Body != http.NoBody {
		by = time.Now().Add(srv.opts.StallTimeout)
	}
	_ = http.NewResponseController(w).SetReadDeadline(by)
}

// checkOrigin asks Options.CheckOrigin about a browser's request.
func (srv *Server) checkOrigin(r *http.Request) error {
	if srv.opts.CheckOrigin == nil || r.Header.Get("Origin") == "" {
		return nil
	}
	return srv.opts.CheckOrigin(r)
}

// query is what the query of a request says.
type query struct {
	transport, sid, version string
	protocol                uint8 // 3 or 4
	upgrade                 bool
	base64                  bool // the client cannot read binary (version 3)
	jsonp                   bool
	index                   string // of the JSON-P callback
}

func (srv *Server) serveSession(w http.ResponseWriter, r *http.Request, q query) {
	srv.mu.Lock()
	s := srv.sessions[q.sid]
	srv.mu.Unlock()
	switch {
	case s == nil:
		writeError(w, codeUnknownSID)
	case s.protocol != q.protocol:
		writeError(w, codeBadRequest)
	case q.upgrade && q.transport == Websocket:
		srv.upgrade(s, w, r)
	case q.upgrade || q.transport != Polling:
		writeError(w, codeBadRequest)
	case r.Method == http.MethodGet:
		s.servePoll(w, r, q)
	case r.Method == http.MethodPost:
		s.servePost(w, r, q)
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
	writeShort(w, http.StatusNoContent, nil)
}

func (srv *Server) forget(s *Session) {
	srv.mu.Lock()
	delete(srv.sessions, s.id)
	srv.mu.Unlock()
}

// known returns the sessions that requests can find.
func (srv *Server) known() []*Session {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	return slices.Collect(maps.Values(srv.sessions))
}

var _ http.Handler = (*Server)(nil)
