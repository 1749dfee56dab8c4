package engineio

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.uber.org/goleak"
)

func TestEngineIO(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Engine.IO")
	http.DefaultClient.CloseIdleConnections()
	goleak.VerifyNone(t, goleak.IgnoreAnyFunction("github.com/onsi/ginkgo/v2/internal/interrupt_handler.(*InterruptHandler).registerForInterrupts.func2"))
}

// echo is a server that sends every message back.
func echo(o Options) (*Server, string, <-chan Reason) {
	reasons := make(chan Reason, 100)
	o.OnSession = func(s *Session) {
		s.OnMessage(func(data []byte, binary bool) {
			kept := append([]byte(nil), data...)
			if binary {
				_ = s.Send(NewBinary(kept))
				return
			}
			_ = s.Send(NewText(kept))
		})
		s.OnClose(func(r Reason) { reasons <- r })
	}
	srv := NewServer(o)
	web := httptest.NewServer(srv)
	DeferCleanup(func(ctx SpecContext) {
		Expect(srv.Close(ctx)).To(Succeed())
		web.Close()
	})
	return srv, web.URL + "/engine.io/?EIO=4", reasons
}

func do(method, url, body string) (int, string) {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	Expect(err).NotTo(HaveOccurred())
	resp, err := http.DefaultClient.Do(req)
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	Expect(err).NotTo(HaveOccurred())
	Expect(resp.Header.Get("Access-Control-Allow-Origin")).To(Equal("*"))
	return resp.StatusCode, string(text)
}

func handshake(url string) string {
	GinkgoHelper()
	_, body := do(http.MethodGet, url+"&transport=polling", "")
	Expect(body).To(MatchRegexp(`^0\{"sid":"[\w-]{20}","upgrades":\["websocket"\],"pingInterval":\d+,"pingTimeout":\d+,"maxPayload":1000000\}$`))
	return url + "&transport=polling&sid=" + strings.Split(body, `"`)[3]
}

// poll asks in the background and passes on the body.
func poll(session string) <-chan string {
	polled := make(chan string, 1)
	go func() {
		defer GinkgoRecover()
		_, body := do(http.MethodGet, session, "")
		polled <- body
	}()
	return polled
}

func dial(url string) *websocket.Conn {
	GinkgoHelper()
	ws, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(strings.Replace(url, "polling", "websocket", 1), "http"), nil)
	Expect(err).NotTo(HaveOccurred())
	_ = resp.Body.Close()
	DeferCleanup(func() { _ = ws.Close() })
	return ws
}

func read(ws *websocket.Conn) string {
	GinkgoHelper()
	Expect(ws.SetReadDeadline(time.Now().Add(10 * time.Second))).To(Succeed())
	_, text, err := ws.ReadMessage()
	Expect(err).NotTo(HaveOccurred())
	return string(text)
}

func write(ws *websocket.Conn, text string) {
	GinkgoHelper()
	Expect(ws.WriteMessage(websocket.TextMessage, []byte(text))).To(Succeed())
}

var _ = Describe("an Engine.IO session", func() {
	It("carries several packets and base64 binary in one polling payload", func() {
		_, url, _ := echo(Options{})
		session := handshake(url)
		code, body := do(http.MethodPost, session, "4hello\x1ebAQIDBA==\x1e4€")
		Expect([]any{code, body}).To(Equal([]any{200, "ok"}))
		_, body = do(http.MethodGet, session, "")
		Expect(body).To(Equal("4hello\x1ebAQIDBA==\x1e4€"))
	})

	It("upgrades with a probe, releases the waiting poll, and loses nothing", func() {
		_, url, _ := echo(Options{})
		session := handshake(url)
		polled := poll(session)
		ws := dial(session)
		write(ws, "2probe")
		Expect(read(ws)).To(Equal("3probe"))
		Eventually(polled, "10s").Should(Receive(Equal("6")))
		do(http.MethodPost, session, "4between")
		write(ws, "5")
		Expect(read(ws)).To(Equal("4between"))
		for i := range 100 {
			write(ws, fmt.Sprintf("4%d", i))
		}
		for i := range 100 {
			Expect(read(ws)).To(Equal(fmt.Sprintf("4%d", i)))
		}
		code, body := do(http.MethodGet, session, "")
		Expect([]any{code, body}).To(Equal([]any{400, `{"code":3,"message":"Bad request"}`}))
	})

	It("keeps polling when the upgrade is not completed", func() {
		_, url, _ := echo(Options{})
		session := handshake(url)
		ws := dial(session)
		write(ws, "4not a probe")
		_, _, err := ws.ReadMessage()
		Expect(err).To(HaveOccurred())
		do(http.MethodPost, session, "4still here")
		_, body := do(http.MethodGet, session, "")
		Expect(body).To(Equal("4still here"))
	})

	It("pings, takes pongs, and ends a silent client", func() {
		_, url, reasons := echo(Options{PingInterval: 30 * time.Millisecond, PingTimeout: 100 * time.Millisecond})
		ws := dial(url + "&transport=polling")
		Expect(read(ws)).To(HavePrefix("0{"))
		for range 3 {
			Expect(read(ws)).To(Equal("2"))
			write(ws, "3")
		}
		Eventually(reasons, "10s").Should(Receive(Equal(ReasonPingTimeout)))
	})

	It("sends the close packet to a waiting poll when the server ends it", func(ctx SpecContext) {
		srv, url, reasons := echo(Options{})
		session := handshake(url)
		polled := poll(session)
		Eventually(func() bool {
			srv.mu.Lock()
			defer srv.mu.Unlock()
			for _, s := range srv.sessions {
				s.mu.Lock()
				waiting := s.poll != nil
				s.mu.Unlock()
				return waiting
			}
			return false
		}, "10s").Should(BeTrue())
		Expect(srv.Close(ctx)).To(Succeed())
		Eventually(polled, "10s").Should(Receive(Equal("1")))
		Expect(reasons).To(Receive(Equal(ReasonShutdown)))
	})
})

var _ = Describe("the backlog of a client that does not read", func() {
	It("keeps the newest value of each key and refuses the rest past its limit", func() {
		b := backlog{limit: 100, most: 1000}
		message := func(key, text string) *Message {
			m := NewText([]byte(text))
			m.Key = key
			return m
		}
		wide := strings.Repeat("x", 40)
		Expect(b.push(message("a", wide+"1"))).To(BeTrue())
		Expect(b.push(message("b", wide[:20]+"1"))).To(BeTrue())
		Expect(b.push(message("a", wide+"2"))).To(BeTrue())
		Expect(b.push(message("", wide))).To(BeFalse())
		var left []string
		for m := b.pop(); m != nil; m = b.pop() {
			left = append(left, string(m.data))
		}
		Expect(left).To(Equal([]string{wide[:20] + "1", wide + "2"}))
		Expect(b.bytes).To(BeZero())
	})

	It("stays bounded, and ends on the newest value when the client reads again", func() {
		var session *Session
		srv := NewServer(Options{MaxBacklog: 64 << 10, OnSession: func(s *Session) { session = s }})
		web := httptest.NewServer(srv)
		DeferCleanup(func(ctx SpecContext) {
			Expect(srv.Close(ctx)).To(Succeed())
			web.Close()
		})
		ws := dial(web.URL + "/?EIO=4&transport=polling")
		Expect(read(ws)).To(HavePrefix("0{"))
		const last = 20_000
		pad := strings.Repeat("x", 4000)
		for i := range last + 1 {
			m := NewText(fmt.Appendf(nil, "%d %s", i, pad))
			m.Key = "value"
			Expect(session.Send(m)).To(Succeed())
			session.mu.Lock()
			Expect(session.queue.bytes).To(BeNumerically("<=", 80<<10))
			session.mu.Unlock()
		}
		before, n := -1, 0
		for n < last {
			_, err := fmt.Sscanf(read(ws), "4%d ", &n)
			Expect(err).NotTo(HaveOccurred())
			Expect(n).To(BeNumerically(">", before))
			before = n
		}
	})
})

// FuzzDecodePayload holds the decoder to its word: no panic on any body.
func FuzzDecodePayload(f *testing.F) {
	for _, s := range []string{"4hello", "4a\x1e4b", "bAQID", "", "\x1e", "9", "3\x1e3"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(_ *testing.T, b []byte) { _ = decodePayload(b, func(packet) bool { return true }) })
}
