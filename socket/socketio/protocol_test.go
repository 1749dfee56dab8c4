package socketio

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// mirror serves what the protocol's own checks talk to: "auth" on connection,
// "message" sent back, "message-with-ack" acknowledged.
func mirror(n *Namespace) {
	n.OnConnect(func(s *Socket) {
		auth := s.Auth()
		if auth == nil {
			auth = json.RawMessage("{}")
		}
		_ = s.Emit("auth", auth)
	})
	n.On("message", func(s *Socket, args Args, _ Ack) { _ = s.Emit("message-back", args.Values()...) })
	n.On("message-with-ack", func(_ *Socket, args Args, ack Ack) { _ = ack(args.Values()...) })
}

// frames writes text frames, and binary ones that begin with "binary:".
func (p peer) frames(all ...string) {
	GinkgoHelper()
	for _, f := range all {
		kind := websocket.TextMessage
		if data, ok := strings.CutPrefix(f, "binary:"); ok {
			kind, f = websocket.BinaryMessage, data
		}
		Expect(p.WriteMessage(kind, []byte(f))).To(Succeed())
	}
}

// ended waits for the connection's end.
func (p peer) ended() {
	GinkgoHelper()
	Expect(p.SetReadDeadline(time.Now().Add(10 * time.Second))).To(Succeed())
	for {
		if _, _, err := p.ReadMessage(); err != nil {
			Expect(websocket.IsCloseError(err, 1000, 1001, 1005)).To(BeTrue(), err.Error())
			return
		}
	}
}

var _ = Describe("Socket.IO v5 clause by clause", func() {
	const placeholders = `{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}`

	DescribeTable("answers", func(namespace string, send []string, want ...string) {
		srv, connect := serve(Options{})
		mirror(srv.Of("/"))
		mirror(srv.Of("/custom"))
		p := connect("")
		if namespace != "" {
			p.send(namespace)
			Expect(p.next()).To(MatchRegexp("^" + namespace + `\{"sid":"[\w-]{20}"\}$`))
			Expect(p.next()).To(HaveSuffix(`["auth",{}]`))
		}
		p.frames(send...)
		for _, w := range want {
			Expect(p.next()).To(MatchRegexp("^" + w + "$"))
		}
	},
		Entry("Connection to the main namespace", "", []string{"40"}, `40\{"sid":"[\w-]{20}"\}`, `42\["auth",\{\}\]`),
		Entry("… with a payload", "", []string{`40{"token":"123"}`}, `40\{"sid":"[\w-]{20}"\}`, `42\["auth",\{"token":"123"\}\]`),
		Entry("Connection to a custom namespace", "", []string{"40/custom,"}, `40/custom,\{"sid":"[\w-]{20}"\}`, `42/custom,\["auth",\{\}\]`),
		Entry("… without a comma", "", []string{"40/custom"}, `40/custom,\{"sid":"[\w-]{20}"\}`, `42/custom,\["auth",\{\}\]`),
		Entry("… with a payload", "", []string{`40/custom,{"token":"abc"}`}, `40/custom,\{"sid":"[\w-]{20}"\}`, `42/custom,\["auth",\{"token":"abc"\}\]`),
		Entry("Connection to an unknown namespace", "", []string{"40/random"}, `44/random,\{"message":"Invalid namespace"\}`),
		Entry("Disconnection from one namespace only", "40", []string{"40/custom", "41/custom", `42["message","message to main namespace"]`},
			`40/custom,.*`, `42/custom,.*`, `42\["message-back","message to main namespace"\]`),
		Entry("Sending and receiving data", "40", []string{`42["message",1,"2",{"3":[true]}]`}, `42\["message-back",1,"2",\{"3":\[true\]\}\]`),
		Entry("Sending and receiving binary data", "40", []string{`452-["message",` + placeholders + `]`, "binary:\x01\x02\x03", "binary:\x04\x05\x06"},
			`452-\["message-back",`+strings.NewReplacer("{", `\{`, "}", `\}`).Replace(placeholders)+`\]`, "binary:\x01\x02\x03", "binary:\x04\x05\x06"),
		Entry("Acknowledgement", "40", []string{`42456["message-with-ack",1,"2",{"3":[false]}]`}, `43456\[1,"2",\{"3":\[false\]\}\]`),
		Entry("Acknowledgement with binary data", "40", []string{`452-789["message-with-ack",` + placeholders + `]`, "binary:\x01\x02\x03", "binary:\x04\x05\x06"},
			`462-789\[`+strings.NewReplacer("{", `\{`, "}", `\}`).Replace(placeholders)+`\]`, "binary:\x01\x02\x03", "binary:\x04\x05\x06"),
		Entry("Acknowledgement in a custom namespace", "40/custom,", []string{`42/custom,7["message-with-ack"]`}, `43/custom,7\[\]`),
	)

	DescribeTable("closes the connection upon", func(reason Reason, joined bool, send ...string) {
		srv, connect := serve(Options{ConnectTimeout: 300 * time.Millisecond})
		reasons := make(chan Reason, 1)
		srv.Of("/").OnConnect(func(s *Socket) { s.OnDisconnect(func(r Reason) { reasons <- r }) })
		p := connect("")
		if joined {
			p.send("40")
			Expect(p.next()).To(HavePrefix("40{"))
		}
		p.frames(send...)
		p.ended()
		if joined {
			Eventually(reasons, "10s").Should(Receive(Equal(reason)))
		}
		Eventually(srv.Connections, "10s").Should(BeZero())
	},
		Entry("no CONNECT in time", ReasonForcedServer, false),
		Entry("a handshake of no type", ReasonForced, false, "4abc"),
		Entry("a packet for a namespace not joined", ReasonForcedServer, true, `42/custom,["message"]`),
		Entry("a second CONNECT", ReasonForcedServer, true, "40"),
		Entry("a CONNECT_ERROR from a client", ReasonForcedServer, true, `44{"message":"x"}`),
		Entry("an unknown packet type", ReasonForced, true, "4abc"),
		Entry("a payload of the wrong kind", ReasonForced, true, "42{}"),
		Entry("an invalid acknowledgement id", ReasonForced, true, `42abc["message-with-ack",1,"2",{"3":[false]}]`),
		Entry("a reserved event name", ReasonForced, true, `42["disconnect"]`),
		Entry("a binary message that was not announced", ReasonForced, true, "binary:x"),
		Entry("text where binary was due", ReasonForced, true, `451-["m",{"_placeholder":true,"num":0}]`, `42["m"]`),
		Entry("more attachments than allowed", ReasonForced, true, `4511-["m"]`),
		Entry("deep nesting", ReasonForced, true, `42["m",`+strings.Repeat("[", 300)+strings.Repeat("]", 300)+`]`),
	)

	It("answers pings over HTTP long-polling and ignores requests of an upgraded session", func() {
		srv := NewServer(Options{})
		mirror(srv.Of("/"))
		web := httptest.NewServer(srv)
		DeferCleanup(func(ctx SpecContext) {
			Expect(srv.Close(ctx)).To(Succeed())
			web.Close()
		})
		url := web.URL + "/socket.io/?EIO=4&transport=polling"
		get := func(url string) (int, string) {
			resp, err := http.Get(url)
			Expect(err).NotTo(HaveOccurred())
			defer func() { _ = resp.Body.Close() }()
			text, err := io.ReadAll(resp.Body)
			Expect(err).NotTo(HaveOccurred())
			return resp.StatusCode, string(text)
		}
		_, body := get(url)
		url += "&sid=" + strings.Split(body, `"`)[3]
		ws, resp, err := websocket.DefaultDialer.Dial(strings.Replace(strings.Replace(url, "http", "ws", 1), "polling", "websocket", 1), nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(resp.Body.Close()).To(Succeed())
		DeferCleanup(func() { _ = ws.Close() })
		p := peer{ws}
		p.send("2probe", "5")
		code, _ := get(url)
		Expect(code).To(Equal(400))
		Expect(p.next()).To(Equal("3probe"))
		p.send("40")
		Expect(p.next()).To(HavePrefix("40{"))
	})
})
