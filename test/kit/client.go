package kit

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// Event is one event that a dashboard received; without a name, the server's
// word that it disconnected the dashboard.
type Event struct {
	Name    string
	Payload json.RawMessage
	// Frame is the whole text frame.
	Frame string
}

// Client is a dashboard over a websocket, at the level of text frames.
type Client struct {
	// Events receives every event in order, with room for 4096; it is closed
	// when the connection ends.
	Events <-chan Event

	tb TB
	ws *websocket.Conn
}

// Connect connects a dashboard to the default namespace.
func (s *Server) Connect() *Client {
	s.tb.Helper()
	return Dial(s.tb, s.URL)
}

// Dial connects a dashboard to any Socket.IO server.
func Dial(tb TB, url string) *Client {
	tb.Helper()
	ws, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(url, "http")+"/socket.io/?EIO=4&transport=websocket", nil)
	if err != nil {
		tb.Fatalf("the dashboard cannot connect: %v", err)
	}
	_ = resp.Body.Close()
	events := make(chan Event, 4096)
	c := &Client{Events: events, tb: tb, ws: ws}
	tb.Cleanup(c.Close)
	_ = ws.SetReadDeadline(time.Now().Add(10 * time.Second))
	c.expect("0{")
	c.Send("40")
	c.expect("40{")
	_ = ws.SetReadDeadline(time.Time{})
	go c.read(events)
	return c
}

func (c *Client) expect(prefix string) {
	c.tb.Helper()
	_, frame, err := c.ws.ReadMessage()
	if err != nil || !bytes.HasPrefix(frame, []byte(prefix)) {
		c.tb.Fatalf("expected a frame that begins with %s, got %q, %v", prefix, frame, err)
	}
}

func (c *Client) read(events chan<- Event) {
	defer close(events)
	for {
		_, frame, err := c.ws.ReadMessage()
		if err != nil {
			return
		}
		if string(frame) == "2" {
			_ = c.ws.WriteMessage(websocket.TextMessage, []byte("3"))
			continue
		}
		if bytes.HasPrefix(frame, []byte("44"+syncNamespace)) {
			events <- Event{Name: syncNamespace, Frame: string(frame)}
			continue
		}
		if string(frame) == "41" {
			events <- Event{Frame: "41"}
			continue
		}
		at := bytes.IndexByte(frame, '[')
		if at < 0 || !bytes.HasPrefix(frame, []byte("42")) && !bytes.HasPrefix(frame, []byte("45")) {
			continue
		}
		var parts []json.RawMessage
		e := Event{Frame: string(frame)}
		if json.Unmarshal(frame[at:], &parts) == nil && len(parts) > 0 && json.Unmarshal(parts[0], &e.Name) == nil {
			if len(parts) > 1 {
				e.Payload = parts[1]
			}
			events <- e
		}
	}
}

// Send writes one text frame as it is.
func (c *Client) Send(frame string) {
	c.tb.Helper()
	if err := c.ws.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
		c.tb.Fatalf("the frame cannot be sent: %v", err)
	}
}

// SendBinary writes one binary frame as it is.
func (c *Client) SendBinary(frame []byte) {
	c.tb.Helper()
	if err := c.ws.WriteMessage(websocket.BinaryMessage, frame); err != nil {
		c.tb.Fatalf("the frame cannot be sent: %v", err)
	}
}

// Emit sends an event with one payload.
func (c *Client) Emit(event string, payload any) {
	c.tb.Helper()
	data, err := json.Marshal([]any{event, payload})
	if err != nil {
		c.tb.Fatalf("the payload cannot be sent: %v", err)
	}
	c.Send("42" + string(data))
}

// Subscribe subscribes to a region and waits until the server has done it.
func (c *Client) Subscribe(region string) {
	c.tb.Helper()
	c.Emit("metrics:subscribe", map[string]string{"source": region})
	c.Sync()
}

// Sync waits until everything sent before was handled and returns the events
// that came meanwhile. It knocks at a namespace that does not exist: the
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

// Next returns the next event within 10 s.
func (c *Client) Next() Event {
	c.tb.Helper()
	select {
	case e, open := <-c.Events:
		if !open {
			c.tb.Fatalf("the connection ended while an event was expected")
		}
		return e
	case <-time.After(10 * time.Second):
		c.tb.Fatalf("no event within 10 s")
	}
	return Event{}
}

// Close closes the connection without a word.
func (c *Client) Close() { _ = c.ws.Close() }
