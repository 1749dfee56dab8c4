package app

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/sirupsen/logrus"
)

// errPanic marks the error of a part that panicked.
var errPanic = errors.New("a fault in the program")

// guard runs a part and turns a panic into an error, which is logged with its
// stack and counted. What cannot go on without the part ends in order by it.
func (a *App) guard(name string, run func() error) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			a.fault(name, fault)
			err = fmt.Errorf("%w: %v", errPanic, fault)
		}
	}()
	return run()
}

// fault logs a panic with the stack of the goroutine that it happened in, and
// counts it.
func (a *App) fault(name string, fault any) {
	a.logFault(logrus.Fields{"part": name}, fault)
}

// requestFault is fault for a panic in the handler of a request.
func (a *App) requestFault(r *http.Request, fault any) {
	a.logFault(logrus.Fields{"part": "a request", "request_id": requestID(r), "path": r.URL.Path}, fault)
}

func (a *App) logFault(about logrus.Fields, fault any) {
	a.panics.Add(1)
	a.log.WithFields(about).WithFields(logrus.Fields{"err_class": "PANIC", "stack": string(debug.Stack())}).Errorf("a fault in the program: %v", fault)
}

// recoverRequest ends only the request whose handler panics.
func (a *App) recoverRequest(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch fault := recover(); fault {
			case nil:
			case http.ErrAbortHandler:
				panic(fault) // that is how a handler ends a connection
			default:
				a.requestFault(r, fault)
				panic(http.ErrAbortHandler)
			}
		}()
		h.ServeHTTP(w, r)
	})
}

// fail tells Run of a part that ended; the first one is enough.
func (a *App) fail(err error) {
	select {
	case a.failed <- err:
	default:
	}
}
