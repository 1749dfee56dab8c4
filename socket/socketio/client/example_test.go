package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"time"

	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/socket/socketio/client"
)

// serve starts a server for an example.
func serve() (url string, stop func()) {
	server := socketio.NewServer(socketio.Options{Recovery: &socketio.Recovery{}})
	server.Of("/").On("subscribe", func(s *socketio.Socket, args socketio.Args, ack socketio.Ack) {
		var region string
		_ = args.Decode(0, &region)
		_ = ack(s.Join(region) == nil)
		_ = server.Of("/").To(region).Emit("update", map[string]any{"source": region, "status": "ok"})
	})
	server.Of("/").On("size", func(_ *socketio.Socket, args socketio.Args, ack socketio.Ack) {
		v, _ := args.Value(0)
		b, _ := v.([]byte)
		_ = ack(len(b), b)
	})
	server.Of("/admin").Use(func(s *socketio.Socket) error {
		var auth struct{ Token string }
		if json.Unmarshal(s.Auth(), &auth) != nil || auth.Token != "secret" {
			return &socketio.ConnectError{Message: "not authorised", Data: map[string]string{"ask": "the operator"}}
		}
		return nil
	})
	web := httptest.NewServer(server)
	return web.URL, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = server.Close(ctx)
		web.Close()
	}
}

// A client that listens: handlers are set before it connects, and what the
// server must know again after a reconnection is said in OnConnect.
func Example() {
	url, stop := serve()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	c, err := client.New(url, client.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = c.Close(ctx) }()
	updates := make(chan string, 1)
	s := c.Of("/")
	client.On(s, "update", func(u struct{ Source, Status string }) { updates <- u.Source + " is " + u.Status }, nil)
	s.OnConnect(func() { _ = s.Emit("subscribe", "eu-west") })
	s.OnDisconnect(func(reason client.Reason) { fmt.Println("gone:", reason) })
	if err := s.Connect(ctx); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(<-updates)
	// Output:
	// eu-west is ok
	// gone: io client disconnect
}

func ExampleSocket_EmitWithAck() {
	url, stop := serve()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := client.Connect(ctx, url, client.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = c.Close(ctx) }()
	answer, err := c.Of("/").EmitWithAck(ctx, "size", []byte("binary"))
	if err != nil {
		fmt.Println(err)
		return
	}
	back, _ := answer.Value(1)
	fmt.Printf("%s %s\n", answer.Raw(0), back)
	// Output:
	// 6 binary
}

func ExampleAsk() {
	url, stop := serve()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := client.Connect(ctx, url, client.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = c.Close(ctx) }()
	fmt.Println(client.Ask[bool](ctx, c.Of("/"), "subscribe", "eu-west"))
	// Output:
	// true <nil>
}

// The payload for the namespaces is asked for at every connect; a namespace
// that refuses says why.
func ExampleConnectError() {
	url, stop := serve()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	token := "stale"
	c, err := client.New(url, client.Options{
		Auth: func(context.Context, string) (any, error) { return map[string]string{"token": token}, nil },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = c.Close(ctx) }()
	admin := c.Of("/admin")
	refused := &client.ConnectError{}
	if err := admin.Connect(ctx); errors.As(err, &refused) {
		fmt.Println(refused.Message, string(refused.Data))
	}
	token = "secret"
	fmt.Println(admin.Connect(ctx))
	// Output:
	// not authorised {"ask":"the operator"}
	// <nil>
}
