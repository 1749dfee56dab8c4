package engineio

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// hosted serves a server without handlers and returns the beginning of its URLs.
func hosted(o Options) (*Server, string) {
	srv := NewServer(o)
	web := httptest.NewServer(srv)
	DeferCleanup(func(ctx SpecContext) {
		Expect(srv.Close(ctx)).To(Succeed())
		web.Close()
	})
	return srv, web.URL + "/?EIO=4"
}

var _ = Describe("the limits of one address", func() {
	It("bound its open sessions, and count who was refused", func() {
		srv, url := hosted(Options{MaxPerAddress: 2, HandshakesPerSecond: 1000})
		first := dial(url + "&transport=websocket")
		read(first)
		handshake(url)
		code, body := do(http.MethodGet, url+"&transport=polling", "")
		Expect([]any{code, body}).To(Equal([]any{429, `{"code":4,"message":"Too many connections per address"}`}))
		Expect(srv.Stats().Limited).To(HaveKeyWithValue(LimitConnections, uint64(1)))
		Expect(srv.Stats().Refused).To(Equal(map[Limit]uint64{LimitConnections: 1, LimitHandshakes: 0, LimitMemory: 0, LimitOrigin: 0}))
		Expect(srv.Stats().Open).To(Equal(2))
		Expect(first.Close()).To(Succeed())
		Eventually(func() int { code, _ := do(http.MethodGet, url+"&transport=polling", ""); return code }, "10s").Should(Equal(200))
		Expect(srv.Stats().Closed).To(HaveKeyWithValue(ReasonTransportClose, uint64(1)))
	})

	It("bound its handshakes by the second, whatever becomes of the sessions", func() {
		var now atomic.Int64
		_, url := hosted(Options{HandshakesPerSecond: 2, Now: func() time.Time { return time.Unix(now.Load(), 0) }})
		open := func() int { code, _ := do(http.MethodGet, url+"&transport=polling", ""); return code }
		for range 20 {
			Expect(open()).To(Equal(200))
		}
		Expect(open()).To(Equal(429))
		now.Add(1)
		Expect([]int{open(), open(), open()}).To(Equal([]int{200, 200, 429}))
	})

	It("forget who is gone", func() {
		var now atomic.Int64
		a := newIPLimits(Options{MaxPerAddress: 1, HandshakesPerSecond: 1, Now: func() time.Time { return time.Unix(now.Load(), 0) }})
		for i := range 5000 {
			addr := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
			Expect(a.admit(addr)).To(BeEmpty())
			a.release(addr)
			now.Add(1)
		}
		Expect(len(a.of)).To(BeNumerically("<", 1100))
		v6 := netip.MustParseAddr("2001:db8::1")
		Expect(a.admit(v6)).To(BeEmpty())
		Expect(a.admit(netip.MustParseAddr("2001:db8::2"))).To(Equal(LimitConnections))
	})

	DescribeTable("take the address from X-Forwarded-For of trusted proxies only", func(peer, forwarded, want string) {
		o := Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}}
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.RemoteAddr = peer
		if forwarded != "" {
			r.Header.Set("X-Forwarded-For", forwarded)
		}
		Expect(o.clientAddress(r).String()).To(Equal(want))
	},
		Entry("a stranger", "192.0.2.1:80", "1.2.3.4", "192.0.2.1"),
		Entry("a proxy", "10.0.0.1:80", "1.2.3.4", "1.2.3.4"),
		Entry("a chain", "10.0.0.1:80", "6.6.6.6, 1.2.3.4, 10.9.9.9", "1.2.3.4"),
		Entry("a proxy that says nothing", "10.0.0.1:80", "", "10.0.0.1"),
		Entry("a proxy that says nonsense", "[::1]:80", "<script>", "::1"),
		Entry("a port", "10.0.0.1:80", "1.2.3.4:5678", "1.2.3.4"),
		Entry("a port that is none", "10.0.0.1:80", "1.2.3.4:http", "1.2.3.4"),
		Entry("an IPv6 address", "10.0.0.1:80", "2001:db8::7", "2001:db8::7"),
		Entry("brackets", "10.0.0.1:80", "[2001:db8::7]", "2001:db8::7"),
		Entry("brackets and a port", "10.0.0.1:80", "[2001:db8::7]:443", "2001:db8::7"),
		Entry("quotes", "10.0.0.1:80", `"[2001:db8::7]:443"`, "2001:db8::7"),
		Entry("quotes around an IPv4 address", "10.0.0.1:80", `"1.2.3.4"`, "1.2.3.4"),
		Entry("an IPv4 address in the form of IPv6", "10.0.0.1:80", "[::ffff:1.2.3.4]:80", "1.2.3.4"),
		Entry("a zone", "10.0.0.1:80", "fe80::1%eth0", "fe80::1"),
		Entry("unknown", "10.0.0.1:80", "unknown", "10.0.0.1"),
		Entry("unknown between proxies", "10.0.0.1:80", "1.2.3.4, unknown, 10.9.9.9", "1.2.3.4"),
		Entry("a hidden name", "10.0.0.1:80", "1.2.3.4, _secret", "1.2.3.4"),
		Entry("empty entries", "10.0.0.1:80", "1.2.3.4, ,", "1.2.3.4"),
		Entry("only trusted hops", "10.0.0.1:80", "10.0.0.3:1, 10.0.0.2", "10.0.0.3"),
	)
})

var _ = Describe("options", func() {
	It("keep transports and upgrades away", func() {
		_, url := hosted(Options{Transports: []string{Websocket}})
		code, body := do(http.MethodGet, url+"&transport=polling", "")
		Expect([]any{code, body}).To(Equal([]any{400, `{"code":0,"message":"Transport unknown"}`}))
		_, url = hosted(Options{DisableUpgrades: true})
		_, body = do(http.MethodGet, url+"&transport=polling", "")
		Expect(body).To(ContainSubstring(`"upgrades":[]`))
	})

	It("refuse requests with a reason, and set a cookie", func() {
		_, url := hosted(Options{
			Cookie: &http.Cookie{Name: "io", Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode},
			AllowRequest: func(r *http.Request) error {
				if r.URL.Query().Get("token") == "" {
					return errors.New("no token")
				}
				return nil
			},
		})
		code, body := do(http.MethodGet, url+"&transport=polling", "")
		Expect([]any{code, body}).To(Equal([]any{403, `{"code":4,"message":"no token"}`}))
		resp, err := http.Get(url + "&transport=polling&token=1")
		Expect(err).NotTo(HaveOccurred())
		text, err := io.ReadAll(resp.Body)
		Expect(err).NotTo(HaveOccurred())
		Expect(resp.Body.Close()).To(Succeed())
		Expect(resp.Header.Get("Set-Cookie")).To(Equal("io=" + strings.Split(string(text), `"`)[3] + "; Path=/; HttpOnly; SameSite=Lax"))
	})

	It("refuse browsers of another origin, on every way in, and nobody else", func() {
		srv, url := hosted(Options{CheckOrigin: func(r *http.Request) error {
			if origin := r.Header.Get("Origin"); origin != "https://ours.example" {
				return fmt.Errorf("the origin %s is not allowed", origin)
			}
			return nil
		}})
		ask := func(query, origin string, websocketHandshake bool) (int, string) {
			GinkgoHelper()
			req, err := http.NewRequest(http.MethodGet, url+query, http.NoBody)
			Expect(err).NotTo(HaveOccurred())
			if origin != "" {
				req.Header.Set("Origin", origin)
			}
			if websocketHandshake {
				req.Header.Set("Connection", "Upgrade")
				req.Header.Set("Upgrade", "websocket")
				req.Header.Set("Sec-Websocket-Version", "13")
				req.Header.Set("Sec-Websocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
			}
			resp, err := http.DefaultTransport.RoundTrip(req)
			Expect(err).NotTo(HaveOccurred())
			defer func() { _ = resp.Body.Close() }()
			if resp.StatusCode == http.StatusSwitchingProtocols {
				return resp.StatusCode, ""
			}
			text, err := io.ReadAll(resp.Body)
			Expect(err).NotTo(HaveOccurred())
			return resp.StatusCode, string(text)
		}
		polling := strings.TrimPrefix(handshake(url), url)
		upgrade := strings.Replace(polling, "polling", "websocket", 1)
		for _, origin := range []string{"https://stranger.example", "null", "https://ours.example.stranger.example"} {
			refusal := `{"code":4,"message":"the origin ` + origin + ` is not allowed"}`
			for query, ws := range map[string]bool{"&transport=polling": false, "&transport=websocket": true, polling: false, upgrade: true} {
				code, body := ask(query, origin, ws)
				Expect([]any{code, body}).To(Equal([]any{403, refusal}), query)
			}
		}
		Expect(srv.Stats().Limited).To(HaveKeyWithValue(LimitOrigin, uint64(12)))
		for _, origin := range []string{"", "https://ours.example"} {
			code, _ := ask("&transport=polling", origin, false)
			Expect(code).To(Equal(200))
			code, _ = ask("&transport=websocket", origin, true)
			Expect(code).To(Equal(101))
		}
	})

	It("gzip polls over 1 KB for who accepts it, unless the message is marked plain", func() {
		sessions := make(chan *Session, 1)
		_, url := hosted(Options{OnSession: func(s *Session) { sessions <- s }})
		session := handshake(url)
		s := <-sessions
		ask := func(m *Message) (string, string) {
			Expect(s.Send(m)).To(Succeed())
			req, err := http.NewRequest(http.MethodGet, session, http.NoBody)
			Expect(err).NotTo(HaveOccurred())
			req.Header.Set("Accept-Encoding", "br, gzip;q=0.8")
			resp, err := http.DefaultTransport.RoundTrip(req)
			Expect(err).NotTo(HaveOccurred())
			defer func() { _ = resp.Body.Close() }()
			r := io.Reader(resp.Body)
			if resp.Header.Get("Content-Encoding") == "gzip" {
				r, err = gzip.NewReader(r)
				Expect(err).NotTo(HaveOccurred())
			}
			text, err := io.ReadAll(r)
			Expect(err).NotTo(HaveOccurred())
			return resp.Header.Get("Content-Encoding"), string(text)
		}
		long := []byte(strings.Repeat("x", 2000))
		encoding, body := ask(NewText(long))
		Expect([]string{encoding, body}).To(Equal([]string{"gzip", "4" + string(long)}))
		plain := NewText(long)
		plain.NoCompress = true
		encoding, _ = ask(plain)
		Expect(encoding).To(BeEmpty())
		encoding, _ = ask(NewText([]byte("short")))
		Expect(encoding).To(BeEmpty())
	})

	It("compress websocket messages for who offers it, and inflate theirs within the bound", func() {
		_, url, reasons := echo(Options{PerMessageDeflate: 100, MaxPayload: 5000})
		dialer := websocket.Dialer{EnableCompression: true}
		ws, resp, err := dialer.Dial("ws"+strings.TrimPrefix(url, "http")+"&transport=websocket", nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(resp.Body.Close()).To(Succeed())
		Expect(resp.Header.Get("Sec-WebSocket-Extensions")).To(HavePrefix("permessage-deflate"))
		DeferCleanup(func() { _ = ws.Close() })
		read(ws)
		long := "4" + strings.Repeat("abc", 1000)
		for _, text := range []string{"4short", long, long} {
			write(ws, text)
			Expect(read(ws)).To(Equal(text))
		}
		Expect(len(NewText([]byte(long[1:])).deflated(&NewServer(Options{}).flate, 100))).To(BeNumerically("<", 200))
		write(ws, "4"+strings.Repeat("x", 100_000)) // some hundred bytes on the wire
		Expect(closed(ws).Code).To(Equal(1009))
		Eventually(reasons, "10s").Should(Receive(Equal(ReasonTransportError)))
	})

	It("answer 413 to a body that is too large, also one of unknown length", func() {
		srv, url := hosted(Options{MaxPayload: 1000})
		for _, length := range []int64{2001, -1} {
			session := dialect(4).open(strings.TrimSuffix(url, "EIO=4"))
			req, err := http.NewRequest(http.MethodPost, session, strings.NewReader("4"+strings.Repeat("x", 2000)))
			Expect(err).NotTo(HaveOccurred())
			req.ContentLength = length
			resp, err := http.DefaultClient.Do(req)
			Expect(err).NotTo(HaveOccurred())
			Expect(resp.Body.Close()).To(Succeed())
			Expect(resp.StatusCode).To(Equal(413))
		}
		Expect(srv.Stats().Limited).To(HaveKeyWithValue(LimitPayload, uint64(2)))
		code, _ := do(http.MethodGet, url+"&transport=polling&sid=x", "")
		Expect(code).To(Equal(400))
	})

	It("refuse JSON-P where old clients are not let in: every page could read the answer", func() {
		_, url := hosted(Options{})
		polling := strings.TrimPrefix(handshake(url), url)
		for _, query := range []string{"&transport=polling&j=0", polling + "&j=1", polling + "&j="} {
			code, body := do(http.MethodGet, url+query, "")
			Expect([]any{code, body}).To(Equal([]any{400, `{"code":3,"message":"Bad request"}`}))
		}
	})

	It("serve browsers without cross-origin requests by JSON-P", func() {
		_, url, _ := echo(Options{AllowEIO3: true})
		session := handshake(url) + "&j=0"
		resp, err := http.Post(session, "application/x-www-form-urlencoded", strings.NewReader(`d=4a%5Cnb%5C%5Cnc`))
		Expect(err).NotTo(HaveOccurred())
		Expect(resp.Body.Close()).To(Succeed())
		Expect(resp.StatusCode).To(Equal(200))
		_, body := do(http.MethodGet, session, "")
		Expect(body).To(Equal(`___eio[0]("4a\nb\\nc");`))
	})
})
