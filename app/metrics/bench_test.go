package metrics

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/devops-insights/devops-insights/socket"
	"github.com/devops-insights/devops-insights/socket/engineio"
	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/store"
)

// BenchmarkSend sends a change of 4 KB to every dashboard of a room, with metrics
// and without.
func BenchmarkSend(b *testing.B) {
	for _, receivers := range []int{1, 100, 1000} {
		for _, metered := range []bool{false, true} {
			b.Run(fmt.Sprintf("receivers=%d/metrics=%t", receivers, metered), func(b *testing.B) { benchSend(b, receivers, metered) })
		}
	}
}

// BenchmarkObserve is what one change costs in metrics, however many dashboards it
// is for, and one heartbeat.
func BenchmarkObserve(b *testing.B) {
	catalog := apis("acme:us-east,eu-west")
	m := New(Options{Catalog: func() store.Catalog { return catalog }, Read: func() Figures { return Figures{} }})
	c := store.Change{Metric: store.Metric{API: "acme", Source: "eu-west", UpdatedAt: time.Now()}}
	b.Run("what=change", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			m.Sending(c, true)(nil)
			m.Written(c)
		}
	})
	b.Run("what=pong", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			m.Observer().Ponged(20 * time.Millisecond)
		}
	})
}

func benchSend(b *testing.B, receivers int, metered bool) {
	var observer engineio.Observer
	var sends []socket.SendObserver
	if metered {
		catalog := apis("acme:us-east,eu-west")
		m := New(Options{Catalog: func() store.Catalog { return catalog }, Read: func() Figures { return Figures{} }})
		observer, sends = m.Observer(), append(sends, m)
	}
	srv := socketio.NewServer(socketio.Options{Engine: engineio.Options{Observer: observer}})
	web := httptest.NewServer(srv)
	defer func() {
		_ = srv.Close(context.Background())
		web.Close()
	}()
	joined := make(chan error, receivers)
	srv.Of("/").OnConnect(func(s *socketio.Socket) { joined <- s.Join(socket.Room("acme", "eu-west")) })
	audience := socket.NewAudience(srv.Of("/"), time.Now, sends...)
	data, err := json.Marshal(strings.Repeat("x", 4<<10))
	if err != nil {
		b.Fatal(err)
	}
	c := store.Change{Metric: store.Metric{API: "acme", Source: "eu-west", Data: data, Hash: store.Hash(data), UpdatedAt: time.Now()}}
	read := make(chan struct{}, receivers)
	for range receivers {
		ws := benchDashboard(b, web.URL)
		if err := <-joined; err != nil {
			b.Fatal(err)
		}
		go func() {
			for {
				_, r, err := ws.NextReader()
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, r)
				read <- struct{}{}
			}
		}()
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := audience.Send(c, true); err != nil {
			b.Fatal(err)
		}
		for range receivers {
			<-read
		}
	}
}

func benchDashboard(b *testing.B, url string) *websocket.Conn {
	ws, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(url, "http")+"/socket.io/?EIO=4&transport=websocket", nil)
	if err != nil {
		b.Fatal(err)
	}
	_ = resp.Body.Close()
	b.Cleanup(func() { _ = ws.Close() })
	if err := ws.WriteMessage(websocket.TextMessage, []byte("40")); err != nil {
		b.Fatal(err)
	}
	for range 2 {
		if _, _, err := ws.ReadMessage(); err != nil {
			b.Fatal(err)
		}
	}
	return ws
}
