package cluster

import (
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/socket/redisadapter"
	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/test/wire"
)

var _ = DescribeTable("between a Go server and a Node server arrives what was meant", func(mode string) {
	redis := wire.StartRedis(GinkgoTB())
	s := start(redis, func(o *redisadapter.Options) {
		switch mode {
		case "specific":
			o.SpecificResponses = true
		case "sharded":
			o.Sharded = true
		case "static", "dynamic-private":
			o.Sharded, o.Subscriptions = true, redisadapter.Subscriptions(mode)
		}
	})
	s.all.OnServer("nothing", func(_ socketio.Args, ack socketio.Ack) { _ = ack() })
	s.Of("/admin")
	rooms := s.OfPattern(regexp.MustCompile(`^/room-\d+$`))
	n := startNode(redis.URL(), mode)
	s.client.Send("40/admin,")
	Eventually(s.Of("/admin").Count).Should(Equal(1))
	s.client.Send("40/room-7,")
	Eventually(rooms.Children).Should(HaveLen(1))
	hears := func(frame string) { GinkgoHelper(); Expect(s.client.Next().Frame).To(Equal(frame)) }
	quiet := func() {
		GinkgoHelper()
		Expect(s.all.To(n.client).Emit("end")).To(Succeed())
		Expect(n.next("heard")).To(MatchJSON(`["end"]`), "nothing before")
	}

	By("values that JSON does not have, and flags of any kind")
	n.do(command{Do: "emit", Rooms: []string{s.id}, Args: []any{"e", map[string]any{"undefined": true}, map[string]any{"date": 1700000000123}, map[string]any{"u": map[string]any{"undefined": true}}}})
	hears(`42["e",null,"2023-11-14T22:13:20.123Z",{}]`)
	n.do(command{Do: "emit", Rooms: []string{s.id}, Flags: map[string]any{"volatile": true, "compress": 0, "timeout": 1500.5}, Args: []any{"flags"}})
	hears(`42["flags"]`)

	By("several rooms, once")
	odd := []string{"Räume/北京 🚀", "a#b#", "#", "42", strings.Repeat("x", 20)}
	n.do(command{Do: "join", Rooms: []string{s.id}, Args: []any{odd[0], odd[1], odd[2], odd[3], odd[4]}})
	Eventually(s.all.Rooms).Should(ContainElements(odd))
	Expect(s.all.To(n.client).SocketsJoin(odd...)).To(Succeed())
	Expect(s.cluster.Ready(within())).To(Succeed())
	Eventually(func() int {
		found, err := s.all.To(odd[1]).FetchSockets(within())
		Expect(err).NotTo(HaveOccurred())
		return len(found)
	}).Should(Equal(2))
	n.do(command{Do: "emit", Rooms: odd, Args: []any{"once"}})
	hears(`42["once"]`)
	Expect(n.next("heard")).To(MatchJSON(`["once"]`))
	Expect(s.all.To(odd...).Emit("once")).To(Succeed())
	hears(`42["once"]`)
	Expect(n.next("heard")).To(MatchJSON(`["once"]`))
	for _, room := range odd {
		n.do(command{Do: "emit", Rooms: []string{room}, Except: []string{n.client}, Args: []any{"in", room}})
		hears(`42["in","` + room + `"]`)
	}
	for _, room := range odd {
		Eventually(func() string { // Node asks Redis for the channel of a room when it has it
			Expect(s.all.To(room).Except(s.id).Emit("out", room)).To(Succeed())
			select {
			case l := <-n.lines:
				return string(l.Value)
			default:
				return ""
			}
		}, "10s", "50ms").Should(MatchJSON(`["out","` + room + `"]`))
	}
	n.do(command{Do: "emit", Rooms: odd, Except: []string{"42", "nobody"}, Args: []any{"nobody hears"}})
	n.do(command{Do: "leave", Rooms: []string{odd[0]}, Except: []string{n.client}, Args: []any{odd[0], odd[1]}})
	Eventually(s.all.Rooms).ShouldNot(Or(ContainElement(odd[0]), ContainElement(odd[1])))

	By("answers without a value, of nobody, and with binary parts")
	Expect(n.do(command{Do: "serverAsk", Args: []any{"nothing"}})).To(MatchJSON(`[null]`))
	none, err := s.all.ServerSideEmitWithAck(within(), "nothing")
	Expect(err).NotTo(HaveOccurred())
	Expect(none).To(HaveLen(1))
	Expect(none[0].Raw(0)).To(Or(BeNil(), BeEquivalentTo("null")))
	Expect(n.do(command{Do: "ack", Rooms: []string{"nobody"}, Args: []any{"ask"}})).To(MatchJSON(`[]`))
	Expect(n.do(command{Do: "fetch", Rooms: []string{"nobody"}})).To(MatchJSON(`[]`))
	answers, err := s.all.To("nobody").EmitWithAck(within(), "ask")
	Expect(err).NotTo(HaveOccurred())
	Expect(answers).To(BeEmpty())
	answers, err = s.all.To(n.client).EmitWithAck(within(), "ask", []byte{1, 2})
	Expect(err).NotTo(HaveOccurred())
	Expect(answers).To(HaveLen(1))
	Expect(answers[0].Values()).To(Equal([]any{map[string]any{"client": "node", "heard": []byte{1, 2}}}))
	n.tell(command{Do: "ack", Rooms: []string{s.id}, Args: []any{"ask"}})
	frame := s.client.Next().Frame
	Expect(frame).To(MatchRegexp(`^42\d+\["ask"\]$`))
	s.client.Send("461-" + strings.TrimSuffix(strings.TrimPrefix(frame, "42"), `["ask"]`) + `[{"deep":{"_placeholder":true,"num":0}}]`)
	s.client.SendBinary([]byte{3, 4})
	Expect(n.next("done")).To(MatchJSON(`[{"deep":{"bytes":[3,4]}}]`))

	By("other namespaces, and such as are made when somebody comes")
	for _, name := range []string{"/admin", "/room-7"} {
		n.do(command{Do: "emit", Namespace: name, Args: []any{"there", 1}})
		hears(`42` + name + `,["there",1]`)
		Expect(n.next("heard")).To(MatchJSON(`["` + name + `","there",1]`))
		Expect(s.Of(name).Emit("here", 2)).To(Succeed())
		hears(`42` + name + `,["here",2]`)
		Expect(n.next("heard")).To(MatchJSON(`["` + name + `","here",2]`))
		found, err := s.Of(name).All().FetchSockets(within())
		Expect(err).NotTo(HaveOccurred())
		Expect(found).To(HaveLen(2))
	}
	Expect(s.client.Sync()).To(BeEmpty())
	quiet()
	Expect(s.cluster.Stats().Malformed).To(BeZero())
},
	Entry("with answers on the common channel", "classic"),
	Entry("with answers to the asking server", "specific"),
	Entry("in the sharded mode", "sharded"),
	Entry("in the sharded mode without channels of rooms", "static"),
	Entry("in the sharded mode with a channel of every room", "dynamic-private"),
)
