package socketio

import (
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"

	"github.com/devops-insights/devops-insights/socket/engineio"
)

// ends is an engineio.Observer that keeps how connections ended, and their
// sockets at that moment.
type ends chan ending

type ending struct {
	Code    engineio.Code
	Members []Member
}

func (ends) Upgraded(bool, time.Duration) {}
func (ends) Ponged(time.Duration)         {}
func (e ends) Closed(s *engineio.Session) { e <- ending{s.Info().Code, Members(s)} }
func (e ends) options(o Options) Options  { o.Engine.Observer = e; return o }

// hears waits for the next end, which is as the matchers say.
func (e ends) hears(want ...types.GomegaMatcher) {
	GinkgoHelper()
	Eventually(e, "10s").Should(Receive(And(want...)))
}

var _ = Describe("the connection of sockets", func() {
	It("leads to its sockets and their rooms, also at its end", func() {
		heard := make(ends, 10)
		srv, connect := serve(heard.options(Options{}))
		srv.Of("/").On("join", func(s *Socket, _ Args, ack Ack) {
			Expect(s.Join("metrics:demo:us-east")).To(Succeed())
			_ = ack()
		})
		srv.Of("/other")
		p := connect("/,")
		p.send(`421["join"]`)
		Expect(p.next()).To(Equal("431[]"))
		p.send("40/other,")
		Expect(p.next()).To(HavePrefix("40/other,"))
		session := srv.Sessions()[0]
		Expect(SocketsOf(session)).To(HaveLen(2))
		whole := HaveExactElements(
			And(HaveField("Namespace", "/"), HaveField("ID", HaveLen(20)), HaveField("Rooms", []string{"metrics:demo:us-east"})),
			And(HaveField("Namespace", "/other"), HaveField("Rooms", BeEmpty())),
		)
		Expect(Members(session)).To(whole)
		Expect(p.Close()).To(Succeed())
		heard.hears(HaveField("Code", engineio.CodeTransportClose), HaveField("Members", whole))
	})

	It("knows who said goodbye, and what rooms that was in", func() {
		heard := make(ends, 10)
		srv, connect := serve(heard.options(Options{}))
		srv.Of("/other")
		joined := make(chan error, 10) // one that comes back may be gone before
		srv.Of("/").OnConnect(func(s *Socket) { joined <- s.Join("room") })
		p := connect("/,")
		Eventually(joined, "10s").Should(Receive(BeNil()))
		p.send("41", "1") // the close packet is right behind, as clients send it
		heard.hears(HaveField("Code", engineio.CodeClient), HaveField("Members", HaveExactElements(HaveField("Rooms", []string{"room"}))))

		By("leaving one namespace of two")
		p = connect("/,")
		p.send("40/other,")
		Expect(p.next()).To(HavePrefix("40/other,"))
		p.send("41/other,")
		Eventually(func() []Member { return Members(srv.Sessions()[0]) }, "10s").Should(HaveLen(1))
		Expect(p.Close()).To(Succeed())
		heard.hears(HaveField("Code", engineio.CodeTransportClose), HaveField("Members", HaveExactElements(HaveField("Namespace", "/"))))

		By("leaving both")
		p = connect("/,")
		p.send("40/other,")
		Expect(p.next()).To(HavePrefix("40/other,"))
		p.send("41/other,", "41", "1")
		heard.hears(HaveField("Code", engineio.CodeClient))

		By("coming back over the same connection")
		p = connect("/,")
		p.send("41", "40")
		Expect(p.next()).To(HavePrefix("40"))
		Expect(p.Close()).To(Succeed())
		heard.hears(HaveField("Code", engineio.CodeTransportClose))
	})

	DescribeTable("ends with a code of its own", func(want engineio.Code, o Options, namespace string, send []string) {
		heard := make(ends, 10)
		srv, connect := serve(heard.options(o))
		srv.Of("/").On("fault", func(*Socket, Args, Ack) { panic("a fault") })
		srv.Of("/").On("bye", func(s *Socket, _ Args, _ Ack) { s.CloseConnection() })
		srv.Of("/other")
		connect(namespace).send(send...)
		heard.hears(HaveField("Code", want))
	},
		Entry("without a namespace", CodeNoNamespace, Options{ConnectTimeout: 20 * time.Millisecond}, "", nil),
		Entry("a packet for another namespace", CodeUnexpected, Options{}, "/,", []string{`42/other,["x"]`}),
		Entry("too many packets", CodeEventRate, Options{MaxEventRate: 1}, "/,", slices.Repeat([]string{`42["x"]`}, 20)),
		Entry("too many binary parts", CodeBinary, Options{MaxAttachments: 1}, "/,", []string{`452-["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`}),
		Entry("too deep", CodeNesting, Options{MaxNesting: 3}, "/,", []string{`42["x",[[[[1]]]]]`}),
		Entry("too many namespaces", CodeNamespaces, Options{MaxNamespaces: 1}, "/,", []string{"40/other,"}),
		Entry("no packet", engineio.CodeParse, Options{}, "/,", []string{"42[not json"}),
		Entry("by the program", engineio.CodeForced, Options{}, "/,", []string{`42["bye"]`}),
	)

	It("has no sockets where it belongs to no server of this package", func() {
		Expect(Members(new(engineio.Session))).To(BeEmpty())
		Expect(SocketsOf(new(engineio.Session))).To(BeEmpty())
	})
})
