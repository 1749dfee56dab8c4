package engineio

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// raw sends a request as it is and reads nothing.
func raw(url, request string) net.Conn {
	GinkgoHelper()
	host, path, _ := strings.Cut(strings.TrimPrefix(url, "http://"), "/")
	c, err := net.Dial("tcp", host)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { _ = c.Close() })
	Expect(c.(*net.TCPConn).SetReadBuffer(4096)).To(Succeed())
	_, err = io.WriteString(c, strings.Replace(request, "PATH", "/"+path, 1))
	Expect(err).NotTo(HaveOccurred())
	return c
}

const (
	getRequest       = "GET PATH HTTP/1.1\r\nHost: x\r\n\r\n"
	postRequest      = "POST PATH HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n4x"
	websocketRequest = "GET PATH HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)

var _ = Describe("a client that reads nothing", func() {
	var (
		session  *Session
		sessions chan *Session
		reasons  chan Reason
	)
	open := func(o Options) (*Server, string) {
		sessions, reasons = make(chan *Session, 10), make(chan Reason, 10)
		o.OnSession = func(s *Session) {
			s.OnOpen(func() { sessions <- s })
			s.OnClose(func(r Reason) { reasons <- r })
		}
		return hosted(o)
	}
	large := func(fill string) *Message { return NewText(bytes.Repeat([]byte(fill), 15<<20)) }
	writing := func() bool {
		session.mu.Lock()
		defer session.mu.Unlock()
		return session.answer != nil
	}

	DescribeTable("does not pin the answer to its poll", func(messages ...*Message) {
		srv, url := open(Options{StallTimeout: 200 * time.Millisecond, MaxBacklog: 64 << 20})
		polling := handshake(url)
		Eventually(sessions).Should(Receive(&session))
		Expect(session.Send(messages...)).To(Succeed())
		raw(polling, getRequest)
		Eventually(reasons, "10s").Should(Receive(Equal(ReasonTransportError)))
		Eventually(srv.Memory().Used, "10s").Should(BeZero())
		code, _ := do(http.MethodGet, polling, "")
		Expect(code).To(Equal(400))
	},
		Entry("of one message", large("a")),
		Entry("of several", large("b"), large("c")),
	)

	It("does not hold a server that closes, whatever it was sent", func(ctx SpecContext) {
		srv, url := open(Options{StallTimeout: time.Hour, TransferTimeout: time.Hour})
		polling := handshake(url)
		Eventually(sessions).Should(Receive(&session))
		Expect(session.Send(large("x"))).To(Succeed())
		raw(polling, getRequest)
		Eventually(writing, "10s").Should(BeTrue())
		raw(url+"&transport=websocket", websocketRequest)
		Eventually(sessions, "10s").Should(Receive(&session))
		Expect(session.Send(large("y"))).To(Succeed())
		session.Close() // what was sent before is delivered first
		began := time.Now()
		Expect(srv.Close(ctx)).To(Succeed())
		Expect(time.Since(began)).To(BeNumerically("<", 8*time.Second))
		Expect(srv.Memory().Used()).To(BeZero())
	})

	It("is not kept alive by pongs that it sends blindly", func() {
		srv, url := open(Options{PingInterval: 50 * time.Millisecond, PingTimeout: 10 * time.Second, StallTimeout: 300 * time.Millisecond})
		c := raw(url+"&transport=websocket", websocketRequest)
		Eventually(sessions, "10s").Should(Receive(&session))
		over := make(chan struct{})
		go func() { // ends with the connection
			defer close(over)
			for {
				if _, err := c.Write([]byte("\x81\x81\x00\x00\x00\x003")); err != nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		}()
		Expect(session.Send(large("x"))).To(Succeed())
		Eventually(reasons, "10s").Should(Receive(Equal(ReasonTransportError)))
		Eventually(srv.Memory().Used, "10s").Should(BeZero())
		Expect(c.Close()).To(Succeed())
		Eventually(over, "10s").Should(BeClosed())
	})

	It("that sends only requests does not hold their answers", func(ctx SpecContext) {
		srv, url := open(Options{})
		c := raw(url, getRequest)
		// With the smallest buffer the system drops the acknowledgements that
		// come with answers, and the client can send nothing for minutes.
		Expect(c.(*net.TCPConn).SetReadBuffer(128 << 10)).To(Succeed())
		over := make(chan error, 1)
		go func() { // ends with the connection
			request := []byte(strings.Repeat("OPTIONS / HTTP/1.1\r\nHost: x\r\n\r\nGET /?EIO=4&transport=none HTTP/1.1\r\nHost: x\r\n\r\n", 100))
			for {
				if _, err := c.Write(request); err != nil {
					over <- err
					return
				}
			}
		}()
		Eventually(over, "60s").Should(Receive(HaveOccurred()))
		Expect(srv.Close(ctx)).To(Succeed())
	})
})

var _ = Describe("a body that stops in the middle", func() {
	It("ends when nothing more comes", func() {
		srv, url := hosted(Options{StallTimeout: 100 * time.Millisecond})
		c := raw(handshake(url), postRequest)
		answer, err := io.ReadAll(c)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(answer)).To(HavePrefix("HTTP/1.1 400 Bad Request"))
		Expect(srv.Stats().Closed).To(HaveKeyWithValue(ReasonTransportError, uint64(1)))
		Expect(srv.Memory().Used()).To(BeZero())
	})

	It("ends also where nobody reads it", func() {
		_, url := hosted(Options{StallTimeout: 100 * time.Millisecond})
		c := raw(url+"&transport=polling&sid=nobody", postRequest)
		answer, err := io.ReadAll(c)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(answer)).To(HavePrefix("HTTP/1.1 400 Bad Request"))
	})

	It("leaves a poll its time, although the HTTP server bounds the reading", func() {
		var session *Session
		srv := NewServer(Options{OnSession: func(s *Session) { session = s }})
		web := httptest.NewUnstartedServer(srv)
		web.Config.ReadTimeout, web.Config.WriteTimeout = 50*time.Millisecond, 50*time.Millisecond
		web.Start()
		DeferCleanup(func(ctx SpecContext) {
			Expect(srv.Close(ctx)).To(Succeed())
			web.Close()
		})
		polled := poll(handshake(web.URL + "/?EIO=4"))
		Consistently(polled, "200ms").ShouldNot(Receive())
		Expect(session.Send(NewText([]byte("late")))).To(Succeed())
		Eventually(polled, "10s").Should(Receive(Equal("4late")))
	})

	It("does not hold a server that closes", func(ctx SpecContext) {
		sessions := make(chan *Session, 1)
		srv, url := hosted(Options{
			StallTimeout: time.Hour, TransferTimeout: time.Hour,
			OnSession: func(s *Session) { sessions <- s },
		})
		raw(handshake(url), postRequest)
		session := <-sessions
		Eventually(func() bool {
			session.mu.Lock()
			defer session.mu.Unlock()
			return session.posted != nil
		}, "10s").Should(BeTrue())
		began := time.Now()
		Expect(srv.Close(ctx)).To(Succeed())
		Expect(time.Since(began)).To(BeNumerically("<", 8*time.Second))
	})

	It("has its time for each part, and for all of them together", func() {
		var by time.Time
		t := &transfer{
			set:   func(d time.Time) error { by = d; return nil },
			stall: 10 * time.Second, until: time.Now().Add(time.Minute),
		}
		t.extend()
		Expect(by).To(BeTemporally("~", time.Now().Add(10*time.Second), time.Second))
		t.until = time.Now().Add(time.Second)
		t.extend()
		Expect(by).To(Equal(t.until))
		sooner := t.until.Add(-time.Hour)
		t.hurry(sooner)
		Expect(by).To(Equal(sooner))
		t.hurry(sooner.Add(time.Hour))
		Expect(by).To(Equal(sooner), "nobody gets more time in a hurry")
	})
})

var _ = Describe("a POST that is too large", func() {
	DescribeTable("is answered with 413, and the session goes on", func(length int64) {
		srv, url := hosted(Options{MaxPayload: 1000})
		polling := dialect(4).open(strings.TrimSuffix(url, "EIO=4"))
		req, err := http.NewRequest(http.MethodPost, polling, strings.NewReader("4"+strings.Repeat("x", 800_000)))
		Expect(err).NotTo(HaveOccurred())
		req.ContentLength = length
		resp, err := http.DefaultClient.Do(req)
		Expect(err).NotTo(HaveOccurred())
		Expect(resp.Body.Close()).To(Succeed())
		Expect(resp.StatusCode).To(Equal(413))
		Expect(srv.Stats().Closed).To(BeEmpty())
		code, body := do(http.MethodPost, polling, "4small")
		Expect([]any{code, body}).To(Equal([]any{200, "ok"}))
	}, Entry("of known length", int64(800_001)), Entry("of unknown length", int64(-1)))

	It("is answered also to who reads only when everything is sent", func() {
		_, url := hosted(Options{MaxPayload: 1000})
		polling := dialect(4).open(strings.TrimSuffix(url, "EIO=4"))
		c := raw(polling, strings.Replace(postRequest, "1000", "900002", 1))
		_, err := c.Write(bytes.Repeat([]byte("x"), 900_000))
		Expect(err).NotTo(HaveOccurred())
		answer, err := io.ReadAll(c)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(answer)).To(HavePrefix("HTTP/1.1 413 "))
	})
})
