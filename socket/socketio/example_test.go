package socketio_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/devops-insights/devops-insights/socket/socketio"
)

// client is a raw websocket in place of socket.io-client: it sends frames and
// returns the next ones of the server.
func client(h http.Handler, frames ...string) (next func() string, send func(string), stop func()) {
	web := httptest.NewServer(h)
	ws, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(web.URL, "http")+"/socket.io/?EIO=4&transport=websocket", nil)
	if err != nil {
		panic(err)
	}
	_ = resp.Body.Close()
	next = func() string {
		_, frame, err := ws.ReadMessage()
		if err != nil {
			return err.Error()
		}
		return string(frame)
	}
	send = func(frame string) { _ = ws.WriteMessage(websocket.TextMessage, []byte(frame)) }
	next() // the open packet
	for i, f := range frames {
		send(f)
		if i == 0 && len(frames) > 1 {
			next() // the CONNECT packet
		}
	}
	return next, send, func() { _ = ws.Close(); web.Close() }
}

// A server that knows its clients' names and greets rooms.
func Example() {
	server := socketio.NewServer(socketio.Options{})
	chat := server.Of("/")
	chat.On("enter", func(s *socketio.Socket, args socketio.Args, ack socketio.Ack) {
		var room string
		if err := args.Decode(0, &room); err != nil {
			_ = ack("the first argument must be the name of a room")
			return
		}
		if err := s.Join(room); err != nil {
			_ = ack(err.Error())
			return
		}
		_ = ack("welcome")
		_ = chat.To(room).Emit("news", map[string]string{"entered": room})
	})

	mux := http.NewServeMux()
	mux.Handle("/socket.io/", server)
	next, _, stop := client(mux, "40", `421["enter","lobby"]`)
	defer stop()
	fmt.Println(next())
	fmt.Println(next())
	// Output:
	// 431["welcome"]
	// 42["news",{"entered":"lobby"}]
}

// Middleware decides who comes in; the client's "connect_error" event carries
// the message and the data.
func ExampleNamespace_Use() {
	server := socketio.NewServer(socketio.Options{})
	server.Of("/").Use(func(s *socketio.Socket) error {
		var auth struct{ Token string }
		if json.Unmarshal(s.Auth(), &auth) != nil || auth.Token != "secret" {
			return &socketio.ConnectError{Message: "unknown token", Data: map[string]int{"retryInSeconds": 60}}
		}
		s.SetData(auth.Token)
		return nil
	})
	next, _, stop := client(server, `40{"token":"wrong"}`)
	defer stop()
	fmt.Println(next())
	// Output:
	// 44{"message":"unknown token","data":{"retryInSeconds":60}}
}

// An acknowledgement is a return value; Ask decodes it.
func ExampleAsk() {
	server := socketio.NewServer(socketio.Options{})
	answered := make(chan string)
	server.Of("/").OnConnect(func(s *socketio.Socket) {
		ctx, cancel := context.WithTimeout(s.Context(), 5*time.Second)
		defer cancel()
		name, err := socketio.Ask[string](ctx, s, "who are you")
		if err != nil {
			name = "nobody: " + err.Error()
		}
		answered <- name
	})
	next, send, stop := client(server, "40")
	defer stop()
	next() // the CONNECT packet
	fmt.Println(next())
	send(`430["ada"]`)
	fmt.Println(<-answered)
	// Output:
	// 420["who are you"]
	// ada
}

// Namespaces by pattern: one for each tenant, while it has clients.
func ExampleServer_OfPattern() {
	server := socketio.NewServer(socketio.Options{})
	tenants := server.OfPattern(regexp.MustCompile(`^/tenant-\d+$`))
	tenants.On("where", func(s *socketio.Socket, _ socketio.Args, ack socketio.Ack) {
		_ = ack(s.Namespace().Name())
	})
	next, _, stop := client(server, "40/tenant-7,", `42/tenant-7,1["where"]`)
	defer stop()
	fmt.Println(next())
	// Output:
	// 43/tenant-7,1["/tenant-7"]
}
