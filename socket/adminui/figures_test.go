package adminui

import (
	"encoding/json"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/socket/socketio"
)

var _ = Describe("the figures", func() {
	It("come at once and again and again, in the form of Node, with what happened between", func() {
		in := start()
		d, p := in.dashboard(), in.administrator()
		first := string(p.hear(eventStats))
		Expect(first).To(MatchRegexp(`^\{"serverId":"here","hostname":"host","pid":7,"uptime":\d+\.\d+,"clientsCount":2,"pollingClientsCount":0,` +
			`"aggregatedEvents":\[\],"namespaces":\[\{"name":"/","socketsCount":1\},\{"name":"/admin","socketsCount":1\}\]\}$`))
		p.hear(eventStats) // from here on events are counted
		p.hear(eventStats)
		sum := make(map[string]uint64)
		Expect(d.Emit("hello", "a text of some length")).To(Succeed())
		d.Disconnect()
		in.dashboard()
		Eventually(func() map[string]uint64 {
			var s stats
			Expect(json.Unmarshal(p.hear(eventStats), &s)).To(Succeed())
			for _, e := range s.Events {
				Expect(e.Timestamp % 1000).To(BeZero())
				sum[e.Type+" "+e.SubType] += e.Count
			}
			return sum
		}, "10s").Should(And(
			HaveKeyWithValue("rawConnection ", BeNumerically(">=", 1)), HaveKeyWithValue("packetsIn ", BeNumerically(">=", 2)),
			HaveKeyWithValue("bytesIn ", BeNumerically(">", 20)), HaveKeyWithValue("packetsOut ", BeNumerically(">=", 1)),
			HaveKeyWithValue("bytesOut ", BeNumerically(">", 100)), HaveKeyWithValue("rawDisconnection transport close", BeNumerically(">=", 1)),
		))
	})

	It("leave out what happened while nobody looked", func() {
		in := start()
		f := newFigures(in.Options)
		f.next()
		in.dashboard()
		f.pause()
		Expect(f.next().Events).To(BeEmpty())
		in.dashboard()
		Expect(f.next().Events).To(ContainElement(And(HaveField("Type", "rawConnection"), HaveField("Count", uint64(1)))))
	})

	It("cost nothing and wake nobody while no administrator is there", func() {
		in := start(development)
		in.dashboard()
		told := func() bool {
			in.figures.mu.Lock()
			defer in.figures.mu.Unlock()
			return in.stage.count() > 0 || in.figures.last != nil
		}
		Consistently(told, "200ms").Should(BeFalse())
	})
})

var _ = Describe("the figures of other servers", func() {
	overhear := func(o *others, event string, args ...any) {
		GinkgoHelper()
		all, err := socketio.NewArgs(append([]any{event}, args...)...)
		Expect(err).NotTo(HaveOccurred())
		next := 0
		o.overhear(socketio.Command{Packet: &socketio.Packet{Type: socketio.PacketEvent, Data: all.JSON()}}, func() { next++ })
		Expect(next).To(Equal(1))
	}

	It("tell how many sockets and administrators there are, until they are silent", func() {
		c := new(clock)
		o := newOthers(c.now)
		namespaces := []map[string]any{{"name": "/", "socketsCount": 3}, {"name": "/admin", "socketsCount": 2}, {"name": "/x", "socketsCount": -5}}
		overhear(o, eventStats, map[string]any{"serverId": "a", "namespaces": namespaces})
		overhear(o, eventStats, map[string]any{"serverId": "a", "namespaces": namespaces})
		overhear(o, eventStats, map[string]any{"serverId": "b"})
		for _, odd := range []any{nil, "x", map[string]any{"serverId": 7}, map[string]any{"serverId": "c", "namespaces": "x"}} {
			overhear(o, eventStats, odd)
		}
		overhear(o, "other", map[string]any{"serverId": "d"})
		Expect(o.count()).To(Equal(crowd{servers: 2, sockets: 5, admins: 2}))
		c.forward(silence + time.Second)
		Expect(o.count()).To(BeZero())
	})

	It("are bounded", func() {
		o := newOthers(time.Now)
		for i := range maxServers + 10 {
			overhear(o, eventStats, map[string]any{"serverId": string(rune('a' + i))})
		}
		Expect(o.count().servers).To(Equal(maxServers))
	})
})
