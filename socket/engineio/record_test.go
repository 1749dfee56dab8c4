package engineio

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
	"unsafe"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// noted is an Observer that keeps what it is told.
type noted struct {
	mu       sync.Mutex
	upgrades []bool
	rtts     []time.Duration
	closed   chan SessionInfo
}

func newNoted() *noted { return &noted{closed: make(chan SessionInfo, 100)} }

func (n *noted) Upgraded(ok bool, took time.Duration) {
	defer GinkgoRecover()
	Expect(took).To(BeNumerically(">", 0))
	n.mu.Lock()
	defer n.mu.Unlock()
	n.upgrades = append(n.upgrades, ok)
}

func (n *noted) Ponged(rtt time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.rtts = append(n.rtts, rtt)
}

func (n *noted) Closed(s *Session) { n.closed <- s.Info() }

func (n *noted) attempts() []bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]bool(nil), n.upgrades...)
}

// only returns the one open session of a server.
func only(srv *Server) *Session {
	GinkgoHelper()
	Eventually(srv.Sessions, "10s").Should(HaveLen(1))
	return srv.Sessions()[0]
}

var _ = Describe("what is known of a session", func() {
	// What a broadcast touches of each session is one line of memory, and
	// sessions begin where a line does.
	It("leaves the memory that a broadcast goes through as it is", func() {
		Expect(unsafe.Offsetof(Session{}.id)).To(BeEquivalentTo(64))
		Expect(unsafe.Sizeof(Session{})).To(BeEquivalentTo(512))
	})

	It("counts what travels over a websocket, byte by byte", func() {
		watch := newNoted()
		srv, url, _ := echo(Options{Observer: watch})
		c, _ := shake(url+"&transport=websocket", append(proper, "User-Agent: a dashboard")...)
		opened := c.next()
		s := only(srv)
		sent := [][]byte{fr(0x81, "4"+strings.Repeat("x", 500)), fr(0x89, "ping"), fr(0x81, "4y")}
		c.together(sent...)
		Expect([]string{c.next(), c.next(), c.next()}).To(ConsistOf(HavePrefix("text:4xx"), "pong:ping", "text:4y"))
		Eventually(s.Info, "10s").Should(HaveField("Traffic", Traffic{
			PacketsIn: 2, PacketsOut: 4,
			BytesIn:  uint64(len(bytes.Join(sent, nil))),
			BytesOut: uint64(2 + len(strings.TrimPrefix(opened, "text:")) + 4 + 501 + 2 + 4 + 2 + 2),
		}))
		info := s.Info()
		Expect(info).To(And(HaveField("ID", s.ID()), HaveField("Number", uint64(1)), HaveField("Transport", Websocket),
			HaveField("Protocol", 4), HaveField("UserAgent", "a dashboard"), HaveField("Ended", BeZero()), HaveField("Code", BeEmpty())))
		Expect(info.Address.IsLoopback()).To(BeTrue())
		Expect(info.Since).To(BeTemporally("~", time.Now(), 20*time.Second))
		Expect(info.LastActivity).To(BeTemporally(">", info.Since))
		Expect(srv.Counts()).To(And(HaveField("Open", 1), HaveField("Traffic", BeZero())))
		Expect(srv.Stats()).To(And(HaveField("Traffic", info.Traffic),
			HaveField("OpenByTransport", map[string]int{Polling: 0, Websocket: 1}),
			HaveField("OpenedByTransport", map[string]uint64{Polling: 0, Websocket: 1})))

		c.together(fr(0x88, "\x03\xe8"))
		var last SessionInfo
		Eventually(watch.closed, "10s").Should(Receive(&last))
		Expect(last).To(And(HaveField("Reason", ReasonTransportClose), HaveField("Code", CodeTransportClose), HaveField("Ended", Not(BeZero()))))
		Expect(srv.Sessions()).To(BeEmpty())
		Expect(srv.Stats()).To(And(HaveField("Traffic.PacketsOut", uint64(4)), HaveField("OpenByTransport", map[string]int{Polling: 0, Websocket: 0})))
	})

	It("tells compressed bytes from others", func() {
		srv, url, _ := echo(Options{PerMessageDeflate: 1000})
		c, _ := shake(url+"&transport=websocket", append(proper, "Sec-WebSocket-Extensions: permessage-deflate")...)
		c.next()
		s := only(srv)
		Eventually(s.Info, "10s").Should(HaveField("PacketsOut", uint64(1))) // the client has it before
		plain := s.Info().BytesOut
		in := fr(0xc1, deflated("4"+strings.Repeat("abc ", 1000)))
		c.together(in)
		c.next()
		Eventually(func() uint64 { return s.Info().BytesOutCompressed }, "10s").Should(BeNumerically(">", 10))
		info := s.Info()
		Expect(info.BytesInCompressed).To(BeEquivalentTo(len(in)))
		Expect(info.BytesIn).To(BeEquivalentTo(len(in)))
		Expect(info.BytesOutCompressed).To(BeNumerically("<", 200))
		Expect(info.BytesOut).To(Equal(plain + info.BytesOutCompressed))
	})

	It("counts the bodies of polls, and the move to a websocket", func() {
		watch := newNoted()
		srv, url, _ := echo(Options{Observer: watch})
		session := handshake(url)
		s := only(srv)
		Eventually(s.Info, "10s").Should(And(HaveField("PacketsOut", uint64(1)), HaveField("Transport", Polling), HaveField("Upgrade", BeZero())))
		opened := s.Info()
		body := "4a\x1e4" + strings.Repeat("b", 2000)
		code, _ := do(http.MethodPost, session, body)
		Expect(code).To(Equal(200))
		Expect(s.Info().Traffic).To(And(HaveField("PacketsIn", uint64(2)), HaveField("BytesIn", uint64(len(body)))))
		_, answer := do(http.MethodGet, session, "")
		Eventually(s.Info, "10s").Should(HaveField("PacketsOut", uint64(3)))
		Expect(answer).To(Equal(body))
		zipped := s.Info().BytesOut - opened.BytesOut
		Expect(zipped).To(And(BeNumerically(">", 10), BeNumerically("<", 200)), "compressed on the way")
		Expect(s.Info().BytesOutCompressed).To(Equal(zipped))

		lost := dial(session)
		write(lost, "what is that?")
		closed(lost)
		Eventually(watch.attempts, "10s").Should(Equal([]bool{false}))
		ws := dial(session)
		write(ws, "2probe")
		Expect(read(ws)).To(Equal("3probe"))
		write(ws, "5")
		Eventually(watch.attempts, "10s").Should(Equal([]bool{false, true}))
		Eventually(s.Info, "10s").Should(And(HaveField("Transport", Websocket), HaveField("Upgrade", BeNumerically(">", 0))))
		Expect(srv.Stats()).To(And(HaveField("Upgrades", Upgrades{OK: 1, Failed: 1}),
			HaveField("OpenByTransport", map[string]int{Polling: 0, Websocket: 1}),
			HaveField("OpenedByTransport", map[string]uint64{Polling: 1, Websocket: 0})))
		Expect(ws.Close()).To(Succeed())
		Eventually(srv.Stats, "10s").Should(HaveField("OpenByTransport", map[string]int{Polling: 0, Websocket: 0}))
	})

	It("measures how long a client takes for a pong", func() {
		watch := newNoted()
		srv, url, _ := echo(Options{PingInterval: 50 * time.Millisecond, Observer: watch})
		ws := dial(url + "&transport=websocket")
		read(ws)
		s := only(srv)
		write(ws, "3") // to no ping
		Expect(read(ws)).To(Equal("2"))
		Expect(s.Info().RTT).To(BeZero())
		pinged := time.Now()
		Consistently(s.Info, "30ms").Should(HaveField("RTT", BeZero()))
		write(ws, "3")
		Eventually(s.Info, "10s").Should(HaveField("RTT", BeNumerically(">=", 30*time.Millisecond)))
		Expect(s.Info().RTT).To(BeNumerically("<", time.Since(pinged)+time.Second))
		watch.mu.Lock()
		defer watch.mu.Unlock()
		Expect(watch.rtts).To(HaveLen(1))
	})

	It("shows what waits for a slow client, what it was spared, and why it was closed", func() {
		watch := newNoted()
		sessions := make(chan *Session, 1)
		srv, url := hosted(Options{StallTimeout: time.Second, Observer: watch, OnSession: func(s *Session) { s.OnOpen(func() { sessions <- s }) }})
		raw(url+"&transport=websocket", websocketRequest)
		var s *Session
		Eventually(sessions, "10s").Should(Receive(&s))
		keyed := func() *Message {
			m := NewText([]byte("value"))
			m.CoalesceKey = "room"
			return m
		}
		Expect(s.Send(NewText(make([]byte, 8<<20)))).To(Succeed()) // more than the network takes
		for range 8 {
			Expect(s.Send(keyed())).To(Succeed())
		}
		info := s.Info()
		Expect(info.QueueMessages).To(Equal(3))
		Expect(info.QueueBytes).To(Equal(8<<20 + 2*len("value")))
		Expect(info.Coalesced).To(BeEquivalentTo(6))
		Expect(srv.Stats()).To(And(HaveField("Coalesced", info.Coalesced), HaveField("QueueBytes", info.QueueBytes), HaveField("QueueMessages", info.QueueMessages)))
		var last SessionInfo
		Eventually(watch.closed, "10s").Should(Receive(&last))
		Expect(last).To(And(HaveField("Reason", ReasonTransportError), HaveField("Code", CodeStalled), HaveField("QueueMessages", 3)))
		Expect(srv.Stats()).To(HaveField("Coalesced", info.Coalesced))
	})

	It("never lets its totals go back while sessions come and go", func() {
		srv, url, _ := echo(Options{})
		over := make(chan struct{})
		go func() {
			defer GinkgoRecover()
			defer close(over)
			for i := range 100 {
				ws := dial(url + "&transport=websocket")
				read(ws)
				write(ws, fmt.Sprint("4", i))
				read(ws)
				Expect(ws.Close()).To(Succeed())
			}
		}()
		before := srv.Stats()
		for done := false; !done; {
			select {
			case <-over:
				done = true
			default:
			}
			now := srv.Stats()
			for _, pair := range [][2]uint64{{before.Traffic.PacketsIn, now.Traffic.PacketsIn}, {before.Traffic.PacketsOut, now.Traffic.PacketsOut}, {before.Traffic.BytesIn, now.Traffic.BytesIn}, {before.Traffic.BytesOut, now.Traffic.BytesOut}} {
				Expect(pair[1]).To(BeNumerically(">=", pair[0]))
			}
			before = now
		}
		Eventually(srv.Stats, "10s").Should(And(HaveField("Open", 0), HaveField("Traffic.PacketsIn", uint64(100)), HaveField("Traffic.PacketsOut", uint64(200))))
	})
})

var _ = Describe("the code of an end", func() {
	DescribeTable("over a websocket", func(want Code, o Options, send ...[]byte) {
		watch := newNoted()
		o.Observer = watch
		_, url, _ := echo(o)
		dialRaw(url + "&transport=websocket").together(send...)
		Eventually(watch.closed, "10s").Should(Receive(HaveField("Code", want)))
	},
		Entry("a close frame", CodeTransportClose, Options{}, fr(0x88, "\x03\xe8")),
		Entry("a close packet", CodeTransportClose, Options{}, fr(0x81, "1")),
		Entry("no pong", CodePingTimeout, Options{PingInterval: 20 * time.Millisecond, PingTimeout: 20 * time.Millisecond}),
		Entry("no packet", CodeParse, Options{}, fr(0x81, "x")),
		Entry("no websocket", CodeProtocol, Options{}, []byte("\xff\xff\xff\xff\xff\xff")),
		Entry("too large", CodePayload, Options{MaxPayload: 100}, fr(0x81, "4"+strings.Repeat("x", 200))),
		Entry("too much", CodeTraffic, Options{MaxByteRate: 1, MaxPayload: 50}, bytes.Repeat(fr(0x81, "4x"), 10)),
		Entry("a heartbeat of the wrong direction", CodeTransportError, Options{}, fr(0x81, "2")),
	)

	It("is that of the client which said that it leaves, and did", func() {
		for _, leaving := range []bool{true, false} {
			watch := newNoted()
			srv, url, _ := echo(Options{Observer: watch})
			c := dialRaw(url + "&transport=websocket")
			s := only(srv)
			s.SetLeaving(true)
			s.SetLeaving(leaving)
			c.together(fr(0x81, "1"))
			Eventually(watch.closed, "10s").Should(Receive(HaveField("Code", map[bool]Code{true: CodeClient, false: CodeTransportClose}[leaving])))
		}
	})

	DescribeTable("by the program", func(want Code, end func(*Server, *Session)) {
		watch := newNoted()
		srv, url, _ := echo(Options{Observer: watch, MaxBacklog: 1000})
		handshake(url)
		end(srv, only(srv))
		Eventually(watch.closed, "10s").Should(Receive(HaveField("Code", want)))
	},
		Entry("Close", CodeForced, func(_ *Server, s *Session) { s.Close() }),
		Entry("CloseFor", Code("EVENT_RATE"), func(_ *Server, s *Session) { s.CloseFor("EVENT_RATE"); s.CloseFor("ANOTHER") }),
		Entry("Drain", CodeShutdown, func(srv *Server, _ *Session) { srv.Drain(GinkgoT().Context(), 0) }),
		Entry("a full backlog", CodeBacklog, func(_ *Server, s *Session) {
			Expect(s.Send(NewText(make([]byte, 900)))).To(Succeed())
			Expect(s.Send(NewText(make([]byte, 900)))).To(MatchError(ErrSlow))
		}),
		Entry("memory", CodeMemory, func(_ *Server, s *Session) { s.end(ReasonMemory, closeTryLater, false) }),
	)

	It("joins observers, without those that are none", func() {
		Expect(Observers()).To(BeNil())
		Expect(Observers(nil, nil)).To(BeNil())
		a, b := newNoted(), newNoted()
		o := Observers(a, nil, b)
		o.Ponged(time.Second)
		o.Upgraded(true, time.Second)
		Expect([]any{a.rtts, b.rtts, a.upgrades, b.upgrades}).To(HaveEach(HaveLen(1)))
	})
})
