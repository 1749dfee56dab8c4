package socketio

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("an event that comes together with the end of its connection", func() {
	// masked is a final frame of a client, with a mask of zeros.
	masked := func(opcode byte, payload string) string {
		return string([]byte{0x80 | opcode, 0x80 | byte(len(payload)), 0, 0, 0, 0}) + payload
	}
	listen := func() (func(namespace string) peer, <-chan string) {
		order := make(chan string, 100)
		srv, connect := serve(Options{})
		srv.Of("/").OnConnect(func(s *Socket) {
			s.OnDisconnect(func(Reason) { order <- "disconnect" })
		})
		srv.Of("/").On("event", func(_ *Socket, args Args, _ Ack) { order <- string(args.Raw(0)) })
		return connect, order
	}

	DescribeTable("is handled, and before the disconnection is told", func(end string) {
		for range 20 {
			connect, order := listen()
			ws := connect("/,")
			_, err := ws.NetConn().Write([]byte(masked(1, `42["event",1]`) + masked(1, `42["event",2]`) + end))
			Expect(err).NotTo(HaveOccurred())
			for _, want := range []string{"1", "2", "disconnect"} {
				Eventually(order, "10s").Should(Receive(Equal(want)))
			}
		}
	},
		Entry("a close frame", masked(8, "\x03\xe8")),
		Entry("a close packet", masked(1, "1")),
		Entry("a disconnect packet and a close packet", masked(1, "41")+masked(1, "1")),
		Entry("an invalid packet", masked(1, "4x")),
		Entry("an unknown packet", masked(1, "x")),
		Entry("a broken frame", "\xff\xff\xff\xff\xff\xff"),
	)

	It("is handled at once when a ping frame follows", func() {
		connect, order := listen()
		ws := connect("/,")
		_, err := ws.NetConn().Write([]byte(masked(1, `42["event",1]`) + masked(9, "")))
		Expect(err).NotTo(HaveOccurred())
		Eventually(order, "10s").Should(Receive(Equal("1")))
	})
})
