package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	engine "github.com/devops-insights/devops-insights/socket/engineio/client"
	"github.com/devops-insights/devops-insights/socket/socketio"
)

// Client is one connection to a server, with the sockets that share it. Its
// methods may be called from any goroutine.
type Client struct {
	opts  Options
	dial  func(ctx context.Context) (Conn, error)
	ctx   context.Context // ends with Close
	end   context.CancelFunc
	work  sync.WaitGroup
	inbox inbox
	kick  chan struct{} // holds one when a socket began or ceased to want a connection

	awaited atomic.Int64 // acknowledgements

	mu       sync.Mutex // guards what follows, and the state of the sockets
	closed   bool
	running  bool // the goroutine that connects and reads
	link     *link
	sockets  map[string]*Socket
	buffered int // bytes of events that wait for a connection
	onPacket func(*socketio.Packet)
}

// New returns a client of a server, for example http://localhost:3000. It does
// not connect: Socket.Connect does. An option or address that cannot work is
// an error. Call Close when the client is not needed any more.
func New(address string, o Options) (*Client, error) {
	o = o.withDefaults()
	c := &Client{opts: o, dial: o.Dial, sockets: make(map[string]*Socket, 1), kick: make(chan struct{}, 1)}
	if c.dial == nil {
		if err := engine.Check(address, o.Engine); err != nil {
			return nil, fmt.Errorf("socketio client: %w", err)
		}
		c.dial = func(ctx context.Context) (Conn, error) {
			conn, err := engine.Dial(ctx, address, o.Engine)
			if err != nil {
				return nil, err // not a nil *Conn in the interface
			}
			return conn, nil
		}
	}
	c.ctx, c.end = context.WithCancel(context.Background())
	return c, nil
}

// Connect returns a client whose default namespace is connected; see New and
// Socket.Connect. Handlers that must not miss the first events are to be set
// before: use New, Of and Socket.Connect then.
func Connect(ctx context.Context, address string, o Options) (*Client, error) {
	c, err := New(address, o)
	if err != nil {
		return nil, err
	}
	if err := c.Of("/").Connect(ctx); err != nil {
		return nil, errors.Join(err, c.Close(context.WithoutCancel(ctx)))
	}
	return c, nil
}

// Of returns the socket of a namespace, "/" being the default one. It is the
// same for the same name, and not connected before Socket.Connect.
func (c *Client) Of(namespace string) *Socket {
	if !strings.HasPrefix(namespace, "/") {
		namespace = "/" + namespace
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sockets[namespace]
	if s == nil {
		s = &Socket{client: c, namespace: namespace}
		c.sockets[namespace] = s
	}
	return s
}

// OnPacket sets a function that is called with every packet of the server
// before anything else is, for debugging and for tests.
func (c *Client) OnPacket(f func(p *socketio.Packet)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.onPacket = f
}

// Transport returns engineio.Polling or engineio.Websocket, and nothing while
// there is no connection.
func (c *Client) Transport() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.link == nil {
		return ""
	}
	if t, ok := c.link.conn.(interface{ Transport() string }); ok {
		return t.Transport()
	}
	return ""
}

// Close disconnects every socket, sends what waits, and returns when the
// goroutines of the client have ended, or with an error when ctx ends before.
// A handler must not wait for it: it would wait for itself.
func (c *Client) Close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	for _, s := range c.sockets {
		s.leave(ErrClosed)
		s.drop()
	}
	c.mu.Unlock()
	c.end()
	finished := make(chan struct{})
	go func() {
		c.work.Wait()
		close(finished)
	}()
	select {
	case <-finished:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("socketio client: closing took too long: %w", ctx.Err())
	}
}

// call has f called after what was to be called before. size is what it is
// counted with.
func (c *Client) call(size int, f func()) {
	if c.inbox.put(func() {
		defer c.recoverPanic()
		f()
	}, size) {
		c.work.Go(c.inbox.run)
	}
}

// recoverPanic keeps a mistake in one handler from ending the program.
func (c *Client) recoverPanic() {
	if r := recover(); r != nil {
		c.opts.Logger.Error("a handler panicked", "panic", r, "stack", string(debug.Stack()))
	}
}

// start has the goroutine that connects run, without delay; the caller holds
// the lock.
func (c *Client) start() {
	if !c.running && !c.closed {
		c.running = true
		c.work.Go(c.run)
	}
	c.wake()
}

func (c *Client) wake() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// run connects and reads for as long as there is a socket that wants it.
func (c *Client) run() {
	for failed := 0; c.goesOn(); {
		l, err := c.open()
		if err == nil {
			if c.read(l) {
				failed = 0
			}
			err = l.err
		}
		if errors.Is(err, errUnwanted) {
			continue
		}
		if failed++; c.givesUp(failed, err) {
			continue
		}
		select {
		case <-time.After(c.opts.delay(failed, rand.Float64())):
		case <-c.kick:
		case <-c.ctx.Done():
		}
	}
}

// goesOn reports whether there is still something to do; where there is not,
// the next Connect begins anew.
func (c *Client) goesOn() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = !c.closed && c.wanted()
	return c.running
}

// open makes a connection and has the sockets ask to be let in.
func (c *Client) open() (*link, error) {
	conn, err := c.dial(c.ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.kick: // this attempt was theirs too
	default:
	}
	if err != nil {
		c.opts.Logger.Debug("the connection failed", "error", err)
		for _, s := range c.sockets {
			if s.active {
				s.failed(err)
			}
		}
		return nil, err
	}
	c.link = newLink(c, conn)
	for _, s := range c.sockets {
		if s.active {
			s.join(c.link)
		}
	}
	l := c.link
	c.release()
	return l, nil
}

// givesUp ends the attempts where the options say so.
func (c *Client) givesUp(failed int, err error) bool {
	most := c.opts.ReconnectAttempts
	if most == 0 || failed <= most {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	err = fmt.Errorf("%w: %w", ErrGaveUp, err)
	for _, s := range c.sockets {
		if s.active {
			s.failed(err)
			s.active = false
			s.settle(err)
		}
	}
	return true
}

// wanted reports whether a socket wants a connection; the caller holds the
// lock.
func (c *Client) wanted() bool {
	for _, s := range c.sockets {
		if s.active {
			return true
		}
	}
	return false
}

// release ends a connection that nobody wants; the caller holds the lock.
func (c *Client) release() {
	if c.wanted() {
		return
	}
	c.wake()
	if c.link != nil {
		c.link.end()
		c.link = nil
	}
}
