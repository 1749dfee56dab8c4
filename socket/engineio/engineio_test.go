package engineio

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/devops-insights/devops-insights/socket/engineio/internal/wire"
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

	It("ends a waiting poll with an error, which clients take for a lost transport, when the server stops", func(ctx SpecContext) {
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
		Eventually(polled, "10s").Should(Receive(Equal(`{"code":4,"message":"The server is stopping"}`)))
		Expect(reasons).To(Receive(Equal(ReasonShutdown)))
		code, _ := do(http.MethodGet, session, "")
		Expect(code).To(Equal(503))
	})
})

var _ = Describe("text that is not UTF-8", func() {
	DescribeTable("is an error of its sender and reaches nobody", func(text string) {
		var session *Session
		_, url := hosted(Options{PerMessageDeflate: 1, OnSession: func(s *Session) { session = s }})
		refused := func() {
			GinkgoHelper()
			Expect(session.Send(NewText([]byte("fine")), NewText([]byte(text)))).To(MatchError(ErrNotUTF8))
			Expect(session.SendVolatile(NewText([]byte(text)))).To(MatchError(ErrNotUTF8))
			Expect(session.Send(NewText([]byte("next")))).To(Succeed())
		}
		polling := handshake(url)
		refused()
		_, body := do(http.MethodGet, polling, "")
		Expect(body).To(Equal("4next"))
		ws := dial(url + "&transport=websocket")
		Expect(read(ws)).To(HavePrefix("0{"))
		refused()
		Expect(read(ws)).To(Equal("4next"))
		Expect(session.Send(NewBinary([]byte(text)))).To(Succeed(), "bytes are bytes")
		Expect(read(ws)).To(Equal(text))
	},
		Entry("latin-1", "S\xe3o"), Entry("a cut sequence", "\xe2\x82"), Entry("an encoded surrogate", "\xed\xa0\x80"),
		Entry("an overlong form", "\xc0\xaf"), Entry("beyond Unicode", "\xf4\x90\x80\x80"),
	)
})

var _ = It("answers a websocket ping with its own bytes, whatever they are", func() {
	_, url, _ := echo(Options{})
	ws := dial(url + "&transport=websocket")
	read(ws)
	pongs := make(chan string, 1)
	ws.SetPongHandler(func(data string) error { pongs <- data; return nil })
	Expect(ws.WriteControl(websocket.PingMessage, []byte("\xff\x00"), time.Now().Add(time.Second))).To(Succeed())
	write(ws, "4after")
	Expect(read(ws)).To(Equal("4after"))
	Expect(pongs).To(Receive(Equal("\xff\x00")))
})

var _ = Describe("the backlog of a client that does not read", func() {
	newBacklog := func(limit, most int) *backlog {
		return &backlog{limit: limit, most: most, memory: newBudget(1 << 30)}
	}
	keyed := func(key, text string) *Message {
		m := NewText([]byte(text))
		m.CoalesceKey = key
		return m
	}
	rest := func(b *backlog) (texts []string) {
		for m := b.pop(); m != nil; m = b.pop() {
			texts = append(texts, string(byte(m.kind))+string(m.data()))
		}
		return texts
	}

	It("holds two values of a key, the next one and the newest, long before it is full", func() {
		b := newBacklog(16<<20, 10_000)
		for i := range 1000 {
			for _, key := range []string{"a", "b"} {
				Expect(b.push(keyed(key, fmt.Sprint(key, i)))).To(BeTrue())
			}
		}
		Expect(rest(b)).To(Equal([]string{"4a0", "4b0", "4a999", "4b999"}))
		Expect(b.memory.Used()).To(BeZero())
	})

	It("gives every key its turn, however often another one changes", func() {
		b := newBacklog(16<<20, 10_000)
		seen := make(map[string]int)
		for i := range 300 {
			for _, key := range []string{"a", "b", "c"} {
				Expect(b.push(keyed(key, fmt.Sprint(key, i)))).To(BeTrue())
			}
			seen[b.pop().CoalesceKey]++
		}
		Expect(seen).To(Equal(map[string]int{"a": 100, "b": 100, "c": 100}))
	})

	It("keeps the order among values and other messages", func() {
		b := newBacklog(16<<20, 10_000)
		for _, m := range []*Message{keyed("a", "1"), NewText([]byte("x")), keyed("a", "2"), NewText([]byte("y")), keyed("a", "3")} {
			Expect(b.push(m)).To(BeTrue())
		}
		Expect(rest(b)).To(Equal([]string{"41", "4x", "4y", "43"}))
	})

	It("lets control packets go first, and is never too full for them", func() {
		b := newBacklog(10, 2)
		Expect(b.push(NewText([]byte("123456")))).To(BeTrue())
		Expect(b.push(NewText([]byte("12345")))).To(BeFalse())
		for range 1000 { // of a client that pings and does not read
			Expect(b.push(control(packetPong, nil))).To(BeTrue())
			Expect(b.push(rawFrame(0xA, []byte("x")))).To(BeTrue())
		}
		Expect(b.push(control(packetPing, nil))).To(BeTrue())
		Expect(rest(b)).To(Equal([]string{"3", "\x00x", "2", "4123456"}))
	})

	It("refuses what is larger than it, although it is empty, and the session goes on", func() {
		var session *Session
		srv, url := hosted(Options{MaxBacklog: 1000, OnSession: func(s *Session) { session = s }})
		for _, transport := range []string{Polling, Websocket} {
			if transport == Polling {
				handshake(url)
			} else {
				read(dial(url + "&transport=websocket"))
			}
			Expect(session.Transport()).To(Equal(transport))
			for _, m := range []*Message{NewText(make([]byte, 1001)), NewBinary(make([]byte, 1001))} {
				Expect(session.Send(NewText([]byte("not alone")), m)).To(MatchError(ErrTooLarge))
			}
			session.mu.Lock()
			Expect(session.queue.empty()).To(BeTrue())
			session.mu.Unlock()
			Expect(session.Send(NewText(bytes.Repeat([]byte("x"), 1000)))).To(Succeed())
		}
		Expect(srv.Stats().Closed).To(BeEmpty())
	})

	It("lets who builds large answers wait for room", func(ctx SpecContext) {
		var session *Session
		_, url := hosted(Options{MaxBacklog: 1000, OnSession: func(s *Session) { session = s }})
		polled := handshake(url)
		Expect(session.AwaitRoom(ctx, 1001)).To(MatchError(ErrTooLarge))
		Expect(session.AwaitRoom(ctx, 1000)).To(Succeed())
		Expect(session.Send(NewText(bytes.Repeat([]byte("x"), 600)))).To(Succeed())
		Expect(session.AwaitRoom(ctx, 400)).To(Succeed())
		short, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		Expect(session.AwaitRoom(short, 401)).To(MatchError(context.DeadlineExceeded))
		room := make(chan error, 1)
		go func() { room <- session.AwaitRoom(ctx, 1000) }()
		Consistently(room, "20ms").ShouldNot(Receive())
		do(http.MethodGet, polled, "")
		Eventually(room, "10s").Should(Receive(Succeed()))
		Expect(session.Send(NewText(bytes.Repeat([]byte("x"), 600)))).To(Succeed())
		go func() { room <- session.AwaitRoom(ctx, 1000) }()
		session.Close()
		Eventually(room, "10s").Should(Receive(MatchError(ErrClosed)))
	})

	It("does not end a session whose queue is full when its ping is due", func() {
		var session *Session
		_, url := hosted(Options{
			MaxBacklog: 1000, PingInterval: 50 * time.Millisecond, PingTimeout: 5 * time.Second,
			OnSession: func(s *Session) { session = s },
		})
		polled := handshake(url)
		Expect(session.Send(NewText(bytes.Repeat([]byte("x"), 1000)))).To(Succeed())
		Eventually(func() int {
			session.mu.Lock()
			defer session.mu.Unlock()
			return len(session.queue.control)
		}, "10s").Should(Equal(1))
		_, body := do(http.MethodGet, polled, "")
		Expect(body).To(Equal("2\x1e4" + strings.Repeat("x", 1000)))
	})

	It("keeps the newest value of each key and refuses the rest past its limit", func() {
		b := backlog{limit: 100, most: 1000, memory: newBudget(1 << 20)}
		message := func(key, text string) *Message {
			m := NewText([]byte(text))
			m.CoalesceKey = key
			return m
		}
		wide := strings.Repeat("x", 40)
		Expect(b.push(message("a", wide+"1"))).To(BeTrue())
		Expect(b.push(message("b", wide[:20]+"1"))).To(BeTrue())
		Expect(b.push(message("a", wide+"2"))).To(BeTrue())
		Expect(b.push(message("", wide))).To(BeFalse())
		var left []string
		for m := b.pop(); m != nil; m = b.pop() {
			left = append(left, string(m.data()))
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
			m.CoalesceKey = "value"
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
	f.Fuzz(func(_ *testing.T, b []byte) { _ = wire.DecodePayload(b, func(packet) bool { return true }) })
}
