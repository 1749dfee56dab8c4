package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/devops-insights/devops-insights/socket/engineio"
	"github.com/devops-insights/devops-insights/socket/engineio/internal/wire"
)

// Message is one message, text or binary.
type Message struct {
	Binary bool
	Data   []byte
}

// Conn is a connection. Its methods may be called from any goroutine; Receive
// from one at a time, where the order matters.
type Conn struct {
	opts     Options
	endpoint *url.URL
	http     *http.Client
	owned    *http.Transport // of http, where it is the connection's own
	hello    handshake

	ctx      context.Context // ends with the connection; its cause says why
	end      context.CancelCauseFunc
	closing  chan struct{}   // closed by Close
	trying   context.Context // of the upgrade; ends with abandon
	abandon  context.CancelFunc
	work     sync.WaitGroup
	incoming chan Message // closed by the reader

	silence  *time.Timer
	deadline time.Time // of the next ping; the reader's

	writing sync.Mutex    // held while something is written, and by an upgrade
	wake    chan struct{} // holds one when there is something to write

	pausing  chan struct{} // closed when the upgrade asks the reader to pause
	paused   chan struct{} // closed when the reader does
	upgraded chan bool     // whether it goes on with the websocket

	mu     sync.Mutex
	closed bool
	ws     *frames // nil on polling
	unsent []wire.Packet
	bytes  int // of unsent, and of what is being written
}

// handshake is the data of the open packet.
type handshake struct {
	SID          string   `json:"sid"`
	Upgrades     []string `json:"upgrades"`
	PingInterval int64    `json:"pingInterval"`
	PingTimeout  int64    `json:"pingTimeout"`
	MaxPayload   int64    `json:"maxPayload"`
}

// longest is the longest ping interval or timeout that is believed.
const longest = 24 * time.Hour

func (h *handshake) read(p wire.Packet) error {
	if p.Kind != wire.Open {
		return fmt.Errorf("the server's first packet is of type %q, not an open packet", byte(p.Kind))
	}
	if err := json.Unmarshal(p.Data, h); err != nil {
		return fmt.Errorf("the server's open packet cannot be read: %w", err)
	}
	if h.SID == "" || h.PingInterval <= 0 || h.PingTimeout < 0 {
		return errors.New("the server's open packet lacks a session id or a ping interval")
	}
	h.PingInterval = min(h.PingInterval, longest.Milliseconds())
	h.PingTimeout = min(h.PingTimeout, longest.Milliseconds())
	return nil
}

// patience is how long the server may say nothing.
func (h *handshake) patience() time.Duration {
	return time.Duration(h.PingInterval+h.PingTimeout) * time.Millisecond
}

// Dial connects to a server, for example http://localhost:3000. ctx and
// Options.HandshakeTimeout bound the handshake, not the connection.
func Dial(ctx context.Context, address string, o Options) (*Conn, error) {
	o = o.withDefaults()
	endpoint, err := o.endpoint(address)
	if err != nil {
		return nil, err
	}
	o.Header = withUser(o.Header, endpoint)
	c := &Conn{
		opts: o, endpoint: endpoint,
		closing: make(chan struct{}), incoming: make(chan Message), wake: make(chan struct{}, 1),
		pausing: make(chan struct{}), paused: make(chan struct{}), upgraded: make(chan bool, 1),
	}
	c.http, c.owned = o.client()
	c.ctx, c.end = context.WithCancelCause(context.Background())
	c.trying, c.abandon = context.WithCancel(c.ctx)
	ctx, cancel := context.WithTimeout(ctx, o.HandshakeTimeout)
	defer cancel()
	early, err := c.open(ctx)
	if err != nil {
		c.end(err)
		c.release()
		return nil, fmt.Errorf("the handshake failed: %w", err)
	}
	c.start(early)
	return c, nil
}

// open does the handshake and returns the packets that came with it.
func (c *Conn) open(ctx context.Context) ([]wire.Packet, error) {
	var packets []wire.Packet
	if c.opts.Transports[0] == engineio.Websocket {
		ws, err := c.dial(ctx)
		if err != nil {
			return nil, err
		}
		p, err := ws.readWithin(ctx)
		if err == nil {
			err = c.hello.read(p)
		}
		if err != nil {
			ws.cut()
			return nil, err
		}
		c.ws = ws
		return nil, nil
	}
	packets, err := c.get(ctx)
	switch {
	case err != nil:
		return nil, err
	case len(packets) == 0:
		return nil, errors.New("the server's answer holds no packet")
	}
	return packets[1:], c.hello.read(packets[0])
}

func (c *Conn) start(early []wire.Packet) {
	c.deadline = time.Now().Add(c.hello.patience())
	c.silence = time.AfterFunc(2*longest, func() { c.fail(ReasonPingTimeout, nil) })
	c.silence.Reset(c.hello.patience())
	c.work.Go(func() { c.read(early) })
	c.work.Go(c.write)
	if c.ws == nil && c.opts.upgradable() && slices.Contains(c.hello.Upgrades, engineio.Websocket) {
		c.work.Go(c.upgrade)
	}
}

// ID returns the session id that the server gave.
func (c *Conn) ID() string { return c.hello.SID }

// Transport returns engineio.Polling or engineio.Websocket.
func (c *Conn) Transport() string {
	if c.websocket() != nil {
		return engineio.Websocket
	}
	return engineio.Polling
}

func (c *Conn) websocket() *frames {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ws
}

// Receive returns the next message, a *CloseError when the connection has
// ended and everything that came before was received, or the error of ctx.
func (c *Conn) Receive(ctx context.Context) (Message, error) {
	select {
	case m, open := <-c.incoming:
		if !open {
			return Message{}, context.Cause(c.ctx)
		}
		return m, nil
	case <-ctx.Done():
		return Message{}, ctx.Err()
	}
}

// Send queues messages; no other comes between them. It never waits for the
// server and returns ErrUnsent where too much waits already, or a *CloseError.
func (c *Conn) Send(messages ...Message) error {
	packets := make([]wire.Packet, len(messages))
	for i, m := range messages {
		packets[i] = wire.Packet{Kind: wire.Message, Binary: m.Binary, Data: m.Data}
	}
	return c.enqueue(packets, false)
}

// Buffered returns how many bytes wait to be sent.
func (c *Conn) Buffered() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}

func (c *Conn) enqueue(packets []wire.Packet, first bool) error {
	size := 0
	for _, p := range packets {
		size += len(p.Data) + packetOverhead
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ctx.Err() != nil:
		return context.Cause(c.ctx)
	case c.closed:
		return &CloseError{Reason: ReasonForcedClose}
	case !first && c.bytes > 0 && c.bytes+size > c.opts.MaxUnsent:
		return ErrUnsent
	case first:
		c.unsent = slices.Concat(packets, c.unsent)
	default:
		c.unsent = append(c.unsent, packets...)
	}
	c.bytes += size
	c.signal()
	return nil
}

// packetOverhead is what a waiting packet is counted with beside its data.
const packetOverhead = 48

func (c *Conn) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// fail ends the connection; the first reason counts.
func (c *Conn) fail(reason Reason, err error) {
	if err != nil {
		err = withoutAddress(err)
	}
	c.end(&CloseError{Reason: reason, Err: err})
	c.silence.Stop()
	if ws := c.websocket(); ws != nil {
		ws.cut()
	}
}

// closePatience is how long Close waits for the last messages to be taken.
const closePatience = 2 * time.Second

// Close sends what waits, for at most two seconds, tells the server that the
// client leaves, and waits for the goroutines of the connection.
func (c *Conn) Close() error {
	c.mu.Lock()
	first := !c.closed
	c.closed = true
	c.mu.Unlock()
	if first {
		close(c.closing)
		c.abandon()
	}
	c.work.Wait()
	c.fail(ReasonForcedClose, nil)
	c.release()
	return nil
}

func (c *Conn) release() {
	if c.owned != nil {
		c.owned.CloseIdleConnections()
	}
}
