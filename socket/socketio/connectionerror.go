package socketio

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/devops-insights/devops-insights/socket/engineio"
)

// ConnectionError is a request that was refused, or a connection that was
// closed for what the client sent.
type ConnectionError struct {
	// Request is the one that was refused, or the handshake of the connection.
	Request *http.Request
	// Session is the connection that was closed; nil where a request was
	// refused.
	Session *engineio.Session
	// Status is the HTTP status of the refusal, 0 for a connection.
	Status int
	// Code is the code of Engine.IO for the refusal, for example 1 for an
	// unknown session id; -1 where there is none.
	Code int
	// Err says what was wrong. For a connection it is one of this package's
	// errors, for example ErrMalformed or ErrTooFast.
	Err error
}

// Error returns the cause and, for a refusal, the status.
func (e *ConnectionError) Error() string {
	if e.Status != 0 {
		return fmt.Sprintf("socketio: a request was refused with status %d: %v", e.Status, e.Err)
	}
	return fmt.Sprintf("socketio: a connection was closed: %v", e.Err)
}

// Unwrap returns the cause.
func (e *ConnectionError) Unwrap() error { return e.Err }

// OnConnectionError adds a function that hears of every request below the path
// of the server that is refused, and of every connection that is closed for
// what the client sent: what an operator wants to know who looks for the
// reason why a client does not connect. It may be called by many clients at
// once. Clients that a middleware refuses are not among them.
func (srv *Server) OnConnectionError(f func(err *ConnectionError)) {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	srv.onError = append(slices.Clip(srv.onError), f)
}

func (srv *Server) connectionError(e *ConnectionError, listeners []func(*ConnectionError)) {
	for _, f := range listeners {
		srv.call("a function of OnConnectionError", "", func() { f(e) })
	}
}

func (srv *Server) errorListeners() []func(*ConnectionError) {
	srv.mu.RLock()
	defer srv.mu.RUnlock()
	return srv.onError
}

// ServeHTTP implements http.Handler.
func (srv *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	listeners := srv.errorListeners()
	if len(listeners) == 0 {
		srv.engine.ServeHTTP(w, r)
		return
	}
	answer := &recorder{ResponseWriter: w}
	srv.engine.ServeHTTP(answer, r)
	if e := answer.refusal(r); e != nil {
		srv.connectionError(e, listeners)
	}
}

// recorder notes the answer to a request that is refused.
type recorder struct {
	http.ResponseWriter
	status int
	body   []byte
}

// maxRefusal is how much of the answer is noted.
const maxRefusal = 1024

// Unwrap is for http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *recorder) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *recorder) Write(b []byte) (int, error) {
	if w.status >= http.StatusBadRequest {
		w.body = append(w.body, b[:min(len(b), maxRefusal-len(w.body))]...)
	}
	return w.ResponseWriter.Write(b)
}

// refusal returns what was refused; nil where nothing was.
func (w *recorder) refusal(r *http.Request) *ConnectionError {
	if w.status < http.StatusBadRequest {
		return nil
	}
	answer := struct {
		Code    int
		Message string
	}{-1, http.StatusText(w.status)}
	_ = json.Unmarshal(w.body, &answer) // a refusal without a body, as 413, has a status only
	return &ConnectionError{Request: r, Status: w.status, Code: answer.Code, Err: errors.New(answer.Message)}
}
