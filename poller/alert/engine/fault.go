package engine

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/sirupsen/logrus"
)

// live runs a term until ctx ends. A fault in the program, which one value may
// cause, ends neither polling nor alerting: after a pause the term begins anew from
// the ledger. What is in the store is sent meanwhile.
func (e *Engine) live(ctx context.Context, t *term) {
	if e.opts.Await(ctx) != nil {
		return
	}
	for e.faults("alerts of the API "+e.opts.API, func() { t.run(ctx) }) {
		e.setFailing(e.opts.moment().wall)
		if !e.pause(ctx) {
			return
		}
		t = e.begin(t.number)
	}
}

// faults runs a part, and reports whether it panicked, which it tells.
func (e *Engine) faults(part string, run func()) (faulty bool) {
	defer func() {
		if fault := recover(); fault != nil {
			e.opts.Fault(part, fault)
			faulty = true
		}
	}()
	run()
	return false
}

// pause waits after a fault, and reports whether ctx lasts.
func (e *Engine) pause(ctx context.Context) bool {
	timer := time.NewTimer(e.opts.FaultPause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// logFault logs a fault with the stack of the goroutine that it happened in.
func logFault(log logrus.FieldLogger) func(string, any) {
	return func(part string, fault any) {
		log.WithFields(logrus.Fields{"part": part, "err_class": "PANIC", "stack": string(debug.Stack())}).Error(fmt.Sprintf("a fault in the program: %v", fault))
	}
}
