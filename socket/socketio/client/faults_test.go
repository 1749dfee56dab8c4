package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	engine "github.com/devops-insights/devops-insights/socket/engineio/client"
	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/socket/socketio/client"
)

// line is a connection whose other end is the spec itself, which says what no
// real server does.
type line struct {
	in    chan engine.Message
	out   chan string
	ended chan struct{}
	once  sync.Once
}

func newLine() *line {
	return &line{in: make(chan engine.Message, 1000), out: make(chan string, 10_000), ended: make(chan struct{})}
}

func (l *line) Send(messages ...engine.Message) error {
	select {
	case <-l.ended:
		return &engine.CloseError{Reason: engine.ReasonTransportClose}
	default:
	}
	for _, m := range messages {
		l.out <- string(m.Data)
	}
	return nil
}

func (l *line) Receive(ctx context.Context) (engine.Message, error) {
	select {
	case m := <-l.in:
		return m, nil
	default:
	}
	select {
	case m := <-l.in:
		return m, nil
	case <-l.ended:
		return engine.Message{}, &engine.CloseError{Reason: engine.ReasonTransportClose}
	case <-ctx.Done():
		return engine.Message{}, ctx.Err()
	}
}

func (l *line) Buffered() int { return 0 }

func (l *line) Close() error {
	l.once.Do(func() { close(l.ended) })
	return nil
}

// says has the client receive texts.
func (l *line) says(texts ...string) {
	for _, t := range texts {
		l.in <- engine.Message{Data: []byte(t)}
	}
}

// lines is what the client dials: each connection comes out of made.
type lines struct {
	made chan *line
	fail error
}

func scripted(o client.Options) (*client.Client, *lines) {
	GinkgoHelper()
	all := &lines{made: make(chan *line, 1000)}
	o.Dial = func(context.Context) (client.Conn, error) {
		if all.fail != nil {
			all.made <- nil
			return nil, all.fail
		}
		l := newLine()
		all.made <- l
		return l, nil
	}
	if o.ReconnectDelay == 0 {
		o.ReconnectDelay, o.ReconnectDelayMax = 10*time.Millisecond, 20*time.Millisecond
	}
	return create("", o), all
}

// next returns the next connection, after the client has asked to be let in.
func (all *lines) next(ctx context.Context) *line {
	GinkgoHelper()
	var l *line
	Eventually(ctx, all.made).Should(Receive(&l))
	Eventually(ctx, l.out).Should(Receive(HavePrefix("0")))
	return l
}

// welcomed connects a socket and returns its connection.
func (all *lines) welcomed(ctx context.Context, s *client.Socket) *line {
	GinkgoHelper()
	connected := make(chan error, 1)
	go func() { connected <- s.Connect(ctx) }()
	l := all.next(ctx)
	l.says(`0{"sid":"the id"}`)
	Eventually(ctx, connected).Should(Receive(BeNil()))
	return l
}

var _ = Describe("a server that misbehaves", func() {
	DescribeTable("is left for a packet that the protocol forbids, and tried again", func(ctx SpecContext, says ...engine.Message) {
		if len(says) == 1 && strings.HasPrefix(string(says[0].Data), "52") { // as many attachments as it likes
			for range 500 {
				says = append(says, engine.Message{Binary: true})
			}
		}
		c, all := scripted(client.Options{Engine: engine.Options{MaxPayload: 10_000}})
		s := c.Of("/")
		reasons := make(chan client.Reason, 10)
		s.OnDisconnect(func(r client.Reason) { reasons <- r })
		l := all.welcomed(ctx, s)
		go func() {
			for _, m := range says {
				select {
				case l.in <- m:
				case <-ctx.Done():
					return
				}
			}
		}()
		Eventually(ctx, reasons).Should(Receive(Equal(client.ReasonParseError)))
		all.next(ctx).says(`0{"sid":"again"}`)
		Eventually(ctx, s.ID).Should(Equal("again"))
	},
		Entry("an empty text", limit, packet("")),
		Entry("an unknown type", limit, packet("9")),
		Entry("broken JSON", limit, packet(`2["x"`)),
		Entry("an event without a name", limit, packet(`2[]`)),
		Entry("an event that is no array", limit, packet(`2{}`)),
		Entry("a binary message that nothing announced", limit, engine.Message{Binary: true, Data: []byte{1}}),
		Entry("a text where an attachment was due", limit, packet(`51-["x",{"_placeholder":true,"num":0}]`), packet(`2["y"]`)),
		Entry("attachments without a number", limit, packet(`5["x"]`)),
		Entry("endless attachments", limit, packet(`52000000000-["x"]`)),
		Entry("an attachment beyond the bound", limit, packet(`51-["x",{"_placeholder":true,"num":0}]`), engine.Message{Binary: true, Data: make([]byte, 20_000)}),
		Entry("endless nesting", limit, packet(`2["x",`+strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)+`]`)),
	)

	It("harms nothing with what nobody waits for", limit, func(ctx SpecContext) {
		c, all := scripted(client.Options{})
		s := c.Of("/")
		heard := heard(s, "end")
		l := all.welcomed(ctx, s)
		l.says(`37["an acknowledgement"]`, `3["without an id"]`, `2/other,["x"]`, `0/other,{"sid":"x"}`, `1/other,`, `4/other,{"message":"x"}`,
			`0{"sid":"second"}`, `4{"message":"late"}`, `2[7,"a number as the name"]`, `2["nobody listens"]`, `2["end",{"__proto__":1}]`)
		Eventually(ctx, heard).Should(Receive())
		Expect(s.ID()).To(Equal("the id"))
		Expect(s.Connected()).To(BeTrue())
	})

	It("that never lets it in is left after a time", limit, func(ctx SpecContext) {
		c, all := scripted(client.Options{ConnectTimeout: 30 * time.Millisecond})
		told := make(chan error, 100)
		c.Of("/").OnConnectError(func(err error) { told <- err })
		connected := make(chan error, 1)
		go func() { connected <- c.Of("/").Connect(ctx) }()
		all.next(ctx)
		Eventually(ctx, told).Should(Receive(MatchError(ContainSubstring("ConnectTimeout"))))
		all.next(ctx).says(`0{"sid":"x"}`)
		Eventually(ctx, connected).Should(Receive(BeNil()))
	})

	It("of version 2, which sends no id, is an attempt that failed", limit, func(ctx SpecContext) {
		c, all := scripted(client.Options{ReconnectAttempts: -1})
		connected := make(chan error, 1)
		go func() { connected <- c.Of("/").Connect(ctx) }()
		all.next(ctx).says(`0`)
		Eventually(ctx, connected).Should(Receive(And(MatchError(client.ErrGaveUp), MatchError(ContainSubstring("version 3")))))
	})

	It("may send events before it lets the socket in, within a bound", limit, func(ctx SpecContext) {
		c, all := scripted(client.Options{MaxQueued: 1000})
		s := c.Of("/")
		order := make(chan string, 10)
		s.OnConnect(func() { order <- "connect" })
		s.On("early", func(socketio.Args, socketio.Ack) { order <- "early" })
		go func() { _ = s.Connect(ctx) }()
		all.next(ctx).says(`2["early"]`, `0{"sid":"x"}`)
		Eventually(ctx, order).Should(Receive(Equal("connect")))
		Eventually(ctx, order).Should(Receive(Equal("early")))
		s.Disconnect()
		go func() { _ = s.Connect(ctx) }()
		l := all.next(ctx)
		for range 100 {
			l.says(`2["early"]`)
		}
		Eventually(ctx, l.ended).Should(BeClosed())
	})
})

var _ = Describe("connecting", func() {
	It("gives up after as many attempts as it may make, and begins anew when it is asked", limit, func(ctx SpecContext) {
		c, all := scripted(client.Options{ReconnectAttempts: 2})
		all.fail = errors.New("nobody there")
		told := make(chan error, 100)
		c.Of("/").OnConnectError(func(err error) { told <- err })
		for range 2 {
			Expect(c.Of("/").Connect(ctx)).To(And(MatchError(client.ErrGaveUp), MatchError(all.fail)))
			Expect(all.made).To(HaveLen(3))
			for range 3 {
				<-all.made
				Eventually(ctx, told).Should(Receive(And(MatchError(all.fail), Not(MatchError(client.ErrGaveUp)))))
			}
			Eventually(ctx, told).Should(Receive(MatchError(client.ErrGaveUp)))
		}
	})

	It("ends with the context and its cause, tries no more then, and does not wait when it is asked again", limit, func(ctx SpecContext) {
		c, all := scripted(client.Options{ReconnectDelay: time.Hour, ReconnectDelayMax: time.Hour})
		all.fail = errors.New("nobody there")
		for range 3 {
			short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
			Expect(c.Of("/").Connect(short)).To(And(MatchError(context.DeadlineExceeded), MatchError(all.fail)))
			cancel()
			Eventually(ctx, all.made).Should(Receive())
		}
		Consistently(all.made, "50ms").ShouldNot(Receive())
	})

	It("that was given up is taken back when the server's answer comes late", limit, func(ctx SpecContext) {
		c, all := scripted(client.Options{})
		l := all.welcomed(ctx, c.Of("/"))
		late := c.Of("/late")
		short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		Expect(late.Connect(short)).To(MatchError(context.DeadlineExceeded))
		Eventually(ctx, l.out).Should(Receive(Equal("0/late,")))
		l.says(`0/late,{"sid":"x"}`)
		Eventually(ctx, l.out).Should(Receive(Equal("1/late,")))
		connected := make(chan error, 1)
		go func() { connected <- late.Connect(ctx) }()
		Eventually(ctx, l.out).Should(Receive(Equal("0/late,")))
		l.says(`0/late,{"sid":"y"}`)
		Eventually(ctx, connected).Should(Receive(BeNil()))
		Expect(late.ID()).To(Equal("y"))
	})

	It("refuses a payload that is no object, and sends one with spaces", limit, func(ctx SpecContext) {
		var mended atomic.Bool
		c, all := scripted(client.Options{Auth: func(context.Context, string) (any, error) {
			if mended.Load() {
				return json.RawMessage(` { "a" : 1 } `), nil
			}
			return "a text", nil
		}})
		s := c.Of("/")
		told := make(chan error, 100)
		s.OnConnectError(func(err error) {
			mended.Store(true)
			told <- err
		})
		go func() { _ = s.Connect(ctx) }()
		l := <-all.made
		Eventually(ctx, told).Should(Receive(MatchError(ContainSubstring("not a JSON object"))))
		Eventually(ctx, l.out).Should(Receive(Equal(`0{"a":1}`)))
		l.says(`0{"sid":"x","pid":"p"}`, `2["n","offset 1"]`)
		Eventually(ctx, s.ID).Should(Equal("x"))
		Expect(s.Emit("sync")).To(Succeed())
		Eventually(ctx, l.out).Should(Receive())
		Expect(l.Close()).To(Succeed())
		Eventually(ctx, all.made).Should(Receive(&l))
		Eventually(ctx, l.out).Should(Receive(Equal(`0{"pid":"p","offset":"offset 1","a":1}`)))
	})
})

var _ = Describe("the bounds", func() {
	It("let events wait for a connection up to MaxBuffered, and free what was sent", limit, func(ctx SpecContext) {
		c, all := scripted(client.Options{MaxBuffered: 10_000})
		s := c.Of("/")
		fill := func() (n int) {
			GinkgoHelper()
			for {
				if err := s.Emit("x", strings.Repeat("x", 400), []byte("binary")); err != nil {
					Expect(err).To(MatchError(client.ErrBuffered))
					return n
				}
				n++
			}
		}
		n := fill()
		Expect(n).To(BeNumerically("~", 18, 4))
		_, err := s.EmitWithAck(ctx, "x", strings.Repeat("x", 400))
		Expect(err).To(MatchError(client.ErrBuffered))
		Expect(s.EmitVolatile("x")).To(Succeed())
		l := all.welcomed(ctx, s)
		Expect(l.out).To(HaveLen(2 * n))
		Expect(l.Close()).To(Succeed())
		Eventually(ctx, s.Connected).Should(BeFalse())
		Expect(fill()).To(Equal(n))
	})

	It("stop the reading at MaxQueued, and go on as handlers do", limit, func(ctx SpecContext) {
		c, all := scripted(client.Options{MaxQueued: 10_000})
		s := c.Of("/")
		step, done := make(chan struct{}), make(chan int, 1000)
		s.On("n", func(args socketio.Args, _ socketio.Ack) {
			<-step
			var n int
			_ = args.Decode(0, &n)
			done <- n
		})
		l := all.welcomed(ctx, s)
		const most = 500
		for i := range most {
			l.says(fmt.Sprintf(`2["n",%d]`, i))
		}
		Eventually(ctx, func() int { return most - len(l.in) }).Should(BeNumerically(">", 50))
		Consistently(func() int { return most - len(l.in) }, "100ms").Should(BeNumerically("<", 200))
		close(step)
		for i := range most {
			Eventually(ctx, done).Should(Receive(Equal(i)))
		}
	})

	It("let an acknowledgement that a handler waits for come through", limit, func(ctx SpecContext) {
		c, all := scripted(client.Options{MaxQueued: 10_000})
		s := c.Of("/")
		answers := make(chan string, 1)
		s.Once("begin", func(socketio.Args, socketio.Ack) {
			answer, err := client.Ask[string](ctx, s, "question")
			answers <- fmt.Sprint(answer, err)
		})
		l := all.welcomed(ctx, s)
		l.says(`2["begin"]`)
		Eventually(ctx, l.out).Should(Receive(Equal(`20["question"]`)))
		for range 200 {
			l.says(`2["between"]`) // more than MaxQueued, less than twice
		}
		l.says(`30["answer"]`)
		Eventually(ctx, answers).Should(Receive(Equal("answer<nil>")))
	})
})

var _ = Describe("the end", func() {
	It("of a connection ends the wait for acknowledgements of what was sent on it", limit, func(ctx SpecContext) {
		c, all := scripted(client.Options{})
		s := c.Of("/")
		l := all.welcomed(ctx, s)
		failed := make(chan error, 1)
		go func() {
			_, err := s.EmitWithAck(ctx, "question")
			failed <- err
		}()
		Eventually(ctx, l.out).Should(Receive())
		acks := make(chan socketio.Ack, 1)
		s.On("ask", func(_ socketio.Args, ack socketio.Ack) { acks <- ack })
		l.says(`27["ask"]`)
		var ack socketio.Ack
		Eventually(ctx, acks).Should(Receive(&ack))
		Expect(l.Close()).To(Succeed())
		Eventually(ctx, failed).Should(Receive(MatchError(client.ErrDisconnected)))
		all.next(ctx).says(`0{"sid":"x"}`)
		Eventually(ctx, s.Connected).Should(BeTrue())
		Expect(ack("too late")).To(MatchError(client.ErrDisconnected), "the id means nothing on another connection")
	})

	It("of the client waits for the handler that runs, drops what is queued, and leaves nothing usable", limit, func(ctx SpecContext) {
		c, all := scripted(client.Options{})
		s := c.Of("/")
		running, finish := make(chan struct{}), make(chan struct{})
		s.On("slow", func(socketio.Args, socketio.Ack) {
			close(running) // a second call would panic
			<-finish
		})
		reasons := make(chan client.Reason, 1)
		s.OnDisconnect(func(r client.Reason) { reasons <- r })
		l := all.welcomed(ctx, s)
		waiting := make(chan error, 2)
		go func() { _, err := s.EmitWithAck(ctx, "question"); waiting <- err }()
		go func() { waiting <- c.Of("/other").Connect(ctx) }()
		Eventually(ctx, l.out).Should(Receive())
		Eventually(ctx, l.out).Should(Receive())
		l.says(`2["slow"]`, `2["slow"]`)
		Eventually(ctx, running).Should(BeClosed())
		short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		Expect(c.Close(short)).To(MatchError(context.DeadlineExceeded))
		close(finish)
		Expect(c.Close(ctx)).To(Succeed())
		Expect(reasons).To(Receive(Equal(client.ReasonClientDisconnect)))
		var all2 []error
		for range 2 {
			var err error
			Eventually(ctx, waiting).Should(Receive(&err))
			all2 = append(all2, err)
		}
		Expect(all2).To(ConsistOf(MatchError(client.ErrDisconnected), MatchError(client.ErrClosed)))
		Expect(s.Emit("x")).To(MatchError(client.ErrClosed))
		Expect(s.EmitVolatile("x")).To(MatchError(client.ErrClosed))
		_, err := s.EmitWithAck(ctx, "x")
		Expect(err).To(MatchError(client.ErrClosed))
		Expect(s.Connect(ctx)).To(MatchError(client.ErrClosed))
		s.Disconnect()
	})

	It("comes while it connects", limit, func(ctx SpecContext) {
		o := client.Options{Dial: func(ctx context.Context) (client.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		c := create("", o)
		failed := make(chan error, 1)
		go func() { failed <- c.Of("/").Connect(ctx) }()
		Consistently(failed, "20ms").ShouldNot(Receive())
		Expect(c.Close(ctx)).To(Succeed())
		Eventually(ctx, failed).Should(Receive(MatchError(client.ErrClosed)))
	})

	It("refuses what cannot work at once", func() {
		_, err := client.New("localhost:3000", client.Options{})
		Expect(err).To(MatchError(ContainSubstring("scheme")))
		c, _ := scripted(client.Options{})
		Expect(c.Of("/").Emit("disconnect")).To(MatchError(ContainSubstring("reserved")))
		Expect(c.Of("/").Emit("x", make(chan int))).To(MatchError(ContainSubstring("argument")))
	})
})

func packet(s string) engine.Message { return engine.Message{Data: []byte(s)} }
