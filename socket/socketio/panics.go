package socketio

import (
	"log/slog"
	"runtime/debug"
)

// A mistake in a function of the program must cost its own event only, never
// the other clients. Each such function runs under call, or where a closure
// for each event would cost too much, directly under recoverPanic; what a
// client's packets lead to runs under recoverPanic as a whole once more.

// call runs a function of the program and reports whether it returned.
func (srv *Server) call(what, name string, f func()) (returned bool) {
	defer srv.recoverPanic(what, name)
	f()
	return true
}

// recoverPanic logs and counts a panic. It is to be deferred.
func (srv *Server) recoverPanic(what, name string) {
	v := recover()
	if v == nil {
		return
	}
	srv.opts.Logger.Error("a function of the program panicked",
		slog.String("what", what), slog.String("name", name), slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
	srv.panics.Add(1)
}

// loggedID is what the log has of a session's or socket's id: who knows a whole
// session id can take the session over.
func loggedID(id string) string { return id[:min(6, len(id))] + "…" }
