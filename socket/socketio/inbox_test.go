package socketio

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/socket/engineio"
)

var _ = Describe("what a client sends while a handler is at work", func() {
	DescribeTable("does not keep an acknowledgement from the handler that waits for it", func(ctx SpecContext, before, after int) {
		srv, connect := serve(Options{})
		begun, ask := make(chan struct{}), make(chan struct{})
		srv.Of("/").On("start", func(s *Socket, _ Args, ack Ack) {
			close(begun)
			<-ask
			answer, err := s.EmitWithAck(ctx, "who")
			_ = ack(string(answer.JSON()), err == nil)
		})
		handled := 0
		srv.Of("/").On("n", func(*Socket, Args, Ack) { handled++ })
		srv.Of("/").On("count", func(_ *Socket, _ Args, ack Ack) { _ = ack(handled) })
		p := connect("/,")
		p.send(`421["start"]`)
		<-begun
		if before == 0 {
			close(ask)
			Expect(p.next()).To(Equal(`420["who"]`))
		}
		for i := range before + after {
			if i == before && before > 0 {
				close(ask) // the reading has stopped meanwhile, or is about to
			}
			p.send(fmt.Sprintf(`42["n",%d]`, i))
		}
		if before > 0 {
			Expect(p.next()).To(Equal(`420["who"]`))
		}
		p.send(`430["ada"]`, `422["count"]`)
		Expect(p.next()).To(Equal(`431["[\"ada\"]",true]`))
		Expect(p.next()).To(Equal(fmt.Sprintf(`432[%d]`, before+after)))
	},
		Entry("behind 300 events", 0, 300),
		Entry("behind 10,000 events", 0, 10_000),
		Entry("behind events that came before the handler asked, and more", 1000, 1000),
	)

	It("does not count as silence: the client's pong is behind it", func() {
		srv, connect := serve(Options{Engine: engineio.Options{PingInterval: 100 * time.Millisecond, PingTimeout: 300 * time.Millisecond}})
		release := make(chan struct{})
		srv.Of("/").On("stop", func(*Socket, Args, Ack) { <-release })
		srv.Of("/").On("n", func(*Socket, Args, Ack) {})
		srv.Of("/").On("last", func(_ *Socket, _ Args, ack Ack) { _ = ack() })
		p := connect("/,")
		p.send(`42["stop"]`)
		for range 2 * inboxSize {
			p.send(`42["n"]`)
		}
		for range 5 { // the third comes when a silent client would have been ended
			Expect(p.next()).To(Equal("2"))
			p.send("3")
		}
		close(release)
		p.send(`421["last"]`)
		for frame := p.next(); frame != "431[]"; frame = p.next() {
			Expect(frame).To(Equal("2"))
			p.send("3")
		}
	})

	DescribeTable("is answered, though it is more than may wait and comes at once", func(size, count int) {
		srv := NewServer(Options{Engine: engineio.Options{MaxPayload: 20 << 20}})
		DeferCleanup(func(ctx SpecContext) { Expect(srv.Close(ctx)).To(Succeed()) })
		srv.Of("/").On("big", func(_ *Socket, args Args, ack Ack) { _ = ack(len(args.Raw(0))) })
		ask := func(method, query, body string) string {
			GinkgoHelper()
			w, answered := httptest.NewRecorder(), make(chan struct{})
			go func() {
				defer close(answered)
				srv.ServeHTTP(w, httptest.NewRequest(method, "/socket.io/?EIO=4&transport=polling"+query, strings.NewReader(body)))
			}()
			Eventually(answered, "20s").Should(BeClosed())
			return w.Body.String()
		}
		sid := "&sid=" + strings.Split(ask("GET", "", ""), `"`)[3]
		Expect(ask("POST", sid, "40")).To(Equal("ok"))
		Expect(ask("GET", sid, "")).To(HavePrefix("40"))
		var packets, answers []string
		for i := range count {
			packets = append(packets, fmt.Sprintf(`42%d["big","%s"]`, i, strings.Repeat("x", size)))
			answers = append(answers, fmt.Sprintf(`43%d[%d]`, i, size+2))
		}
		Expect(ask("POST", sid, strings.Join(packets, "\x1e"))).To(Equal("ok"))
		var got []string
		for len(got) < count {
			got = append(got, strings.Split(ask("GET", sid, ""), "\x1e")...)
		}
		Expect(got).To(Equal(answers))
	},
		Entry("two large packets", 1_100_000, 2),
		Entry("many large packets", 900_000, 20),
		Entry("packets each of which is more than may wait", 5<<20, 3),
		Entry("thirty of a middle size", 200_000, 30),
	)

	It("waits in bounded memory, whatever the size of its packets", func() {
		srv, connect := serve(Options{MaxInbox: 1 << 20})
		release := make(chan struct{})
		srv.Of("/").On("stop", func(*Socket, Args, Ack) { <-release })
		got := make(chan int, 1000)
		srv.Of("/").On("big", func(_ *Socket, args Args, _ Ack) { got <- len(args.Raw(0)) })
		p, s := joined(srv.Of("/"), connect)
		p.send(`42["stop"]`)
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			for range 100 {
				_ = p.WriteMessage(websocket.TextMessage, []byte(`42["big","`+strings.Repeat("x", 200_000)+`"]`))
			}
		}()
		waiting := func() int {
			s.client.inbox.mu.Lock()
			defer s.client.inbox.mu.Unlock()
			return s.client.inbox.bytes
		}
		Eventually(waiting, "10s").Should(BeNumerically(">=", 1<<18))
		Consistently(waiting, "100ms").Should(BeNumerically("<=", 1<<18+200_000+packetCost+20))
		ctx, cancel := context.WithCancel(context.Background())
		asked := make(chan error, 1)
		go func() { // an acknowledgement is owed: more is read, within the bound
			_, err := s.EmitWithAck(ctx, "who")
			asked <- err
		}()
		Eventually(waiting, "10s").Should(BeNumerically(">=", 1<<20))
		Consistently(waiting, "100ms").Should(BeNumerically("<=", 1<<20+200_000+packetCost+20))
		cancel()
		Expect(<-asked).To(MatchError(context.Canceled))
		close(release)
		for range 100 {
			Eventually(got, "10s").Should(Receive(Equal(200_002)))
		}
		Eventually(sent, "10s").Should(BeClosed())
	})
})
