// Package connz answers the questions of a person on call about connections:
// who is connected, who was slow, and why was it closed (Path); what does it say
// and hear at this moment (TracePath); and what is the process doing
// (ProfilePath). It is for an internal listener: it asks nobody for credentials,
// and shows addresses, but never a whole id, a token or a cookie.
package connz

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/socket/engineio"
	"github.com/devops-insights/devops-insights/store"
)

// The paths that Handler answers; ProfilePath with what is below it.
const (
	Path        = "/connz"
	TracePath   = "/trace"
	ProfilePath = "/debug/pprof/"
)

// Server is what has the connections: a socketio.Server.
type Server interface {
	Sessions() []*engineio.Session
	Tap(f func(engineio.TapEvent)) (stop func())
}

// Options is what Handler needs.
type Options struct {
	// Server has the open connections. Required.
	Server Server
	// Past has the ones that have ended. Required; the Server's observer.
	Past *Past
	// Catalog tells which regions may be asked for. Required.
	Catalog func() store.Catalog
	// Logger hears who begins a trace or a profile. Required.
	Logger logrus.FieldLogger
	// Stall is how long a reader of a trace may take nothing. Zero: 10 s.
	Stall time.Duration
}

// maxAtOnce bounds the lists, and beside them the traces, that are being written
// at one moment.
const maxAtOnce = 4

// Serves reports whether a path is one of Handler's.
func Serves(path string) bool {
	return path == Path || path == TracePath || strings.HasPrefix(path+"/", ProfilePath)
}

// Handler answers until ctx ends, which ends traces and profiles. It sets
// deadlines of its own for what nobody reads.
func Handler(ctx context.Context, o Options) http.Handler {
	if o.Stall <= 0 {
		o.Stall = 10 * time.Second
	}
	list := &lister{Options: o, slots: make(chan struct{}, maxAtOnce)}
	trace := &tracer{Options: o, stopping: ctx, slots: make(chan struct{}, maxAtOnce)}
	profile := profiles(ctx, o.Logger)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		switch site := r.Header.Get("Sec-Fetch-Site"); {
		case r.Method != http.MethodGet && r.Method != http.MethodHead && r.URL.Path != ProfilePath+"symbol":
			w.Header().Set("Allow", "GET, HEAD")
			refuse(w, http.StatusMethodNotAllowed, "only GET and HEAD are answered")
		case site == "cross-site" || site == "same-site":
			refuse(w, http.StatusForbidden, "a page of another origin gets nothing from the internal listener")
		case r.URL.Path == Path:
			list.ServeHTTP(w, r)
		case r.URL.Path == TracePath:
			trace.ServeHTTP(w, r)
		default:
			profile.ServeHTTP(w, r)
		}
	})
}

// refuse answers with one sentence.
func refuse(w http.ResponseWriter, status int, sentence string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(map[string]string{"error": sentence})
}

// take takes one of the slots, or answers that all are in use.
func take(w http.ResponseWriter, slots chan struct{}, what string) bool {
	select {
	case slots <- struct{}{}:
		return true
	default:
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusServiceUnavailable, "too many "+what+" are being written at the moment (4 at once): try again when one has ended")
		return false
	}
}
