package engineio

import (
	"fmt"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// tapping writes down the packets that a tap sees.
type tapping struct {
	mu   sync.Mutex
	seen []string
}

func (t *tapping) note(e TapEvent) {
	way := "<"
	if e.Out {
		way = ">"
	}
	text := fmt.Sprintf("%s%d %s %d", way, e.Session.Number(), e.Name(), e.Size)
	if e.Kind == packetMessage {
		text += " " + string(e.Data)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen = append(t.seen, text)
}

func (t *tapping) all() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.seen...)
}

var _ = Describe("a tap", func() {
	It("sees the packets of both directions in their order, until it is stopped", func() {
		srv, url, _ := echo(Options{})
		var first, second tapping
		stopFirst, stopSecond := srv.Tap(first.note), srv.Tap(second.note)
		c := dialRaw(url + "&transport=websocket")
		c.next()
		c.together(fr(0x81, "4hello"), fr(0x89, "abc"))
		Expect([]string{c.next(), c.next()}).To(ConsistOf("text:4hello", "pong:abc"))
		Eventually(first.all, "10s").Should(HaveLen(4))
		Expect(first.all()).To(HaveExactElements(MatchRegexp(`^>1 open \d+$`), "<1 message 12 hello", ">1 message 6 hello", ">1 frame 4"))
		stopFirst()
		stopFirst() // once more changes nothing
		c.together(fr(0x81, "4again"))
		c.next()
		Expect(first.all()).To(HaveLen(4))
		Eventually(second.all, "10s").Should(HaveLen(6))
		stopSecond()
		Expect(srv.taps.Load()).To(BeNil(), "nobody taps: the hot path looks at nothing else")
		c.together(fr(0x81, "4once more"))
		c.next()
		Expect(second.all()).To(HaveLen(6))
	})

	It("sees the packets of polls, and that a message waits", func() {
		srv, url, _ := echo(Options{})
		session := handshake(url)
		var seen tapping
		queued := make(chan bool, 10)
		defer srv.Tap(func(e TapEvent) {
			seen.note(e)
			if e.Out {
				queued <- e.Queued
			}
		})()
		code, _ := do("POST", session, "4a\x1e4b")
		Expect(code).To(Equal(200))
		Expect(seen.all()).To(Equal([]string{"<1 message 2 a", ">1 message 2 a", "<1 message 2 b", ">1 message 2 b"}))
		Expect([]bool{<-queued, <-queued}).To(Equal([]bool{true, true}))
	})
})
