package redisadapter

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/socket/socketio"
)

func TestRedisAdapter(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Redis adapter")
}

type vector struct {
	Step, Channel, Hex string
	Meta               struct{ UIDA, UIDB string }
}

func vectors(file string) []vector {
	b, err := os.ReadFile(filepath.Join("testdata", file))
	Expect(err).NotTo(HaveOccurred())
	var all []vector
	Expect(json.Unmarshal(b, &all)).To(Succeed())
	return all
}

// between returns the layouts of the two recorded servers in a namespace.
func between(v vector, namespace, uidA, uidB string, specific bool) (mine, theirs *classic) {
	mine, theirs = newClassic("socket.io", namespace, uidA, specific), newClassic("socket.io", namespace, uidB, specific)
	if strings.HasPrefix(v.Step, "B ") || strings.Contains(v.Channel, "-response") {
		mine, theirs = theirs, mine
	}
	return mine, theirs
}

var _ = Describe("the recordings of Node's adapter", func() {
	DescribeTable("are read, and written again byte by byte", func(file string, specific bool) {
		all := vectors(file)
		meta := all[0].Meta
		requests := map[string]message{}
		compared := 0
		for _, v := range all[1:] {
			if v.Channel == "" {
				continue
			}
			body, err := hex.DecodeString(v.Hex)
			Expect(err).NotTo(HaveOccurred())
			namespace, uid := "/", meta.UIDA
			if strings.Contains(v.Channel, "/chat#") {
				// Its adapter has a uid of its own.
				namespace, uid = "/chat", string(body[2:8])
			}
			sender, receiver := between(v, namespace, uid, meta.UIDB, specific)
			m, err := receiver.decode(v.Channel, body)
			if strings.Contains(string(body), `"rooms":`) && strings.HasPrefix(v.Step, "A adapter.allRooms") {
				var rooms struct {
					ID    string `json:"requestId"`
					Rooms []string
				}
				Expect(json.Unmarshal(body, &rooms)).To(Succeed())
				_, again, err := sender.encodeLegacyResponse(requests[rooms.ID], "rooms", rooms.Rooms)
				Expect(err).NotTo(HaveOccurred())
				Expect(again).To(MatchJSON(body))
				continue
			}
			Expect(err).NotTo(HaveOccurred(), v.Step)
			if m.legacy != legacyNone {
				Expect(m.legacy).To(Equal(legacyRooms))
				requests[m.request] = m
				continue
			}
			if m.answer != nil {
				channel, again, err := sender.encodeResponse(requests[m.request], *m.answer)
				Expect(err).NotTo(HaveOccurred())
				if m.answer.Sockets != nil {
					Expect(again).To(MatchJSON(body), v.Step)
				} else {
					Expect(hex.EncodeToString(again)).To(Equal(v.Hex), v.Step)
				}
				Expect(channel).To(Equal(v.Channel), v.Step)
				compared++
				continue
			}
			requests[m.request] = m
			wait := time.Duration(0)
			if m.command.Kind == socketio.CommandBroadcastAck {
				wait = 500 * time.Millisecond
			}
			channel, again, err := sender.encodeRequest(*m.command, m.request, wait)
			Expect(err).NotTo(HaveOccurred())
			Expect(channel).To(Equal(v.Channel), v.Step)
			switch {
			case strings.Contains(v.Step, "undefined"):
				Expect(string(m.command.Packet.Data)).To(Equal(`["ev-undef",null,"z"]`))
			case strings.Contains(v.Step, "Date"):
				Expect(string(m.command.Packet.Data)).To(Equal(`["ev-date","2023-11-14T22:13:20.000Z"]`))
			case strings.Contains(v.Step, "via fetchSockets") && m.command.Kind == socketio.CommandBroadcast:
				// Node notes here that one answer is expected; servers do not read it.
				Expect(string(m.command.Packet.Data)).To(Equal(`["hi"]`))
			default:
				Expect(hex.EncodeToString(again)).To(Equal(v.Hex), v.Step)
				compared++
			}
		}
		Expect(compared).To(BeNumerically(">", 25))
	},
		Entry("with answers on the common channel", "classic.json", false),
		Entry("with answers on the asking server's channel", "classic-specific.json", true),
	)
})

var _ = DescribeTable("what other senders write is read as Node reads it", func(bytes, data string, attachments ...[]byte) {
	m, err := newClassic("socket.io", "/", "abcdef", false).decode("socket.io#/#", []byte(bytes))
	Expect(err).NotTo(HaveOccurred())
	Expect(string(m.command.Packet.Data)).To(Equal(data))
	Expect(m.command.Packet.Attachments).To(HaveExactElements(attachments))
	Expect(m.command.Target.Volatile).To(BeFalse())
},
	Entry("no namespace, no exceptions, and flags as an empty list, as PHP has it", "\x93\xa7emitter\x82\xa4type\x02\xa4data\x92\xa1e\x01\x82\xa5rooms\x90\xa5flags\x90", `["e",1]`),
	Entry("a buffer of older emitters", "\x93\xa7emitter\x82\xa4type\x02\xa4data\x92\xa1e\xc7\x01\x00\x07\x81\xa5rooms\x90", `["e",{"_placeholder":true,"num":0}]`, []byte{7}),
	Entry("a date of older emitters", "\x93\xa7emitter\x82\xa4type\x02\xa4data\x92\xa1e\xd7\x00\x00\x00\x01\x8b\xcf\xe5\x68\x00\x81\xa5rooms\x90", `["e","2023-11-14T22:13:20.000Z"]`),
	Entry("an extension of its own", "\x93\xa7emitter\x82\xa4type\x02\xa4data\x92\xa1e\xd5\x05\x01\x02\x81\xa5rooms\x90", `["e",[5,{"_placeholder":true,"num":0}]]`, []byte{1, 2}),
	Entry("flags of any kind", "\x93\xa7emitter\x82\xa4type\x02\xa4data\x91\xa1e\x82\xa5rooms\x90\xa5flags\x83\xa8volatile\x00\xa8compress\x01\xa7timeout\xcb\x40\x97\x72\x00\x00\x00\x00\x00", `["e"]`),
)

func FuzzRead(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"type":6,"data":[]}`, "\x93\xa1a\x80\x80", "\xdf\xff\xff\xff\xff", "\xc9\xff\xff\xff\xff\x00", "\xd4\x00\x00", strings.Repeat("\x91", 5000)} {
		f.Add([]byte(seed))
	}
	l := newClassic("socket.io", "/", "abcdef", false)
	shards := newSharded("socket.io", "/", "abcdef", Dynamic)
	f.Fuzz(func(_ *testing.T, b []byte) {
		for _, channel := range []string{l.broadcasts, l.requests, l.responses} {
			m, err := l.decode(channel, b)
			if err != nil {
				continue
			}
			if m.command != nil && m.legacy == legacyNone {
				_, _, _ = l.encodeRequest(*m.command, m.request, 0)
			}
		}
		if m, err := shards.decode(shards.channel, b); err == nil && m.command != nil {
			_, _, _ = shards.encodeRequest(*m.command, m.request, 0)
		}
	})
}
