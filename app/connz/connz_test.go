package connz

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"github.com/devops-insights/devops-insights/socket/engineio"
	"github.com/devops-insights/devops-insights/socket/socketio"
	"github.com/devops-insights/devops-insights/store"
)

func TestConnz(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Connections")
	http.DefaultClient.CloseIdleConnections()
	goleak.VerifyNone(t, goleak.IgnoreAnyFunction("github.com/onsi/ginkgo/v2/internal/interrupt_handler.(*InterruptHandler).registerForInterrupts.func2"))
}

// house is a server with its internal listener.
type house struct {
	sockets  *socketio.Server
	past     *Past
	public   string
	internal string
	stop     context.CancelFunc
}

// open starts a house whose dashboards may subscribe, leave and ask for an echo.
func open(kept int, change ...func(*socketio.Options, *Options)) *house {
	GinkgoHelper()
	h := &house{past: NewPast(kept)}
	o := socketio.Options{Engine: engineio.Options{Observer: h.past}}
	quiet := logrus.New()
	quiet.SetOutput(io.Discard)
	mine := Options{Past: h.past, Logger: quiet, Catalog: func() store.Catalog {
		return store.Catalog{{Name: "acme", Regions: []store.Region{{Name: "us-east"}, {Name: "eu-west"}}}}
	}}
	for _, c := range change {
		c(&o, &mine)
	}
	h.sockets = socketio.NewServer(o)
	mine.Server = h.sockets
	n := h.sockets.Of("/")
	h.sockets.Of("/admin")
	n.On("metrics:subscribe", func(s *socketio.Socket, args socketio.Args, ack socketio.Ack) {
		var region string
		if args.Decode(0, &region) == nil && s.Join("metrics:acme:"+region) == nil {
			_ = ack()
		}
	})
	n.On("echo", func(s *socketio.Socket, args socketio.Args, _ socketio.Ack) { _ = s.Emit("echo", args.Raw(0)) })
	web := httptest.NewServer(h.sockets)
	ctx, stop := context.WithCancel(context.Background())
	h.stop = stop
	inside := httptest.NewServer(Handler(ctx, mine))
	h.public, h.internal = web.URL, inside.URL
	DeferCleanup(func(ctx SpecContext) {
		stop()
		inside.Close()
		Expect(h.sockets.Close(ctx)).To(Succeed())
		web.Close()
	})
	return h
}

// dashboard connects and subscribes to the regions.
func (h *house) dashboard(agent string, regions ...string) *websocket.Conn {
	GinkgoHelper()
	ws, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(h.public, "http")+"/socket.io/?EIO=4&transport=websocket", http.Header{"User-Agent": {agent}})
	Expect(err).NotTo(HaveOccurred())
	Expect(resp.Body.Close()).To(Succeed())
	DeferCleanup(func() { _ = ws.Close() })
	Expect(hear(ws)).To(HavePrefix("0{"))
	say(ws, `40{"token":"secret-token"}`)
	Expect(hear(ws)).To(HavePrefix("40{"))
	for i, region := range regions {
		say(ws, fmt.Sprintf(`42%d["metrics:subscribe",%q]`, i, region))
		Expect(hear(ws)).To(Equal(fmt.Sprintf("43%d[]", i)))
	}
	return ws
}

func say(ws *websocket.Conn, text string) {
	GinkgoHelper()
	Expect(ws.WriteMessage(websocket.TextMessage, []byte(text))).To(Succeed())
}

func hear(ws *websocket.Conn) string {
	GinkgoHelper()
	Expect(ws.SetReadDeadline(time.Now().Add(10 * time.Second))).To(Succeed())
	_, text, err := ws.ReadMessage()
	Expect(err).NotTo(HaveOccurred())
	return string(text)
}

// ask sends a request to the internal listener.
func (h *house) ask(path string, headers ...string) (int, string) {
	GinkgoHelper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, h.internal+path, nil)
	Expect(err).NotTo(HaveOccurred())
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	Expect(err).NotTo(HaveOccurred())
	defer func() { _ = resp.Body.Close() }()
	Expect(resp.Header.Get("Cache-Control")).To(Equal("no-store"))
	text, err := io.ReadAll(resp.Body)
	Expect(err).NotTo(HaveOccurred())
	return resp.StatusCode, string(text)
}

// answer is a list as a script reads it.
type answer struct {
	Total, Offset, Limit, Count int
	State, Sort                 string
	Connections                 []row
}

func (h *house) list(query string) answer {
	GinkgoHelper()
	code, body := h.ask("/connz" + query)
	Expect(code).To(Equal(200), body)
	var a answer
	Expect(json.Unmarshal([]byte(body), &a)).To(Succeed(), body)
	Expect(a.Connections).To(HaveLen(a.Count))
	return a
}

func (a answer) cids() []uint64 {
	list := []uint64{}
	for _, r := range a.Connections {
		list = append(list, r.CID)
	}
	return list
}

var _ = Describe("the list of connections", func() {
	It("shows each open one with its rooms and figures, and never a whole id", func() {
		h := open(10)
		h.dashboard("a dashboard", "us-east", "eu-west")
		session := h.sockets.Sessions()[0]
		code, body := h.ask("/connz")
		Expect(code).To(Equal(200))
		Expect(body).NotTo(Or(ContainSubstring(session.ID()), ContainSubstring(socketio.Members(session)[0].ID), ContainSubstring("secret-token")))
		a := h.list("")
		Expect(a).To(And(HaveField("Total", 1), HaveField("State", "open"), HaveField("Sort", "cid"), HaveField("Limit", 100)))
		Expect(a.Connections[0]).To(And(
			HaveField("CID", uint64(1)), HaveField("ID", session.ID()[:6]), HaveField("Address", "127.0.0.1"), HaveField("State", "open"),
			HaveField("Sockets", []string{socketio.Members(session)[0].ID[:6]}), HaveField("Namespaces", []string{"/"}),
			HaveField("Transport", "websocket"), HaveField("PacketsIn", uint64(3)), HaveField("PacketsOut", uint64(4)), HaveField("BytesIn", BeNumerically(">", 50)),
			HaveField("Rooms", []string{"metrics:acme:us-east", "metrics:acme:eu-west"}), HaveField("UserAgent", "a dashboard"), HaveField("Code", BeEmpty()),
		))
	})

	It("says who was slow and why it was closed, the last one first", func() {
		h := open(10, func(o *socketio.Options, _ *Options) { o.Engine.MaxBacklog = 1 << 20 })
		slow := h.dashboard("slow", "us-east")
		gone := h.dashboard("gone", "eu-west")
		say(gone, "41")
		say(gone, "1")
		Eventually(h.past.all, "10s").Should(HaveLen(1))
		Expect(slow.UnderlyingConn().(*net.TCPConn).SetReadBuffer(4096)).To(Succeed())
		for range 100 {
			_ = h.sockets.Of("/").To("metrics:acme:us-east").Emit("x", strings.Repeat("x", 500_000))
		}
		Eventually(h.past.all, "10s").Should(HaveLen(2))
		a := h.list("?state=closed")
		Expect(a.Sort).To(Equal("stop"))
		Expect(a.Connections).To(HaveExactElements(
			And(HaveField("Code", engineio.CodeBacklog), HaveField("Reason", engineio.ReasonSlow), HaveField("QueueBytes", BeNumerically(">=", 500_000)), HaveField("Rooms", []string{"metrics:acme:us-east"}), HaveField("Stop", Not(BeEmpty()))),
			And(HaveField("Code", engineio.CodeClient), HaveField("Rooms", []string{"metrics:acme:eu-west"})),
		))
		Expect(h.list("?code=backlog").cids()).To(Equal([]uint64{1}))
		_, table := h.ask("/connz?state=closed&sort=queue", "User-Agent", "curl/8.5.0", "Accept", "*/*")
		Expect(table).To(And(ContainSubstring("2 of 2 connections, state=closed, sort=queue"), MatchRegexp(`(?s)BACKLOG \S+ ago.*CLIENT_DISCONNECT \S+ ago`), MatchRegexp(`\d [kM]B in \d`), ContainSubstring("acme:us-east")))
	})

	It("sorts, filters and pages", func() {
		h := open(10)
		a, b, c := h.dashboard("b", "us-east"), h.dashboard("c", "us-east", "eu-west"), h.dashboard("a")
		say(a, `42["echo","`+strings.Repeat("x", 5000)+`"]`)
		hear(a)
		Expect(h.list("").cids()).To(Equal([]uint64{1, 2, 3}))
		Expect(h.list("?sort=-cid").cids()).To(Equal([]uint64{3, 2, 1}))
		Expect(h.list("?sort=bytes_in").cids()).To(HaveExactElements(uint64(1), uint64(2), uint64(3)))
		Expect(h.list("?sort=rooms").cids()).To(Equal([]uint64{2, 1, 3}))
		Expect(h.list("?sort=agent").cids()).To(Equal([]uint64{3, 1, 2}))
		Expect(h.list("?sort=-agent").cids()).To(Equal([]uint64{2, 1, 3}))
		Expect(h.list("?sort=queue").cids()).To(Equal([]uint64{1, 2, 3}), "equal ones by their age")
		Expect(h.list("?sort=start").cids()).To(Equal([]uint64{3, 2, 1}))
		for _, name := range sortKeys() {
			Expect(h.list("?state=any&sort=" + name).Total).To(Equal(3))
		}
		Expect(h.list("?sort=pkts_out").Total).To(Equal(3))
		Expect(h.list("?region=eu-west").cids()).To(Equal([]uint64{2}))
		Expect(h.list("?region=ACME:us-east").cids()).To(Equal([]uint64{1, 2}))
		Expect(h.list("?address=127.0.0.1").Total).To(Equal(3))
		Expect(h.list("?address=127.0.0.0/8").Total).To(Equal(3))
		Expect(h.list("?address=192.0.2.7").Total).To(BeZero())
		page := h.list("?limit=1&offset=1")
		Expect(page.cids()).To(Equal([]uint64{2}))
		Expect(page.Total).To(Equal(3))
		Expect(h.list("?offset=1000000").cids()).To(BeEmpty())
		Expect(b.Close()).To(Succeed())
		Expect(c.Close()).To(Succeed())
		Eventually(func() []uint64 { return h.list("?state=any").cids() }, "10s").Should(Equal([]uint64{1, 2, 3}))
		Eventually(func() []uint64 { return h.list("?state=closed&sort=cid").cids() }, "10s").Should(Equal([]uint64{2, 3}))
		Expect(h.list("?state=closed&region=eu-west").cids()).To(Equal([]uint64{2}))
	})

	codes := strings.Trim(strings.ReplaceAll(fmt.Sprint(socketio.Codes()), " ", ", "), "[]")
	DescribeTable("answers a bad parameter with a sentence", func(query, sentence string) {
		h := open(1)
		code, body := h.ask("/connz" + query)
		Expect(code).To(Equal(400))
		var refusal struct{ Error string }
		Expect(json.Unmarshal([]byte(body), &refusal)).To(Succeed())
		Expect(refusal.Error).To(Equal(sentence))
	},
		Entry(nil, "?limit=0", "limit=0 is not allowed: give a whole number from 1 to 10000"),
		Entry(nil, "?limit=999999999999999999999999", "limit=999999999999999999999999 is not allowed: give a whole number from 1 to 10000"),
		Entry(nil, "?offset=-1", "offset=-1 is not allowed: give a whole number from 0 to 1073741824"),
		Entry(nil, "?state=half", "state=half is unknown: allowed are open, closed, any"),
		Entry(nil, "?limits=3", `"limits" is no parameter here: allowed are sort, limit, offset, state, region, address, code, format`),
		Entry(nil, "?limit=3&limit=4", "limit is given 2 times: give it once"),
		Entry(nil, "?region=mars", "region=mars is no region: allowed are us-east, eu-west"),
		Entry(nil, "?address=here", "address=here is no address: give one such as 192.0.2.7 or 2001:db8::7, or a network such as 192.0.2.0/24"),
		Entry(nil, "?code=%1b[31m", "code=\uFFFD[31m is no code: allowed are "+codes),
		Entry(nil, "?code=slow", "code=slow is no code: allowed are "+codes),
		Entry(nil, "?limit=%zz", "the query cannot be read: write it as name=value&name=value, with %XX for other characters"),
		Entry(nil, "?format=xml&x", `"x" is no parameter here: allowed are sort, limit, offset, state, region, address, code, format`),
		Entry(nil, "?format=xml", "format=xml is unknown: allowed are json, text"),
		Entry(nil, "?sort="+strings.Repeat("a", 60_000), "sort="+strings.Repeat("a", 40)+"… is unknown: allowed are address, agent, bytes_in, bytes_out, cid, coalesced, idle, last, packets_in, packets_out, queue, reason, rooms, rtt, start, stop, transport, upgrade, uptime; a minus before it turns the order round"),
	)

	It("is a table for curl, and JSON for whoever accepts it", func() {
		h := open(1)
		for _, one := range []struct{ agent, accept, query, want string }{
			{"curl/8.5.0", "*/*", "", "0 of 0"}, {"Wget/1.21", "*/*", "", "0 of 0"}, {"curl/8.5.0", "application/json", "", "{"},
			{"curl/8.5.0", "*/*", "?format=json", "{"}, {"Mozilla/5.0", "*/*", "", "{"}, {"Mozilla/5.0", "text/html", "?format=text", "0 of 0"},
		} {
			_, body := h.ask("/connz"+one.query, "User-Agent", one.agent, "Accept", one.accept)
			Expect(body).To(HavePrefix(one.want))
		}
	})

	It("shows no control character of a client, and bounds what it keeps", func() {
		h := open(1)
		hostile := "x\u202e\u009b31m\xff" + strings.Repeat("y", 7_000)
		ws := h.dashboard(hostile, "us-east")
		shown := "x\uFFFD\uFFFD31m\uFFFD" + strings.Repeat("y", maxAgent-7) + "…"
		Expect(h.list("").Connections[0].UserAgent).To(Equal(shown))
		_, table := h.ask("/connz?format=text")
		Expect(table).NotTo(Or(ContainSubstring("\u202e"), ContainSubstring("\u009b"), ContainSubstring(strings.Repeat("y", tableAgent+1))))
		h.dashboard(strings.Repeat("z", 60_000))
		Expect(h.list("?sort=-cid").Connections[0].UserAgent).To(BeEmpty(), "a session keeps 8 KiB of its header")
		Expect(ws.Close()).To(Succeed())
		Eventually(h.past.all, "10s").Should(HaveLen(1))
		kept := h.past.all()[0]
		Expect(kept.UserAgent).To(Equal(shown))
		Expect(kept.ID).To(HaveLen(6))
	})

	It("keeps the last ones of thousands that come and go", func() {
		h := open(50)
		for range 120 {
			Expect(h.dashboard("churn").Close()).To(Succeed())
		}
		Eventually(func() int { return h.sockets.Connections() }, "10s").Should(BeZero())
		a := h.list("?state=closed&limit=10000&sort=cid")
		Expect(a.Total).To(Equal(50))
		Expect(a.Connections[49].CID).To(BeNumerically(">", 110))
	})

	It("lets four lists be written at once", func() {
		h := open(1)
		list := &lister{slots: make(chan struct{}, 1), Options: Options{Server: h.sockets, Past: h.past, Catalog: func() store.Catalog { return nil }}}
		list.slots <- struct{}{}
		w := httptest.NewRecorder()
		list.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/connz", nil))
		Expect([]any{w.Code, w.Header().Get("Retry-After")}).To(Equal([]any{503, "1"}))
		Expect(w.Body.String()).To(ContainSubstring("try again when one has ended"))
	})
})

var _ = Describe("the internal listener", func() {
	It("answers GET alone, and no page of another origin", func() {
		h := open(1)
		resp, err := http.Post(h.internal+"/connz", "text/plain", nil) //nolint:noctx // a test
		Expect(err).NotTo(HaveOccurred())
		Expect(resp.Body.Close()).To(Succeed())
		Expect([]any{resp.StatusCode, resp.Header.Get("Allow")}).To(Equal([]any{405, "GET, HEAD"}))
		for _, path := range []string{"/connz", "/trace", "/debug/pprof/"} {
			code, _ := h.ask(path, "Sec-Fetch-Site", "cross-site")
			Expect(code).To(Equal(403))
		}
		code, _ := h.ask("/connz", "Sec-Fetch-Site", "none")
		Expect(code).To(Equal(200), "a person who types the address")
	})

	It("profiles the process, without its command line, until it stops", func() {
		h := open(1)
		code, body := h.ask("/debug/pprof/goroutine?debug=1")
		Expect([]any{code, body}).To(HaveExactElements(200, HavePrefix("goroutine profile: total")))
		code, body = h.ask("/debug/pprof")
		Expect([]any{code, body}).To(HaveExactElements(200, ContainSubstring("heap")))
		code, _ = h.ask("/debug/pprof/cmdline")
		Expect(code).To(Equal(404))
		code, _ = h.ask("/debug/pprof/symbol?0x1")
		Expect(code).To(Equal(200))
		over := make(chan int, 1)
		go func() {
			defer GinkgoRecover()
			code, _ := h.ask("/debug/pprof/trace?seconds=3600")
			over <- code
		}()
		Consistently(over, "100ms").ShouldNot(Receive())
		h.stop()
		Eventually(over, "10s").Should(Receive(Equal(200)))
	})
})
