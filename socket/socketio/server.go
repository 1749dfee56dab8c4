package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/devops-insights/devops-insights/socket/engineio"
)

// Options configures a Server. The zero value of every field is usable.
type Options struct {
	// Engine configures the connections; its OnSession is set by the server.
	Engine engineio.Options
	// ConnectTimeout is how long a connection may stay without joining a
	// namespace. Zero: 45 s.
	ConnectTimeout time.Duration
	// MaxAttachments is how many binary parts one packet may have. Zero: 10.
	MaxAttachments int
	// MaxBinary is how many bytes they may have together. Zero: 16 MiB.
	MaxBinary int
	// MaxNesting is how deep arrays and objects of a packet may nest. Zero: 200.
	MaxNesting int
	// MaxNamespaces is how many namespaces one connection may be in. Zero: 100.
	MaxNamespaces int
	// MaxRooms is how many rooms one socket may be in. Zero: 1000.
	MaxRooms int
	// MaxPendingAcks is how many acknowledgements one socket may owe. Zero:
	// 1000.
	MaxPendingAcks int
	// MaxEventRate is how many packets a second one connection may send, with
	// bursts of five times as many. Zero: no bound; the handlers' own pace
	// slows the client down.
	MaxEventRate float64
	// Recovery switches connection state recovery on. Nil: off, as in Node.
	Recovery *Recovery
	// NewAdapter makes the adapter of a namespace. Nil: none, this server is
	// alone.
	NewAdapter func(n *Namespace) Adapter
	// Logf is told of refused packets and of handlers that panicked. Nil:
	// nothing is logged.
	Logf func(format string, args ...any)
}

func (o Options) withDefaults() Options {
	set := func(n *int, v int) {
		if *n <= 0 {
			*n = v
		}
	}
	if o.ConnectTimeout <= 0 {
		o.ConnectTimeout = 45 * time.Second
	}
	set(&o.MaxAttachments, 10)
	set(&o.MaxBinary, 16<<20)
	set(&o.MaxNesting, 200)
	set(&o.MaxNamespaces, 100)
	set(&o.MaxRooms, 1000)
	set(&o.MaxPendingAcks, 1000)
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	return o
}

// Server is an http.Handler that speaks Socket.IO v5. Serve it at the path
// "/socket.io/".
type Server struct {
	opts   Options
	engine *engineio.Server
	work   sync.WaitGroup // what handlers do

	mu         sync.RWMutex
	closed     bool
	namespaces map[string]*Namespace
	parents    []*Parent
}

// NewServer returns a server with the default namespace "/".
func NewServer(opts Options) *Server {
	srv := &Server{opts: opts.withDefaults(), namespaces: make(map[string]*Namespace)}
	opts.Engine.OnSession = func(s *engineio.Session) { newClient(srv, s) }
	srv.engine = engineio.NewServer(opts.Engine)
	srv.Of("/")
	return srv
}

func rooted(name string) string {
	if !strings.HasPrefix(name, "/") {
		return "/" + name
	}
	return name
}

// Of returns the namespace of that name and creates it if need be.
func (srv *Server) Of(name string) *Namespace {
	name = rooted(name)
	srv.mu.Lock()
	defer srv.mu.Unlock()
	n := srv.namespaces[name]
	if n == nil {
		n = newNamespace(srv, name)
		srv.namespaces[name] = n
	}
	return n
}

// OfPattern returns the parent of all namespaces whose names match and that
// have not been created with Of.
func (srv *Server) OfPattern(pattern *regexp.Regexp) *Parent {
	return srv.OfFunc(func(name string, _ json.RawMessage) bool { return pattern.MatchString(name) })
}

// OfFunc returns the parent of all namespaces that allow lets a client into:
// it gets the name and the payload of the client's CONNECT packet.
func (srv *Server) OfFunc(allow func(name string, auth json.RawMessage) bool) *Parent {
	p := &Parent{server: srv, allow: allow}
	srv.mu.Lock()
	defer srv.mu.Unlock()
	srv.parents = append(srv.parents, p)
	return p
}

// ServeHTTP implements http.Handler.
func (srv *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { srv.engine.ServeHTTP(w, r) }

// Connections returns the number of open connections.
func (srv *Server) Connections() int { return srv.engine.Count() }

// Stats returns counters of the connections, their ends and the limits met.
func (srv *Server) Stats() engineio.Stats { return srv.engine.Stats() }

// Drain takes no new connections and ends the open ones evenly over a time of
// at most spread, in a way that makes clients reconnect. Close comes after it.
func (srv *Server) Drain(ctx context.Context, spread time.Duration) { srv.engine.Drain(ctx, spread) }

// Close ends every connection in a way that makes clients reconnect, waits for
// the handlers or ctx, and closes the adapters.
func (srv *Server) Close(ctx context.Context) error {
	err := srv.engine.Close(ctx)
	srv.mu.Lock()
	srv.closed = true
	srv.mu.Unlock()
	finished := make(chan struct{})
	go func() {
		srv.work.Wait()
		close(finished)
	}()
	select {
	case <-finished:
	case <-ctx.Done():
		err = errors.Join(err, errors.New("handlers of clients were still at work"))
	}
	srv.mu.RLock()
	defer srv.mu.RUnlock()
	for _, n := range srv.namespaces {
		if n.adapter != nil {
			err = errors.Join(err, n.adapter.Close())
		}
	}
	return err
}

// spawn runs f beside the caller, and Close waits for it. After Close there is
// nobody to wait: f runs at once.
func (srv *Server) spawn(f func()) {
	srv.mu.RLock()
	if srv.closed {
		srv.mu.RUnlock()
		f()
		return
	}
	srv.work.Go(f)
	srv.mu.RUnlock()
}

// survive keeps a mistake in one handler from taking every client down.
func (srv *Server) survive(where, name string) {
	if v := recover(); v != nil {
		srv.opts.Logf("%s %q panicked: %v\n%s", where, name, v, debug.Stack())
	}
}
