package engineio

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = It("drains: no new sessions, and the open ones end one after another", func(ctx context.Context) {
	var closed atomic.Int32
	srv := NewServer(Options{OnSession: func(s *Session) { s.OnClose(func(Reason) { closed.Add(1) }) }})
	web := httptest.NewServer(srv)
	DeferCleanup(web.Close)
	dial := func() (*websocket.Conn, int) {
		ws, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(web.URL, "http")+"/?EIO=4&transport=websocket", nil)
		if err != nil {
			return nil, resp.StatusCode
		}
		_ = resp.Body.Close()
		DeferCleanup(ws.Close)
		return ws, resp.StatusCode
	}
	const sessions = 50
	for range sessions {
		_, status := dial()
		Expect(status).To(Equal(http.StatusSwitchingProtocols))
	}
	drained := make(chan struct{})
	go func() { defer close(drained); srv.Drain(ctx, time.Minute) }()
	Eventually(closed.Load).Should(BeNumerically(">", 0))
	_, status := dial()
	Expect(status).To(Equal(http.StatusServiceUnavailable))
	Eventually(drained, "10s").Should(BeClosed(), "few sessions do not take the whole time")
	Eventually(closed.Load, "10s").Should(BeEquivalentTo(sessions))
	ended, stop := context.WithCancel(ctx)
	stop()
	srv.Drain(ended, time.Minute)
	Expect(srv.Close(ctx)).To(Succeed())
})
