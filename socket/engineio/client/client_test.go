package client_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.uber.org/goleak"

	"github.com/devops-insights/devops-insights/socket/engineio"
	"github.com/devops-insights/devops-insights/socket/engineio/client"
)

func TestClient(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreAnyFunction("github.com/onsi/ginkgo/v2/internal/interrupt_handler.(*InterruptHandler).registerForInterrupts.func2"))
	RegisterFailHandler(Fail)
	RunSpecs(t, "The Engine.IO client")
}

// limit is how long a spec may take on a busy machine.
const limit = NodeTimeout(30 * time.Second)

// echo starts a server that sends every message back.
func echo(o engineio.Options, serve func(http.Handler) *httptest.Server) (*engineio.Server, *httptest.Server) {
	o.OnSession = func(s *engineio.Session) {
		s.OnMessage(func(data []byte, binary bool) {
			if binary {
				_ = s.Send(engineio.NewBinary(data))
				return
			}
			_ = s.Send(engineio.NewText(data))
		})
	}
	srv := engineio.NewServer(o)
	web := serve(srv)
	DeferCleanup(func(ctx SpecContext) {
		Expect(srv.Close(ctx)).To(Succeed())
		web.Close()
	})
	return srv, web
}

func dial(ctx context.Context, url string, o client.Options) *client.Conn {
	GinkgoHelper()
	c, err := client.Dial(ctx, url, o)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(c.Close()).To(Succeed()) })
	return c
}

func text(s string) client.Message { return client.Message{Data: []byte(s)} }

var _ = DescribeTableSubtree("on", func(last string, transports ...string) {
	options := client.Options{Transports: transports}

	It("carries text and binary in order, through the upgrade too", limit, func(ctx SpecContext) {
		_, web := echo(engineio.Options{MaxQueued: 100_000}, httptest.NewServer)
		c := dial(ctx, web.URL, options)
		Expect(c.ID()).To(HaveLen(20))
		const most = 2000
		go func() {
			for i := range most {
				_ = c.Send(text(fmt.Sprint(i, " €")), client.Message{Binary: true, Data: []byte{byte(i), 0, 255}})
			}
		}()
		for i := range most {
			Expect(c.Receive(ctx)).To(Equal(text(fmt.Sprint(i, " €"))))
			Expect(c.Receive(ctx)).To(Equal(client.Message{Binary: true, Data: []byte{byte(i), 0, 255}}))
		}
		Eventually(ctx, c.Transport).Should(Equal(last))
		Eventually(ctx, c.Buffered).Should(BeZero())
	})

	It("answers heartbeats, also while the program takes nothing", limit, func(ctx SpecContext) {
		srv, web := echo(engineio.Options{PingInterval: 50 * time.Millisecond, PingTimeout: 500 * time.Millisecond}, httptest.NewServer)
		c := dial(ctx, web.URL, options)
		Consistently(srv.Count, "1s").Should(Equal(1))
		Expect(c.Send(text("still there"))).To(Succeed())
		Expect(c.Receive(ctx)).To(Equal(text("still there")))
	})

	It("sends what waits when it is closed, and the server learns of it", limit, func(ctx SpecContext) {
		srv, web := echo(engineio.Options{}, httptest.NewServer)
		c := dial(ctx, web.URL, options)
		for range 100 {
			Expect(c.Send(text("x"))).To(Succeed())
		}
		Expect(c.Close()).To(Succeed())
		Expect(c.Close()).To(Succeed())
		Eventually(ctx, srv.Count).Should(BeZero())
		var closed *client.CloseError
		Expect(errors.As(c.Send(text("x")), &closed)).To(BeTrue())
		Expect(closed.Reason).To(Equal(client.ReasonForcedClose))
	})

	It("sends its headers, user, query and cookies with everything", limit, func(ctx SpecContext) {
		seen := make(chan *http.Request, 1000)
		jar, err := cookiejar.New(nil)
		Expect(err).NotTo(HaveOccurred())
		_, web := echo(engineio.Options{Cookie: &http.Cookie{Name: "stick", Path: "/"}}, func(h http.Handler) *httptest.Server {
			return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				seen <- r.Clone(ctx)
				h.ServeHTTP(w, r)
			}))
		})
		o := options
		o.Header = http.Header{"X-Key": {"k"}, "User-Agent": {"ours"}}
		o.Query = url.Values{"who": {"a b"}}
		o.HTTPClient = &http.Client{Jar: jar}
		DeferCleanup(o.HTTPClient.CloseIdleConnections)
		c := dial(ctx, strings.Replace(web.URL, "http://", "http://me:p%40ss@", 1)+"/?region=eu", o)
		Expect(c.Send(text("x"))).To(Succeed())
		Expect(c.Receive(ctx)).To(Equal(text("x")))
		Eventually(ctx, c.Transport).Should(Equal(last))
		for n := 0; len(seen) > 0; n++ {
			r := <-seen
			name, password, _ := r.BasicAuth()
			Expect([]string{name, password, r.Header.Get("X-Key"), r.UserAgent(), r.FormValue("who"), r.FormValue("region"), r.FormValue("EIO")}).
				To(Equal([]string{"me", "p@ss", "k", "ours", "a b", "eu", "4"}))
			if _, err := r.Cookie("stick"); n > 0 {
				Expect(err).NotTo(HaveOccurred())
			}
		}
	})

	It("speaks TLS", limit, func(ctx SpecContext) {
		_, web := echo(engineio.Options{}, httptest.NewTLSServer)
		_, err := client.Dial(ctx, web.URL, options)
		Expect(err).To(MatchError(ContainSubstring("certificate")))
		roots := x509.NewCertPool()
		roots.AddCert(web.Certificate())
		o := options
		o.TLSConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
		c := dial(ctx, strings.Replace(web.URL, "https", "wss", 1), o)
		Expect(c.Send(text("x"))).To(Succeed())
		Expect(c.Receive(ctx)).To(Equal(text("x")))
		Eventually(ctx, c.Transport).Should(Equal(last))
	})

	It("lets no more wait than its bound, when the server does not read", limit, func(ctx SpecContext) {
		block := make(chan struct{})
		srv := engineio.NewServer(engineio.Options{MaxPayload: 1 << 20, OnSession: func(s *engineio.Session) {
			s.OnMessage(func([]byte, bool) { <-block })
		}})
		web := httptest.NewServer(srv)
		DeferCleanup(func(ctx SpecContext) {
			Expect(srv.Close(ctx)).To(Succeed())
			web.Close()
		})
		o := options
		o.MaxUnsent = 1 << 20
		c := dial(ctx, web.URL, o)
		Eventually(ctx, c.Transport).Should(Equal(last))
		Eventually(ctx, func() error { return c.Send(text(strings.Repeat("x", 100_000))) }).WithPolling(time.Microsecond).Should(MatchError(client.ErrUnsent))
		Expect(c.Buffered()).To(BeNumerically("<=", 1<<20))
		close(block)
		Eventually(ctx, c.Buffered).Should(BeZero())
	})
},
	Entry("websocket", engineio.Websocket, engineio.Websocket),
	Entry("polling", engineio.Polling, engineio.Polling),
	Entry("polling with upgrade", engineio.Websocket, engineio.Polling, engineio.Websocket),
)

// script is a server that answers requests with the given texts, one after the
// other, and then not at all: what no real server does. On websocket the texts
// are frames, and "close" closes.
func script(answers ...string) string {
	end := make(chan struct{})
	answer := make(chan string, len(answers))
	for _, a := range answers {
		answer <- a
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			_, _ = w.Write([]byte("ok"))
			return
		}
		if websocket.IsWebSocketUpgrade(r) {
			ws, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
			if err != nil {
				return
			}
			defer func() { _ = ws.Close() }()
			for len(answer) > 0 {
				if a := <-answer; a == "close" {
					return
				} else if ws.WriteMessage(websocket.TextMessage, []byte(a)) != nil {
					return
				}
			}
			<-end
			return
		}
		select {
		case a := <-answer:
			_, _ = w.Write([]byte(a))
		case <-end:
		case <-r.Context().Done():
		}
	}))
	DeferCleanup(func() {
		close(end)
		web.Close()
	})
	return web.URL
}

func open(interval, timeout int, upgrades string) string {
	return fmt.Sprintf(`0{"sid":"s","upgrades":[%s],"pingInterval":%d,"pingTimeout":%d,"maxPayload":1000}`, upgrades, interval, timeout)
}

var _ = Describe("a server that misbehaves", func() {
	patient := open(25_000, 20_000, "")

	DescribeTable("is not connected to", func(ctx SpecContext, transport, answer, want string) {
		_, err := client.Dial(ctx, script(answer), client.Options{Transports: []string{transport}, HandshakeTimeout: time.Second})
		Expect(err).To(MatchError(ContainSubstring(want)))
	},
		Entry("an empty answer", limit, "polling", "", "first character"),
		Entry("an empty frame", limit, "websocket", "", "first character"),
		Entry("a page", limit, "polling", "<html>", "unknown"),
		Entry("a message first", limit, "websocket", "4hello", "not an open packet"),
		Entry("no session id", limit, "polling", `0{"pingInterval":1}`, "lacks"),
		Entry("no ping interval", limit, "websocket", `0{"sid":"s"}`, "lacks"),
		Entry("broken JSON", limit, "websocket", `0{"sid":`, "cannot be read"),
		Entry("numbers that are none", limit, "polling", `0{"sid":"s","pingInterval":"x"}`, "cannot be read"),
	)

	DescribeTable("is left, with the reason, after what it had sent was received", func(ctx SpecContext, reason client.Reason, transport string, answers ...string) {
		c := dial(ctx, script(append([]string{patient, "4first"}, answers...)...), client.Options{Transports: []string{transport}, MaxPayload: 1000})
		Expect(c.Receive(ctx)).To(Equal(text("first")))
		_, err := c.Receive(ctx)
		var closed *client.CloseError
		Expect(errors.As(err, &closed)).To(BeTrue(), "%v", err)
		Expect(closed.Reason).To(Equal(reason), "%v", err)
	},
		Entry("an unknown packet, polling", limit, client.ReasonParseError, "polling", "x"),
		Entry("an unknown packet, websocket", limit, client.ReasonParseError, "websocket", "9"),
		Entry("base64 that is none", limit, client.ReasonParseError, "polling", "b!"),
		Entry("text that is not UTF-8, polling", limit, client.ReasonParseError, "polling", "4\xff"),
		Entry("text that is not UTF-8, websocket", limit, client.ReasonParseError, "websocket", "4\xff"),
		Entry("more than MaxPayload, polling", limit, client.ReasonTransportError, "polling", "4"+strings.Repeat("x", 2000)),
		Entry("more than MaxPayload, websocket", limit, client.ReasonTransportError, "websocket", "4"+strings.Repeat("x", 2000)),
		Entry("a close packet", limit, client.ReasonTransportClose, "polling", "1"),
		Entry("the end of the connection", limit, client.ReasonTransportClose, "websocket", "close"),
	)

	It("is lost when it sends no heartbeat, on either transport", limit, func(ctx SpecContext) {
		for _, transport := range []string{"polling", "websocket"} {
			c := dial(ctx, script(open(50, 50, ""), "2", "4x"), client.Options{Transports: []string{transport}})
			Expect(c.Receive(ctx)).To(Equal(text("x")))
			_, err := c.Receive(ctx)
			var closed *client.CloseError
			Expect(errors.As(err, &closed)).To(BeTrue())
			Expect(closed.Reason).To(Equal(client.ReasonPingTimeout))
		}
	})

	It("is waited for no longer than the context says, and believed no absurd time", limit, func(ctx SpecContext) {
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		for _, transport := range []string{"polling", "websocket"} {
			_, err := client.Dial(short, script(), client.Options{Transports: []string{transport}})
			Expect(err).To(MatchError(context.DeadlineExceeded))
		}
		c := dial(ctx, script(`0{"sid":"s","pingInterval":9223372036854775807,"pingTimeout":9223372036854775807}`, "4x"), client.Options{Transports: []string{"polling"}})
		Expect(c.Receive(ctx)).To(Equal(text("x")))
	})

	It("does not hinder polling when its websocket does not work", limit, func(ctx SpecContext) {
		_, web := echo(engineio.Options{}, func(h http.Handler) *httptest.Server {
			return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if websocket.IsWebSocketUpgrade(r) {
					http.Error(w, "a proxy that knows no websocket", http.StatusBadGateway)
					return
				}
				h.ServeHTTP(w, r)
			}))
		})
		c := dial(ctx, web.URL, client.Options{})
		for i := range 50 {
			Expect(c.Send(text(fmt.Sprint(i)))).To(Succeed())
			Expect(c.Receive(ctx)).To(Equal(text(fmt.Sprint(i))))
		}
		Expect(c.Transport()).To(Equal(engineio.Polling))
	})

	It("is closed while an upgrade hangs, without waiting for it", limit, func(ctx SpecContext) {
		c := dial(ctx, script(open(25_000, 20_000, `"websocket"`)), client.Options{})
		began := time.Now()
		Expect(c.Close()).To(Succeed())
		Expect(time.Since(began)).To(BeNumerically("<", 5*time.Second))
	})

	It("gets no secret by a redirect, and an inflated answer is bounded", limit, func(ctx SpecContext) {
		elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { Fail("it was asked") }))
		DeferCleanup(elsewhere.Close)
		web := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusFound))
		DeferCleanup(web.Close)
		for _, transport := range []string{"polling", "websocket"} {
			_, err := client.Dial(ctx, web.URL, client.Options{Transports: []string{transport}, Header: http.Header{"X-Key": {"secret"}}})
			Expect(err).To(MatchError(&client.StatusError{Status: http.StatusFound}))
		}
		var bomb bytes.Buffer
		z := gzip.NewWriter(&bomb)
		_, _ = z.Write(bytes.Repeat([]byte("0"), 20<<20))
		Expect(z.Close()).To(Succeed())
		bombs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb.Bytes())
		}))
		DeferCleanup(bombs.Close)
		_, err := client.Dial(ctx, bombs.URL, client.Options{MaxPayload: 1 << 20})
		Expect(err).To(MatchError(client.ErrTooLarge))
	})

	It("is told apart by its answer, and no error holds the address", limit, func(ctx SpecContext) {
		srv := engineio.NewServer(engineio.Options{
			AllowRequest: func(*http.Request) error { return errors.New("not today") },
			OnSession:    func(*engineio.Session) {},
		})
		web := httptest.NewServer(srv)
		for _, transport := range []string{"polling", "websocket"} {
			_, err := client.Dial(ctx, web.URL+"/?token=secret", client.Options{Transports: []string{transport}})
			var refused *client.StatusError
			Expect(errors.As(err, &refused)).To(BeTrue(), "%v", err)
			Expect(refused).To(Equal(&client.StatusError{Status: http.StatusForbidden, Message: "not today"}))
		}
		Expect(srv.Close(ctx)).To(Succeed())
		web.Close()
		for _, transport := range []string{"polling", "websocket"} {
			_, err := client.Dial(ctx, web.URL+"/?token=secret", client.Options{Transports: []string{transport}})
			Expect(err).To(MatchError(And(ContainSubstring("refused"), Not(ContainSubstring("secret")))))
		}
	})
})

var _ = DescribeTable("an address or option that cannot work is an error with a sentence", func(address string, o client.Options, want string) {
	Expect(client.Check(address, o)).To(MatchError(And(ContainSubstring(want), Not(ContainSubstring("secret")))))
	_, err := client.Dial(context.Background(), address, o)
	Expect(err).To(MatchError(ContainSubstring(want)))
},
	Entry("no scheme", "localhost:3000", client.Options{}, "scheme"),
	Entry("another scheme", "ftp://host", client.Options{}, "scheme"),
	Entry("no host", "http:///x", client.Options{}, "no host"),
	Entry("a path", "http://host/admin", client.Options{}, "Path"),
	Entry("not a URL", "http://user:secret@host:port", client.Options{}, "URL"),
	Entry("an unknown transport", "http://host", client.Options{Transports: []string{"carrier pigeon"}}, "carrier pigeon"),
)
