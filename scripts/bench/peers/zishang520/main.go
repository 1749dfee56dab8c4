// Command zishang520 does the same job on github.com/zishang520/socket.io/v2,
// the Go library that the benchmark measures as a peer.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/zishang520/socket.io/v2/socket"

	"github.com/devops-insights/devops-insights/scripts/bench/peers/follow"
)

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "zishang520:", err)
		os.Exit(1)
	}
}

func serve() error {
	io := socket.NewServer(nil, nil)
	err := io.On("connection", func(clients ...any) {
		client := clients[0].(*socket.Socket)
		_ = client.On("metrics:subscribe", func(args ...any) {
			if asked, ok := args[0].(map[string]any); ok {
				client.Join(room(fmt.Sprint(asked["source"])))
			}
		})
	})
	if err != nil {
		return err
	}
	routes := http.NewServeMux()
	routes.Handle("/socket.io/", io.ServeHandler(nil))
	return follow.Serve(routes, func(source string, data []byte) {
		var value any
		if json.Unmarshal(data, &value) != nil {
			return
		}
		_ = io.To(room(source)).Emit("metrics-update", map[string]any{
			"api": "acme", "source": source, "data": value, "timestamp": time.Now().UTC(),
		})
	})
}

func room(source string) socket.Room { return socket.Room("metrics:acme:" + source) }
