package websocket

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.uber.org/goleak"
)

func TestWebsocket(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "websocket")
	http.DefaultClient.CloseIdleConnections()
	goleak.VerifyNone(t, goleak.IgnoreAnyFunction("github.com/onsi/ginkgo/v2/internal/interrupt_handler.(*InterruptHandler).registerForInterrupts.func2"))
}

// host serves a handler and returns its URL.
func host(h http.HandlerFunc) string {
	web := httptest.NewServer(h)
	DeferCleanup(web.Close)
	return web.URL
}

// open dials; the connection is closed at the end of the spec.
func open(ctx context.Context, d Dialer, url string) *Conn {
	GinkgoHelper()
	c, resp, err := d.Dial(ctx, url)
	Expect(err).NotTo(HaveOccurred())
	Expect(resp.StatusCode).To(Equal(http.StatusSwitchingProtocols))
	DeferCleanup(func() { _ = c.NetConn().Close() })
	Expect(c.NetConn().SetDeadline(time.Now().Add(20 * time.Second))).To(Succeed())
	return c
}

// echo sends back what it is sent, on a Conn of this package.
func echo(u Upgrader) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := u.Upgrade(w, r)
		if err != nil {
			return
		}
		defer func() { _ = c.NetConn().Close() }()
		for {
			m, err := c.ReadMessage()
			if err != nil {
				return
			}
			if err := c.WriteMessage(m.Opcode, m.Data); err != nil {
				return
			}
		}
	}
}

// foreign is the same on another library.
func foreign(u gorilla.Upgrader) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := u.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		for {
			kind, data, err := c.ReadMessage()
			if err != nil {
				return
			}
			if err := c.WriteMessage(kind, data); err != nil {
				return
			}
		}
	}
}

var _ = Describe("a client", func() {
	long := strings.Repeat("κόσμε ", 20_000)

	DescribeTable("exchanges messages", func(ctx SpecContext, h http.HandlerFunc, d Dialer, compressed bool) {
		c := open(ctx, d, host(h))
		Expect(c.DeflateWindow() > 0).To(Equal(compressed))
		for _, m := range []Message{{Opcode: Text, Data: []byte("hello")}, {Opcode: Binary, Data: []byte{0, 255, 254}}, {Opcode: Text, Data: []byte(long)}, {Opcode: Binary}, {Opcode: Text, Data: []byte("κόσμε")}} {
			Expect(c.WriteMessage(m.Opcode, m.Data)).To(Succeed())
			got, err := c.ReadMessage()
			Expect(err).NotTo(HaveOccurred())
			Expect(got.Opcode).To(Equal(m.Opcode))
			Expect(string(got.Data) == string(m.Data)).To(BeTrue())
			if !compressed {
				Expect(got.Compressed).To(BeFalse())
			} else if len(m.Data) > 1000 {
				Expect(got.Compressed).To(BeTrue())
			}
		}
	},
		Entry("with our server", echo(Upgrader{}), Dialer{}, false),
		Entry("with our server, compressed", echo(Upgrader{Flate: new(Flate)}), Dialer{Flate: new(Flate)}, true),
		Entry("with our server, which declines", echo(Upgrader{}), Dialer{Flate: new(Flate)}, false),
		Entry("with another server", foreign(gorilla.Upgrader{}), Dialer{}, false),
		Entry("with another server, compressed", foreign(gorilla.Upgrader{EnableCompression: true}), Dialer{Flate: new(Flate)}, true),
	)

	It("speaks TLS, offers protocols, and sends its headers", func(ctx SpecContext) {
		seen := make(chan *http.Request, 1)
		web := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen <- r
			echo(Upgrader{Header: http.Header{"X-Answer": {"yes\r\nX-Forged: no"}}})(w, r)
		}))
		DeferCleanup(web.Close)
		d := Dialer{Client: web.Client(), Protocols: []string{"a", "b"}, Header: http.Header{"X-Token": {"t"}, "Host": {"example.org"}}}
		c, resp, err := d.Dial(ctx, "wss"+strings.TrimPrefix(web.URL, "https")+"/path?q=1")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() { _ = c.NetConn().Close() })
		Expect(c.Protocol()).To(Equal("a"))
		Expect(resp.Header.Get("X-Answer")).To(ContainSubstring("yes"))
		Expect(resp.Header).NotTo(HaveKey("X-Forged"))
		r := <-seen
		Expect([]string{r.Host, r.RequestURI, r.Header.Get("X-Token")}).To(Equal([]string{"example.org", "/path?q=1", "t"}))
		Expect(c.WriteMessage(Text, []byte("x"))).To(Succeed())
		m, err := c.ReadMessage()
		Expect(err).NotTo(HaveOccurred())
		Expect(string(m.Data)).To(Equal("x"))
	})

	It("answers pings and the closing handshake while it waits for a message", func(ctx SpecContext) {
		pongs, ended := make(chan string, 1), make(chan error, 1)
		c := open(ctx, Dialer{}, host(func(w http.ResponseWriter, r *http.Request) {
			ws, err := (&gorilla.Upgrader{}).Upgrade(w, r, nil)
			if err != nil {
				return
			}
			defer func() { _ = ws.Close() }()
			ws.SetPongHandler(func(s string) error { pongs <- s; return nil })
			_ = ws.WriteControl(gorilla.PingMessage, []byte("are you there"), time.Now().Add(time.Second))
			_ = ws.WriteMessage(gorilla.TextMessage, []byte("hello"))
			_ = ws.WriteControl(gorilla.CloseMessage, gorilla.FormatCloseMessage(4001, "enough"), time.Now().Add(time.Second))
			_, _, err = ws.ReadMessage()
			ended <- err
		}))
		m, err := c.ReadMessage()
		Expect(err).NotTo(HaveOccurred())
		Expect(string(m.Data)).To(Equal("hello"))
		_, err = c.ReadMessage()
		var closed *CloseError
		Expect(errors.As(err, &closed)).To(BeTrue())
		Expect(*closed).To(Equal(CloseError{4001, "enough"}))
		Eventually(pongs, "10s").Should(Receive(Equal("are you there")))
		Eventually(ended, "10s").Should(Receive(Satisfy(func(err error) bool { return gorilla.IsCloseError(err, 4001) })))
	})

	It("closes with a status and a reason", func(ctx SpecContext) {
		ended := make(chan error, 1)
		c := open(ctx, Dialer{}, host(func(w http.ResponseWriter, r *http.Request) {
			ws, err := (&gorilla.Upgrader{}).Upgrade(w, r, nil)
			if err != nil {
				return
			}
			defer func() { _ = ws.Close() }()
			_, _, err = ws.ReadMessage()
			ended <- err
		}))
		Expect(c.Close(StatusGoingAway, strings.Repeat("ä", 100))).To(Succeed())
		var closed *gorilla.CloseError
		Eventually(ended, "10s").Should(Receive(Satisfy(func(err error) bool { return errors.As(err, &closed) })))
		Expect(closed.Code).To(Equal(1001))
		Expect(closed.Text).To(Equal(strings.Repeat("ä", 61)), "cut between characters")
	})

	// raw answers the handshake with the bytes and then tells what comes.
	raw := func(answer func(key string) string, told chan<- string) string {
		return host(func(w http.ResponseWriter, r *http.Request) {
			nc, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer func() { _ = nc.Close() }()
			_, _ = io.WriteString(nc, answer(r.Header.Get("Sec-Websocket-Key")))
			text, _ := io.ReadAll(nc)
			if told != nil {
				told <- string(text)
			}
		})
	}
	proper := func(key, more string) string {
		return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + string(appendAccept(nil, key)) + "\r\n" + more
	}

	DescribeTable("refuses a server that", func(ctx SpecContext, answer func(key string) string, want string) {
		_, _, err := Dialer{Protocols: []string{"a"}, Flate: new(Flate)}.Dial(ctx, raw(answer, nil))
		Expect(err).To(MatchError(ErrHandshake))
		Expect(err).To(MatchError(ContainSubstring(want)))
	},
		Entry("answers 200", func(string) string { return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" }, "200"),
		Entry("redirects", func(string) string {
			return "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
		}, "302"),
		Entry("answers another key", func(string) string { return proper("x", "\r\n") }, "another handshake"),
		Entry("upgrades to something else", func(key string) string {
			return strings.Replace(proper(key, "\r\n"), "Upgrade: websocket", "Upgrade: h2c", 1)
		}, "upgrade"),
		Entry("answers a protocol that was not offered", func(key string) string { return proper(key, "Sec-WebSocket-Protocol: b\r\n\r\n") }, "protocol"),
		Entry("answers an extension that was not offered", func(key string) string { return proper(key, "Sec-WebSocket-Extensions: foo\r\n\r\n") }, "extension"),
		Entry("answers with context takeover", func(key string) string {
			return proper(key, "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
		}, "parameters"),
		Entry("answers with a window that was not offered", func(key string) string {
			return proper(key, "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_max_window_bits=9\r\n\r\n")
		}, "parameters"),
	)

	It("returns the answer of a server that refuses", func(ctx SpecContext) {
		_, resp, err := Dialer{}.Dial(ctx, host(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, strings.Repeat("no ", 100_000))
		}))
		Expect(err).To(MatchError(ErrHandshake))
		Expect(resp.StatusCode).To(Equal(403))
		text, err := io.ReadAll(resp.Body)
		Expect(err).NotTo(HaveOccurred())
		Expect(len(text)).To(Equal(maxRefusal))
	})

	It("reads what comes in one segment with the answer", func(ctx SpecContext) {
		c := open(ctx, Dialer{}, raw(func(key string) string { return proper(key, "\r\n") + "\x81\x05hello" + "\x01\x02" }, nil))
		m, err := c.ReadMessage()
		Expect(err).NotTo(HaveOccurred())
		Expect(string(m.Data)).To(Equal("hello"))
	})

	DescribeTable("tells a server that breaks the protocol, and only once", func(ctx SpecContext, frames string, status Status) {
		told := make(chan string, 1)
		c := open(ctx, Dialer{MaxMessage: 1000}, raw(func(key string) string { return proper(key, "\r\n") + frames }, told))
		_, err := c.ReadMessage()
		var mistake *Error
		Expect(errors.As(err, &mistake)).To(BeTrue())
		Expect(mistake.Status).To(Equal(status))
		Expect(TooLarge(err)).To(Equal(status == StatusTooLarge))
		var text string
		Eventually(told, "10s").Should(Receive(&text))
		d := Decoder{Masked: true}
		m, n, err := d.Decode([]byte(text))
		Expect(err).NotTo(HaveOccurred())
		Expect(n).To(Equal(len(text)))
		Expect(m.Opcode).To(Equal(Close))
		got, _, err := ParseClose(m.Data)
		Expect(err).NotTo(HaveOccurred())
		Expect(got).To(Equal(status))
	},
		Entry("a mask", "\x81\x80\x00\x00\x00\x00", StatusProtocol),
		Entry("a reserved opcode", "\x83\x00", StatusProtocol),
		Entry("compression that was not agreed to", "\xc1\x01x", StatusProtocol),
		Entry("text that is not UTF-8", "\x81\x01\xff", StatusInvalid),
		Entry("a message that is too large", "\x82\x7e\x03\xe9", StatusTooLarge),
	)

	It("is bounded by its context during the handshake", func(ctx SpecContext) {
		l, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and never answers
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(l.Close)
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		_, _, err = Dialer{}.Dial(short, "ws://user:secret@"+l.Addr().String()+"/?token=secret")
		Expect(err).To(MatchError(context.DeadlineExceeded))
		Expect(err.Error()).NotTo(ContainSubstring("secret"))
	})

	It("outlives the context of its handshake and the client's timeout", func(ctx SpecContext) {
		short, cancel := context.WithCancel(ctx)
		c := open(short, Dialer{Client: &http.Client{Timeout: 10 * time.Millisecond, Transport: http.DefaultTransport}}, host(echo(Upgrader{})))
		cancel()
		time.Sleep(20 * time.Millisecond) // longer than the timeout
		Expect(c.WriteMessage(Text, []byte("x"))).To(Succeed())
		m, err := c.ReadMessage()
		Expect(err).NotTo(HaveOccurred())
		Expect(string(m.Data)).To(Equal("x"))
	})

	DescribeTable("refuses addresses", func(ctx SpecContext, address string) {
		_, _, err := Dialer{}.Dial(ctx, address)
		Expect(err).To(HaveOccurred())
		Expect(err.Error()).NotTo(ContainSubstring("secret"))
	},
		Entry("of another scheme", "ftp://secret@host/"), Entry("that are none", "ws://host:secret/"), Entry("without a host", "ws:///secret"),
	)
})

var _ = Describe("a server", func() {
	It("says why a request does not become a websocket, and leaves the answer to its caller", func() {
		refused := func(change func(*http.Request)) *HandshakeError {
			GinkgoHelper()
			r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
			r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}}
			change(r)
			w := httptest.NewRecorder()
			_, err := Upgrader{}.Upgrade(w, r)
			var e *HandshakeError
			Expect(errors.As(err, &e)).To(BeTrue())
			e.WriteHeaders(w.Header())
			w.WriteHeader(e.Code)
			if e.Code == http.StatusUpgradeRequired {
				Expect(w.Header().Get("Sec-Websocket-Version")).To(Equal("13"))
			}
			if e.Code == http.StatusMethodNotAllowed {
				Expect(w.Header().Get("Allow")).To(Equal("GET"))
			}
			return e
		}
		Expect(refused(func(r *http.Request) { r.Method = http.MethodPost }).Code).To(Equal(405))
		Expect(refused(func(r *http.Request) { r.ProtoMajor, r.ProtoMinor = 1, 0 }).Code).To(Equal(400))
		Expect(refused(func(r *http.Request) { r.Header.Del("Upgrade") }).Code).To(Equal(400))
		Expect(refused(func(r *http.Request) { r.Header.Set("Sec-WebSocket-Version", "12") }).Code).To(Equal(426))
		Expect(refused(func(r *http.Request) { r.Header.Set("Sec-WebSocket-Key", "short") }).Code).To(Equal(400))
		e := refused(func(*http.Request) {}) // the recorder has no connection
		Expect(e.Code).To(Equal(500))
		Expect(e).To(MatchError(ContainSubstring("taken over")))
	})

	It("tells a client that breaks the protocol, and ends", func(ctx SpecContext) {
		ended := make(chan error, 1)
		c := open(ctx, Dialer{}, host(func(w http.ResponseWriter, r *http.Request) {
			ws, err := Upgrader{MaxMessage: 10}.Upgrade(w, r)
			if err == nil {
				_, err = ws.ReadMessage()
			}
			ended <- err
		}))
		Expect(c.WriteMessage(Text, []byte("more than ten bytes"))).To(Succeed())
		_, err := c.ReadMessage()
		var closed *CloseError
		Expect(errors.As(err, &closed)).To(BeTrue())
		Expect(closed.Status).To(Equal(StatusTooLarge))
		Eventually(ended, "10s").Should(Receive(Satisfy(TooLarge)))
	})
})

var _ = Describe("a decoder", func() {
	It("believes an announced length only as far as bytes come", func() {
		d := Decoder{Masked: true, Max: 1 << 30}
		m, n, err := d.Decode([]byte("\x82\xff\x00\x00\x00\x00\x3f\xff\xff\xff\x00\x00\x00\x00" + "ten bytes!"))
		Expect(err).NotTo(HaveOccurred())
		Expect([]int{int(m.Opcode), n}).To(Equal([]int{0, 24}))
		Expect(cap(d.message)).To(BeNumerically("<", 100))
	})

	It("allocates a message's bytes and nothing else", func() {
		frame := AppendMaskedFrame(nil, Text, [4]byte{1, 2, 3, 4}, []byte("hello"))
		ping := AppendMaskedFrame(nil, Ping, [4]byte{}, nil)
		d := Decoder{Masked: true}
		Expect(testing.AllocsPerRun(100, func() { _, _, _ = d.Decode(frame) })).To(BeNumerically("==", 1))
		Expect(testing.AllocsPerRun(100, func() { _, _, _ = d.Decode(ping) })).To(BeNumerically("==", 0))
	})

	It("masks and unmasks at every place and length", func() {
		key := [4]byte{0xa1, 0xb2, 0xc3, 0xd4}
		for at := range 9 {
			for n := range 40 {
				src := []byte(strings.Repeat("x", n))
				dst := make([]byte, n)
				mask(dst, src, key, at)
				for i := range dst {
					Expect(dst[i]).To(Equal(byte('x') ^ key[(at+i)%4]))
				}
			}
		}
	})
})

func BenchmarkDecode(b *testing.B) {
	for name, size := range map[string]int{"bytes=32": 32, "bytes=4096": 4096, "bytes=65536": 1 << 16} {
		b.Run(name, func(b *testing.B) {
			frame := AppendMaskedFrame(nil, Text, [4]byte{1, 2, 3, 4}, []byte(strings.Repeat("x", size)))
			d := Decoder{Masked: true}
			b.ReportAllocs()
			b.SetBytes(int64(len(frame)))
			for b.Loop() {
				if _, _, err := d.Decode(frame); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
