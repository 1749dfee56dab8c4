package socketio

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// lockedBuffer is a log that a spec reads while the server writes it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// brokenValue cannot be encoded.
type brokenValue struct{}

func (brokenValue) MarshalJSON() ([]byte, error) { panic("secret of a value") }

// brokenAdapter panics where it is made, or answers nothing.
type brokenAdapter struct{}

func (brokenAdapter) Publish(Command) error                            { return nil }
func (brokenAdapter) Ask(context.Context, Command, func(Answer)) error { return nil }
func (brokenAdapter) Close() error                                     { return nil }

// panickingAdapter panics at whatever it is asked for.
type panickingAdapter struct{}

func (panickingAdapter) Publish(Command) error                            { panic("secret") }
func (panickingAdapter) Ask(context.Context, Command, func(Answer)) error { panic("secret") }
func (panickingAdapter) Close() error                                     { panic("secret") }
func (panickingAdapter) WatchRoom(string, bool)                           { panic("secret") }

var _ = Describe("a function of the program that panics", func() {
	var log *lockedBuffer
	start := func() (*Server, func(string) peer) {
		log = new(lockedBuffer)
		return serve(Options{
			Logger: slog.New(slog.NewTextHandler(log, nil)),
			NewAdapter: func(n *Namespace) Adapter {
				switch n.Name() {
				case "/broken-adapter":
					panic("secret of an adapter")
				case "/panicking-adapter":
					return panickingAdapter{}
				}
				return brokenAdapter{}
			},
		})
	}
	// alive expects that the panics were counted and logged, and that the next
	// client is served.
	alive := func(srv *Server, connect func(string) peer, panics int) {
		GinkgoHelper()
		Eventually(srv.Panics, "10s").Should(Equal(uint64(panics)))
		Expect(log.String()).To(And(ContainSubstring("secret"), ContainSubstring("panics_test.go")))
		n := srv.Of("/after")
		n.On("ping", func(_ *Socket, _ Args, ack Ack) { _ = ack("pong") })
		p := connect("/after,")
		p.send(`42/after,1["ping"]`)
		Expect(p.next()).To(Equal(`43/after,1["pong"]`))
	}

	DescribeTable("costs only what it was called for", func(panics int, prepare func(n *Namespace), play func(p peer)) {
		srv, connect := start()
		prepare(srv.Of("/"))
		p := connect("")
		play(p)
		alive(srv, connect, panics)
	},
		Entry("in a middleware, which refuses the client", 1,
			func(n *Namespace) { n.Use(func(*Socket) error { panic("secret") }) },
			func(p peer) {
				p.send("40")
				Expect(p.next()).To(Equal(`44{"message":"Internal server error"}`))
			}),
		Entry("in one connection handler of two", 1,
			func(n *Namespace) {
				n.OnConnect(func(*Socket) { panic("secret") })
				n.OnConnect(func(s *Socket) { _ = s.Emit("hello") })
			},
			func(p peer) {
				p.send("40")
				Expect(p.next()).To(HavePrefix("40{"))
				Expect(p.next()).To(Equal(`42["hello"]`))
			}),
		Entry("in one disconnection handler of each kind", 4,
			func(n *Namespace) {
				n.OnConnect(func(s *Socket) {
					s.OnDisconnecting(func(Reason) { panic("secret") })
					s.OnDisconnect(func(Reason) { panic("secret") })
				})
				n.OnDisconnecting(func(*Socket, Reason) { panic("secret") })
				n.OnDisconnect(func(*Socket, Reason) { panic("secret") })
			},
			func(p peer) {
				p.send("40")
				Expect(p.next()).To(HavePrefix("40{"))
				Expect(p.Close()).To(Succeed())
			}),
		Entry("in the handlers of an event and its listeners", 7,
			func(n *Namespace) {
				n.On("x", func(*Socket, Args, Ack) { panic("secret") })
				n.On("x", func(_ *Socket, _ Args, ack Ack) { _ = ack("done") })
				n.OnConnect(func(s *Socket) {
					s.On("x", func(Args, Ack) { panic("secret") })
					s.Once("x", func(Args, Ack) { panic("secret") })
					s.OnAny(func(string, Args) { panic("secret") })
					s.OnAnyOutgoing(func(string, Args) { panic("secret") })
					s.On("x", func(Args, Ack) { _ = s.Emit("after") })
					On(s, "y", func(int, Ack) {}, func(error) { panic("secret") })
				})
			},
			func(p peer) {
				p.send("40", `421["x"]`)
				Expect(p.next()).To(HavePrefix("40{"))
				Expect(p.next()).To(Equal(`431["done"]`))
				Expect(p.next()).To(Equal(`42["after"]`))
				p.send(`42["y","text"]`)
			}),
		Entry("in a check of events, which refuses the event, and in the handler of its error", 3,
			func(n *Namespace) {
				n.OnConnect(func(s *Socket) {
					s.Use(func(event string, _ Args) error {
						if event == "x" {
							panic("secret")
						}
						return nil
					})
					s.OnError(func(error) { panic("secret") })
					s.OnError(func(err error) { panic("secret too: " + err.Error()) })
					s.On("x", func(_ Args, ack Ack) { _ = ack("never") })
					s.On("y", func(_ Args, ack Ack) { _ = ack("y") })
				})
			},
			func(p peer) {
				p.send("40", `421["x"]`, `422["y"]`)
				Expect(p.next()).To(HavePrefix("40{"))
				Expect(p.next()).To(Equal(`432["y"]`))
			}),
		Entry("in the function of OfFunc, and in NewAdapter: no such namespace", 2,
			func(n *Namespace) {
				n.server.OfFunc(func(name string, _ json.RawMessage) bool {
					if name == "/broken-function" {
						panic("secret")
					}
					return name == "/broken-adapter"
				})
			},
			func(p peer) {
				p.send("40/broken-function,", "40/broken-adapter,", "40/unknown,")
				Expect(p.next()).To(Equal(`44/broken-function,{"message":"Internal server error"}`))
				Expect(p.next()).To(Equal(`44/broken-adapter,{"message":"Internal server error"}`))
				Expect(p.next()).To(Equal(`44/unknown,{"message":"Invalid namespace"}`))
			}),
		Entry("while it encodes a value of an acknowledgement", 1,
			func(n *Namespace) { n.On("x", func(_ *Socket, _ Args, ack Ack) { _ = ack(brokenValue{}) }) },
			func(p peer) {
				p.send("40", `421["x"]`)
				Expect(p.next()).To(HavePrefix("40{"))
			}),
	)

	It("costs only its command where another server of the cluster gave it", func(ctx SpecContext) {
		srv, connect := start()
		n := srv.Of("/")
		_, s := joined(n, connect)
		n.OnServer("x", func(Args, Ack) { panic("secret") })
		n.OnServer("x", func(_ Args, ack Ack) { _ = ack("second") })
		args, err := NewArgs("x")
		Expect(err).NotTo(HaveOccurred())
		answers := make(chan string, 1)
		n.Apply(Command{Kind: CommandServerEmit, Args: args}, func(a Answer) { answers <- string(a.Args.JSON()) })
		Expect(answers).To(Receive(Equal(`["second"]`)))
		s.SetData(brokenValue{})
		n.Apply(Command{Kind: CommandFetch}, func(Answer) {})
		n.OnRemote(func(Command, func()) { panic("secret") })
		n.Apply(Command{Kind: CommandFetch}, func(Answer) { Fail("carried out") })
		alive(srv, connect, 3)
	})

	It("costs only its own part where it is an adapter, in whatever goroutine", func(ctx SpecContext) {
		srv, connect := start()
		parent := srv.OfFunc(func(name string, _ json.RawMessage) bool { return name == "/panicking-adapter" })
		p := connect("")
		p.send("40/panicking-adapter,") // its own room is watched: 1
		Expect(p.next()).To(HavePrefix("40/panicking-adapter,{"))
		n := parent.Children()[0]
		s := n.Sockets()[0]
		Expect(s.Join("a")).To(Succeed()) // 2
		acknowledged := make(chan error, 1)
		go func() {
			_, err := n.All().EmitWithAck(ctx, "who") // 3
			acknowledged <- err
		}()
		Expect(p.next()).To(Equal(`42/panicking-adapter,0["who"]`))
		p.send(`43/panicking-adapter,0["ada"]`)
		Eventually(acknowledged, "10s").Should(Receive(MatchError(errAdapter)))
		n.Apply(Command{Kind: CommandBroadcastAck, Packet: &Packet{Type: PacketEvent, Namespace: n.name, Data: json.RawMessage(`["x"]`)}}, func(a Answer) {
			if a.Args != nil || a.Clients < 0 {
				panic("secret") // 4, and 5 below
			}
		})
		Expect(p.next()).To(Equal(`42/panicking-adapter,1["x"]`))
		p.send(`43/panicking-adapter,1[]`)
		n.Apply(Command{Kind: CommandBroadcastAck, Packet: &Packet{Type: PacketEvent, Namespace: n.name, Data: json.RawMessage(`["y"]`)}}, func(a Answer) {
			if a.Clients < 0 {
				panic("secret")
			}
		})
		Expect(p.next()).To(Equal(`42/panicking-adapter,2["y"]`))
		Expect(p.Close()).To(Succeed()) // both rooms go: 6, 7; and the adapter is closed: 8
		Eventually(parent.Children, "10s").Should(BeEmpty())
		alive(srv, connect, 8)
	})
})
