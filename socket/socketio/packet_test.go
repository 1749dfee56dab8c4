package socketio

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.uber.org/goleak"
)

func TestSocketIO(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Socket.IO")
	http.DefaultClient.CloseIdleConnections()
	goleak.VerifyNone(t, goleak.IgnoreAnyFunction("github.com/onsi/ginkgo/v2/internal/interrupt_handler.(*InterruptHandler).registerForInterrupts.func2"))
}

func id(n uint64) *uint64 { return &n }

var _ = Describe("the packet codec", func() {
	DescribeTable("reads what the protocol document shows", func(text string, want Packet) {
		p, err := DecodePacket([]byte(text))
		Expect(err).NotTo(HaveOccurred())
		want.checked = slices.Contains([]PacketType{PacketEvent, PacketAck, PacketBinaryEvent, PacketBinaryAck}, want.Type)
		Expect(*p).To(Equal(want))
	},
		Entry("CONNECT", `0`, Packet{Type: PacketConnect, Namespace: "/", Data: []byte{}}),
		Entry("CONNECT with auth", `0/admin,{"token":"1"}`, Packet{Type: PacketConnect, Namespace: "/admin", Data: json.RawMessage(`{"token":"1"}`)}),
		Entry("CONNECT without comma", `0/admin`, Packet{Type: PacketConnect, Namespace: "/admin"}),
		Entry("DISCONNECT", `1/admin,`, Packet{Type: PacketDisconnect, Namespace: "/admin", Data: []byte{}}),
		Entry("EVENT", `2["foo"]`, Packet{Type: PacketEvent, Namespace: "/", Data: json.RawMessage(`["foo"]`)}),
		Entry("EVENT with id in a namespace", `2/admin,12["foo",1]`, Packet{Type: PacketEvent, Namespace: "/admin", ID: id(12), Data: json.RawMessage(`["foo",1]`)}),
		Entry("ACK", `3/admin,13["bar"]`, Packet{Type: PacketAck, Namespace: "/admin", ID: id(13), Data: json.RawMessage(`["bar"]`)}),
		Entry("BINARY_EVENT", `51-["baz",{"_placeholder":true,"num":0}]`, Packet{Type: PacketBinaryEvent, Namespace: "/", expected: 1, Data: json.RawMessage(`["baz",{"_placeholder":true,"num":0}]`)}),
		Entry("BINARY_ACK", `61-/admin,15[{"_placeholder":true,"num":0}]`, Packet{Type: PacketBinaryAck, Namespace: "/admin", ID: id(15), expected: 1, Data: json.RawMessage(`[{"_placeholder":true,"num":0}]`)}),
	)

	DescribeTable("refuses what it does not allow", func(text string) {
		_, err := DecodePacket([]byte(text))
		Expect(err).To(HaveOccurred())
	},
		Entry("nothing", ""), Entry("unknown type", "9"), Entry("event without payload", "2"),
		Entry("event with an object", `2{}`), Entry("broken JSON", `2["a"`), Entry("connect with an array", `0[]`),
		Entry("disconnect with payload", `1{}`), Entry("attachments without hyphen", `51["a"]`),
		Entry("attachments beyond counting", `599999999999-["a"]`), Entry("id out of range", `299999999999999999999["a"]`),
	)

	It("writes events with binary in any depth, and reads them back", func() {
		p, err := eventPacket("/admin", "files", []any{map[string]any{"a": []any{[]byte("one"), 1}}, []byte("two"), json.RawMessage(`{"z":1.0}`)})
		Expect(err).NotTo(HaveOccurred())
		Expect(p.Type).To(Equal(PacketBinaryEvent))
		Expect(string(p.Data)).To(Equal(`["files",{"a":[{"_placeholder":true,"num":0},1]},{"_placeholder":true,"num":1},{"z":1.0}]`))
		Expect(p.Encode()).To(HaveLen(3))
		args, err := p.Args()
		Expect(err).NotTo(HaveOccurred())
		v, err := args.Value(1)
		Expect(err).NotTo(HaveOccurred())
		Expect(v).To(Equal(map[string]any{"a": []any{[]byte("one"), json.Number("1")}}))
		_, err = Args{raw: []json.RawMessage{json.RawMessage(`{"_placeholder":true,"num":5}`)}}.Value(0)
		Expect(err).To(HaveOccurred())
	})
})

// FuzzDecodePacket holds the decoder to its word: no panic, and what it takes
// it can write again.
func FuzzDecodePacket(f *testing.F) {
	for _, s := range []string{`0`, `0/admin,{"a":1}`, `2["foo"]`, `2/admin,12["foo"]`, `51-["b",{"_placeholder":true,"num":0}]`, `42[`, ``} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := DecodePacket(b)
		if err != nil {
			return
		}
		if p.Type == PacketEvent || p.Type == PacketBinaryEvent {
			if args, err := p.Args(); err == nil {
				for i := range args.Len() {
					_, _ = args.Value(i)
				}
			}
		}
		p.Encode()
	})
}

// FuzzPost throws bodies at a connected session, attachments and all: no
// panic, and nothing of the session is left when its client is gone.
func FuzzPost(f *testing.F) {
	for _, s := range []string{
		`42["message",1]`, "451-[\"message\",{\"_placeholder\":true,\"num\":0}]\x1ebAQID", "40/custom,\x1e42/custom,1[\"message-with-ack\"]",
		"41", "430[1]", "452-[{\"_placeholder\":true,\"num\":7}]\x1ebAA==\x1ebAA==", "bAQID", "1", "2", "4", "44{}",
	} {
		f.Add([]byte(s))
	}
	srv := NewServer(Options{})
	mirror(srv.Of("/"))
	mirror(srv.Of("/custom"))
	ask := func(method, query, body string) string {
		w := httptest.NewRecorder()
		srv.ServeHTTP(w, httptest.NewRequest(method, "/socket.io/?EIO=4&transport=polling"+query, strings.NewReader(body)))
		return w.Body.String()
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		sid := "&sid=" + strings.Split(ask(http.MethodGet, "", ""), `"`)[3]
		ask(http.MethodPost, sid, "40")
		ask(http.MethodPost, sid, string(b))
		ask(http.MethodPost, sid, "1")
		for range 2 { // what a session that closed itself still had to say
			ask(http.MethodGet, sid, "")
		}
		if n := srv.Connections(); n != 0 {
			t.Fatalf("%d sessions are left after %q", n, b)
		}
	})
}
