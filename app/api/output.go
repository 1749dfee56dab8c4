package api

import (
	"net/http"
	"time"
)

// outputSize is how many bytes are collected before they are written.
const outputSize = 32 << 10

// output writes an answer in parts, each of which the client has to take in time.
type output struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	stall time.Duration
	buf   []byte
	err   error
}

func (a *API) newOutput(w http.ResponseWriter) *output {
	return &output{w: w, rc: http.NewResponseController(w), stall: a.Stall, buf: make([]byte, 0, 2*outputSize)}
}

// flush writes what was collected where it is more than some bytes.
func (o *output) flush(least int) {
	if len(o.buf) <= least || o.err != nil {
		return
	}
	for part := o.buf; len(part) > 0 && o.err == nil; {
		n := min(len(part), outputSize)
		// A writer that knows no deadline is one of a test.
		_ = o.rc.SetWriteDeadline(time.Now().Add(o.stall))
		_, o.err = o.w.Write(part[:n])
		part = part[n:]
	}
	if cap(o.buf) > 16*outputSize {
		o.buf = make([]byte, 0, 2*outputSize) // one large row is no reason to keep its memory
	}
	o.buf = o.buf[:0]
}
