package engineio

import (
	"bytes"
	"net"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("a message and a control frame in one segment", func() {
	// heard is a server that tells of messages, pauses and ends in their order.
	heard := func() (string, <-chan string) {
		order := make(chan string, 100)
		_, url := hosted(Options{PingInterval: time.Hour, OnSession: func(s *Session) {
			s.OnMessage(func(data []byte, _ bool) { order <- string(data) })
			s.OnPause(func(bool) { order <- "pause" })
			s.OnClose(func(r Reason) { order <- string(r) })
		}})
		return url + "&transport=websocket", order
	}

	DescribeTable("the message is handled at once", func(frames ...[]byte) {
		url, order := heard()
		dialRaw(url).together(frames...)
		Eventually(order, "10s").Should(Receive(Equal("event")))
		Eventually(order, "10s").Should(Receive(Equal("pause")))
	},
		Entry("a ping after it", fr(0x81, "4event"), fr(0x89, "")),
		Entry("a ping with data after it", fr(0x81, "4event"), fr(0x89, strings.Repeat("x", 125))),
		Entry("a pong after it", fr(0x81, "4event"), fr(0x8a, "x")),
		Entry("many of them after it", fr(0x81, "4event"), bytes.Repeat(fr(0x89, "x"), 20)),
		Entry("a ping before it", fr(0x89, "x"), fr(0x81, "4event")),
		Entry("a part of a ping after it", fr(0x81, "4event"), fr(0x89, "xyz")[:3]),
		Entry("the beginning of a message after it", fr(0x81, "4event"), fr(0x81, "4second")[:7]),
		Entry("a ping and the beginning of a message after it", fr(0x81, "4event"), fr(0x89, ""), fr(0x81, "4"+strings.Repeat("x", 200))[:9]),
	)

	DescribeTable("the message is not lost when the connection ends", func(frames ...[]byte) {
		for range 20 {
			url, order := heard()
			dialRaw(url).together(frames...)
			Eventually(order, "10s").Should(Receive(Equal("event")))
			Eventually(order, "10s").Should(Receive(Equal("pause")))
			Eventually(order, "10s").Should(Receive(Or(Equal(string(ReasonTransportClose)), Equal(string(ReasonTransportError)), Equal(string(ReasonParseError)))))
		}
	},
		Entry("by a close frame", fr(0x81, "4event"), fr(0x88, "\x03\xe8")),
		Entry("by a close frame without a code", fr(0x81, "4event"), fr(0x88, "")),
		Entry("by a close packet", fr(0x81, "4event"), fr(0x81, "1")),
		Entry("by a close packet and a close frame", fr(0x81, "4event"), fr(0x81, "1"), fr(0x88, "\x03\xe8")),
		Entry("by a packet of no type", fr(0x81, "4event"), fr(0x81, "x")),
		Entry("by a broken frame", fr(0x81, "4event"), []byte("\xff\xff\xff\xff\xff\xff")),
		Entry("by a heartbeat of the wrong direction", fr(0x81, "4event"), fr(0x81, "2")),
	)

	It("the message is not lost when the client hangs up after it", func() {
		url, order := heard()
		c := dialRaw(url)
		c.together(fr(0x81, "4event"))
		Expect(c.Close()).To(Succeed())
		Eventually(order, "10s").Should(Receive(Equal("event")))
		Eventually(order, "10s").Should(Receive(Equal("pause")))
		Eventually(order, "10s").Should(Receive(Equal(string(ReasonTransportClose))))
	})
})

// countingListener wraps its connections, which count what is written.
type countingListener struct {
	net.Listener
	written *atomic.Int64
	each    chan<- string // nil: nobody asks for the single calls
}

type countingConn struct {
	*net.TCPConn
	by countingListener
}

func (l countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return countingConn{c.(*net.TCPConn), l}, nil
}

func (c countingConn) Write(b []byte) (int, error) {
	c.by.written.Add(int64(len(b)))
	if c.by.each != nil {
		c.by.each <- string(b)
	}
	return c.TCPConn.Write(b)
}

var _ = It("writes through a connection that only embeds a TCP connection, never past it", func(ctx SpecContext) {
	sessions := make(chan *Session, 1)
	srv := NewServer(Options{OnSession: func(s *Session) { sessions <- s }})
	web := httptest.NewUnstartedServer(srv)
	written := new(atomic.Int64)
	web.Listener = countingListener{Listener: web.Listener, written: written}
	web.Start()
	DeferCleanup(func(ctx SpecContext) {
		Expect(srv.Close(ctx)).To(Succeed())
		web.Close()
	})
	ws := dial(web.URL + "/?EIO=4&transport=websocket")
	Expect(read(ws)).To(HavePrefix("0{"))
	s := <-sessions
	before := written.Load()
	Expect(before).To(BeNumerically(">", 200), "the answer to the handshake and the open packet")
	for range 10 {
		Expect(s.Send(NewText([]byte("hello")))).To(Succeed())
		Expect(read(ws)).To(Equal("4hello"))
	}
	Expect(written.Load() - before).To(BeEquivalentTo(10 * len("\x81\x064hello")))
	write(ws, "1")
	Expect(closed(ws).Code).To(Equal(1000))
	Expect(written.Load()-before).To(BeEquivalentTo(84), "with the close frame")
})

var _ = It("answers the handshake in a write of its own, before the open packet", func() {
	for _, version := range []string{"4", "3"} {
		srv := NewServer(Options{AllowEIO3: true})
		web := httptest.NewUnstartedServer(srv)
		each := make(chan string, 10)
		web.Listener = countingListener{web.Listener, new(atomic.Int64), each}
		web.Start()
		DeferCleanup(func(ctx SpecContext) {
			Expect(srv.Close(ctx)).To(Succeed())
			web.Close()
		})
		dialRaw(web.URL + "/?EIO=" + version + "&transport=websocket")
		Eventually(each, "10s").Should(Receive(And(HavePrefix("HTTP/1.1 101 "), HaveSuffix("\r\n\r\n"))))
		Eventually(each, "10s").Should(Receive(ContainSubstring(`0{"sid":`)))
	}
})
