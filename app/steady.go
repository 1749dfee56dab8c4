package app

import (
	"io"
	"net/http"
	"time"
)

const (
	// stallTimeout is how long a body may make no progress, in either
	// direction.
	stallTimeout = 10 * time.Second
	// transferTimeout is how long it may take in all, and one second more for
	// every slowestRate bytes.
	transferTimeout = time.Minute
	slowestRate     = 64 << 10
	// steadyChunk is how much of an answer a client must take within the
	// stallTimeout.
	steadyChunk = 16 << 10
)

// steady ends requests whose body trickles in and answers that nobody reads:
// stall is the time without progress, whole the time in all. Polls and
// websockets see to it themselves.
func steady(h http.Handler, stall, whole time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		until := time.Now().Add(whole)
		rc := http.NewResponseController(w)
		in := &steadyBody{ReadCloser: r.Body, pace: pace{stall: stall, until: until, set: rc.SetReadDeadline}}
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = in
			defer func() { _ = in.extend() }() // for what the handler has not read
		}
		h.ServeHTTP(&steadyWriter{ResponseWriter: w, pace: pace{stall: stall, until: until, set: rc.SetWriteDeadline}}, r)
	})
}

// pace sets the deadline of each part of a body.
type pace struct {
	stall time.Duration
	until time.Time
	bytes int
	set   func(time.Time) error
}

func (p *pace) extend() error {
	by := time.Now().Add(p.stall)
	whole := p.until.Add(time.Duration(p.bytes/slowestRate) * time.Second)
	if whole.Before(by) {
		by = whole
	}
	return p.set(by)
}

type steadyBody struct {
	io.ReadCloser
	pace
}

// Read implements io.Reader. What comes in does not win time: bodies are short.
func (b *steadyBody) Read(p []byte) (int, error) {
	if err := b.extend(); err != nil {
		return 0, err
	}
	return b.ReadCloser.Read(p)
}

type steadyWriter struct {
	http.ResponseWriter
	pace
}

// Write implements io.Writer.
func (w *steadyWriter) Write(b []byte) (n int, err error) {
	for {
		if err := w.extend(); err != nil {
			return n, err
		}
		k, err := w.ResponseWriter.Write(b[n:min(n+steadyChunk, len(b))])
		n += k
		w.bytes += k
		if err != nil || n == len(b) {
			return n, err
		}
	}
}

// Unwrap lets an http.ResponseController find what is behind.
func (w *steadyWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
