package adminui

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/socket/socketio"
)

// panicky is data that cannot be encoded in the worst way.
type panicky struct{}

func (panicky) MarshalJSON() ([]byte, error) { panic("no") }

// listed returns the sockets of the next list.
func (p person) listed() (list []shown) {
	GinkgoHelper()
	Expect(json.Unmarshal(p.hear(eventList), &list)).To(Succeed())
	return list
}

var _ = Describe("in development mode", func() {
	It("an administrator sees sockets, rooms and the names of events", func() {
		in := start(development)
		d := in.dashboard("User-Agent", "board/1", "Authorization", "Bearer hunter2", "Cookie", "hunter2", "X-Long", strings.Repeat("x", 4000))
		id := d.ID() // it has none any more when it has gone
		p := in.administrator()
		Expect(string(p.hear("config"))).To(Equal(`{"supportedFeatures":["AGGREGATED_EVENTS","ALL_EVENTS"]}`))
		raw := p.hear(eventList)
		Expect(string(raw)).NotTo(ContainSubstring("hunter2"))
		Expect(len(raw)).To(BeNumerically("<", 5000))
		var list []shown
		Expect(json.Unmarshal(raw, &list)).To(Succeed())
		Expect(list).To(ConsistOf(
			And(HaveField("ID", d.ID()), HaveField("Namespace", "/"), HaveField("Transport", "websocket"), HaveField("Client", HaveLen(12)),
				HaveField("Data", MatchJSON("{}")), HaveField("Rooms", []string{d.ID()}),
				HaveField("Handshake.Address", "10.0.0.9"), HaveField("Handshake.Headers", HaveKeyWithValue("user-agent", "board/1"))),
			HaveField("Namespace", Name),
		))

		Expect(d.Emit("ask", map[string]string{"secret": "hunter2"}, 7)).To(Succeed())
		Expect(string(p.hearAll("event_received").JSON())).To(MatchRegexp(`^\["/","` + d.ID() + `",\["ask","\(20 bytes\)","\(1 bytes\)"\],"20[^"]+Z"\]$`))
		s := in.server.Of("/").Sockets()[0]
		Expect(s.Join("room")).To(Succeed())
		Expect(string(p.hearAll("room_joined").JSON())).To(HavePrefix(`["/","room","` + d.ID() + `"`))
		Expect(in.server.Of("/").Emit("news", 1)).To(Succeed())
		Expect(string(p.hearAll("event_sent").JSON())).To(HavePrefix(`["/","` + d.ID() + `",["news","(1 bytes)"]`))
		s.Leave("room")
		Expect(string(p.hearAll("room_left").JSON())).To(HavePrefix(`["/","room","` + d.ID() + `"`))
		s.SetData(map[string]int{"n": 1})
		Expect(string(p.hear("socket_updated"))).To(MatchJSON(`{"id":"` + d.ID() + `","nsp":"/","data":{"n":1}}`))
		late := in.dashboard()
		Expect(string(p.hear("socket_connected"))).To(ContainSubstring(late.ID()))
		d.Disconnect()
		Expect(string(p.hearAll("socket_disconnected").JSON())).To(MatchRegexp(`^\["/","` + id + `","(client namespace disconnect|transport close)"`))
		Expect(string(p.hearAll("room_left").JSON())).To(HavePrefix(`["/","`+id+`","`+id+`"`), "its own room is gone too")
	})

	It("payloads are shown where they are asked for, and no long ones", func() {
		in := start(development, func(o *Options, _ *socketio.Options) { o.Payloads = true })
		d, p := in.dashboard(), in.administrator()
		p.hear(eventList)
		Expect(d.Emit("ask", map[string]int{"a": 1}, strings.Repeat("x", 5000))).To(Succeed())
		Expect(string(p.hearAll("event_received").Raw(2))).To(Equal(`["ask",{"a":1},"(5002 bytes)"]`))
	})

	It("data that cannot be encoded costs nobody anything", func() {
		in := start(development)
		kinds := []any{make(chan int), panicky{}, func() {}, "a text", []int{1}, strings.Repeat("x", 10_000), map[string]any{"_admin": 7, "a": "b"}}
		for _, data := range kinds {
			d := in.dashboard()
			for _, s := range in.server.Of("/").Sockets() {
				if s.ID() == d.ID() {
					s.SetData(data)
				}
			}
		}
		p := in.administrator()
		list := p.listed()
		Expect(list).To(HaveLen(len(kinds) + 1))
		odd := 0
		for _, s := range list {
			if string(s.Data) != "{}" {
				odd++
				Expect(s.Data).To(MatchJSON(`{"a":"b"}`))
			}
		}
		Expect(odd).To(Equal(1))
		p.hear(eventStats)
		p.hear(eventStats)
	})

	It("shows a bounded number of sockets, and a bounded number of events a second", func() {
		in := start(development, func(o *Options, _ *socketio.Options) { o.MaxSockets = 20 })
		for range 60 {
			in.dashboard()
		}
		p := in.administrator()
		Expect(p.listed()).To(HaveLen(20))
		began := time.Now()
		for i := range 200 {
			Expect(in.server.Of("/").Emit("news", i)).To(Succeed())
		}
		for range 30 {
			in.dashboard()
		}
		Expect(in.stage.count()).To(Equal(20))
		Expect(in.stage.isStale()).To(BeTrue(), "others could be shown: a new list comes")
		p.hear(eventStats)
		p.hear(eventStats)
		seconds := int(time.Since(began)/time.Second) + 2
		Expect(len(p.events)).To(BeNumerically("<", eventBurst+seconds*eventRate))
	})

	It("nobody is watched any more when the last administrator has gone", func() {
		in := start(development)
		d, p := in.dashboard(), in.administrator()
		p.hear(eventList)
		Expect(in.stage.count()).To(Equal(2))
		p.Disconnect()
		Eventually(in.stage.count, "10s").Should(BeZero())
		Expect(d.Emit("ask")).To(Succeed())
		again := in.administrator()
		Expect(again.listed()).To(HaveLen(2))
	})

	It("an administrator who comes back to a server that lost sight of the others hears of them", func() {
		in := start(development)
		in.dashboard()
		in.administrator().hear(eventList)
		for i := range 3 {
			Expect(in.administrator().listed()).To(HaveLen(3 + i))
		}
	})
})

var _ = Describe("a long crowd", func() {
	It("is chosen from by who is slow and who is new", func() {
		in := start()
		for range 10 {
			in.dashboard()
		}
		all := everyone(in.server)
		Expect(choose(all, 100)).To(HaveLen(10))
		chosen := choose(all, 4)
		Expect(chosen).To(HaveLen(4))
		seen := make(map[string]bool)
		for _, s := range chosen {
			seen[s.ID()] = true
		}
		Expect(seen).To(HaveLen(4), fmt.Sprint("each once: ", seen))
	})
})
