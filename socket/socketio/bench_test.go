package socketio

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/devops-insights/devops-insights/socket/engineio"
)

// benchPayload is a JSON object of about size bytes.
func benchPayload(size int) json.RawMessage {
	var b strings.Builder
	b.WriteString(`{"status":"ok","workers":[`)
	for i := 0; b.Len() < size-50; i++ {
		fmt.Fprintf(&b, `{"worker":%d,"load":%.3f},`, i, float64(i%97)/7)
	}
	b.WriteString(`{}],"end":null}`)
	return json.RawMessage(b.String())
}

// benchPackets are what dashboards and server send each other.
func benchPackets() []struct {
	name string
	args []any
} {
	attachment := make([]byte, 4<<10)
	return []struct {
		name string
		args []any
	}{
		{"packet=small", []any{json.RawMessage(`{"source":"eu-west"}`)}},
		{"packet=4KB", []any{benchPayload(4 << 10)}},
		{"packet=64KB", []any{benchPayload(64 << 10)}},
		{"packet=binary", []any{"x", attachment}},
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, p := range benchPackets() {
		b.Run(p.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				packet, err := eventPacket("/", "metrics-update", p.args)
				if err != nil || len(packet.Encode()) == 0 {
					b.Fatal("nothing was encoded", err)
				}
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, p := range benchPackets() {
		b.Run(p.name, func(b *testing.B) {
			packet, err := eventPacket("/", "metrics-update", p.args)
			if err != nil {
				b.Fatal(err)
			}
			text := wireText(packet)
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				p, err := DecodePacket(text)
				if err != nil {
					b.Fatal(err)
				}
				if args, err := p.Args(); err != nil || args.Len() < 2 {
					b.Fatal(args, err)
				}
			}
		})
	}
}

// wireText is the text part of a packet as it travels.
func wireText(p *Packet) []byte {
	text := []byte{'0' + byte(p.Type)}
	if p.Type == PacketBinaryEvent {
		text = fmt.Appendf(text, "%d-", len(p.Attachments))
	}
	return append(text, p.Data...)
}

// BenchmarkBroadcast sends one 4 KB event to connected websockets, from Emit
// to the last receiver's read: clients and server share the time.
func BenchmarkBroadcast(b *testing.B) {
	for _, receivers := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("receivers=%d", receivers), func(b *testing.B) {
			srv := NewServer(Options{})
			web := httptest.NewServer(srv)
			defer func() {
				_ = srv.Close(context.Background())
				web.Close()
			}()
			n := srv.Of("/")
			joined := make(chan error, receivers)
			n.OnConnect(func(s *Socket) { joined <- s.Join("room") })
			payload := benchPayload(4 << 10)
			packet, err := eventPacket("/", "metrics-update", []any{payload})
			if err != nil {
				b.Fatal(err)
			}
			frame := len("\x81\x7e\x00\x004") + packet.Encode()[0].Len()
			read := make(chan struct{}, receivers)
			for range receivers {
				c := benchClient(b, web.URL)
				if err := <-joined; err != nil {
					b.Fatal(err)
				}
				go func() {
					buf := make([]byte, frame)
					for {
						if _, err := io.ReadFull(c, buf); err != nil {
							return
						}
						read <- struct{}{}
					}
				}()
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := n.To("room").Coalesce("room").Emit("metrics-update", payload); err != nil {
					b.Fatal(err)
				}
				for range receivers {
					<-read
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*receivers), "ns/message")
		})
	}
}

// benchClient joins the default namespace and returns the bare connection,
// which goes on with the first broadcast.
func benchClient(b *testing.B, url string) net.Conn {
	b.Helper()
	ws, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(url, "http")+"/socket.io/?EIO=4&transport=websocket", nil)
	if err != nil {
		b.Fatal(err)
	}
	_ = resp.Body.Close()
	b.Cleanup(func() { _ = ws.Close() })
	for _, send := range []string{"40", ""} {
		if _, _, err := ws.ReadMessage(); err != nil {
			b.Fatal(err)
		}
		if send != "" {
			if err := ws.WriteMessage(websocket.TextMessage, []byte(send)); err != nil {
				b.Fatal(err)
			}
		}
	}
	return ws.NetConn()
}

// BenchmarkRooms keeps the books of 10,000 sockets in six rooms.
func BenchmarkRooms(b *testing.B) {
	const sockets = 10_000
	names := []string{"us-east", "eu-west", "eu-central", "us-west", "sa-east", "ap-southeast"}
	fill := func() (*rooms, []*Socket) {
		r, all := newRooms(), make([]*Socket, sockets)
		for i := range all {
			all[i] = &Socket{id: engineio.NewID(), client: &client{}}
			r.add(all[i], func() {})
			r.join(all[i], names, 100)
		}
		return r, all
	}
	b.Run("op=join+leave", func(b *testing.B) {
		r, all := fill()
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			r.leave(all[i%sockets], names[:1])
			r.join(all[i%sockets], names[:1], 100)
		}
	})
	b.Run("op=enter+exit", func(b *testing.B) {
		r, all := fill()
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			s := all[i%sockets]
			r.remove(s)
			s.rooms = nil
			r.add(s, func() {})
			r.join(s, names, 100)
		}
	})
	b.Run("op=snapshot", func(b *testing.B) {
		r, _ := fill()
		r.members(Target{Rooms: names[:1]})
		b.ReportAllocs()
		for b.Loop() {
			if len(r.members(Target{Rooms: names[:1]})) != sockets {
				b.Fatal("members are missing")
			}
		}
	})
	b.Run("op=snapshot-after-change", func(b *testing.B) {
		r, all := fill()
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			r.leave(all[i%sockets], names[:1])
			r.join(all[i%sockets], names[:1], 100)
			if len(r.members(Target{Rooms: names[:1]})) != sockets {
				b.Fatal("members are missing")
			}
		}
	})
}
