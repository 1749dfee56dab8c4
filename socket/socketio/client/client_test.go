package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"go.uber.org/goleak"

	"github.com/devops-insights/devops-insights/socket/engineio"
	engine "github.com/devops-insights/devops-insights/socket/engineio/client"
	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/socket/socketio/client"
)

func TestClient(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreAnyFunction("github.com/onsi/ginkgo/v2/internal/interrupt_handler.(*InterruptHandler).registerForInterrupts.func2"))
	RegisterFailHandler(Fail)
	RunSpecs(t, "The Go client")
}

// limit is how long a spec may take on a busy machine.
const limit = NodeTimeout(30 * time.Second)

// server starts our server and returns it with its address.
func server(o socketio.Options) (*socketio.Server, string) {
	io := socketio.NewServer(o)
	web := httptest.NewServer(io)
	DeferCleanup(func(ctx SpecContext) {
		Expect(io.Close(ctx)).To(Succeed())
		web.Close()
	})
	return io, web.URL
}

// quick are options that reconnect at once.
func quick(transports ...string) client.Options {
	return client.Options{
		ReconnectDelay: 10 * time.Millisecond, ReconnectDelayMax: 50 * time.Millisecond,
		Engine: engine.Options{Transports: transports},
	}
}

func create(url string, o client.Options) *client.Client {
	GinkgoHelper()
	c, err := client.New(url, o)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func(ctx SpecContext) { Expect(c.Close(ctx)).To(Succeed()) })
	return c
}

// heard returns a channel with the arguments of each such event.
func heard(s *client.Socket, event string) <-chan string {
	all := make(chan string, 10_000)
	s.On(event, func(args socketio.Args, _ socketio.Ack) { all <- string(args.JSON()) })
	return all
}

var _ = DescribeTableSubtree("on", func(last string, transports ...string) {
	var io *socketio.Server
	var url string
	var c *client.Client
	var s *client.Socket
	BeforeEach(func() {
		io, url = server(socketio.Options{})
		c = create(url, quick(transports...))
		s = c.Of("/")
	})

	It("sends and hears events in order, 1000 each way", limit, func(ctx SpecContext) {
		io.Of("/").On("n", func(s *socketio.Socket, args socketio.Args, _ socketio.Ack) {
			_ = s.Emit("n back", args.Values()...)
		})
		back := heard(s, "n back")
		Expect(s.Connect(ctx)).To(Succeed())
		for i := range 1000 {
			Expect(s.Emit("n", i, "<€>")).To(Succeed())
		}
		for i := range 1000 {
			Eventually(ctx, back).Should(Receive(MatchJSON(`[` + jsonOf(i) + `,"<€>"]`)))
		}
		Eventually(ctx, c.Transport).Should(Equal(last))
		Expect(s.ID()).To(HaveLen(20))
	})

	It("acknowledges and is acknowledged, also from within a handler", limit, func(ctx SpecContext) {
		io.Of("/").OnConnect(func(s *socketio.Socket) {
			s.On("sum", func(args socketio.Args, ack socketio.Ack) {
				var a, b int
				_, _ = args.Decode(0, &a), args.Decode(1, &b)
				_ = ack(a + b)
			})
			s.On("ask me", func(socketio.Args, socketio.Ack) {
				go func() { // the client's "sum" must be handled meanwhile
					n, err := socketio.Ask[int](s.Context(), s, "question", 20)
					_ = s.Emit("asked", n, err == nil)
				}()
			})
		})
		asked := heard(s, "asked")
		s.On("question", func(args socketio.Args, ack socketio.Ack) {
			var n int
			_ = args.Decode(0, &n)
			n, _ = client.Ask[int](ctx, s, "sum", n, 1)
			_ = ack(n)
		})
		Expect(s.Connect(ctx)).To(Succeed())
		Expect(client.Ask[int](ctx, s, "sum", 1, 2)).To(Equal(3))
		Expect(s.Emit("ask me")).To(Succeed())
		Eventually(ctx, asked).Should(Receive(Equal(`[21,true]`)))
		short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		_, err := s.EmitWithAck(short, "nobody answers")
		Expect(err).To(MatchError(context.DeadlineExceeded))
	})

	It("carries binary both ways, in any depth", limit, func(ctx SpecContext) {
		io.Of("/").On("echo", func(_ *socketio.Socket, args socketio.Args, ack socketio.Ack) {
			_ = ack(args.Values()...)
		})
		Expect(s.Connect(ctx)).To(Succeed())
		answer, err := s.EmitWithAck(ctx, "echo", map[string]any{"deep": []any{[]byte{1, 0, 255}}}, []byte{}, "text")
		Expect(err).NotTo(HaveOccurred())
		Expect(answer.Value(0)).To(Equal(map[string]any{"deep": []any{[]byte{1, 0, 255}}}))
		Expect(answer.Value(1)).To(BeEmpty())
		Expect(answer.Raw(2)).To(MatchJSON(`"text"`))
	})

	It("is in the rooms that the server puts it in", limit, func(ctx SpecContext) {
		io.Of("/").On("join", func(s *socketio.Socket, _ socketio.Args, ack socketio.Ack) {
			_ = ack(s.Join("room") == nil)
		})
		news := heard(s, "news")
		Expect(s.Connect(ctx)).To(Succeed())
		Expect(io.Of("/").To("room").Emit("news", 0)).To(Succeed())
		Expect(client.Ask[bool](ctx, s, "join")).To(BeTrue())
		Expect(io.Of("/").To("room").Emit("news", 1)).To(Succeed())
		Eventually(ctx, news).Should(Receive(Equal(`[1]`)))
	})

	It("hears that the server disconnected it, and stays away until it is asked to connect", limit, func(ctx SpecContext) {
		io.Of("/").On("kick", func(s *socketio.Socket, _ socketio.Args, _ socketio.Ack) { s.Disconnect() })
		reasons := make(chan client.Reason, 10)
		s.OnDisconnect(func(r client.Reason) { reasons <- r })
		Expect(s.Connect(ctx)).To(Succeed())
		Expect(s.Emit("kick")).To(Succeed())
		Eventually(ctx, reasons).Should(Receive(Equal(client.ReasonServerDisconnect)))
		Eventually(ctx, io.Connections).Should(BeZero(), "the connection ends with its last socket")
		Expect(s.Connected()).To(BeFalse())
		Expect(s.Connect(ctx)).To(Succeed())
		s.Disconnect()
		Eventually(ctx, reasons).Should(Receive(Equal(client.ReasonClientDisconnect)))
		Eventually(ctx, io.Connections).Should(BeZero())
	})

	It("tells the server's reason apart from a lost connection, and comes back from that", limit, func(ctx SpecContext) {
		io.Of("/").On("drop", func(s *socketio.Socket, _ socketio.Args, _ socketio.Ack) { s.Session().Close() })
		reasons, connects := make(chan client.Reason, 10), make(chan string, 10)
		s.OnDisconnect(func(r client.Reason) { reasons <- r })
		s.OnConnect(func() { connects <- s.ID() })
		Expect(s.Connect(ctx)).To(Succeed())
		var first, second string
		Eventually(ctx, connects).Should(Receive(&first))
		Expect(s.Emit("drop")).To(Succeed())
		Eventually(ctx, reasons).Should(Receive(BeElementOf(client.ReasonTransportClose, client.ReasonTransportError)))
		Eventually(ctx, connects).Should(Receive(&second))
		Expect(second).NotTo(Equal(first))
		Expect(s.Recovered()).To(BeFalse())
	})

	It("refuses with the server's message and data, and does not ask again", limit, func(ctx SpecContext) {
		io.Of("/admin").Use(func(*socketio.Socket) error {
			return &socketio.ConnectError{Message: "not you", Data: map[string]int{"code": 7}}
		})
		admin := c.Of("/admin")
		told := make(chan error, 10)
		admin.OnConnectError(func(err error) { told <- err })
		Expect(s.Connect(ctx)).To(Succeed())
		refused := &client.ConnectError{}
		Expect(errors.As(admin.Connect(ctx), &refused)).To(BeTrue())
		Expect(refused).To(Equal(&client.ConnectError{Namespace: "/admin", Message: "not you", Data: json.RawMessage(`{"code":7}`)}))
		Eventually(ctx, told).Should(Receive(BeIdenticalTo(refused)))
		Expect(c.Of("nowhere").Connect(ctx)).To(MatchError(ContainSubstring("Invalid namespace")))
		Expect(s.Connected()).To(BeTrue(), "the other namespaces of the connection are served still")
	})

	It("shares one connection between namespaces", limit, func(ctx SpecContext) {
		io.Of("/admin").On("where", func(s *socketio.Socket, _ socketio.Args, ack socketio.Ack) {
			_ = ack(s.Namespace().Name())
		})
		admin := c.Of("/admin")
		Expect(s.Connect(ctx)).To(Succeed())
		Expect(admin.Connect(ctx)).To(Succeed())
		Expect(client.Ask[string](ctx, admin, "where")).To(Equal("/admin"))
		Expect(io.Connections()).To(Equal(1))
		s.Disconnect()
		Expect(client.Ask[string](ctx, admin, "where")).To(Equal("/admin"))
	})

	It("asks for the payload at each connect", limit, func(ctx SpecContext) {
		auths := make(chan string, 10)
		io.Of("/").OnConnect(func(s *socketio.Socket) { auths <- string(s.Auth()) })
		n := 0
		o := quick(transports...)
		o.Auth = func(_ context.Context, namespace string) (any, error) {
			if n++; n == 2 {
				return nil, errors.New("the token cannot be had")
			}
			return map[string]any{"token": n, "for": namespace}, nil
		}
		s := create(url, o).Of("/")
		told := make(chan error, 10)
		s.OnConnectError(func(err error) { told <- err })
		Expect(s.Connect(ctx)).To(Succeed())
		Eventually(ctx, auths).Should(Receive(MatchJSON(`{"for":"/","token":1}`)))
		s.Disconnect()
		Expect(s.Connect(ctx)).To(Succeed())
		Eventually(ctx, told).Should(Receive(MatchError(ContainSubstring("the token cannot be had"))))
		Eventually(ctx, auths).Should(Receive(MatchJSON(`{"for":"/","token":3}`)))
	})

	It("recovers its state and hears what it missed, in order and once", limit, func(ctx SpecContext) {
		io, url := server(socketio.Options{Recovery: &socketio.Recovery{}})
		sockets := make(chan *socketio.Socket, 10)
		io.Of("/").OnConnect(func(s *socketio.Socket) {
			if !s.Recovered() {
				_ = s.Join("room")
			}
			sockets <- s
		})
		o := quick(transports...)
		o.Auth = func(context.Context, string) (any, error) { return struct{ Token string }{"t"}, nil }
		s := create(url, o).Of("/")
		numbers := make(chan int, 1000)
		s.On("n", func(args socketio.Args, _ socketio.Ack) {
			var n int
			_ = args.Decode(0, &n)
			numbers <- n
		})
		recovered := make(chan bool, 10)
		s.OnConnect(func() { recovered <- s.Recovered() })
		Expect(s.Connect(ctx)).To(Succeed())
		Eventually(ctx, recovered).Should(Receive(BeFalse()))
		id := s.ID()
		n := 0
		for range 3 {
			var of *socketio.Socket
			Eventually(ctx, sockets).Should(Receive(&of))
			Expect(string(of.Auth())).To(ContainSubstring(`"Token":"t"`))
			Expect(io.Of("/").To("room").Emit("n", n)).To(Succeed())
			Eventually(ctx, numbers).Should(Receive(Equal(n)))
			of.Session().Close()
			Eventually(ctx, of.Done()).Should(BeClosed())
			for range 5 {
				n++
				Expect(io.Of("/").To("room").Emit("n", n)).To(Succeed())
			}
			Eventually(ctx, recovered).Should(Receive(BeTrue()))
			for i := n - 4; i <= n; i++ {
				Eventually(ctx, numbers).Should(Receive(Equal(i)))
			}
			Expect(s.ID()).To(Equal(id))
			n++
		}
		Expect(numbers).To(BeEmpty())
	})

	It("sends later what was emitted before it was connected, in order, and drops what is volatile", limit, func(ctx SpecContext) {
		got := make(chan string, 10)
		io.Of("/").OnConnect(func(s *socketio.Socket) {
			s.OnAny(func(event string, _ socketio.Args) { got <- event })
			s.On("last", func(_ socketio.Args, ack socketio.Ack) { _ = ack("done") })
		})
		Expect(s.Emit("first")).To(Succeed())
		Expect(s.EmitVolatile("lost")).To(Succeed())
		withdrawn, cancel := context.WithCancel(ctx)
		cancel()
		_, err := s.EmitWithAck(withdrawn, "withdrawn")
		Expect(err).To(MatchError(context.Canceled))
		answer := make(chan string, 1)
		go func() {
			a, _ := client.Ask[string](ctx, s, "last")
			answer <- a
		}()
		Consistently(answer, "50ms").ShouldNot(Receive())
		Expect(s.Connect(ctx)).To(Succeed())
		Eventually(ctx, answer).Should(Receive(Equal("done")))
		Expect(s.EmitVolatile("now or never")).To(Succeed())
		Expect([]string{<-got, <-got}).To(Equal([]string{"first", "last"}))
		Eventually(ctx, got).Should(Receive(Equal("now or never")))
	})

	It("goes on when a handler panics, and logs it", limit, func(ctx SpecContext) {
		log := gbytes.NewBuffer()
		o := quick(transports...)
		o.Logger = slog.New(slog.NewTextHandler(log, nil))
		s := create(url, o).Of("/")
		io.Of("/").OnConnect(func(s *socketio.Socket) { _, _ = s.Emit("bad"), s.Emit("good") })
		s.On("bad", func(socketio.Args, socketio.Ack) { panic("a mistake") })
		good := heard(s, "good")
		Expect(s.Connect(ctx)).To(Succeed())
		Eventually(ctx, good).Should(Receive())
		Expect(log).To(gbytes.Say(`a handler panicked.*a mistake`))
	})

	It("carries messages larger than one request of polling, and as many as wait", limit, func(ctx SpecContext) {
		io.Of("/").On("length", func(_ *socketio.Socket, args socketio.Args, ack socketio.Ack) {
			_ = ack(len(args.Raw(0)))
		})
		Expect(s.Connect(ctx)).To(Succeed())
		for range 5 {
			Expect(s.Emit("length", strings.Repeat("x", 400_000))).To(Succeed())
		}
		Expect(client.Ask[int](ctx, s, "length", strings.Repeat("x", 900_000))).To(Equal(900_002))
		Expect(s.Connected()).To(BeTrue())
	})
},
	Entry("websocket", engineio.Websocket, engineio.Websocket),
	Entry("polling", engineio.Polling, engineio.Polling),
	Entry("polling with upgrade", engineio.Websocket, engineio.Polling, engineio.Websocket),
)

func jsonOf(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}
