// Command server is our Socket.IO server that the Go client is tried on; the
// same as the Node server in test/js/server.mjs. It prints "listening" and its
// port.
//
//	server <port> [ping interval] [ping timeout], in milliseconds
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/devops-insights/devops-insights/socket/engineio"
	"github.com/devops-insights/devops-insights/socket/socketio"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	numbers := []int{0, 25_000, 20_000}
	for i, arg := range args[:min(len(args), len(numbers))] {
		n, err := strconv.Atoi(arg)
		if err != nil {
			return fmt.Errorf("argument %d, %q, is no number", i+1, arg)
		}
		numbers[i] = n
	}
	server := socketio.NewServer(socketio.Options{
		Engine: engineio.Options{
			PingInterval: time.Duration(numbers[1]) * time.Millisecond,
			PingTimeout:  time.Duration(numbers[2]) * time.Millisecond,
		},
		Recovery: &socketio.Recovery{AskMiddleware: true},
	})
	serve(server.Of("/"))
	serve(server.Of("/custom"))
	server.Of("/refused").Use(func(*socketio.Socket) error {
		return &socketio.ConnectError{Message: "not you", Data: map[string]int{"code": 7}}
	})
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", numbers[0]))
	if err != nil {
		return err
	}
	fmt.Println("listening", listener.Addr().(*net.TCPAddr).Port)
	web := &http.Server{Handler: server, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(listener) }()
	select {
	case err = <-failed:
	case <-ctx.Done():
		err = nil
	}
	end, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(err, server.Close(end), web.Shutdown(end))
}

func serve(n *socketio.Namespace) {
	n.OnConnect(func(s *socketio.Socket) {
		auth := s.Auth()
		if auth == nil {
			auth = json.RawMessage("{}")
		}
		_ = s.Emit("auth", auth)
	})
	n.On("message", func(s *socketio.Socket, args socketio.Args, _ socketio.Ack) {
		_ = s.Emit("message-back", args.Values()...)
	})
	n.On("message-with-ack", func(_ *socketio.Socket, args socketio.Args, ack socketio.Ack) {
		_ = ack(args.Values()...)
	})
	n.On("count", func(s *socketio.Socket, args socketio.Args, _ socketio.Ack) {
		var most int
		_ = args.Decode(0, &most)
		for i := range most {
			_ = s.Emit("number", i)
		}
	})
	n.On("ask", func(s *socketio.Socket, _ socketio.Args, _ socketio.Ack) {
		answer, err := s.Timeout(10*time.Second).EmitWithAck(s.Context(), "question", "why")
		if err == nil {
			_ = s.Emit("asked", answer.Values()...)
		}
	})
	n.On("join", func(s *socketio.Socket, args socketio.Args, ack socketio.Ack) {
		var room string
		_ = args.Decode(0, &room)
		_ = ack(s.Join(room) == nil)
	})
	n.On("tell", func(s *socketio.Socket, args socketio.Args, _ socketio.Ack) {
		var room string
		_ = args.Decode(0, &room)
		_ = n.To(room).Emit("told", args.Values()[1:]...)
	})
	n.On("drop me", func(s *socketio.Socket, _ socketio.Args, _ socketio.Ack) { s.Session().Close() })
	n.On("kick me", func(s *socketio.Socket, _ socketio.Args, _ socketio.Ack) { s.CloseConnection() })
}
