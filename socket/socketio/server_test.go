package socketio

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// peer is a raw client that has joined a namespace.
type peer struct{ *websocket.Conn }

func (p peer) send(frames ...string) {
	GinkgoHelper()
	for _, f := range frames {
		Expect(p.WriteMessage(websocket.TextMessage, []byte(f))).To(Succeed())
	}
}

func (p peer) next() string {
	GinkgoHelper()
	Expect(p.SetReadDeadline(time.Now().Add(10 * time.Second))).To(Succeed())
	kind, frame, err := p.ReadMessage()
	Expect(err).NotTo(HaveOccurred())
	if kind == websocket.BinaryMessage {
		return "binary:" + string(frame)
	}
	return string(frame)
}

func serve(o Options) (*Server, func(namespace string) peer) {
	srv := NewServer(o)
	web := httptest.NewServer(srv)
	DeferCleanup(func(ctx SpecContext) {
		Expect(srv.Close(ctx)).To(Succeed())
		web.Close()
	})
	return srv, func(namespace string) peer {
		GinkgoHelper()
		ws, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(web.URL, "http")+"/socket.io/?EIO=4&transport=websocket", nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(resp.Body.Close()).To(Succeed())
		p := peer{ws}
		DeferCleanup(func() { _ = ws.Close() })
		Expect(p.next()).To(HavePrefix(`0{"sid":"`))
		if namespace != "" {
			p.send("40" + strings.TrimPrefix(namespace, "/,") + `{"token":"t"}`)
			Expect(p.next()).To(HavePrefix("40" + strings.TrimPrefix(namespace, "/,") + `{"sid":"`))
		}
		return p
	}
}

var _ = Describe("a Socket.IO server", func() {
	It("handles a client's events in the order in which they came, and acknowledges", func() {
		srv, connect := serve(Options{})
		var got []int
		srv.Of("/").OnConnect(func(s *Socket) {
			Expect(string(s.Auth())).To(Equal(`{"token":"t"}`))
			s.On("n", func(args Args, _ Ack) {
				var n int
				if args.Decode(0, &n) == nil {
					got = append(got, n)
				}
			})
			s.On("done", func(_ Args, ack Ack) { _ = ack("all", len(got)) })
		})
		p := connect("/,")
		for i := range 1000 {
			p.send(fmt.Sprintf(`42["n",%d]`, i))
		}
		p.send(`427["done"]`)
		Expect(p.next()).To(Equal(`437["all",1000]`))
		for i, n := range got {
			Expect(n).To(Equal(i))
		}
	})

	It("delivers 1000 emits in a loop, in order", func() {
		srv, connect := serve(Options{})
		p := connect("/,")
		for i := range 1000 {
			Expect(srv.Of("/").Emit("n", i)).To(Succeed())
		}
		for i := range 1000 {
			Expect(p.next()).To(Equal(fmt.Sprintf(`42["n",%d]`, i)))
		}
	})

	It("sends to rooms, except others, once for each member", func() {
		srv, connect := serve(Options{})
		n := srv.Of("/")
		n.OnConnect(func(s *Socket) {
			s.On("join", func(args Args, ack Ack) {
				for i := range args.Len() {
					var room string
					_ = args.Decode(i, &room)
					_ = s.Join(room)
				}
				_ = ack()
			})
		})
		a, b := connect("/,"), connect("/,")
		a.send(`420["join","red","blue"]`)
		b.send(`420["join","red","green"]`)
		Expect(a.next()).To(Equal(`430[]`))
		Expect(b.next()).To(Equal(`430[]`))
		Expect(n.To("red", "blue").Emit("both")).To(Succeed())
		Expect(n.To("red").Except("green").Local().Emit("only a")).To(Succeed())
		Expect(n.Emit("end")).To(Succeed())
		Expect([]string{a.next(), a.next(), a.next()}).To(Equal([]string{`42["both"]`, `42["only a"]`, `42["end"]`}))
		Expect([]string{b.next(), b.next()}).To(Equal([]string{`42["both"]`, `42["end"]`}))
	})

	It("carries binary both ways", func() {
		srv, connect := serve(Options{})
		srv.Of("/").OnConnect(func(s *Socket) {
			s.On("echo", func(args Args, ack Ack) {
				v, _ := args.Value(0)
				_ = ack(v)
			})
		})
		p := connect("/,")
		p.send(`451-9["echo",{"_placeholder":true,"num":0}]`)
		Expect(p.WriteMessage(websocket.BinaryMessage, []byte{1, 2, 3})).To(Succeed())
		Expect(p.next()).To(Equal(`461-9[{"_placeholder":true,"num":0}]`))
		Expect(p.next()).To(Equal("binary:\x01\x02\x03"))
	})

	It("waits for a client's acknowledgement, and gives up with the context", func(ctx SpecContext) {
		srv, connect := serve(Options{})
		sockets := make(chan *Socket, 1)
		srv.Of("/").OnConnect(func(s *Socket) { sockets <- s })
		p := connect("/,")
		s := <-sockets
		answer := make(chan Args, 1)
		go func() {
			a, err := s.EmitWithAck(ctx, "question", 1)
			if err == nil {
				answer <- a
			}
		}()
		Expect(p.next()).To(Equal(`420["question",1]`))
		p.send(`430["yes"]`)
		var a Args
		Eventually(answer).Should(Receive(&a))
		Expect(a.Raw(0)).To(Equal(json.RawMessage(`"yes"`)))
		short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
		defer cancel()
		_, err := s.EmitWithAck(short, "question", 2)
		Expect(err).To(MatchError(context.DeadlineExceeded))
	})

	It("serves namespaces of its own and refuses others", func() {
		srv, connect := serve(Options{})
		srv.Of("/admin").OnConnect(func(s *Socket) { _ = s.Emit("hello") })
		p := connect("/admin,")
		Expect(p.next()).To(Equal(`42/admin,["hello"]`))
		p.send("40/nope,")
		Expect(p.next()).To(Equal(`44/nope,{"message":"Invalid namespace"}`))
		p.send("41/admin,", "40/admin,")
		Expect(p.next()).To(HavePrefix(`40/admin,{"sid":"`))
	})

	It("goes on when a handler panics", func() {
		srv, connect := serve(Options{})
		srv.Of("/").OnConnect(func(s *Socket) {
			s.On("bad", func(Args, Ack) { panic("a mistake") })
			s.On("good", func(_ Args, ack Ack) { _ = ack() })
		})
		p := connect("/,")
		p.send(`42["bad"]`, `421["good"]`)
		Expect(p.next()).To(Equal(`431[]`))
	})

	It("ends a connection that joins nothing, and one that breaks the protocol", func() {
		srv, connect := serve(Options{ConnectTimeout: 50 * time.Millisecond})
		idle, rude := connect(""), connect("/,")
		rude.send("42")
		for _, p := range []peer{idle, rude} {
			_, _, err := p.ReadMessage()
			Expect(err).To(HaveOccurred())
		}
		Eventually(srv.Connections).Should(BeZero())
	})

	It("tells a socket why it went", func() {
		srv, connect := serve(Options{})
		reasons := make(chan Reason, 2)
		srv.Of("/").OnConnect(func(s *Socket) { s.OnDisconnect(func(r Reason) { reasons <- r }) })
		p := connect("/,")
		p.send("41")
		Eventually(reasons).Should(Receive(Equal(ReasonClientNamespace)))
		q := connect("/,")
		Expect(q.Close()).To(Succeed())
		Eventually(reasons).Should(Receive(Equal(ReasonTransportClose)))
	})
})
