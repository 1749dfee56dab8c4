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

var _ = It("tells the owner of an end without the locks of who caused it", func() {
	var (
		mu      sync.Mutex // which the owner holds while it sends, and takes at the end
		session *Session
	)
	over := make(chan Reason, 1)
	_, url := hosted(Options{MaxBacklog: 1000, OnSession: func(s *Session) {
		session = s
		s.OnClose(func(r Reason) {
			mu.Lock()
			defer mu.Unlock()
			over <- r
		})
	}})
	handshake(url)
	sent := make(chan error, 1)
	go func() {
		mu.Lock()
		defer mu.Unlock()
		_ = session.Send(NewText(make([]byte, 600)))
		sent <- session.Send(NewText(make([]byte, 600)))
	}()
	Eventually(sent, "10s").Should(Receive(MatchError(ErrSlow)))
	Eventually(over, "10s").Should(Receive(Equal(ReasonSlow)))
})

var _ = Describe("a session that the server closes", func() {
	// opened returns a polling session's URL and its server side.
	opened := func() (string, *Session) {
		GinkgoHelper()
		sessions := make(chan *Session, 1)
		srv := NewServer(Options{OnSession: func(s *Session) { sessions <- s }})
		web := httptest.NewServer(srv)
		DeferCleanup(func(ctx context.Context) {
			Expect(srv.Close(ctx)).To(Succeed())
			web.Close()
		})
		return dialect(4).open(web.URL + "/?"), <-sessions
	}

	It("delivers over polling what was sent before, then a close packet", func() {
		url, s := opened()
		Expect(s.Send(NewText([]byte("last words")))).To(Succeed())
		s.Close()
		Expect(s.Send(NewText([]byte("too late")))).To(MatchError(ErrClosed))
		_, body := do("GET", url, "")
		Expect(body).To(Equal("4last words"))
		_, body = do("GET", url, "")
		Expect(body).To(Equal("1"))
		code, _ := do("GET", url, "")
		Expect(code).To(Equal(400))
		Expect(s.server.Count()).To(BeZero())
	})

	It("delivers it over the websocket of an upgrade that was under way", func() {
		url, s := opened()
		ws := dial(strings.Replace(url, "polling", "websocket", 1))
		write(ws, "2probe")
		Expect(read(ws)).To(Equal("3probe"))
		Expect(s.Send(NewText([]byte("last words")))).To(Succeed())
		s.Close()
		write(ws, "5")
		Expect(read(ws)).To(Equal("4last words"))
		Expect(closed(ws).Code).To(Equal(1000))
		Expect(s.server.Count()).To(BeZero())
	})

	It("delivers it over a websocket whose client is behind", func() {
		_, s := opened()
		base := s.server
		sessions := make(chan *Session, 1)
		base.opts.OnSession = func(s *Session) { sessions <- s }
		web := httptest.NewServer(base)
		DeferCleanup(web.Close)
		ws := dial(web.URL + "/?EIO=4&transport=polling")
		s = <-sessions
		big := NewText([]byte(strings.Repeat("x", 1_000_000)))
		for !s.Stalled() {
			Expect(s.Send(big)).To(Succeed())
		}
		Expect(s.Send(NewText([]byte("last words")))).To(Succeed())
		s.Close()
		var last string
		for {
			_, data, err := ws.ReadMessage()
			if err != nil {
				Expect(websocket.IsCloseError(err, 1000)).To(BeTrue(), err.Error())
				break
			}
			last = string(data)
		}
		Expect(last).To(Equal("4last words"))
	})
})

var _ = It("closes a server although a session ends before its heartbeat has begun", func() {
	srv := NewServer(Options{})
	s := &Session{server: srv, closed: true, done: make(chan struct{}), reason: ReasonTransportClose}
	Expect(func() { srv.abandon(s) }).NotTo(Panic())
})
