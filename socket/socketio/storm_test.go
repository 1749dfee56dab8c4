package socketio

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/socket/engineio"
)

// visitor is one client of the storm; it may do anything a client can.
type visitor struct {
	base string
	http *http.Client
	r    *rand.Rand
}

func (v *visitor) do(ctx context.Context, method, url, body string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	resp, err := v.http.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

// live goes through one life: what fails on the way is a life cut short.
func (v *visitor) live(ctx context.Context) {
	url := v.base + "/socket.io/?EIO=4&transport=polling"
	if v.r.IntN(2) == 0 {
		v.stay(ctx, strings.Replace(url, "polling", "websocket", 1), false)
		return
	}
	open, err := v.do(ctx, http.MethodGet, url, "")
	if err != nil || !strings.HasPrefix(open, "0{") {
		return
	}
	url += "&sid=" + strings.Split(open, `"`)[3]
	_, _ = v.do(ctx, http.MethodPost, url, "40")
	switch v.r.IntN(4) {
	case 0: // vanish
	case 1:
		_, _ = v.do(ctx, http.MethodPost, url, strings.Repeat("42[\"join\",\"a\"]\x1e", 50)+"1")
	case 2:
		short, cancel := context.WithTimeout(ctx, time.Duration(v.r.IntN(20))*time.Millisecond)
		defer cancel()
		_, _ = v.do(short, http.MethodGet, url, "")
		_, _ = v.do(short, http.MethodGet, url, "")
	default:
		v.stay(ctx, strings.Replace(url, "polling", "websocket", 1), true)
	}
}

func (v *visitor) stay(ctx context.Context, url string, upgrade bool) {
	ws, resp, err := websocket.DefaultDialer.DialContext(ctx, "ws"+strings.TrimPrefix(url, "http"), nil)
	if err != nil {
		return
	}
	_ = resp.Body.Close()
	defer func() { _ = ws.Close() }()
	send := func(frames ...string) {
		for _, f := range frames {
			if ws.WriteMessage(websocket.TextMessage, []byte(f)) != nil {
				return
			}
		}
	}
	if upgrade {
		send("2probe", "5")
	} else {
		send("40")
	}
	for range v.r.IntN(20) {
		switch v.r.IntN(8) {
		case 0:
			send(`42["join","a","b"]`)
		case 1:
			send(`42["leave","a"]`)
		case 2:
			send(`42["shout","a"]`)
		case 3:
			for i := range 100 {
				send(fmt.Sprintf(`42%d["echo",%d]`, i, i))
			}
		case 4:
			_ = ws.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
			_, _, _ = ws.ReadMessage() // after an error the connection is of no more use, and that is fine
		case 5:
			send("40/custom,", `42/custom,["echo"]`, "41/custom,")
		case 6:
			send([]string{"1", "abc", "41", "2", "440", "451-[\"x\"]"}[v.r.IntN(6)])
		default:
			if tcp, ok := ws.NetConn().(*net.TCPConn); ok && v.r.IntN(4) == 0 {
				_ = tcp.SetLinger(0) // a reset instead of an orderly end
				return
			}
		}
	}
}

var _ = It("stands a storm of clients that come, upgrade, join, flood and vanish, and keeps nothing of them", func(ctx SpecContext) {
	srv := NewServer(Options{
		Engine:   engineio.Options{PingInterval: 200 * time.Millisecond, PingTimeout: 10 * time.Second, UpgradeTimeout: 200 * time.Millisecond},
		Recovery: &Recovery{MaxSessions: 50, MaxEvents: 100},
	})
	for _, n := range []*Namespace{srv.Of("/"), srv.Of("/custom")} {
		n.On("join", func(s *Socket, args Args, _ Ack) {
			for i := range args.Len() {
				var room string
				if args.Decode(i, &room) == nil {
					_ = s.Join(room)
				}
			}
		})
		n.On("leave", func(s *Socket, _ Args, _ Ack) { s.Leave("a", "b") })
		n.On("shout", func(s *Socket, _ Args, _ Ack) { _ = s.To("a").Emit("shouted") })
		n.On("echo", func(_ *Socket, args Args, ack Ack) { _ = ack(args.Values()...) })
	}
	web := httptest.NewServer(srv)
	defer web.Close()
	watcher, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(web.URL, "http")+"/socket.io/?EIO=4&transport=websocket", nil)
	Expect(err).NotTo(HaveOccurred())
	Expect(resp.Body.Close()).To(Succeed())
	p := peer{watcher}
	p.next()
	p.send("40")
	Expect(p.next()).To(HavePrefix("40{"))

	before := runtime.NumGoroutine()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 50}}
	var clients sync.WaitGroup
	var lives atomic.Int32
	for i := range 200 {
		clients.Go(func() {
			v := &visitor{base: web.URL, http: client, r: rand.New(rand.NewPCG(uint64(GinkgoRandomSeed()), uint64(i)))}
			for range 5 {
				life, cancel := context.WithTimeout(ctx, 5*time.Second)
				v.live(life)
				cancel()
				lives.Add(1)
			}
		})
	}
	go func() { // the watcher answers its heartbeats, as any client does
		for {
			_, frame, err := watcher.ReadMessage()
			if err != nil {
				return
			}
			if string(frame) == "2" && watcher.WriteMessage(websocket.TextMessage, []byte("3")) != nil {
				return
			}
		}
	}()
	clients.Wait()
	Expect(lives.Load()).To(Equal(int32(1000)))
	client.CloseIdleConnections()
	Eventually(srv.Connections, "40s").Should(Equal(1), "only the watcher is left")
	Eventually(srv.Of("/").Count, "20s").Should(Equal(1))
	Eventually(srv.Of("/custom").Count, "20s").Should(BeZero())
	srv.Of("/").rooms.mu.RLock()
	Expect(srv.Of("/").rooms.named).To(BeEmpty())
	srv.Of("/").rooms.mu.RUnlock()
	Eventually(runtime.NumGoroutine, "20s").Should(BeNumerically("<=", before+20))
	srv.Of("/").log.mu.Lock()
	Expect(len(srv.Of("/").log.absent)).To(BeNumerically("<=", 50))
	srv.Of("/").log.mu.Unlock()
	Expect(watcher.Close()).To(Succeed())
	Expect(srv.Close(ctx)).To(Succeed())
})

var _ = It("costs nothing after a client has opened and closed 10,000 times", func(ctx SpecContext) {
	srv := NewServer(Options{})
	web := httptest.NewServer(srv)
	defer web.Close()
	url := "ws" + strings.TrimPrefix(web.URL, "http") + "/socket.io/?EIO=4&transport=websocket"
	visit := func() {
		ws, resp, err := websocket.DefaultDialer.Dial(url, nil)
		if err != nil {
			return // the machine's ports may be used up for a moment
		}
		_ = resp.Body.Close()
		_ = ws.WriteMessage(websocket.TextMessage, []byte("40"))
		_ = ws.WriteMessage(websocket.TextMessage, []byte("1"))
		_, _, _ = ws.ReadMessage()
		if tcp, ok := ws.NetConn().(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // keeps the machine's ports free
		}
		_ = ws.Close()
	}
	heap := func() uint64 {
		Eventually(srv.Connections, "20s").Should(BeZero())
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for range 500 {
		visit()
	}
	before, goroutines := heap(), runtime.NumGoroutine()
	var visits sync.WaitGroup
	for range 10 {
		visits.Go(func() {
			for range 1000 {
				visit()
			}
		})
	}
	visits.Wait()
	Expect(heap()).To(BeNumerically("<", before+2<<20))
	Eventually(runtime.NumGoroutine, "20s").Should(BeNumerically("<=", goroutines+5))
	Expect(srv.Stats().Opened).To(BeNumerically(">", 9000))
	Expect(srv.Close(ctx)).To(Succeed())
})
