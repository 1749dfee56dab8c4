// Command example is a small Socket.IO server, for trying clients and for
// running protocol test suites against the implementation.
//
// In the namespaces "/" and "/custom" it answers on connection with the event
// "auth" and the client's payload, "message" with "message-back" and the same
// arguments, and acknowledges "message-with-ack" with them. At /engine.io/ it
// sends every message back as it came.
//
//	go run ./socket/socketio/example -addr localhost:3000 -ping-interval 300ms -ping-timeout 200ms
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
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
	flags := flag.NewFlagSet("example", flag.ContinueOnError)
	addr := flags.String("addr", "localhost:3000", "address to listen on")
	interval := flags.Duration("ping-interval", 25*time.Second, "time between heartbeats")
	timeout := flags.Duration("ping-timeout", 20*time.Second, "time for the answer to one")
	connect := flags.Duration("connect-timeout", 45*time.Second, "time to join a namespace")
	deflate := flags.Int("deflate", 0, "compress websocket messages from this size in bytes on; 0: never")
	recovery := flags.Bool("recovery", false, "recover the state of clients that come back within two minutes")
	if err := flags.Parse(args); err != nil {
		return err
	}
	engine := engineio.Options{PingInterval: *interval, PingTimeout: *timeout, AllowEIO3: true, PerMessageDeflate: *deflate}
	options := socketio.Options{Engine: engine, ConnectTimeout: *connect}
	if *recovery {
		options.Recovery = &socketio.Recovery{}
	}
	server := socketio.NewServer(options)
	serve(server.Of("/"))
	serve(server.Of("/custom"))
	engine.OnSession = echo
	raw := engineio.NewServer(engine)

	mux := http.NewServeMux()
	mux.Handle("/socket.io/", server)
	mux.Handle("/engine.io/", raw)
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return fmt.Errorf("the address %s of -addr cannot be used: %w", *addr, err)
	}
	fmt.Println("listening on", listener.Addr())
	web := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(listener) }()
	select {
	case err = <-failed:
	case <-ctx.Done():
		err = nil
	}
	end, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(err, server.Close(end), raw.Close(end), web.Shutdown(end))
}

func serve(n *socketio.Namespace) {
	n.OnConnect(func(s *socketio.Socket) {
		auth := s.Auth()
		if auth == nil {
			auth = json.RawMessage("{}")
		}
		_ = s.Emit("auth", auth) // a client that has gone needs no answer
	})
	n.On("message", func(s *socketio.Socket, args socketio.Args, _ socketio.Ack) {
		_ = s.Emit("message-back", args.Values()...)
	})
	n.On("message-with-ack", func(_ *socketio.Socket, args socketio.Args, ack socketio.Ack) {
		_ = ack(args.Values()...)
	})
}

func echo(s *engineio.Session) {
	s.OnMessage(func(data []byte, binary bool) {
		m := engineio.NewText(data)
		if binary {
			m = engineio.NewBinary(data)
		}
		_ = s.Send(m)
	})
}
