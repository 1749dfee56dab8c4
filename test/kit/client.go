package kit

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/devops-insights/devops-insights/socket/engineio"
	engine "github.com/devops-insights/devops-insights/socket/engineio/client"
	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/socket/socketio/client"
)

// patience is how long the kit waits for anything.
const patience = 20 * time.Second

// Event is one event that a dashboard received; without a name, the server's
// word that it disconnected the dashboard.
type Event struct {
	Name    string
	Payload json.RawMessage
	// Frame is the whole text frame.
	Frame string
}

// Client is a dashboard over a websocket: the project's own Go client, which
// does not reconnect here, and shows and sends single frames.
type Client struct {
	// Events receives every event in order, of all namespaces, with room for
	// 4096; it is closed when the connection ends.
	Events <-chan Event

	tb     TB
	client *client.Client
	socket *client.Socket
	conn   *engine.Conn
	tcp    net.Conn
	closed chan struct{}
	once   sync.Once
}

// Connect connects a dashboard to the default namespace.
func (s *Server) Connect() *Client {
	s.tb.Helper()
	return Dial(s.tb, s.URL)
}

// Dial connects a dashboard to any Socket.IO server.
func Dial(tb TB, url string) *Client {
	tb.Helper()
	events := make(chan Event, 4096)
	c := &Client{Events: events, tb: tb, closed: make(chan struct{})}
	var err error
	c.client, err = client.New(url, client.Options{
		ReconnectAttempts: -1,
		Logger:            slog.New(slog.DiscardHandler),
		Dial:              func(ctx context.Context) (client.Conn, error) { return c.dial(ctx, url) },
	})
	if err != nil {
		tb.Fatalf("the dashboard cannot connect: %v", err)
	}
	c.socket = c.client.Of("/")
	c.client.OnPacket(func(p *socketio.Packet) {
		if e, is := eventOf(p); is {
			select {
			case events <- e:
			case <-c.closed:
			}
		}
	})
	c.socket.OnDisconnect(func(client.Reason) { close(events) })
	tb.Cleanup(c.Close)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.socket.Connect(ctx); err != nil {
		tb.Fatalf("the dashboard cannot connect: %v", err)
	}
	return c
}

// dial keeps the connection at hand, and the one below it.
func (c *Client) dial(ctx context.Context, url string) (client.Conn, error) {
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		var d net.Dialer
		tcp, err := d.DialContext(ctx, network, address)
		c.tcp = tcp
		return tcp, err
	}}
	conn, err := engine.Dial(ctx, url, engine.Options{
		Path: "/socket.io/", Transports: []string{engineio.Websocket}, HTTPClient: &http.Client{Transport: transport},
	})
	if err != nil {
		return nil, err
	}
	c.conn = conn
	return conn, nil
}

// eventOf returns what a packet tells a dashboard.
func eventOf(p *socketio.Packet) (e Event, is bool) {
	e.Frame = "4" + string(p.Text())
	switch p.Type {
	case socketio.PacketEvent, socketio.PacketBinaryEvent:
		name, args, err := p.Event()
		e.Name, e.Payload = name, args.Raw(0)
		return e, err == nil && name != ""
	case socketio.PacketConnectError:
		e.Name = syncNamespace
		return e, p.Namespace == syncNamespace
	case socketio.PacketDisconnect:
		return e, p.Namespace == "/"
	}
	return e, false
}

// Send writes one text frame as it is; it must be a message, which begins with
// 4.
func (c *Client) Send(frame string) {
	c.tb.Helper()
	data, is := strings.CutPrefix(frame, "4")
	if !is {
		c.tb.Fatalf("the frame %q is no message: it must begin with 4", frame)
	}
	c.send(engine.Message{Data: []byte(data)})
}

// SendBinary writes one binary frame as it is.
func (c *Client) SendBinary(frame []byte) {
	c.tb.Helper()
	c.send(engine.Message{Binary: true, Data: frame})
}

func (c *Client) send(m engine.Message) {
	c.tb.Helper()
	if err := c.conn.Send(m); err != nil {
		c.tb.Fatalf("the frame cannot be sent: %v", err)
	}
}

// Emit sends an event with one payload.
func (c *Client) Emit(event string, payload any) {
	c.tb.Helper()
	if err := c.socket.Emit(event, payload); err != nil {
		c.tb.Fatalf("the payload cannot be sent: %v", err)
	}
}

// Subscribe subscribes to a region and waits until the server has done it.
func (c *Client) Subscribe(region string) {
	c.tb.Helper()
	c.Emit("metrics:subscribe", map[string]string{"source": region})
	c.Sync()
}

// Sync waits until everything sent before was handled and returns the events
// that came meanwhile. It asks for a namespace that does not exist: the
// refusal is no event and comes in order.
func (c *Client) Sync() []Event {
	c.tb.Helper()
	c.Send("40" + syncNamespace)
	var early []Event
	for {
		e := c.Next()
		if e.Name == syncNamespace {
			return early
		}
		early = append(early, e)
	}
}

const syncNamespace = "/sync"

// Next returns the next event within 20 s.
func (c *Client) Next() Event {
	c.tb.Helper()
	select {
	case e, open := <-c.Events:
		if !open {
			c.tb.Fatalf("the connection ended while an event was expected")
		}
		return e
	case <-time.After(patience):
		c.tb.Fatalf("no event within 20 s")
	}
	return Event{}
}

// Close closes the connection without a close packet.
func (c *Client) Close() {
	c.once.Do(func() {
		close(c.closed)
		if c.tcp != nil {
			_ = c.tcp.Close()
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := c.client.Close(ctx); err != nil {
			c.tb.Fatalf("the dashboard did not end: %v", err)
		}
	})
}
