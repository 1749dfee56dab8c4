package engineio

import (
	"context"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gorilla/websocket"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = It("tells the owner of every session's end, also when the server closes while clients connect", func(ctx context.Context) {
	var opened, closed atomic.Int32
	srv := NewServer(Options{OnSession: func(s *Session) {
		opened.Add(1)
		s.OnClose(func(Reason) { closed.Add(1) })
	}})
	web := httptest.NewServer(srv)
	DeferCleanup(web.Close)
	var clients sync.WaitGroup
	for range 100 {
		clients.Go(func() {
			ws, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(web.URL, "http")+"/?EIO=4&transport=websocket", nil)
			if err != nil {
				return // the server was closed already
			}
			_ = resp.Body.Close()
			for err == nil {
				_, _, err = ws.ReadMessage()
			}
			_ = ws.Close()
		})
	}
	Eventually(opened.Load, "10s").Should(BeNumerically(">", 10))
	Expect(srv.Close(ctx)).To(Succeed())
	Expect(closed.Load()).To(Equal(opened.Load()))
	Expect(srv.Count()).To(BeZero())
	clients.Wait()
})
