package adminui

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"

	"github.com/devops-insights/devops-insights/app"
	"github.com/devops-insights/devops-insights/test/kit"
)

// token logs in without a password, and without its cost.
const token = "0123456789abcdef-token"

func withToken(o *app.Options) { o.Config.AdminUIToken = token }

// handshake asks for a session as a page of an origin.
func handshake(url, origin string) *http.Response {
	GinkgoHelper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url+"/socket.io/?EIO=4&transport=polling", nil)
	Expect(err).NotTo(HaveOccurred())
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	resp, err := http.DefaultClient.Do(r)
	Expect(err).NotTo(HaveOccurred())
	Expect(resp.Body.Close()).To(Succeed())
	return resp
}

// dial opens a websocket as a page of an origin.
func dial(url, origin string) *websocket.Conn {
	GinkgoHelper()
	ws, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(url, "http")+"/socket.io/?EIO=4&transport=websocket", http.Header{"Origin": {origin}})
	Expect(err).NotTo(HaveOccurred())
	Expect(resp.Body.Close()).To(Succeed())
	DeferCleanup(ws.Close)
	_, _, err = ws.ReadMessage() // the open packet
	Expect(err).NotTo(HaveOccurred())
	return ws
}

// says sends a frame and returns the answer.
func says(ws *websocket.Conn, frame string) string {
	GinkgoHelper()
	Expect(ws.WriteMessage(websocket.TextMessage, []byte(frame))).To(Succeed())
	Expect(ws.SetReadDeadline(time.Now().Add(10 * time.Second))).To(Succeed())
	_, answer, err := ws.ReadMessage()
	Expect(err).NotTo(HaveOccurred())
	return string(answer)
}

var _ = Describe("where there is no admin UI", func() {
	It("its namespace is one that does not exist, and pages are answered as ever", func() {
		s := kit.Start(GinkgoTB())
		c := s.Connect()
		for _, name := range []string{"/admin", "/nowhere"} {
			ws := dial(s.URL, "https://admin.socket.io")
			Expect(says(ws, `40`+name+`,{"token":"`+token+`"}`)).To(Equal(`44` + name + `,{"message":"Invalid namespace"}`))
		}
		resp := handshake(s.URL, "https://admin.socket.io")
		Expect(resp.Header.Get("Access-Control-Allow-Origin")).To(Equal("*"))
		Expect(resp.Header).NotTo(HaveKey("Access-Control-Allow-Credentials"))
		Expect(c.Sync()).To(BeEmpty())
	})
})

var _ = Describe("pages of other origins", func() {
	const admin, board, other = "https://admin.example", "https://board.example", "https://other.example"

	begin := func(clients string) *kit.Server {
		return administrated(&httptest.Server{URL: admin}, "production", "read", withToken, func(o *app.Options) { o.Config.ClientURL = clients })
	}

	It("read answers with credentials where they are named, and nobody else does", func() {
		s := begin("")
		for origin, want := range map[string][2]string{admin: {admin, "true"}, board: {"*", ""}, "": {"*", ""}, "null": {"*", ""}, admin + ".evil": {"*", ""}} {
			h := handshake(s.URL, origin).Header
			Expect([2]string{h.Get("Access-Control-Allow-Origin"), h.Get("Access-Control-Allow-Credentials")}).To(Equal(want), origin)
		}
		resp, err := http.Get(s.URL + "/api/v1/info")
		Expect(err).NotTo(HaveOccurred())
		Expect(resp.Body.Close()).To(Succeed())
		Expect(resp.Header).NotTo(HaveKey("Access-Control-Allow-Credentials"))
	})

	It("are the admin UI where they are named for it, and dashboards where they are named for that", func() {
		s := begin(board)
		login := `40/admin,{"token":"` + token + `"}`
		ws := dial(s.URL, admin)
		Expect(says(ws, "40")).To(HavePrefix(`44{"message":"pages of this origin may not connect`))
		Expect(says(ws, login)).To(HavePrefix(`40/admin,{"sid"`))
		ws = dial(s.URL, board)
		Expect(says(ws, "40")).To(HavePrefix(`40{"sid"`))
		Expect(says(ws, login)).To(HavePrefix(`44/admin,{"message":"pages of this origin may not administrate`))
		Expect(handshake(s.URL, other).StatusCode).To(Equal(http.StatusForbidden))
		Expect(says(dial(s.URL, s.URL), login)).To(HavePrefix(`40/admin,{"sid"`), "a page of the server itself")
	})
})

var _ = It("an administrator who reads nothing does not slow dashboards, and is disconnected in the end", func() {
	log := gbytes.NewBuffer()
	s := administrated(&httptest.Server{URL: "https://admin.example"}, "development", "read", withToken, logTo(log), func(o *app.Options) {
		o.Config.MaxBacklog, o.Config.AdminUIPayloads = 1<<20, true
	})
	stuck := dial(s.URL, "https://admin.example")
	Expect(says(stuck, `40/admin,{"token":"`+token+`"}`)).To(HavePrefix("40/admin"))
	d := watch(s, "us-east")
	for range 3 {
		watch(s, "us-east")
	}
	long := strings.Repeat("x", 2000)
	left := func() bool {
		d.Emit("chatter", long) // which the administrator is shown
		s.Upstream.Set("us-east", `{"n":"`+time.Now().String()+`"}`)
		d.Sync()
		return strings.Contains(string(log.Contents()), "an administrator left")
	}
	began := time.Now()
	Eventually(left, "60s", "1ms").Should(BeTrue())
	Expect(string(log.Contents())).To(ContainSubstring("an administrator logged in"))
	GinkgoWriter.Println("disconnected after", time.Since(began))
	s.Upstream.Set("us-east", `{"n":"the last"}`)
	for {
		e := d.Next()
		var update struct{ Data struct{ N string } }
		if json.Unmarshal(e.Payload, &update) == nil && update.Data.N == "the last" {
			return
		}
	}
})
