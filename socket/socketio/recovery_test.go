package socketio

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("connection state recovery", func() {
	type welcome struct{ SID, PID string }
	// join connects a client with the payload and returns what it is told.
	join := func(connect func(string) peer, payload string) (peer, welcome) {
		GinkgoHelper()
		p := connect("")
		p.send("40" + payload)
		frame := p.next()
		Expect(frame).To(HavePrefix("40{"))
		var w welcome
		Expect(json.Unmarshal([]byte(frame[2:]), &w)).To(Succeed())
		Expect(w.PID).To(HaveLen(20))
		return p, w
	}
	claim := func(w welcome, offset string) string {
		if offset == "" {
			return fmt.Sprintf(`{"pid":%q}`, w.PID)
		}
		return fmt.Sprintf(`{"pid":%q,"offset":%q}`, w.PID, offset)
	}
	offset := func(frame string) string {
		parts := strings.Split(frame, `"`)
		return parts[len(parts)-2]
	}
	start := func(r Recovery) (*Namespace, func(string) peer, <-chan *Socket) {
		srv, connect := serve(Options{Recovery: &r})
		sockets := make(chan *Socket, 10)
		srv.Of("/").OnConnect(func(s *Socket) { sockets <- s })
		return srv.Of("/"), connect, sockets
	}

	It("brings back id, rooms, data and, in order and once, what was missed", func() {
		n, connect, sockets := start(Recovery{})
		p, w := join(connect, "")
		s := <-sockets
		s.SetData("kept")
		Expect(s.Join("room")).To(Succeed())
		Expect(n.To("room").Emit("n", 0)).To(Succeed())
		seen := p.next()
		Expect(seen).To(MatchRegexp(`^42\["n",0,"\w+"\]$`))
		Expect(p.Close()).To(Succeed())
		<-s.Done()
		for i := 1; i <= 5; i++ {
			Expect(n.To("room").Emit("n", i)).To(Succeed())
			Expect(n.To("elsewhere").Emit("n", -1)).To(Succeed())
			Expect(n.Except("room").Emit("n", -2)).To(Succeed())
			Expect(n.All().Volatile().Emit("n", -3)).To(Succeed())
		}
		q, again := join(connect, claim(w, offset(seen)))
		Expect(again).To(Equal(w))
		for i := 1; i <= 5; i++ {
			Expect(q.next()).To(MatchRegexp(`^42\["n",%d,"\w+"\]$`, i))
		}
		back := <-sockets
		Expect(back.Recovered()).To(BeTrue())
		Expect(back.Data()).To(Equal("kept"))
		Expect(back.Rooms()).To(Equal([]string{w.SID, "room"}))
		Expect(back.Emit("end")).To(Succeed())
		Expect(q.next()).To(HavePrefix(`42["end"`))
	})

	It("recovers a client that had heard nothing yet, and one whose former connection still counts as open", func() {
		n, connect, sockets := start(Recovery{})
		_, w := join(connect, "")
		former := <-sockets
		Expect(n.Emit("first")).To(Succeed()) // never read by the client
		q, again := join(connect, claim(w, ""))
		Expect(again).To(Equal(w))
		Expect(q.next()).To(HavePrefix(`42["first"`))
		Expect((<-sockets).Recovered()).To(BeTrue())
		Expect(former.Done()).To(BeClosed())
		recovered, lost := n.server.Recoveries()
		Expect([]uint64{recovered, lost}).To(Equal([]uint64{1, 0}))
	})

	DescribeTable("says honestly that it could not", func(r Recovery, wait time.Duration, events int, change func(w welcome, offset string) string) {
		var now atomic.Int64
		r.Now = func() time.Time { return time.UnixMilli(now.Load()) }
		n, connect, sockets := start(r)
		p, w := join(connect, "")
		s := <-sockets
		Expect(n.Emit("n", 0)).To(Succeed())
		seen := p.next()
		Expect(p.Close()).To(Succeed())
		<-s.Done()
		for range events {
			Expect(n.Emit("n", strings.Repeat("x", 100))).To(Succeed())
		}
		now.Add(wait.Milliseconds())
		_, again := join(connect, change(w, offset(seen)))
		Expect(again.SID).NotTo(Equal(w.SID))
		Expect(again.PID).NotTo(Equal(w.PID))
		Expect((<-sockets).Recovered()).To(BeFalse())
		recovered, lost := n.server.Recoveries()
		Expect([]uint64{recovered, lost}).To(Equal([]uint64{0, 1}))
	},
		Entry("after too long", Recovery{}, 3*time.Minute, 0, claim),
		Entry("after too many events", Recovery{MaxEvents: 5}, time.Duration(0), 7, claim),
		Entry("after too many bytes", Recovery{MaxBytes: 1000}, time.Duration(0), 20, claim),
		Entry("to a stranger", Recovery{}, time.Duration(0), 0, func(_ welcome, o string) string { return claim(welcome{PID: "x"}, o) }),
		Entry("with an offset that never was", Recovery{}, time.Duration(0), 0, func(w welcome, _ string) string { return claim(w, "zzzzzz") }),
		Entry("with an offset that is none", Recovery{}, time.Duration(0), 0, func(w welcome, _ string) string { return claim(w, "!") }),
	)

	It("forgets a client that left on purpose, and the oldest where there are too many", func() {
		n, connect, sockets := start(Recovery{MaxSessions: 2})
		var all []welcome
		for range 3 {
			p, w := join(connect, "")
			s := <-sockets
			all = append(all, w)
			Expect(p.Close()).To(Succeed())
			<-s.Done()
		}
		p, w := join(connect, "")
		<-sockets
		p.send("41")
		Eventually(n.Count, "10s").Should(BeZero())
		_, again := join(connect, claim(w, ""))
		Expect(again.SID).NotTo(Equal(w.SID))
		_, again = join(connect, claim(all[0], ""))
		Expect(again.SID).NotTo(Equal(all[0].SID))
		_, again = join(connect, claim(all[2], ""))
		Expect(again.SID).To(Equal(all[2].SID))
	})
})
