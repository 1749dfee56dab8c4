package socketio

import (
	"context"
	"errors"
	"net/http"
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
	// MaxBinary is how many bytes the attachments of one packet may have
	// together. Zero: 16 MiB.
	MaxBinary int
	// NewAdapter makes the adapter of a namespace. Nil: a MemoryAdapter.
	NewAdapter func(namespace string) Adapter
	// Logf is told of refused packets and of handlers that panicked. Nil:
	// nothing is logged.
	Logf func(format string, args ...any)
}

// Server is an http.Handler that speaks Socket.IO v5. Serve it at the path
// "/socket.io/".
type Server struct {
	opts   Options
	engine *engineio.Server

	mu         sync.RWMutex
	namespaces map[string]*Namespace
}

// NewServer returns a server with the default namespace "/".
func NewServer(opts Options) *Server {
	if opts.ConnectTimeout <= 0 {
		opts.ConnectTimeout = 45 * time.Second
	}
	if opts.MaxBinary <= 0 {
		opts.MaxBinary = 16 << 20
	}
	if opts.NewAdapter == nil {
		opts.NewAdapter = func(string) Adapter { return NewMemoryAdapter() }
	}
	if opts.Logf == nil {
		opts.Logf = func(string, ...any) {}
	}
	srv := &Server{opts: opts, namespaces: make(map[string]*Namespace)}
	opts.Engine.OnSession = func(s *engineio.Session) { newClient(srv, s) }
	srv.engine = engineio.NewServer(opts.Engine)
	srv.Of("/")
	return srv
}

// Of returns the namespace of that name and creates it if need be.
func (srv *Server) Of(name string) *Namespace {
	if name == "" || name[0] != '/' {
		name = "/" + name
	}
	srv.mu.Lock()
	defer srv.mu.Unlock()
	n := srv.namespaces[name]
	if n == nil {
		n = &Namespace{name: name, server: srv, adapter: srv.opts.NewAdapter(name)}
		srv.namespaces[name] = n
	}
	return n
}

func (srv *Server) lookup(name string) *Namespace {
	srv.mu.RLock()
	defer srv.mu.RUnlock()
	return srv.namespaces[name]
}

// ServeHTTP implements http.Handler.
func (srv *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { srv.engine.ServeHTTP(w, r) }

// Connections returns the number of open connections.
func (srv *Server) Connections() int { return srv.engine.Count() }

// Close ends every connection in a way that makes clients reconnect, waits for
// the server's goroutines or ctx, and closes the adapters.
func (srv *Server) Close(ctx context.Context) error {
	err := srv.engine.Close(ctx)
	srv.mu.RLock()
	defer srv.mu.RUnlock()
	for _, n := range srv.namespaces {
		err = errors.Join(err, n.adapter.Close())
	}
	return err
}
