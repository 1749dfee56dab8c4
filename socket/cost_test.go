package socket

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/socket/socketio"
)

// sockets returns two connected sockets of a server of their own.
func sockets(t *testing.T) (one, other *socketio.Socket) {
	t.Helper()
	g := NewWithT(t)
	server := socketio.NewServer(socketio.Options{})
	connected := make(chan *socketio.Socket, 2)
	server.Of("/").OnConnect(func(s *socketio.Socket) { connected <- s })
	web := httptest.NewServer(server)
	t.Cleanup(func() { _ = server.Close(context.Background()); web.Close() })
	for range 2 {
		ws, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(web.URL, "http")+"/socket.io/?EIO=4&transport=websocket", nil)
		g.Expect(err).NotTo(HaveOccurred())
		_ = resp.Body.Close()
		t.Cleanup(func() { _ = ws.Close() })
		g.Expect(ws.WriteMessage(websocket.TextMessage, []byte("40"))).To(Succeed())
	}
	g.Eventually(connected).Should(Receive(&one))
	g.Eventually(connected).Should(Receive(&other))
	return one, other
}

func TestADashboardThatAsksForMuchHistoryWaitsAndOthersDoNot(t *testing.T) {
	g := NewWithT(t)
	greedy, modest := sockets(t)
	const largest = 16 << 20
	c := newCosts(largest)
	soon := func(s *socketio.Socket) error {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		return c.wait(ctx, s)
	}
	for range atOnce + 1 {
		g.Expect(c.wait(context.Background(), greedy)).To(Succeed(), "charts of several regions come at once")
		c.count(greedy, largest)
	}
	g.Expect(soon(greedy)).To(MatchError(ContainSubstring("more history than one may")))
	for range 1000 {
		g.Expect(c.wait(context.Background(), modest)).To(Succeed())
		c.count(modest, cheap-1)
	}
	g.Expect(c.own).To(HaveLen(1), "cheap answers are not counted")
	c.forget(greedy)
	g.Expect(c.own).To(BeEmpty())
}
