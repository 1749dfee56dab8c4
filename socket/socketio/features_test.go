package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// joined connects a client and returns it with its socket.
func joined(n *Namespace, connect func(string) peer) (peer, *Socket) {
	GinkgoHelper()
	sockets := make(chan *Socket, 1)
	n.mu.Lock()
	n.onConnect = []func(*Socket){func(s *Socket) { sockets <- s }}
	n.mu.Unlock()
	prefix := "/,"
	if n.name != "/" {
		prefix = n.name + ","
	}
	p := connect(prefix)
	var s *Socket
	Eventually(sockets, "10s").Should(Receive(&s))
	return p, s
}

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
		s.On("forbidden", func(_ Args, ack Acknowledge) { _ = ack("never") })
		s.On("allowed", func(_ Args, ack Acknowledge) { _ = ack("yes") })
		p.send(`421["forbidden"]`, `422["allowed"]`)
		Expect(p.next()).To(Equal(`432["yes"]`))
		Expect(refused).To(Receive(MatchError("not you")))
	})
})

var _ = Describe("dynamic namespaces", func() {
	It("come by pattern and by function, inherit from their parent, and go with their last client", func() {
		srv, connect := serve(Options{})
		tenants := srv.OfPattern(regexp.MustCompile(`^/tenant-\d+$`))
		tenants.Use(func(s *Socket) error {
			if s.Namespace().Name() == "/tenant-0" {
				return errors.New("closed")
			}
			return nil
		})
		tenants.On("who", func(s *Socket, _ Args, ack Acknowledge) { _ = ack(s.Namespace().Name()) })
		srv.OfFunc(func(name string, auth json.RawMessage) bool { return name == "/"+string(auth) })
		p := connect("")
		p.send("40/tenant-7,", "40/tenant-0,", "40/other,", `40/{"a":1},{"a":1}`)
		Expect(p.next()).To(HavePrefix(`40/tenant-7,{`))
		Expect(p.next()).To(Equal(`44/tenant-0,{"message":"closed"}`))
		Expect(p.next()).To(Equal(`44/other,{"message":"Invalid namespace"}`))
		Expect(p.next()).To(HavePrefix(`40/{"a":1},`))
		p.send(`42/tenant-7,1["who"]`)
		Expect(p.next()).To(Equal(`43/tenant-7,1["/tenant-7"]`))
		Expect(tenants.Emit("news")).To(Succeed())
		Expect(p.next()).To(Equal(`42/tenant-7,["news"]`))
		Expect(tenants.Children()).To(HaveLen(1))
		p.send("41/tenant-7,")
		Eventually(tenants.Children, "10s").Should(BeEmpty())
	})
})

var _ = Describe("a socket", func() {
	It("hears its events by catch-all, once, and no more after Off", func() {
		srv, connect := serve(Options{})
		p, s := joined(srv.Of("/"), connect)
		var heard []string
		s.OnAny(func(event string, args Args) { heard = append(heard, fmt.Sprint(event, args.Len())) })
		s.Once("once", func(_ Args, ack Acknowledge) { _ = ack("first") })
		s.On("gone", func(_ Args, ack Acknowledge) { _ = ack("never") })
		s.Off("gone")
		s.On("list", func(_ Args, ack Acknowledge) { _ = ack(strings.Join(heard, " ")) })
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
		On(s, "start", func(n int, ack Acknowledge) {
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
		On(s, "n", func(int, Acknowledge) { Fail("called") }, func(err error) { wrong <- err })
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
		Expect(s.Volatile().Emit("taken")).To(Succeed())
		Expect(p.next()).To(Equal(`42["taken"]`))
	})
})
