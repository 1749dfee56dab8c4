package engineio

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("the memory of all that waits", func() {
	// sessions collects the server's side of clients.
	type sessions struct {
		sync.Mutex
		all   []*Session
		ended map[Reason]int
	}
	open := func(o Options) (*Server, string, *sessions) {
		all := &sessions{ended: make(map[Reason]int)}
		o.OnSession = func(s *Session) {
			all.Lock()
			defer all.Unlock()
			all.all = append(all.all, s)
			s.OnClose(func(r Reason) {
				all.Lock()
				defer all.Unlock()
				all.ended[r]++
			})
		}
		srv, url := hosted(o)
		return srv, url, all
	}

	It("has one bound: past it those for whom most waits are ended, and nobody else notices", func() {
		srv, url, all := open(Options{MaxMemory: 8 << 20, MaxBacklog: 4 << 20})
		healthy := dial(url + "&transport=websocket")
		read(healthy)
		handshake(url) // one for whom a little waits
		for range 30 {
			handshake(url)
		}
		all.Lock()
		everyone := all.all
		all.Unlock()
		Expect(everyone[1].Send(NewText([]byte("a little")))).To(Succeed())
		for _, s := range everyone[2:] {
			for range 3 {
				_ = s.Send(NewText(bytes.Repeat([]byte("x"), 1<<20)))
				Expect(srv.Memory().Used()).To(BeNumerically("<=", 8<<20))
			}
			Expect(everyone[0].Send(NewText([]byte("still here")))).To(Succeed())
			Expect(read(healthy)).To(Equal("4still here"))
		}
		Expect(everyone[1].ended()).To(BeFalse())
		Eventually(func() map[Reason]int {
			all.Lock()
			defer all.Unlock()
			return map[Reason]int{ReasonMemory: all.ended[ReasonMemory], "else": len(all.ended) - 1}
		}, "10s").Should(And(HaveKeyWithValue(ReasonMemory, BeNumerically(">=", 27)), HaveKeyWithValue(Reason("else"), 0)))
		Expect(srv.Stats().Limited[LimitMemory]).To(BeNumerically(">=", 27))
		Expect(srv.Stats().Closed[ReasonMemory]).To(BeNumerically(">=", 27))
	})

	It("counts a message once, however many it waits for", func() {
		srv, url, all := open(Options{MaxMemory: 8 << 20})
		for range 50 {
			handshake(url)
		}
		before := srv.Memory().Used()
		m := NewText(bytes.Repeat([]byte("x"), 1<<20))
		for _, s := range all.all {
			Expect(s.Send(m)).To(Succeed())
		}
		Expect(srv.Memory().Used() - before).To(BeNumerically("~", 1<<20, 10<<10))
		for _, s := range all.all {
			s.Close()
			srv.abandon(s)
		}
		Expect(srv.Memory().Used()).To(BeZero())
	})

	It("counts answers that are built for one poll, until they are read", func() {
		srv, url, all := open(Options{MaxBacklog: 64 << 20})
		polling := handshake(url)
		kept := srv.Memory().Used()
		Expect(all.all[0].Send(NewText(bytes.Repeat([]byte("x"), 10<<20)), NewText(bytes.Repeat([]byte("y"), 10<<20)))).To(Succeed())
		c := raw(polling, getRequest)
		s := all.all[0]
		Eventually(func() int {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.answer == nil {
				return 0
			}
			return s.answer.bytes
		}, "10s").Should(Equal(20<<20 + 3))
		Expect(s.waiting()).To(BeNumerically(">=", 20<<20))
		Expect(srv.Memory().Used() - kept).To(BeNumerically("~", 20<<20, 10<<10))
		Expect(c.Close()).To(Succeed())
		Eventually(srv.Memory().Used, "10s").Should(BeZero())
	})

	It("is asked before a large answer is built", func() {
		srv, url, _ := open(Options{MaxMemory: 1 << 20})
		Expect(srv.Memory().Reserve(1<<20 + 1)).To(BeFalse())
		Expect(srv.Memory().Reserve(1 << 20)).To(BeTrue())
		Expect(srv.Memory().Reserve(1)).To(BeFalse())
		code, body := do(http.MethodGet, url+"&transport=polling", "")
		Expect([]any{code, body}).To(Equal([]any{503, `{"code":4,"message":"The server has no memory for another connection"}`}))
		Expect(srv.Stats().Limited).To(HaveKeyWithValue(LimitMemory, uint64(1)))
		srv.Memory().Release(1 << 20)
		Expect(srv.Memory().Used()).To(BeZero())
		handshake(url)
	})

	It("counts what clients have sent and nobody has handled", func() {
		srv, url, all := open(Options{MaxMemory: 1 << 20})
		handshake(url)
		handshake(url)
		all.all[0].HoldInbound(600 << 10)
		all.all[1].HoldInbound(300 << 10)
		Expect(all.all[0].ended()).To(BeFalse())
		all.all[1].HoldInbound(200 << 10)
		Expect(all.all[0].ended()).To(BeTrue(), "it holds the most")
		Expect(all.all[1].ended()).To(BeFalse())
		all.all[0].HoldInbound(-600 << 10)
		all.all[1].HoldInbound(-500 << 10)
		all.all[1].Close()
		srv.abandon(all.all[1])
		Expect(srv.Memory().Used()).To(BeZero())
	})

	It("does not keep the whole of a long handshake", func() {
		srv, url, all := open(Options{})
		req, err := http.NewRequest(http.MethodGet, url+"&transport=polling", http.NoBody)
		Expect(err).NotTo(HaveOccurred())
		req.Header.Set("Authorization", "Bearer abc")
		req.Header.Set("Sec-WebSocket-Key", "only the upgrade needs it")
		for i := range 60 {
			req.Header.Set(fmt.Sprintf("X-Filling-%d", i), strings.Repeat("x", 1000))
		}
		resp, err := http.DefaultClient.Do(req)
		Expect(err).NotTo(HaveOccurred())
		Expect(resp.Body.Close()).To(Succeed())
		kept := all.all[0].Request().Header
		size := 0
		for name, values := range kept {
			size += len(name) + len(strings.Join(values, ""))
		}
		Expect(size).To(BeNumerically("<=", maxKeptHeader))
		Expect(kept.Get("Authorization")).To(Equal("Bearer abc"))
		Expect(kept).NotTo(HaveKey("Sec-Websocket-Key"))
		Expect(srv.Memory().Used()).To(BeNumerically("~", size+sessionCost, 4<<10))
	})
})

var _ = Describe("the bytes that one client sends in a second", func() {
	open := func(o Options) (*Server, string, <-chan Reason, *atomic.Int64) {
		now := new(atomic.Int64)
		o.Now = func() time.Time { return time.Unix(now.Load(), 0) }
		srv, url, reasons := echo(o)
		return srv, url, reasons, now
	}

	It("have a bound, which small packets meet as well", func() {
		srv, url, reasons, now := open(Options{MaxByteRate: 650, MaxPayload: 2000})
		ws := dial(url + "&transport=websocket")
		read(ws)
		say := func(n int) {
			for range n {
				write(ws, "4x")
				Expect(read(ws)).To(Equal("4x"))
			}
		}
		say(100)
		now.Add(1)
		say(10)
		write(ws, "4x")
		Expect(closed(ws).Code).To(Equal(1008))
		Eventually(reasons, "10s").Should(Receive(Equal(ReasonTraffic)))
		Expect(srv.Stats().Limited).To(HaveKeyWithValue(LimitTraffic, uint64(1)))
	})

	It("have a smaller one at the beginning for an address from which too much came, for a minute", func() {
		_, url, _, now := open(Options{MaxByteRate: 6400, MaxPayload: 1000})
		send := func(n int) *websocket.Conn {
			GinkgoHelper()
			ws := dial(url + "&transport=websocket")
			read(ws)
			for range n {
				write(ws, "4"+strings.Repeat("x", 936))
			}
			return ws
		}
		Expect(closed(send(65)).Code).To(Equal(1008))
		for range 3 {
			Expect(closed(send(3)).Code).To(Equal(1008))
		}
		patient := send(1) // no more than others send
		Expect(read(patient)).To(HaveLen(937))
		now.Add(61)
		Expect(read(send(30))).To(HaveLen(937))
	})

	It("have it also over polling", func() {
		_, url, reasons, _ := open(Options{MaxByteRate: 650, MaxPayload: 2000})
		do(http.MethodPost, dialect(4).open(strings.TrimSuffix(url, "EIO=4")), strings.Repeat("4\x1e", 500)+"4")
		Eventually(reasons, "10s").Should(Receive(Equal(ReasonTraffic)))
	})

	It("count as they are after decompression", func() {
		_, url, reasons, _ := open(Options{MaxByteRate: 1000, MaxPayload: 100_000, PerMessageDeflate: 1 << 20})
		dialer := websocket.Dialer{EnableCompression: true}
		ws, resp, err := dialer.Dial("ws"+strings.TrimPrefix(url, "http")+"&transport=websocket", nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(resp.Body.Close()).To(Succeed())
		DeferCleanup(func() { _ = ws.Close() })
		read(ws)
		for range 2 {
			write(ws, "4"+strings.Repeat("x", 90_000)) // some hundred bytes on the wire
			Expect(read(ws)).To(HaveLen(90_001))
		}
		write(ws, "4"+strings.Repeat("x", 90_000))
		Expect(closed(ws).Code).To(Equal(1008))
		Eventually(reasons, "10s").Should(Receive(Equal(ReasonTraffic)))
	})
})
