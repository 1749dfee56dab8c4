package engineio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// dialect is one version of the protocol as a client writes it.
type dialect int

func (v dialect) query() string { return fmt.Sprintf("EIO=%d", v) }

// payload joins packets for a POST.
func (v dialect) payload(packets ...string) string {
	if v == 4 {
		return strings.Join(packets, "\x1e")
	}
	var b strings.Builder
	for _, p := range packets {
		fmt.Fprintf(&b, "%d:%s", utf16Len([]byte(p)), p)
	}
	return b.String()
}

// base64 is the four bytes 1, 2, 3, 4 as a text packet.
func (v dialect) base64() string {
	if v == 4 {
		return "bAQIDBA=="
	}
	return "b4AQIDBA=="
}

// bytes are the same four bytes as a binary websocket message.
func (v dialect) bytes() string {
	if v == 4 {
		return "\x01\x02\x03\x04"
	}
	return "\x04\x01\x02\x03\x04"
}

// open begins a polling session and returns its URL.
func (v dialect) open(base string) string {
	GinkgoHelper()
	code, body := do(http.MethodGet, base+v.query()+"&transport=polling&b64=1", "")
	Expect(code).To(Equal(200))
	var open struct{ SID string }
	Expect(json.Unmarshal([]byte(body[strings.Index(body, "{"):]), &open)).To(Succeed())
	return base + v.query() + "&transport=polling&sid=" + open.SID
}

// server runs an echo server that lets both versions in and returns the
// beginning of its URLs.
func server(o Options) (string, <-chan Reason) {
	o.AllowEIO3 = true
	_, url, reasons := echo(o)
	return strings.TrimSuffix(url, "EIO=4"), reasons
}

// status tries to open a websocket and returns the answer's status.
func status(url string) int {
	GinkgoHelper()
	ws, resp, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(url, "http"), nil)
	if err == nil {
		Expect(ws.Close()).To(Succeed())
	} else {
		Expect(err).To(MatchError(websocket.ErrBadHandshake))
	}
	Expect(resp.Body.Close()).To(Succeed())
	return resp.StatusCode
}

func closed(ws *websocket.Conn) *websocket.CloseError {
	GinkgoHelper()
	Expect(ws.SetReadDeadline(time.Now().Add(10 * time.Second))).To(Succeed())
	for {
		if _, _, err := ws.ReadMessage(); err != nil {
			var e *websocket.CloseError
			Expect(errors.As(err, &e)).To(BeTrue(), "the connection was cut: %v", err)
			return e
		}
	}
}

var _ = Describe("Engine.IO clause by clause", func() {
	for _, v := range []dialect{4, 3} {
		Context(fmt.Sprintf("version %d", v), func() { clauses(v) })
	}
})

func clauses(v dialect) {
	It("Handshake: opens a polling session, whose packet tells all five settings", func() {
		base, _ := server(Options{PingInterval: 300 * time.Millisecond, PingTimeout: 200 * time.Millisecond})
		code, body := do(http.MethodGet, base+v.query()+"&transport=polling", "")
		Expect(code).To(Equal(200))
		if v == 3 {
			n, rest, _ := strings.Cut(body, ":")
			Expect(n).To(Equal(fmt.Sprint(len(rest))))
			body = rest
		}
		Expect(body).To(MatchRegexp(`^0\{"sid":"[\w-]{20}","upgrades":\["websocket"\],"pingInterval":300,"pingTimeout":200,"maxPayload":1000000\}$`))
	})

	It("Handshake: opens a websocket session, which upgrades to nothing", func() {
		base, _ := server(Options{})
		Expect(read(dial(base + v.query() + "&transport=websocket"))).To(MatchRegexp(`^0\{"sid":"[\w-]{20}","upgrades":\[\],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000\}$`))
	})

	DescribeTable("Handshake: refuses", func(query, method string, answer string) {
		base, _ := server(Options{})
		code, body := do(method, base+strings.ReplaceAll(query, "V", fmt.Sprint(int(v))), "")
		Expect([]any{code, body}).To(Equal([]any{400, answer}))
		if method == http.MethodGet && !strings.Contains(query, "polling") && strings.Contains(query, "transport") {
			Expect(status(base + strings.ReplaceAll(query, "V", fmt.Sprint(int(v))))).To(Equal(400))
		}
	},
		Entry("a missing version", "transport=polling", "GET", `{"code":5,"message":"Unsupported protocol version"}`),
		Entry("an unknown version", "EIO=abc&transport=polling", "GET", `{"code":5,"message":"Unsupported protocol version"}`),
		Entry("a missing transport", "EIO=V", "GET", `{"code":0,"message":"Transport unknown"}`),
		Entry("an unknown transport", "EIO=V&transport=abc", "GET", `{"code":0,"message":"Transport unknown"}`),
		Entry("POST", "EIO=V&transport=polling", "POST", `{"code":2,"message":"Bad handshake method"}`),
		Entry("PUT", "EIO=V&transport=polling", "PUT", `{"code":2,"message":"Bad handshake method"}`),
		Entry("an unknown session", "EIO=V&transport=polling&sid=nobody", "GET", `{"code":1,"message":"Session ID unknown"}`),
		Entry("an unknown session by POST", "EIO=V&transport=polling&sid=nobody", "POST", `{"code":1,"message":"Session ID unknown"}`),
	)

	It("Handshake: refuses a websocket of an unknown version or transport", func() {
		base, _ := server(Options{})
		for _, query := range []string{"transport=websocket", "EIO=abc&transport=websocket", "EIO=4", "EIO=4&transport=abc"} {
			Expect(status(base+query)).To(Equal(400), query)
		}
	})

	DescribeTable("Packet encoding: echoes a payload of", func(packets func() []string) {
		base, _ := server(Options{})
		session := v.open(base)
		code, body := do(http.MethodPost, session, v.payload(packets()...))
		Expect([]any{code, body}).To(Equal([]any{200, "ok"}))
		_, body = do(http.MethodGet, session+"&b64=1", "")
		Expect(body).To(Equal(v.payload(packets()...)))
	},
		Entry("one text packet", func() []string { return []string{"4hello"} }),
		Entry("several text packets", func() []string { return []string{"4test1", "4test2", "4test3"} }),
		Entry("text beyond ASCII", func() []string { return []string{"4€ 😀", "4ok"} }),
		Entry("text and binary", func() []string { return []string{"4hello", v.base64()} }),
	)

	DescribeTable("Packet encoding: closes the session upon an invalid payload", func(body string) {
		base, reasons := server(Options{})
		session := v.open(base)
		code, _ := do(http.MethodPost, session, body)
		Expect(code).To(Equal(400))
		Eventually(reasons, "10s").Should(Receive(Equal(ReasonParseError)))
		code, body = do(http.MethodGet, session, "")
		Expect([]any{code, body}).To(Equal([]any{400, `{"code":1,"message":"Session ID unknown"}`}))
	},
		Entry("of no type", v.payload("abc")), Entry("without packets", ""), Entry("not UTF-8", v.payload("4")+"\xff\xfe"),
		Entry("with broken base64", v.payload("b4!!!")), Entry("cut off", map[dialect]string{4: "4x\x1e", 3: "2:4x9:4"}[v]),
	)

	It("HTTP long-polling: closes the session upon two polls at once", func() {
		base, reasons := server(Options{})
		session := v.open(base)
		first, second := poll(session), poll(session)
		var bodies [2]string
		Eventually(first, "10s").Should(Receive(&bodies[0]))
		Eventually(second, "10s").Should(Receive(&bodies[1]))
		Expect(bodies).To(ConsistOf(v.payload("1"), `{"code":3,"message":"Bad request"}`))
		Eventually(reasons, "10s").Should(Receive(Equal(ReasonTransportError)))
	})

	It("HTTP long-polling: closes the session upon a cancelled poll", func(ctx SpecContext) {
		base, reasons := server(Options{})
		session := v.open(base)
		short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		req, err := http.NewRequestWithContext(short, http.MethodGet, session, http.NoBody)
		Expect(err).NotTo(HaveOccurred())
		_, err = http.DefaultClient.Do(req)
		Expect(err).To(HaveOccurred())
		Eventually(reasons, "10s").Should(Receive(Equal(ReasonTransportError)))
		code, _ := do(http.MethodGet, session, "")
		Expect(code).To(Equal(400))
	})

	It("WebSocket: echoes text and binary messages", func() {
		base, _ := server(Options{})
		ws := dial(base + v.query() + "&transport=websocket")
		read(ws)
		write(ws, "4hello")
		Expect(read(ws)).To(Equal("4hello"))
		Expect(ws.WriteMessage(websocket.BinaryMessage, []byte(v.bytes()))).To(Succeed())
		Expect(read(ws)).To(Equal(v.bytes()))
	})

	DescribeTable("WebSocket: closes the session upon", func(kind int, frame string, want Reason, code int) {
		base, reasons := server(Options{MaxPayload: 1000})
		ws := dial(base + v.query() + "&transport=websocket")
		read(ws)
		Expect(ws.WriteMessage(kind, []byte(frame))).To(Succeed())
		Expect(closed(ws).Code).To(Equal(code))
		Eventually(reasons, "10s").Should(Receive(Equal(want)))
	},
		Entry("a packet of no type", websocket.TextMessage, "abc", ReasonParseError, 1000),
		Entry("an empty packet", websocket.TextMessage, "", ReasonParseError, 1000),
		Entry("text that is not UTF-8", websocket.TextMessage, "4\xff", ReasonTransportError, 1007),
		Entry("a message that is too large", websocket.TextMessage, "4"+strings.Repeat("x", 1000), ReasonTransportError, 1009),
		Entry("a heartbeat of the wrong direction", websocket.TextMessage, map[dialect]string{4: "2", 3: "3"}[v], ReasonTransportError, 1000),
		Entry("a close packet", websocket.TextMessage, "1", ReasonTransportClose, 1000),
	)

	It("Heartbeat: three rounds over both transports, then silence ends the session", func() {
		base, reasons := server(Options{PingInterval: 50 * time.Millisecond, PingTimeout: 200 * time.Millisecond})
		session := v.open(base)
		ws := dial(base + v.query() + "&transport=websocket")
		read(ws)
		for range 3 {
			if v == 4 {
				_, body := do(http.MethodGet, session, "")
				Expect(body).To(Equal("2"))
				code, _ := do(http.MethodPost, session, "3")
				Expect(code).To(Equal(200))
				Expect(read(ws)).To(Equal("2"))
				write(ws, "3")
				continue
			}
			code, _ := do(http.MethodPost, session, "1:2")
			Expect(code).To(Equal(200))
			_, body := do(http.MethodGet, session, "")
			Expect(body).To(Equal("1:3"))
			write(ws, "2")
			Expect(read(ws)).To(Equal("3"))
		}
		Eventually(reasons, "10s").Should(Receive(Equal(ReasonPingTimeout)))
		Eventually(reasons, "10s").Should(Receive(Equal(ReasonPingTimeout)))
		code, _ := do(http.MethodGet, session, "")
		Expect(code).To(Equal(400))
	})

	It("Close: a close packet by POST releases the waiting poll with a noop", func() {
		base, reasons := server(Options{})
		session := v.open(base)
		polled := poll(session)
		code, _ := do(http.MethodPost, session, v.payload("1"))
		Expect(code).To(Equal(200))
		var body string
		Eventually(polled, "10s").Should(Receive(&body))
		Expect(body).To(Equal(v.payload("6")), "also where the poll came after the close")
		Eventually(reasons, "10s").Should(Receive(Equal(ReasonTransportClose)))
		code, _ = do(http.MethodGet, session, "")
		Expect(code).To(Equal(400))
	})

	It("Close: the poll that comes just after the close gets a noop, the next one an error", func() {
		base, _ := server(Options{})
		session := v.open(base)
		code, _ := do(http.MethodPost, session, v.payload("1"))
		Expect(code).To(Equal(200))
		code, body := do(http.MethodGet, session, "")
		Expect([]any{code, body}).To(Equal([]any{200, v.payload("6")}))
		code, body = do(http.MethodGet, session, "")
		Expect([]any{code, body}).To(Equal([]any{400, `{"code":1,"message":"Session ID unknown"}`}))
	})

	It("Upgrade: the probe is answered, a poll released with noop, and the websocket takes over", func() {
		base, _ := server(Options{})
		session := v.open(base)
		ws := dial(strings.Replace(session, "polling", "websocket", 1))
		write(ws, "2probe")
		Expect(read(ws)).To(Equal("3probe"))
		_, body := do(http.MethodGet, session, "")
		Expect(body).To(Equal(v.payload("6")))
		write(ws, "5")
		write(ws, "4hello")
		Expect(read(ws)).To(Equal("4hello"))
	})

	It("Upgrade: requests and websockets of an upgraded session are refused, and it lives on", func() {
		base, _ := server(Options{})
		session := v.open(base)
		ws := dial(strings.Replace(session, "polling", "websocket", 1))
		write(ws, "2probe")
		write(ws, "5")
		write(ws, "4upgraded")
		Expect(read(ws)).To(Equal("3probe"))
		Expect(read(ws)).To(Equal("4upgraded"))
		code, body := do(http.MethodGet, session, "")
		Expect([]any{code, body}).To(Equal([]any{400, `{"code":3,"message":"Bad request"}`}))
		code, _ = do(http.MethodPost, session, v.payload("4x"))
		Expect(code).To(Equal(400))
		Expect(closed(dial(strings.Replace(session, "polling", "websocket", 1))).Code).To(Equal(1000))
		write(ws, "4hello")
		Expect(read(ws)).To(Equal("4hello"))
	})

	It("Upgrade: a second websocket while the first is probing is closed at once", func() {
		base, _ := server(Options{})
		session := v.open(base)
		first := dial(strings.Replace(session, "polling", "websocket", 1))
		write(first, "2probe")
		Expect(read(first)).To(Equal("3probe"))
		Expect(closed(dial(strings.Replace(session, "polling", "websocket", 1))).Code).To(Equal(1000))
		write(first, "5")
		write(first, "4hello")
		Expect(read(first)).To(Equal("4hello"))
	})

	It("Upgrade: a session of the other version is refused", func() {
		base, _ := server(Options{})
		session := v.open(base)
		other := strings.Replace(session, v.query(), (7 - v).query(), 1)
		code, body := do(http.MethodGet, other, "")
		Expect([]any{code, body}).To(Equal([]any{400, `{"code":3,"message":"Bad request"}`}))
		Expect(status(strings.Replace(other, "polling", "websocket", 1))).To(Equal(400))
	})
}

var _ = Describe("Engine.IO version 3 alone", func() {
	It("writes binary payloads for clients that can read them, and reads theirs", func() {
		base, _ := server(Options{})
		code, body := do(http.MethodGet, base+"EIO=3&transport=polling", "")
		Expect(code).To(Equal(200))
		session := base + "EIO=3&transport=polling&sid=" + strings.Split(body, `"`)[3]
		code, _ = do(http.MethodPost, session, "6:4hello10:b4AQIDBA==")
		Expect(code).To(Equal(200))
		_, body = do(http.MethodGet, session, "")
		want := "\x00\x06\xff4hello\x01\x05\xff\x04\x01\x02\x03\x04"
		Expect([]byte(body)).To(Equal([]byte(want)))
		resp, err := http.Post(session, "application/octet-stream", strings.NewReader(want))
		Expect(err).NotTo(HaveOccurred())
		text, err := io.ReadAll(resp.Body)
		Expect(err).NotTo(HaveOccurred())
		Expect(resp.Body.Close()).To(Succeed())
		Expect(string(text)).To(Equal("ok"))
		_, body = do(http.MethodGet, session, "")
		Expect([]byte(body)).To(Equal([]byte(want)))
	})

	It("stays out unless it is let in", func() {
		_, url, _ := echo(Options{})
		code, body := do(http.MethodGet, strings.Replace(url, "EIO=4", "EIO=3", 1)+"&transport=polling", "")
		Expect([]any{code, body}).To(Equal([]any{400, `{"code":5,"message":"Unsupported protocol version"}`}))
	})
})

// FuzzDecodePayload3 holds the decoder of version 3 to its word.
func FuzzDecodePayload3(f *testing.F) {
	for _, s := range []string{"6:4hello", "1:2", "10:b4AQIDBA==", "\x00\x06\xff4hello\x01\x05\xff\x04\x01\x02\x03\x04", "99999999999:", "\x01\x09\x09\x09\xff"} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(_ *testing.T, b []byte, binary bool) {
		_ = decodePayload3(b, binary, func(packet) bool { return true })
	})
}
