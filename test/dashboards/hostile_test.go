package dashboards

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/test/kit"
)

// raw opens a websocket without a word of Socket.IO.
func raw(url string) *websocket.Conn {
	GinkgoHelper()
	ws, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(url, "http")+"/socket.io/?EIO=4&transport=websocket", nil)
	Expect(err).NotTo(HaveOccurred())
	_ = resp.Body.Close()
	DeferCleanup(func() { _ = ws.Close() })
	return ws
}

// post sends a body to a new polling session and returns the status.
func post(url string, body io.Reader) int {
	GinkgoHelper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, url+"/socket.io/?EIO=4&transport=polling", http.NoBody)
	resp, err := http.DefaultClient.Do(req)
	Expect(err).NotTo(HaveOccurred())
	open, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	sid := strings.Split(string(open), `"`)[3]
	req, _ = http.NewRequestWithContext(ctx, http.MethodPost, url+"/socket.io/?EIO=4&transport=polling&sid="+sid, body)
	resp, err = http.DefaultClient.Do(req)
	if err != nil {
		return 0 // the server hung up in the middle of the body
	}
	defer func() { _ = resp.Body.Close() }()
	return resp.StatusCode
}

var _ = Describe("hostile input", func() {
	deep := strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)
	DescribeTable("never takes the server down, and leaves nothing behind", func(connected bool, frames ...string) {
		s := kit.Start(GinkgoT())
		for range 20 {
			ws := raw(s.URL)
			if connected {
				_ = ws.WriteMessage(websocket.TextMessage, []byte("40"))
			}
			for _, f := range frames {
				_ = ws.WriteMessage(websocket.TextMessage, []byte(f))
			}
			_ = ws.Close()
		}
		c := s.Connect() // a good dashboard is served all the same
		Expect(c.Sync()).To(BeEmpty())
	},
		Entry("empty frame", true, ""),
		Entry("an event without payload, before CONNECT", false, "42"),
		Entry("an event without payload", true, "42"),
		Entry("an event with an empty array", true, "42[]"),
		Entry("an early pong", false, "3", "3", "3"),
		Entry("a ping from the client", false, "2"),
		Entry("an upgrade packet on a websocket", true, "5", "6", "0", "0{}"),
		Entry("an unknown Engine.IO type", true, "9", "x", "\x00"),
		Entry("an unknown Socket.IO type", true, "49", "4x"),
		Entry("a message without a packet", true, "4"),
		Entry("an acknowledgement nobody waits for", true, "43", "430", "430[]", "4399999999999999999999[]"),
		Entry("binary without attachments", true, "45", "45-", "45-[\"x\"]", "4599999999999-[\"x\"]", "451-[\"x\",{\"_placeholder\":true,\"num\":7}]", "42[\"x\"]"),
		Entry("CONNECT twice", true, "40", "40"),
		Entry("CONNECT with a strange payload", false, "40[]", "401", "40\"x\"", "40{"),
		Entry("a namespace without end", false, "40/"+strings.Repeat("x", 100_000)),
		Entry("a reserved event name", true, `42["disconnect"]`, `42["connect",1]`),
		Entry("an event name that is no name", true, `42[1]`, `42[null]`, `42[{}]`, `42[[]]`),
		Entry("prototype pollution", true, `42["metrics:get",{"__proto__":{"source":"us-east"}}]`),
		Entry("broken JSON", true, `42["metrics:get",`, `42["metrics:get",{"source":"\ud800"}]`),
		Entry("nesting of 100,000", true, `42["metrics:get",`+deep+`]`),
		Entry("numbers out of range", true, `42["metrics:getHistory",{"limit":1e999,"from":1e308,"to":-1e308}]`),
	)

	It("refuses a 60 MB chunked body while reading it", func() {
		s := kit.Start(GinkgoT())
		before := memory()
		chunked := io.LimitReader(io.MultiReader(strings.NewReader("4"), endless{}), 60<<20)
		Expect(post(s.URL, chunked)).To(BeElementOf(0, http.StatusRequestEntityTooLarge))
		Expect(memory()).To(BeNumerically("<", before+(40<<20)))
		Expect(post(s.URL, strings.NewReader("4"))).To(BeElementOf(http.StatusOK, http.StatusBadRequest))
		Expect(post(s.URL, bytes.NewReader([]byte("abc")))).To(Equal(http.StatusBadRequest))
		Expect(post(s.URL, strings.NewReader(strings.Repeat("3\x1e", 1000)+"3"))).To(Equal(http.StatusOK))
		Expect(post(s.URL, strings.NewReader("bnot base64!"))).To(Equal(http.StatusBadRequest))
	})

	It("forgets connections that were opened and abandoned", func() {
		s := kit.Start(GinkgoT())
		good := s.Connect()
		good.Sync()
		before := runtime.NumGoroutine()
		for i := range 200 {
			c, err := net.Dial("tcp", s.Addr())
			Expect(err).NotTo(HaveOccurred())
			if i%2 == 0 {
				_, _ = fmt.Fprintf(c, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
			}
			_ = c.Close()
		}
		Eventually(runtime.NumGoroutine, "20s", "100ms").Should(BeNumerically("<=", before+10))
		Expect(good.Sync()).To(BeEmpty())
	})
})

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func memory() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
