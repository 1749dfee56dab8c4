package engineio

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http/httptest"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// benchServer serves sessions that count messages.
func benchServer(b *testing.B, o Options) (host string, messages <-chan int) {
	b.Helper()
	got := make(chan int, 1<<16)
	o.OnSession = func(s *Session) {
		s.OnMessage(func(data []byte, _ bool) { got <- len(data) })
	}
	srv := NewServer(o)
	web := httptest.NewServer(srv)
	b.Cleanup(func() {
		if err := srv.Close(context.Background()); err != nil {
			b.Error(err)
		}
		web.Close()
	})
	return strings.TrimPrefix(web.URL, "http://"), got
}

const benchHandshake = "GET /?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\nAccept-Language: en-GB,en;q=0.9\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"

// benchDial connects and reads the open packet.
func benchDial(b *testing.B, host string, in *bufio.Reader) net.Conn {
	b.Helper()
	c, err := net.Dial("tcp", host)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := io.WriteString(c, benchHandshake); err != nil {
		b.Fatal(err)
	}
	in.Reset(c)
	for line := ""; line != "\r\n"; {
		if line, err = in.ReadString('\n'); err != nil {
			b.Fatal(err)
		}
	}
	head, err := in.Peek(2)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := in.Discard(2 + int(head[1])); err != nil {
		b.Fatal(err)
	}
	return c
}

// cpu returns what this process has used, clients included.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func reportCPU(b *testing.B, began time.Duration, per string) {
	b.Helper()
	b.ReportMetric(float64((cpu()-began).Nanoseconds())/1000/float64(b.N), "µs-CPU/"+per)
}

// BenchmarkConnect opens websockets and closes them; the client's part is the
// same whatever the server does.
func BenchmarkConnect(b *testing.B) {
	host, _ := benchServer(b, Options{PerMessageDeflate: 1024})
	in := bufio.NewReader(nil)
	b.ReportAllocs()
	began := cpu()
	for b.Loop() {
		c := benchDial(b, host, in)
		if err := c.(*net.TCPConn).SetLinger(0); err != nil {
			b.Fatal(err)
		}
		_ = c.Close()
	}
	reportCPU(b, began, "connect")
}

// BenchmarkReceive sends messages, one or 64 in a segment.
func BenchmarkReceive(b *testing.B) {
	for _, kind := range []struct {
		name    string
		payload string
		batch   int
	}{
		{"bytes=32/batch=1", "4" + strings.Repeat("x", 31), 1},
		{"bytes=32/batch=64", "4" + strings.Repeat("x", 31), 64},
		{"bytes=4096/batch=1", "4" + strings.Repeat("x", 4095), 1},
		{"bytes=500000/batch=1", "4" + strings.Repeat("x", 499_999), 1},
	} {
		b.Run(kind.name, func(b *testing.B) {
			host, messages := benchServer(b, Options{})
			c := benchDial(b, host, bufio.NewReader(nil))
			defer func() { _ = c.Close() }()
			segment := bytes.Repeat(fr(0x81, kind.payload), kind.batch)
			b.ReportAllocs()
			b.SetBytes(int64(len(segment)))
			began := cpu()
			for b.Loop() {
				if _, err := c.Write(segment); err != nil {
					b.Fatal(err)
				}
				for range kind.batch {
					<-messages
				}
			}
			reportCPU(b, began, "segment")
		})
	}
}

// BenchmarkIdle reports the memory of a connection that waits, without the
// client's side.
func BenchmarkIdle(b *testing.B) {
	host, _ := benchServer(b, Options{PerMessageDeflate: 1024, PingInterval: time.Hour})
	const count = 1000
	in := bufio.NewReader(nil)
	used := func() float64 {
		var m runtime.MemStats
		for range 3 {
			runtime.GC()
			time.Sleep(50 * time.Millisecond) // for goroutines that are about to end
		}
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc + m.StackInuse)
	}
	for b.Loop() {
		before := used()
		conns := make([]net.Conn, count)
		for i := range conns {
			conns[i] = benchDial(b, host, in)
		}
		b.ReportMetric((used()-before)/count, "B/connection")
		for _, c := range conns {
			_ = c.Close()
		}
	}
}
