// Command limit is what the benchmark holds every server against: a bare
// websocket server that frames a change once and writes it straight to each
// connection. It knows just enough of Socket.IO for a dashboard to subscribe,
// and has no heartbeat, no queue, no second transport and no bounds.
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/devops-insights/devops-insights/scripts/bench/peers/follow"
)

func main() {
	all := &rooms{members: make(map[string]map[net.Conn]struct{})}
	if err := follow.Serve(all, all.broadcast); err != nil {
		fmt.Fprintln(os.Stderr, "limit:", err)
		os.Exit(1)
	}
}

type rooms struct {
	mu      sync.RWMutex
	members map[string]map[net.Conn]struct{}
}

func (all *rooms) broadcast(source string, data []byte) {
	frame := textFrame(fmt.Sprintf(`42["metrics-update",{"api":"acme","source":%q,"data":%s,"timestamp":%q}]`,
		source, data, time.Now().UTC().Format("2006-01-02T15:04:05.000Z")))
	all.mu.RLock()
	defer all.mu.RUnlock()
	for c := range all.members[source] {
		_, _ = c.Write(frame)
	}
}

func (all *rooms) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 1024, WriteBufferPool: &sync.Pool{}}
	ws, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	c := ws.NetConn()
	defer all.leave(c)
	_, _ = c.Write(textFrame(`0{"sid":"limit","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`))
	for {
		_, message, err := ws.ReadMessage()
		if err != nil {
			return
		}
		switch {
		case bytes.Equal(message, []byte("40")):
			_, _ = c.Write(textFrame(`40{"sid":"limit"}`))
		case bytes.HasPrefix(message, []byte(`42["metrics:subscribe"`)):
			_, rest, _ := strings.Cut(string(message), `"source":"`)
			source, _, _ := strings.Cut(rest, `"`)
			all.join(source, c)
		}
	}
}

func (all *rooms) join(source string, c net.Conn) {
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.members[source] == nil {
		all.members[source] = make(map[net.Conn]struct{})
	}
	all.members[source][c] = struct{}{}
}

func (all *rooms) leave(c net.Conn) {
	all.mu.Lock()
	for _, members := range all.members {
		delete(members, c)
	}
	all.mu.Unlock()
	_ = c.Close()
}

// textFrame is a final, unmasked text frame (RFC 6455, clause 5.2).
func textFrame(text string) []byte {
	b := []byte{0x81}
	switch n := len(text); {
	case n < 126:
		b = append(b, byte(n))
	case n <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, text...)
}
