// Package clients holds the Socket.IO server against real clients of others:
// every generation of socket.io-client, and one that is not JavaScript.
package clients

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/socket/engineio"
	"github.com/devops-insights/devops-insights/socket/socketio"
)

func TestClients(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Clients of others")
}

// start serves what the client programs talk to and returns the URL.
func start(o socketio.Options) string {
	o.Engine.AllowEIO3 = true
	srv := socketio.NewServer(o)
	srv.Of("/refused").Use(func(*socketio.Socket) error { return errors.New("not you") })
	for _, name := range []string{"/", "/custom"} {
		serve(srv.Of(name))
	}
	web := httptest.NewServer(srv)
	DeferCleanup(func(ctx SpecContext) {
		Expect(srv.Close(ctx)).To(Succeed())
		web.Close()
	})
	return web.URL
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
	var mu sync.Mutex
	kept := make(map[string]int) // by socket: how many came in order
	n.On("keep", func(s *socketio.Socket, args socketio.Args, _ socketio.Ack) {
		var i int
		_ = args.Decode(0, &i)
		mu.Lock()
		defer mu.Unlock()
		if kept[s.ID()] == i {
			kept[s.ID()]++
		}
	})
	n.On("kept", func(s *socketio.Socket, _ socketio.Args, ack socketio.Ack) {
		mu.Lock()
		defer mu.Unlock()
		_ = ack(kept[s.ID()])
	})
	n.On("ask", func(s *socketio.Socket, _ socketio.Args, _ socketio.Ack) {
		answer, err := s.Timeout(10*time.Second).EmitWithAck(s.Context(), "question", "why")
		if err != nil {
			return
		}
		v, _ := answer.Value(1)
		b, _ := v.([]byte)
		_ = s.Emit("asked", answer.Raw(0), len(b))
	})
	n.On("drop me", func(s *socketio.Socket, _ socketio.Args, _ socketio.Ack) { s.Session().Close() })
	n.On("kick me", func(s *socketio.Socket, _ socketio.Args, _ socketio.Ack) { s.CloseConnection() })
}

// report runs a client program and returns the JSON object it prints.
func report(ctx context.Context, dir, program string, args ...string) map[string]any {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Stderr = GinkgoWriter
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	Expect(err).NotTo(HaveOccurred(), "%s; make deps says what is missing", out)
	var seen map[string]any
	Expect(json.Unmarshal(out, &seen)).To(Succeed(), "%s", out)
	return seen
}

var version2 = regexp.MustCompile(`-2$`)

var _ = DescribeTable("the JavaScript client", func(ctx SpecContext, client, transports, last string, deflate int, parser ...string) {
	url := start(socketio.Options{Engine: engineio.Options{PerMessageDeflate: deflate}})
	seen := report(ctx, "../js", "node", append([]string{"conformance.mjs", client, url, transports}, parser...)...)
	want := map[string]any{
		"auth":        map[string]any{"token": "abc"},
		"transport":   last,
		"echo":        []any{1.0, "2", map[string]any{"3": []any{true}}, "€ 😀"},
		"binary":      []any{[]any{1.0, 2.0, 3.0}, []any{4.0}},
		"ack":         []any{"a", nil},
		"received":    true,
		"sent":        1000.0,
		"asked":       []any{"why?", 1.0},
		"custom":      []any{"in custom"},
		"refused":     "not you",
		"dropped":     "transport close",
		"reconnected": true,
		"kicked":      "io server disconnect",
	}
	if version2.MatchString(client) {
		want["auth"] = map[string]any{} // it has no auth option
	}
	if len(parser) > 0 {
		want["special"] = []any{nil, map[string]any{"b": 1.0}, "2001-09-09T01:46:40.000Z", []any{5.0, 6.0}, nil}
	}
	Expect(seen).To(Equal(want))
},
	Entry("4.8 on websocket", "socket.io-client", "websocket", "websocket", 0),
	Entry("4.8 on websocket, compressed", "socket.io-client", "websocket", "websocket", 1),
	Entry("4.8 on polling", "socket.io-client", "polling", "polling", 0),
	Entry("4.8 with upgrade", "socket.io-client", "polling,websocket", "websocket", 0),
	Entry("4.8 with MessagePack on websocket", "socket.io-client", "websocket", "websocket", 0, "socket.io-msgpack-parser"),
	Entry("4.8 with MessagePack on websocket, compressed", "socket.io-client", "websocket", "websocket", 1, "socket.io-msgpack-parser"),
	Entry("4.8 with MessagePack on polling", "socket.io-client", "polling", "polling", 0, "socket.io-msgpack-parser"),
	Entry("4.8 with MessagePack and upgrade", "socket.io-client", "polling,websocket", "websocket", 0, "socket.io-msgpack-parser"),
	Entry("3.1 on websocket", "socket.io-client-3", "websocket", "websocket", 0),
	Entry("3.1 on polling", "socket.io-client-3", "polling", "polling", 0),
	Entry("3.1 with upgrade", "socket.io-client-3", "polling,websocket", "websocket", 0),
	Entry("2.5 on websocket", "socket.io-client-2", "websocket", "websocket", 0),
	Entry("2.5 on polling", "socket.io-client-2", "polling", "polling", 0),
	Entry("2.5 with upgrade", "socket.io-client-2", "polling,websocket", "websocket", 0),
)

var _ = DescribeTable("the Python client", func(ctx SpecContext, transports, last string) {
	python, err := filepath.Abs("../py/.venv/bin/python")
	Expect(err).NotTo(HaveOccurred())
	if _, err := os.Stat(python); err != nil {
		Skip("python-socketio is not installed: make deps says why")
	}
	seen := report(ctx, "../py", python, "conformance.py", start(socketio.Options{}), transports)
	Expect(seen).To(Equal(map[string]any{
		"auth":      map[string]any{"token": "abc"},
		"transport": last,
		"echo":      []any{1.0, "2", map[string]any{"3": []any{true}}, "€ 😀"},
		"binary":    []any{[]any{1.0, 2.0, 3.0}, []any{4.0}},
		"ack":       []any{"a", nil},
		"received":  true,
		"sent":      1000.0,
		"asked":     []any{"why?", 1.0},
		"custom":    []any{"message-back", "in custom"},
		"kicked":    "server disconnect",
	}))
},
	Entry("on websocket", "websocket", "websocket"),
	Entry("on polling", "polling", "polling"),
	Entry("with upgrade", "polling,websocket", "websocket"),
)

var _ = DescribeTable("the JavaScript client that loses its connection gets what it missed", func(ctx SpecContext, args ...string) {
	srv := socketio.NewServer(socketio.Options{Recovery: &socketio.Recovery{}})
	n := srv.Of("/")
	n.On("join", func(s *socketio.Socket, args socketio.Args, ack socketio.Ack) {
		var room string
		_ = args.Decode(0, &room)
		_ = ack(s.Join(room) == nil)
	})
	web := httptest.NewServer(srv)
	ticking, stop := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for i := 0; ; i++ {
			select {
			case <-ticking.Done():
				return
			case <-ticker.C:
				_ = n.To("ticks").Emit("tick", i)
			}
		}
	}()
	DeferCleanup(func(ctx SpecContext) {
		stop()
		<-over
		Expect(srv.Close(ctx)).To(Succeed())
		web.Close()
	})
	seen := report(ctx, "../js", "node", append([]string{"recovery.mjs", web.URL}, args...)...)
	Expect(seen).To(Equal(map[string]any{"recovered": true, "same": true, "gapless": true}))
},
	Entry("on websocket", "websocket"), Entry("on polling", "polling"), Entry("with upgrade", "polling,websocket"),
	Entry("with MessagePack on websocket", "websocket", "socket.io-msgpack-parser"),
	Entry("with MessagePack on polling", "polling", "socket.io-msgpack-parser"),
)
