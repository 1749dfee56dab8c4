package socket

import (
	"context"
	"encoding/json"
	"io"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/live"
)

// benchMetric is a recorded answer as it is stored.
func benchMetric(b *testing.B, source string, n int) store.Metric {
	b.Helper()
	data, err := os.ReadFile("../test/contract/testdata/payload-eu-west.json")
	if err != nil {
		b.Fatal(err)
	}
	at := time.Date(2026, 11, 24, 0, 0, n, 0, time.UTC)
	return store.Metric{API: "acme", Source: source, Data: json.RawMessage(data), Hash: store.Hash(data), CreatedAt: at, UpdatedAt: at}
}

func benchRegions(b *testing.B) []store.Metric {
	b.Helper()
	var all []store.Metric
	for _, region := range store.Regions() {
		all = append(all, benchMetric(b, region, 0))
	}
	return all
}

func benchRows(b *testing.B, count int) []store.Metric {
	b.Helper()
	rows := make([]store.Metric, count)
	for i := range rows {
		rows[i] = benchMetric(b, store.Regions()[i%6], i)
	}
	return rows
}

// BenchmarkPayload makes what the dashboards receive.
func BenchmarkPayload(b *testing.B) {
	now := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	change, all, rows := store.Change{Metric: benchMetric(b, "eu-west", 0)}, benchRegions(b), benchRows(b, 1000)
	for _, payload := range []struct {
		name string
		make func() json.RawMessage
	}{
		{"update", func() json.RawMessage { return update(change, now) }},
		{"one", func() json.RawMessage { return dataOfOne(change.Metric) }},
		{"all", func() json.RawMessage { return dataOfAll("acme", all) }},
		{"history=1000", func() json.RawMessage { return history("acme", "", pastRows{rows: rows}) }},
	} {
		b.Run("payload="+payload.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(payload.make())))
			for b.Loop() {
				payload.make()
			}
		})
	}
}

// fixed is a store whose values never change.
type fixed struct{ all, rows []store.Metric }

func (f fixed) Watch(ctx context.Context, ready func(), handle func(context.Context, store.Change) error) error {
	for _, m := range f.all {
		if err := handle(ctx, store.Change{Metric: m, Snapshot: true}); err != nil {
			return err
		}
	}
	ready()
	<-ctx.Done()
	return ctx.Err()
}

func (f fixed) Refresh(context.Context) error { return nil }

func (f fixed) Scan(_ context.Context, _ store.Query, each func(store.Metric) error) error {
	for _, m := range f.rows {
		if err := each(m); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkAsk is one dashboard's question over a websocket on loopback, from
// its first byte to the last one of the answer; both sides share the time.
func BenchmarkAsk(b *testing.B) {
	kept := fixed{benchRegions(b), benchRows(b, 1000)}
	for _, question := range []struct{ name, text string }{
		{"event=get/regions=1", `42["metrics:get",{"source":"us-east"}]`},
		{"event=get/regions=6", `42["metrics:get",{}]`},
		{"event=getHistory/rows=1000", `42["metrics:getHistory",{"limit":1000}]`},
	} {
		b.Run(question.name, func(b *testing.B) {
			ws := benchDashboard(b, kept)
			ask := clientFrame(question.text)
			if _, err := ws.NetConn().Write(ask); err != nil {
				b.Fatal(err)
			}
			_, first, err := ws.ReadMessage()
			if err != nil {
				b.Fatal(err)
			}
			answer := make([]byte, len(first)+headerOf(len(first)))
			b.ReportAllocs()
			b.SetBytes(int64(len(first)))
			for b.Loop() {
				if _, err := ws.NetConn().Write(ask); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(ws.NetConn(), answer); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// benchDashboard connects a dashboard that has read all it was sent so far.
func benchDashboard(b *testing.B, kept fixed) *websocket.Conn {
	b.Helper()
	srv := socketio.NewServer(socketio.Options{})
	log := logrus.New()
	log.SetOutput(io.Discard)
	view := live.New(live.Options{Catalog: six, Feed: kept, History: kept, Audience: NewAudience(srv.Of("/"), time.Now), Logger: log})
	NewHub(srv.Of("/"), Options{Catalog: six, View: view, History: kept, Logger: log})
	ctx, cancel := context.WithCancel(context.Background())
	ready, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		_ = view.Run(ctx, func() { close(ready) })
	}()
	<-ready
	web := httptest.NewServer(srv)
	b.Cleanup(func() {
		cancel()
		<-over
		_ = srv.Close(context.Background())
		web.Close()
	})
	ws, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(web.URL, "http")+"/socket.io/?EIO=4&transport=websocket", nil)
	if err != nil {
		b.Fatal(err)
	}
	_ = resp.Body.Close()
	b.Cleanup(func() { _ = ws.Close() })
	for _, prefix := range []string{"0{", "40{"} {
		if _, frame, err := ws.ReadMessage(); err != nil || !strings.HasPrefix(string(frame), prefix) {
			b.Fatalf("expected %s: %q, %v", prefix, frame, err)
		}
		if prefix == "0{" {
			if err := ws.WriteMessage(websocket.TextMessage, []byte("40")); err != nil {
				b.Fatal(err)
			}
		}
	}
	return ws
}

// clientFrame is a text frame masked with zeros: the text stands in it as it is.
func clientFrame(text string) []byte {
	return append([]byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}, text...)
}

// headerOf is the length of the header of a server's frame.
func headerOf(n int) int {
	switch {
	case n < 126:
		return 2
	case n <= 0xffff:
		return 4
	}
	return 10
}
