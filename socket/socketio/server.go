package socketio

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/devops-insights/devops-insights/socket/engineio"
)

// Server is an http.Handler that speaks Socket.IO v5. Serve it at the path
// "/socket.io/".
type Server struct {
	opts   Options
	engine *engineio.Server
	work   sync.WaitGroup // what handlers do
	panics atomic.Uint64
	// Clients that came back, and got what they had missed or did not.
	recovered, lost atomic.Uint64

	mu         sync.RWMutex
	closed     bool
	namespaces map[string]*Namespace
	parents    []*ParentNamespace
	onError    []func(*ConnectionError)
}

// NewServer returns a server with the default namespace "/".
func NewServer(opts Options) *Server {
	srv := &Server{opts: opts.withDefaults(), namespaces: make(map[string]*Namespace)}
	opts.Engine.OnSession = func(s *engineio.Session) { newClient(srv, s) }
	srv.engine = engineio.NewServer(opts.Engine)
	srv.Of("/")
	return srv
}

// Of returns the namespace of that name and creates it if need be.
func (srv *Server) Of(name string) *Namespace {
	if !strings.HasPrefix(name, "/") {
		name = "/" + name
	}
	srv.mu.Lock()
	n := srv.namespaces[name]
	if n == nil {
		n = newNamespace(srv, name)
		srv.namespaces[name] = n
	}
	srv.mu.Unlock()
	n.start()
	return n
}

// Namespaces returns the namespaces there are at the moment, by name.
func (srv *Server) Namespaces() []*Namespace {
	srv.mu.RLock()
	defer srv.mu.RUnlock()
	return slices.SortedFunc(maps.Values(srv.namespaces), func(a, b *Namespace) int { return cmp.Compare(a.name, b.name) })
}

// OfPattern returns the parent of all namespaces whose names match and that
// have not been created with Of.
func (srv *Server) OfPattern(pattern *regexp.Regexp) *ParentNamespace {
	return srv.OfFunc(func(name string, _ json.RawMessage) bool { return pattern.MatchString(name) })
}

// OfFunc returns the parent of all namespaces that allow lets a client into:
// it gets the name and the payload of the client's CONNECT packet. It may be
// called by many clients at once.
func (srv *Server) OfFunc(allow func(name string, auth json.RawMessage) bool) *ParentNamespace {
	p := &ParentNamespace{server: srv, allow: allow}
	srv.mu.Lock()
	defer srv.mu.Unlock()
	srv.parents = append(srv.parents, p)
	return p
}

// Connections returns the number of open connections.
func (srv *Server) Connections() int { return srv.engine.Count() }

// Memory returns the bound of all that waits in the server; see
// engineio.Options.MaxMemory.
func (srv *Server) Memory() *engineio.Budget { return srv.engine.Memory() }

// Counts returns counters of the connections, their ends and the limits met; see
// engineio.Server.Counts.
func (srv *Server) Counts() engineio.Stats { return srv.engine.Counts() }

// Stats returns the same and what the connections carry. It goes through them.
func (srv *Server) Stats() engineio.Stats { return srv.engine.Stats() }

// Recoveries returns how many clients came back and were restored, and how many
// came back and began anew, because they or their events were not known any
// more; see Options.Recovery.
func (srv *Server) Recoveries() (recovered, lost uint64) {
	return srv.recovered.Load(), srv.lost.Load()
}

// Panics returns how many functions of the program have panicked so far. Each
// was logged with its stack.
func (srv *Server) Panics() uint64 { return srv.panics.Load() }

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
		err = errors.Join(err, fmt.Errorf("socketio: handlers of clients were still at work: %w", ctx.Err()))
	}
	srv.mu.RLock()
	defer srv.mu.RUnlock()
	for _, n := range srv.namespaces {
		err = errors.Join(err, n.stop())
	}
	return err
}

// spawn runs f in a goroutine that Close waits for. After Close, f runs before
// spawn returns.
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
