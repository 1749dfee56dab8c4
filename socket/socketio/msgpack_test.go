package socketio

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/socket/internal/notepack"
)

// packed is a packet as a client with socket.io-msgpack-parser sends it; the
// text is JSON, with parts in the place of placeholders.
func packed(text string, parts ...[]byte) string {
	GinkgoHelper()
	b, err := notepack.AppendJSON(nil, []byte(text), parts, 1000)
	Expect(err).NotTo(HaveOccurred())
	return "binary:" + string(b)
}

// unpacked is the JSON text of a packet that such a client gets.
func unpacked(frame string) string {
	GinkgoHelper()
	b, binary := strings.CutPrefix(frame, "binary:")
	Expect(binary).To(BeTrue(), frame)
	d := notepack.Decoder{Rest: []byte(b), MaxDepth: 1000}
	text, err := d.Value(nil)
	Expect(err).NotTo(HaveOccurred())
	Expect(d.Rest).To(BeEmpty())
	for i, part := range d.Attachments {
		text = []byte(strings.Replace(string(text), fmt.Sprintf(`{"_placeholder":true,"num":%d}`, i), fmt.Sprintf("<%s>", part), 1))
	}
	return string(text)
}

var _ = Describe("clients that speak MessagePack", func() {
	join := func(connect func(string) peer) peer {
		GinkgoHelper()
		p := connect("")
		p.frames(packed(`{"type":0,"nsp":"/","data":{"token":"t"},"options":{"x":1}}`))
		Expect(unpacked(p.next())).To(MatchRegexp(`^\{"type":0,"nsp":"/","data":\{"sid":"[\w-]{20}"\}\}$`))
		return p
	}

	It("and others are served at once: events, acknowledgements both ways, binary parts, refusals", func(ctx SpecContext) {
		srv, connect := serve(Options{})
		n := srv.Of("/")
		n.On("echo", func(_ *Socket, args Args, ack Ack) { _ = ack(args.Values()...) })
		n.On("ask", func(s *Socket, _ Args, _ Ack) {
			answer, err := s.EmitWithAck(ctx, "who", []byte("who"))
			_ = s.Emit("answer", answer.Len(), err == nil)
		})
		srv.Of("/refused").Use(func(*Socket) error { return &ConnectError{Message: "no", Data: 1} })
		p, other := join(connect), connect("/,")
		p.frames(packed(`{"type":2,"nsp":"/","id":7,"data":["echo",1,{"a":[{"_placeholder":true,"num":0}]},"€"]}`, []byte("bytes")))
		Expect(unpacked(p.next())).To(Equal(`{"type":3,"nsp":"/","id":7,"data":[1,{"a":[<bytes>]},"€"]}`))
		p.frames(packed(`{"type":2,"nsp":"/","data":["ask"]}`))
		Expect(unpacked(p.next())).To(Equal(`{"type":2,"nsp":"/","id":0,"data":["who",<who>]}`))
		p.frames(packed(`{"type":3,"nsp":"/","id":0,"data":["ada","ada"]}`))
		Expect(unpacked(p.next())).To(Equal(`{"type":2,"nsp":"/","data":["answer",2,true]}`))
		p.frames(packed(`{"type":0,"nsp":"/refused"}`), packed(`{"type":0,"nsp":"/unknown"}`))
		Expect(unpacked(p.next())).To(Equal(`{"type":4,"nsp":"/refused","data":{"message":"no","data":1}}`))
		Expect(unpacked(p.next())).To(Equal(`{"type":4,"nsp":"/unknown","data":{"message":"Invalid namespace"}}`))

		Expect(n.Emit("all", 1, []byte("part"))).To(Succeed())
		Expect(unpacked(p.next())).To(Equal(`{"type":2,"nsp":"/","data":["all",1,<part>]}`))
		Expect([]string{other.next(), other.next()}).To(Equal([]string{`451-["all",1,{"_placeholder":true,"num":0}]`, "binary:part"}))
		remote := &Packet{Type: PacketEvent, Namespace: "/", Data: json.RawMessage(`["remote",{"a":null}]`)}
		n.Apply(Command{Kind: CommandBroadcast, Packet: remote}, func(Answer) {})
		Expect(unpacked(p.next())).To(Equal(`{"type":2,"nsp":"/","data":["remote",{"a":null}]}`))
		Expect(other.next()).To(Equal(`42["remote",{"a":null}]`))
		prepared, err := n.Prepare("prepared", json.RawMessage(`{"z":1,"a":2}`))
		Expect(err).NotTo(HaveOccurred())
		for _, s := range n.Sockets() {
			Expect(s.Send(prepared)).To(Succeed())
		}
		Expect(unpacked(p.next())).To(Equal(`{"type":2,"nsp":"/","data":["prepared",{"z":1,"a":2}]}`))
		Expect(other.next()).To(Equal(`42["prepared",{"z":1,"a":2}]`))
		n.All().DisconnectSockets(false)
		Expect(unpacked(p.next())).To(Equal(`{"type":1,"nsp":"/"}`))
		Expect(other.next()).To(Equal("41"))
	})

	It("get one encoding of a broadcast, however many they are", func() {
		e := &encoding{packet: &Packet{Type: PacketEvent, Namespace: "/", Data: json.RawMessage(`["x"]`)}, target: Target{CoalesceKey: "key", NoCompress: true}}
		for by, size := range map[parser]int{parserDefault: 6, parserMsgpack: 21} {
			first, err := e.messages(by)
			Expect(err).NotTo(HaveOccurred())
			again, err := e.messages(by)
			Expect(err).NotTo(HaveOccurred())
			Expect(first).To(HaveLen(1))
			Expect(again[0]).To(BeIdenticalTo(first[0]))
			Expect(first[0].Len()).To(Equal(size))
			Expect(first[0].CoalesceKey).To(Equal("key"))
			Expect(first[0].NoCompress).To(BeTrue())
		}
	})

	It("learn nothing of an event that cannot be written for them; the others have it", func() {
		srv, connect := serve(Options{})
		p, other := join(connect), connect("/,")
		broken := json.RawMessage(`{"_placeholder":true,"num":5}`)
		Expect(srv.Of("/").Emit("x", broken, []byte("part"))).To(Succeed())
		Expect(other.next()).To(HavePrefix(`451-["x"`))
		for _, s := range srv.Of("/").Sockets() {
			if s.client.parser == parserMsgpack {
				Expect(s.Emit("x", broken, []byte("part"))).To(MatchError(ContainSubstring("MessagePack")))
				Expect(s.Emit("y")).To(Succeed())
			}
		}
		Expect(unpacked(p.next())).To(Equal(`{"type":2,"nsp":"/","data":["y"]}`))
	})

	It("get back what they missed", func() {
		srv, connect := serve(Options{Recovery: &Recovery{}})
		p := connect("")
		p.frames(packed(`{"type":0,"nsp":"/"}`))
		var welcome struct{ Data struct{ SID, PID string } }
		Expect(json.Unmarshal([]byte(unpacked(p.next())), &welcome)).To(Succeed())
		Expect(p.Close()).To(Succeed())
		Eventually(srv.Connections, "10s").Should(BeZero())
		Eventually(srv.Of("/").Count, "10s").Should(BeZero())
		Expect(srv.Of("/").Emit("missed", []byte("part"))).To(Succeed())
		q := connect("")
		q.frames(packed(fmt.Sprintf(`{"type":0,"nsp":"/","data":{"pid":%q}}`, welcome.Data.PID)))
		Expect(unpacked(q.next())).To(ContainSubstring(welcome.Data.SID))
		Expect(unpacked(q.next())).To(Equal(`{"type":2,"nsp":"/","data":["missed",<part>,"0"]}`))
	})

	DescribeTable("are disconnected for", func(limit string, send any) {
		srv, connect := serve(Options{MaxAttachments: 2, MaxBinary: 10, MaxNesting: 50, MaxEventRate: 10})
		p := join(connect)
		frames, several := send.([]string)
		if !several {
			frames = []string{send.(string)}
		}
		for _, f := range frames {
			data, binary := strings.CutPrefix(f, "binary:")
			kind := websocket.TextMessage
			if binary {
				kind = websocket.BinaryMessage
			}
			if p.WriteMessage(kind, []byte(data)) != nil {
				break // it has ended already
			}
		}
		p.ended()
		Eventually(srv.Connections, "10s").Should(BeZero())
		if limit != "" {
			Expect(srv.Stats().Limited).To(HaveKey(BeEquivalentTo(limit)))
		}
		connect("/,")
	},
		Entry("text", "", `42["x"]`),
		Entry("bytes that are no MessagePack", "", "binary:\xc1"),
		Entry("a packet that ends early", "", "binary:\x84\xa4type"),
		Entry("more behind a packet", "", packed(`{"type":2,"nsp":"/","data":["x"]}`)+"\x00"),
		Entry("an array", "", packed(`[2,"/",["x"]]`)),
		Entry("an unknown type", "", packed(`{"type":5,"nsp":"/","data":["x"]}`)),
		Entry("a type that is text", "", packed(`{"type":"2","nsp":"/","data":["x"]}`)),
		Entry("no type", "", packed(`{"nsp":"/","data":["x"]}`)),
		Entry("no namespace", "", packed(`{"type":2,"data":["x"]}`)),
		Entry("a namespace that is a number", "", packed(`{"type":2,"nsp":1,"data":["x"]}`)),
		Entry("an event without arguments", "", packed(`{"type":2,"nsp":"/"}`)),
		Entry("an event whose data is an object", "", packed(`{"type":2,"nsp":"/","data":{}}`)),
		Entry("an event without a name", "", packed(`{"type":2,"nsp":"/","data":[]}`)),
		Entry("a disconnection with data", "", packed(`{"type":1,"nsp":"/","data":[]}`)),
		Entry("an id that is text", "", packed(`{"type":2,"nsp":"/","id":"1","data":["x"]}`)),
		Entry("a negative id", "", packed(`{"type":2,"nsp":"/","id":-1,"data":["x"]}`)),
		Entry("too many binary parts", "binary parts", packed(`{"type":2,"nsp":"/","data":["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]}`, []byte("a"))),
		Entry("too large binary parts", "binary parts", packed(`{"type":2,"nsp":"/","data":["x",{"_placeholder":true,"num":0}]}`, []byte("eleven byte"))),
		Entry("nesting", "nesting", packed(`{"type":2,"nsp":"/","data":["x",`+strings.Repeat("[", 100)+strings.Repeat("]", 100)+`]}`)),
		Entry("too many packets a second", "event rate", slices.Repeat([]string{packed(`{"type":2,"nsp":"/","data":["x"]}`)}, 200)),
	)

	It("are told by their first packet only: the parser does not change", func() {
		_, connect := serve(Options{})
		p := connect("/,")
		p.frames(packed(`{"type":2,"nsp":"/","data":["x"]}`))
		p.ended()
		q := connect("")
		Expect(q.WriteMessage(websocket.BinaryMessage, []byte("no MessagePack"))).To(Succeed())
		q.ended()
	})
})

func FuzzDecodeMsgpack(f *testing.F) {
	for _, s := range []string{
		"\x82\xa4type\x00\xa3nsp\xa1/", "\x84\xa4type\x02\xa3nsp\xa1/\xa2id\x01\xa4data\x92\xa1x\xc4\x01a",
		"\x83\xa4type\x03\xa3nsp\xa1/\xa4data\x91\xd4\x00\x00", "\x83\xa4type\x01\xa3nsp\xa1/\xa7options\x81\xa1x\xc3",
	} {
		f.Add([]byte(s))
	}
	o := Options{}.withDefaults()
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := decodeMsgpack(b, &o)
		if err != nil {
			return
		}
		if args, err := p.Args(); err == nil {
			for i := range args.Len() {
				_, _ = args.Value(i)
			}
		} else if p.Type >= PacketEvent && p.Type != PacketConnectError {
			t.Fatalf("the arguments of %x cannot be read: %v", b, err)
		}
		p.Encode()
		_, _ = p.encodeMsgpack(Target{}) // placeholders of the client's own may name parts that are not there
	})
}
