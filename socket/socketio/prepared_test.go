package socketio

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("a prepared event", func() {
	It("is encoded once and comes to each client in its turn, as if it were emitted", func() {
		srv, connect := serve(Options{})
		n := srv.Of("/")
		prepared, err := n.Prepare("news", map[string]any{"n": 1, "blob": []byte{1, 2}})
		Expect(err).NotTo(HaveOccurred())
		n.On("ask", func(s *Socket, _ Args, _ Ack) {
			Expect(s.Emit("before")).To(Succeed())
			Expect(s.Send(prepared)).To(Succeed())
			Expect(s.Emit("after")).To(Succeed())
		})
		for range 2 {
			p := connect("/,")
			p.send(`42["ask"]`)
			Expect([]string{p.next(), p.next(), p.next(), p.next()}).To(Equal([]string{
				`42["before"]`, `451-["news",{"blob":{"_placeholder":true,"num":0},"n":1}]`, "binary:\x01\x02", `42["after"]`,
			}))
		}
	})

	It("belongs to its namespace", func() {
		srv, connect := serve(Options{})
		prepared, err := srv.Of("/other").Prepare("news")
		Expect(err).NotTo(HaveOccurred())
		failures := make(chan error, 1)
		srv.Of("/").OnConnect(func(s *Socket) { failures <- s.Send(prepared) })
		connect("/,")
		Eventually(failures, "10s").Should(Receive(MatchError(ContainSubstring("/other"))))
	})

	It("is refused with a reserved name, and to who has gone", func() {
		srv, connect := serve(Options{})
		n := srv.Of("/")
		_, err := n.Prepare("disconnect")
		Expect(err).To(MatchError(ContainSubstring("reserved")))
		prepared, err := n.Prepare("news")
		Expect(err).NotTo(HaveOccurred())
		gone := make(chan *Socket, 1)
		n.OnConnect(func(s *Socket) { s.OnDisconnect(func(Reason) { gone <- s }) })
		Expect(connect("/,").Close()).To(Succeed())
		var s *Socket
		Eventually(gone, "10s").Should(Receive(&s))
		Expect(s.Send(prepared)).To(MatchError(ErrDisconnected))
	})

	It("is heard by outgoing listeners, and kept for who comes back", func() {
		srv, connect := serve(Options{Recovery: &Recovery{MaxDisconnection: time.Minute}})
		n := srv.Of("/")
		prepared, err := n.Prepare("news", 1)
		Expect(err).NotTo(HaveOccurred())
		heard := make(chan string, 1)
		n.OnConnect(func(s *Socket) {
			s.OnAnyOutgoing(func(event string, _ Args) { heard <- event })
			_ = s.Send(prepared)
		})
		Expect(connect("/,").next()).To(Equal(`42["news",1,"0"]`), "with the offset of a kept event")
		Eventually(heard, "10s").Should(Receive(Equal("news")))
	})
})
