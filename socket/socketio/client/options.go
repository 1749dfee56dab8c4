package client

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	engine "github.com/devops-insights/devops-insights/socket/engineio/client"
)

// Options configures a Client. The zero value of every field is usable.
type Options struct {
	// Engine configures the connection below: transports, TLS, HTTP client,
	// headers, bounds. Its empty Path is "/socket.io/".
	Engine engine.Options
	// Auth returns the payload that a namespace is asked to let the client in
	// with; its value must encode as a JSON object. It is asked before every
	// connect, so that it may return a fresh token. An error counts as an
	// attempt that failed. Nil: no payload.
	Auth func(ctx context.Context, namespace string) (any, error)
	// ConnectTimeout bounds Auth, and the namespace's answer. Zero: 20 s.
	ConnectTimeout time.Duration

	// ReconnectDelay is the time before the second attempt to connect; it
	// doubles with each further one. Zero: 1 s.
	ReconnectDelay time.Duration
	// ReconnectDelayMax bounds it. Zero: 5 s.
	ReconnectDelayMax time.Duration
	// ReconnectJitter is the share by which a delay is longer or shorter by
	// chance, so that the clients of a restarted server do not all come at one
	// moment. Zero: 0.5. Negative: none.
	ReconnectJitter float64
	// ReconnectAttempts is how many attempts follow one that failed before the
	// client gives up. Zero: no end. Negative: none, and a connection that is
	// lost stays lost.
	ReconnectAttempts int

	// MaxBuffered is how many bytes of events may wait for a connection.
	// Zero: 4 MiB.
	MaxBuffered int
	// MaxQueued is how many bytes of received events may wait for their
	// handlers before no more is read from the connection. While an
	// acknowledgement is awaited, which may stand behind them, it is twice as
	// many. Zero: 16 MiB.
	MaxQueued int

	// Logger hears of connections at level Debug and of handlers that panic at
	// level Error. Nil: slog.Default.
	Logger *slog.Logger
	// Dial makes the connection. Nil: engine.Dial with Engine.
	Dial func(ctx context.Context) (Conn, error)
}

// Conn is a connection as the client needs it: engine.Conn, or what
// Options.Dial returns in its place.
type Conn interface {
	// Send queues messages without waiting for the server.
	Send(messages ...engine.Message) error
	// Receive returns the next message, or an error when the connection has
	// ended, at best an *engine.CloseError.
	Receive(ctx context.Context) (engine.Message, error)
	// Buffered returns how many bytes wait to be sent.
	Buffered() int
	// Close sends what waits and ends the connection.
	Close() error
}

func (o Options) withDefaults() Options {
	o.ConnectTimeout = cmp.Or(max(0, o.ConnectTimeout), 20*time.Second)
	o.ReconnectDelay = cmp.Or(max(0, o.ReconnectDelay), time.Second)
	o.ReconnectDelayMax = cmp.Or(max(0, o.ReconnectDelayMax), 5*time.Second)
	o.ReconnectJitter = max(0, min(1, cmp.Or(o.ReconnectJitter, 0.5)))
	o.MaxBuffered = cmp.Or(max(0, o.MaxBuffered), 4<<20)
	o.MaxQueued = cmp.Or(max(0, o.MaxQueued), 16<<20)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	e := &o.Engine
	e.Path = cmp.Or(e.Path, "/socket.io/")
	e.MaxPayload = cmp.Or(max(0, e.MaxPayload), 32<<20)
	e.MaxUnsent = max(cmp.Or(max(0, e.MaxUnsent), 16<<20), o.MaxBuffered+1<<20) // what waited goes out at once
	if e.Logger == nil {
		e.Logger = o.Logger
	}
	return o
}

// delay is the time before attempt n+1, of which n failed; chance is between 0
// and 1.
func (o Options) delay(n int, chance float64) time.Duration {
	d := float64(o.ReconnectDelay)
	for range min(n-1, 62) {
		d *= 2
	}
	d += d * o.ReconnectJitter * (2*chance - 1)
	return time.Duration(min(d, float64(o.ReconnectDelayMax)))
}
