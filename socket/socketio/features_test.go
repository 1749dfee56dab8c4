package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/socket/engineio"
)

// joined connects a client and returns it with its socket.
func joined(n *Namespace, connect func(string) peer) (peer, *Socket) {
	GinkgoHelper()
	sockets := make(chan *Socket, 1)
	n.change(func(set *hookSet) { set.onConnect = []func(*Socket){func(s *Socket) { sockets <- s }} })
	prefix := "/,"
	if n.name != "/" {
		prefix = n.name + ","
	}
	p := connect(prefix)
	var s *Socket
	Eventually(sockets, "10s").Should(Receive(&s))
	return p, s
}

var _ = It("keeps text that is not UTF-8 from its clients, who stay, and tells who sends it", func() {
	log := new(lockedBuffer)
	srv, connect := serve(Options{Logger: slog.New(slog.NewTextHandler(log, nil))})
	p, s := joined(srv.Of("/"), connect)
	broken := json.RawMessage("{\"city\":\"S\xe3o\"}")
	Expect(s.Emit("value", broken)).To(MatchError(engineio.ErrNotUTF8))
	Expect(srv.Of("/").Emit("value", broken)).To(Succeed(), "others may have got it")
	Expect(log.String()).To(ContainSubstring("not UTF-8"))
	Expect(s.Emit("value", 1)).To(Succeed())
	Expect(p.next()).To(Equal(`42["value",1]`))
})

var _ = Describe("middleware", func() {
	It("refuses a client with a message and data, and lets the next one in", func() {
		srv, connect := serve(Options{})
		srv.Of("/").Use(func(s *Socket) error {
			if string(s.Auth()) == `{"token":"t"}` {
				return nil
			}
			return &ConnectError{Message: "not authorized", Data: map[string]any{"code": 42}}
		})
		p := connect("")
		p.send("40")
		Expect(p.next()).To(Equal(`44{"message":"not authorized","data":{"code":42}}`))
		p.send(`40{"token":"t"}`)
		Expect(p.next()).To(HavePrefix("40{"))
	})

	It("refuses by a plain error, and by a panic without telling its text", func() {
		srv, connect := serve(Options{})
		srv.Of("/plain").Use(func(*Socket) error { return errors.New("no") })
		srv.Of("/panic").Use(func(*Socket) error { panic("secret") })
		p := connect("")
		p.send("40/plain,", "40/panic,")
		Expect(p.next()).To(Equal(`44/plain,{"message":"no"}`))
		Expect(p.next()).To(Equal(`44/panic,{"message":"Internal server error"}`))
	})

	It("does not tell a client of an inner error, and logs it", func() {
		log := new(lockedBuffer)
		srv, connect := serve(Options{Logger: slog.New(slog.NewTextHandler(log, nil))})
		inner := errors.New("dial tcp 10.0.0.1:5432: refused")
		srv.Of("/wrapped").Use(func(*Socket) error { return fmt.Errorf("no users: %w", inner) })
		srv.Of("/joined").Use(func(*Socket) error { return errors.Join(errors.New("no users"), inner) })
		srv.Of("/said").Use(func(*Socket) error { return fmt.Errorf("%w: %w", &ConnectError{Message: "later"}, inner) })
		p := connect("")
		p.send("40/wrapped,", "40/joined,", "40/said,")
		Expect(p.next()).To(Equal(`44/wrapped,{"message":"Internal server error"}`))
		Expect(p.next()).To(Equal(`44/joined,{"message":"Internal server error"}`))
		Expect(p.next()).To(Equal(`44/said,{"message":"later"}`))
		Expect(strings.Count(log.String(), "10.0.0.1")).To(Equal(3))
	})

	It("checks every event of a socket", func() {
		srv, connect := serve(Options{})
		p, s := joined(srv.Of("/"), connect)
		refused := make(chan error, 1)
		s.OnError(func(err error) { refused <- err })
		s.Use(func(event string, _ Args) error {
			if event == "forbidden" {
				return errors.New("not you")
			}
			return nil
		})
		s.On("forbidden", func(_ Args, ack Ack) { _ = ack("never") })
		s.On("allowed", func(_ Args, ack Ack) { _ = ack("yes") })
		p.send(`421["forbidden"]`, `422["allowed"]`)
		Expect(p.next()).To(Equal(`432["yes"]`))
		Expect(refused).To(Receive(MatchError("not you")))
	})
})

var _ = Describe("a socket", func() {
	It("that its middleware refuses leaves no room behind", func() {
		srv, connect := serve(Options{})
		refused := make(chan *Socket, 1)
		srv.Of("/").Use(func(s *Socket) error {
			Expect(s.Join("room")).To(Succeed())
			refused <- s
			return errors.New("no")
		})
		p := connect("")
		p.send("40")
		Expect(p.next()).To(Equal(`44{"message":"no"}`))
		Expect(srv.Of("/").Rooms()).To(BeEmpty())
		s := <-refused
		Expect(s.Join("room")).To(MatchError(ErrDisconnected))
		Expect(s.Done()).To(BeClosed())
	})

	It("is called at all its handlers, those of the namespace first, until Off", func() {
		srv, connect := serve(Options{})
		n := srv.Of("/")
		p, s := joined(n, connect)
		var called []string
		for _, name := range []string{"a", "b"} {
			s.On("x", func(Args, Ack) { called = append(called, "socket "+name) })
			n.On("x", func(*Socket, Args, Ack) { called = append(called, "namespace "+name) })
		}
		s.On("y", func(_ Args, ack Ack) {
			_ = ack(strings.Join(called, ", "))
			called = nil
		})
		p.send(`42["x"]`, `421["y"]`)
		Expect(p.next()).To(Equal(`431["namespace a, namespace b, socket a, socket b"]`))
		n.Off("x")
		p.send(`42["x"]`, `422["y"]`)
		Expect(p.next()).To(Equal(`432["socket a, socket b"]`))
		s.Off("x")
		p.send(`42["x"]`, `423["y"]`)
		Expect(p.next()).To(Equal(`433[""]`))
	})

	It("knows its rooms while it is disconnecting, and not after", func() {
		srv, connect := serve(Options{})
		n := srv.Of("/")
		heard := make(chan string, 10)
		note := func(what string, s *Socket) { heard <- fmt.Sprint(what, len(s.Rooms()), s.In("a"), s.In(s.ID())) }
		n.OnDisconnecting(func(s *Socket, _ Reason) { note("namespace, before: ", s) })
		n.OnDisconnect(func(s *Socket, _ Reason) { note("namespace, after: ", s) })
		_, s := joined(n, connect)
		s.OnDisconnecting(func(Reason) { note("socket, before: ", s) })
		s.OnDisconnect(func(Reason) { note("socket, after: ", s) })
		Expect(s.Join("a", "b")).To(Succeed())
		s.Disconnect()
		for _, want := range []string{"namespace, before: 3 true true", "socket, before: 3 true true", "namespace, after: 0 false false", "socket, after: 0 false false"} {
			Eventually(heard, "10s").Should(Receive(Equal(want)))
		}
	})

	It("hears its events by catch-all, once, and no more after Off", func() {
		srv, connect := serve(Options{})
		p, s := joined(srv.Of("/"), connect)
		var heard []string
		s.OnAny(func(event string, args Args) { heard = append(heard, fmt.Sprint(event, args.Len())) })
		s.Once("once", func(_ Args, ack Ack) { _ = ack("first") })
		s.On("gone", func(_ Args, ack Ack) { _ = ack("never") })
		s.Off("gone")
		s.On("list", func(_ Args, ack Ack) { _ = ack(strings.Join(heard, " ")) })
		p.send(`421["once",1]`, `422["once"]`, `423["gone"]`, `424["list"]`)
		Expect(p.next()).To(Equal(`431["first"]`))
		Expect(p.next()).To(Equal(`434["once1 once0 gone0 list0"]`))
	})

	It("hears what is sent to it, broadcasts included", func() {
		srv, connect := serve(Options{})
		p, s := joined(srv.Of("/"), connect)
		sent := make(chan string, 3)
		s.OnAnyOutgoing(func(event string, args Args) { sent <- event + string(args.Raw(0)) })
		Expect(s.Emit("one", 1)).To(Succeed())
		Expect(srv.Of("/").Emit("all", "x")).To(Succeed())
		Expect([]string{p.next(), p.next()}).To(Equal([]string{`42["one",1]`, `42["all","x"]`}))
		Expect(sent).To(Receive(Equal("one1")))
		Expect(sent).To(Receive(Equal(`all"x"`)))
	})

	It("waits for an acknowledgement inside a handler, decoded into a type", func(ctx SpecContext) {
		srv, connect := serve(Options{})
		p, s := joined(srv.Of("/"), connect)
		type answer struct{ Name string }
		On(s, "start", func(n int, ack Ack) {
			a, err := Ask[answer](ctx, s, "who", n)
			_ = ack(a.Name, err == nil)
		}, nil)
		p.send(`429["start",3]`)
		Expect(p.next()).To(Equal(`420["who",3]`))
		p.send(`430[{"name":"ada"}]`)
		Expect(p.next()).To(Equal(`439["ada",true]`))
	})

	It("does not let an argument of the wrong type reach the handler", func() {
		srv, connect := serve(Options{})
		p, s := joined(srv.Of("/"), connect)
		wrong := make(chan error, 1)
		On(s, "n", func(int, Ack) { Fail("called") }, func(err error) { wrong <- err })
		p.send(`42["n","text"]`)
		Eventually(wrong, "10s").Should(Receive(MatchError(ContainSubstring(`the event "n"`))))
	})

	It("gives up with the timeout, and hears at once when the client goes", func(ctx SpecContext) {
		srv, connect := serve(Options{})
		p, s := joined(srv.Of("/"), connect)
		_, err := s.Timeout(10*time.Millisecond).EmitWithAck(ctx, "q")
		Expect(err).To(MatchError(context.DeadlineExceeded))
		Expect(p.Close()).To(Succeed())
		_, err = s.EmitWithAck(ctx, "q")
		Expect(err).To(MatchError(ErrDisconnected))
		Eventually(s.Context().Err, "10s").Should(MatchError(context.Canceled))
		Expect(s.Join("room")).To(MatchError(ErrDisconnected))
	})

	It("broadcasts to the others", func() {
		srv, connect := serve(Options{})
		a, s := joined(srv.Of("/"), connect)
		b, other := joined(srv.Of("/"), connect)
		Expect(other.Join("room")).To(Succeed())
		Expect(s.Join("room")).To(Succeed())
		Expect(s.Broadcast().Emit("x")).To(Succeed())
		Expect(s.To("room").Emit("y")).To(Succeed())
		Expect(srv.Of("/").To(s.ID()).Emit("z")).To(Succeed())
		Expect([]string{b.next(), b.next()}).To(Equal([]string{`42["x"]`, `42["y"]`}))
		Expect(a.next()).To(Equal(`42["z"]`))
	})

	It("is disconnected from one namespace, or with its connection", func() {
		srv, connect := serve(Options{})
		p, s := joined(srv.Of("/"), connect)
		reasons := make(chan Reason, 2)
		s.OnDisconnect(func(r Reason) { reasons <- r })
		s.Disconnect()
		Expect(p.next()).To(Equal("41"))
		Eventually(reasons, "10s").Should(Receive(Equal(ReasonServerNamespace)))
		q, s := joined(srv.Of("/"), connect)
		s.CloseConnection()
		Expect(q.next()).To(Equal("41"))
		q.ended()
	})

	It("is told of to its namespace once when it goes, after OnConnect, and knows its rooms until then", func() {
		srv, connect := serve(Options{})
		n := srv.Of("/")
		gone := make(chan string, 10)
		n.OnDisconnect(func(s *Socket, r Reason) { gone <- s.ID() + " " + string(r) })
		p, s := joined(n, connect)
		Expect(s.Join("a")).To(Succeed())
		Expect([]bool{s.In("a"), s.In(s.ID()), s.In("b")}).To(Equal([]bool{true, true, false}))
		s.Leave("a")
		Expect(s.In("a")).To(BeFalse())
		Expect(s.Join("b")).To(Succeed())
		p.send("41")
		Eventually(gone, "10s").Should(Receive(Equal(s.ID() + " " + string(ReasonClientNamespace))))
		Expect([]bool{s.In("b"), s.In(s.ID())}).To(Equal([]bool{false, false}))
		Expect(p.Close()).To(Succeed())
		Eventually(srv.Connections, "10s").Should(BeZero())
		Consistently(gone, "100ms").ShouldNot(Receive())
	})

	It("keeps to its bound of rooms and of owed acknowledgements", func(ctx SpecContext) {
		srv, connect := serve(Options{MaxRooms: 2, MaxPendingAcks: 1})
		p, s := joined(srv.Of("/"), connect)
		Expect(s.Join("a", "b", "a", s.ID())).To(Succeed())
		Expect(s.Join("b", "c")).To(MatchError(ContainSubstring("MaxRooms")))
		Expect(s.Rooms()).To(Equal([]string{s.ID(), "a", "b"}))
		short, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		go func() { _, _ = s.EmitWithAck(short, "q") }()
		Expect(p.next()).To(Equal(`420["q"]`))
		_, err := s.EmitWithAck(ctx, "q")
		Expect(err).To(MatchError(ContainSubstring("MaxPendingAcks")))
		Expect(srv.Stats().Limited).To(HaveKeyWithValue(LimitRooms, uint64(1)))
		cancel()
	})
})

var _ = Describe("a namespace", func() {
	It("collects the acknowledgements of all its clients, and says how many are missing", func(ctx SpecContext) {
		srv, connect := serve(Options{})
		n := srv.Of("/")
		a, _ := joined(n, connect)
		b, _ := joined(n, connect)
		all := make(chan []Args, 1)
		go func() {
			defer GinkgoRecover()
			answers, err := n.All().EmitWithAck(ctx, "vote")
			Expect(err).NotTo(HaveOccurred())
			all <- answers
		}()
		Expect(a.next()).To(Equal(`420["vote"]`))
		Expect(b.next()).To(Equal(`420["vote"]`))
		a.send(`430["yes"]`)
		b.send(`430["no"]`)
		var answers []Args
		Eventually(all, "10s").Should(Receive(&answers))
		Expect(answers).To(HaveLen(2))
		short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		_, err := n.All().EmitWithAck(short, "vote")
		Expect(err).To(MatchError(ContainSubstring("2 of 2 clients did not acknowledge")))
		go func() { _ = b.Close() }()
		a.next()
		a.send(`431["late"]`)
		done := make(chan error, 1)
		go func() {
			_, err := n.All().EmitWithAck(ctx, "again")
			done <- err
		}()
		Expect(a.next()).To(Equal(`422["again"]`))
		a.send(`432[]`)
		Eventually(done, "10s").Should(Receive(Or(BeNil(), MatchError(ErrDisconnected))))
	})

	It("fetches, moves and disconnects sockets", func(ctx SpecContext) {
		srv, connect := serve(Options{})
		n := srv.Of("/")
		p, s := joined(n, connect)
		s.SetData(map[string]any{"user": "ada"})
		found, err := n.All().FetchSockets(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(found).To(HaveLen(1))
		Expect(found[0].ID).To(Equal(s.ID()))
		Expect(string(found[0].Data)).To(Equal(`{"user":"ada"}`))
		Expect(string(found[0].Handshake.Auth)).To(Equal(`{"token":"t"}`))
		Expect(found[0].Handshake.Query.Get("EIO")).To(Equal("4"))
		Expect(found[0].Handshake.Address).To(Equal("127.0.0.1"))
		Expect(found[0].Join("vip")).To(Succeed())
		Expect(n.To("vip").Emit("hi")).To(Succeed())
		Expect(p.next()).To(Equal(`42["hi"]`))
		Expect(n.All().SocketsJoin("b")).To(Succeed())
		Expect(n.To("b").SocketsLeave("vip")).To(Succeed())
		Expect(s.Rooms()).To(Equal([]string{s.ID(), "b"}))
		Expect(n.To("b").DisconnectSockets(true)).To(Succeed())
		Expect(p.next()).To(Equal("41"))
		p.ended()
	})

	It("drops volatile events for a client that cannot take them, and only those", func() {
		srv, connect := serve(Options{})
		p, s := joined(srv.Of("/"), connect)
		pad := strings.Repeat("x", 100_000)
		sent := 0
		for ; !s.Session().Stalled(); sent++ { // until the client's buffers are full
			Expect(s.Emit("fill", pad)).To(Succeed())
		}
		Expect(srv.Of("/").All().Volatile().Emit("lost")).To(Succeed())
		Expect(s.Volatile().Emit("lost")).To(Succeed())
		Expect(s.Emit("kept")).To(Succeed())
		for range sent {
			Expect(p.next()).To(HavePrefix(`42["fill"`))
		}
		Expect(p.next()).To(Equal(`42["kept"]`))
		Eventually(s.Session().Stalled, 10*time.Second, time.Millisecond).Should(BeFalse())
		Expect(s.Volatile().Emit("taken")).To(Succeed())
		Expect(p.next()).To(Equal(`42["taken"]`))
	})
})
