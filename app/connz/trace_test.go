package connz

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"

	"github.com/devops-insights/devops-insights/socket/engineio"
	"github.com/devops-insights/devops-insights/socket/socketio"
)

// traceLine is a line of a trace as jq reads it.
type traceLine struct {
	Type, Direction, Packet, Message, Namespace, Event, Text, Why, ID string
	Code                                                              engineio.Code
	CID                                                               uint64
	Bytes, Connections, Packets                                       int
	Lines, Lost                                                       uint64
	Queued                                                            bool
	Args                                                              json.RawMessage
}

// trace begins one and returns its lines; the channel is closed at its end.
func (h *house) trace(query string) <-chan traceLine {
	GinkgoHelper()
	ctx, cancel := context.WithCancel(context.Background())
	DeferCleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.internal+"/trace"+query, nil)
	Expect(err).NotTo(HaveOccurred())
	resp, err := http.DefaultClient.Do(req)
	Expect(err).NotTo(HaveOccurred())
	if resp.StatusCode != 200 {
		text, _ := io.ReadAll(resp.Body)
		Fail(string(text))
	}
	Expect(resp.Header.Get("Content-Type")).To(Equal("application/x-ndjson; charset=utf-8"))
	lines := make(chan traceLine, 10_000)
	go func() {
		defer GinkgoRecover()
		defer close(lines)
		defer func() { _ = resp.Body.Close() }()
		for in := bufio.NewScanner(resp.Body); in.Scan(); {
			Expect(in.Text()).NotTo(ContainSubstring("secret-token"))
			var l traceLine
			Expect(json.Unmarshal(in.Bytes(), &l)).To(Succeed(), in.Text())
			lines <- l
		}
	}()
	Eventually(lines, "10s").Should(Receive(HaveField("Type", "begin")))
	return lines
}

// passes waits for a line that is as the matchers say.
func passes(lines <-chan traceLine, want ...types.GomegaMatcher) {
	GinkgoHelper()
	Eventually(lines, "10s").Should(Receive(And(want...)))
}

var _ = Describe("a trace", func() {
	It("shows the packets of one connection as they pass, by name and size, to its end", func() {
		h := open(10)
		h.dashboard("another", "us-east")
		ws := h.dashboard("mine")
		open := h.sockets.Sessions() // in no order
		session := open[slices.IndexFunc(open, func(s *engineio.Session) bool { return s.Number() == 2 })]
		for _, name := range []string{"2", session.ID()[:6], session.ID(), socketio.Members(session)[0].ID[:8]} {
			lines := h.trace("?for=60&max=2&socket=" + name)
			say(ws, `4217["echo","a \"quoted\" text"]`)
			Expect(hear(ws)).To(HavePrefix(`42["echo",`))
			passes(lines, HaveField("Direction", "in"), HaveField("Packet", "message"), HaveField("Message", "event"), HaveField("Namespace", "/"),
				HaveField("Event", "echo"), HaveField("Bytes", BeNumerically(">", 20)), HaveField("CID", uint64(2)), HaveField("ID", session.ID()[:6]), HaveField("Args", BeEmpty()))
			passes(lines, HaveField("Direction", "out"), HaveField("Event", "echo"))
			Eventually(lines, "10s").Should(BeClosed())
		}
		lines := h.trace("?socket=2&payload=1")
		say(ws, `42["echo",1]`)
		passes(lines, HaveField("Direction", "in"), HaveField("Args", MatchJSON(`["echo",1]`)))
		passes(lines, HaveField("Direction", "out"), HaveField("Args", MatchJSON(`["echo",1]`)))
		say(ws, `42["echo","`+strings.Repeat("é", 10_000)+`"]`)
		passes(lines, HaveField("Args", BeEmpty()), HaveField("Text", And(HavePrefix(`["echo","ééé`), WithTransform(func(s string) int { return len(s) }, BeNumerically("<=", maxPayload+8)))))
		passes(lines, HaveField("Direction", "out")) // else the echo could be too late
		Expect(ws.Close()).To(Succeed())
		passes(lines, HaveField("Type", "closed"), HaveField("Code", engineio.CodeTransportClose), HaveField("CID", uint64(2)))
		passes(lines, HaveField("Type", "end"), HaveField("Why", "closed"), HaveField("Packets", 4), HaveField("Lost", BeZero()))
		Eventually(lines, "10s").Should(BeClosed())

		code, body := h.ask("/trace?socket=2")
		Expect([]any{code, body}).To(HaveExactElements(404, MatchRegexp(`connection 2 has ended: TRANSPORT_CLOSE, \S+ ago`)))
		code, _ = h.ask("/trace?socket=" + session.ID())
		Expect(code).To(Equal(404))
		code, body = h.ask("/trace?socket=77")
		Expect([]any{code, body}).To(HaveExactElements(404, ContainSubstring("there is no connection 77")))
	})

	It("follows a region or an address, whoever comes to it", func() {
		h := open(10)
		east, west := h.dashboard("east", "us-east"), h.dashboard("west", "eu-west")
		region, address, none := h.trace("?region=us-east"), h.trace("?address=127.0.0.1"), h.trace("?address=192.0.2.1&for=1s")
		say(west, `42["echo",1]`)
		hear(west)
		say(east, `42["echo",2]`)
		hear(east)
		passes(region, HaveField("CID", uint64(1)), HaveField("Direction", "in"))
		passes(address, HaveField("CID", uint64(2)))
		late := h.dashboard("late", "us-east")
		Eventually(func() <-chan traceLine { // as soon as the trace knows of it
			say(late, `42["echo",3]`)
			hear(late)
			return region
		}, "10s").Should(Receive(HaveField("CID", uint64(3))))
		passes(none, HaveField("Type", "end"), HaveField("Why", "time"), HaveField("Packets", BeZero()))
	})

	It("shows no payload that holds ids or credentials", func() {
		h := open(10)
		lines := h.trace("?payload=1")
		ws := h.dashboard("new")
		say(ws, `40/admin,{"token":"secret-token"}`)
		hear(ws)
		say(ws, `42/admin,["login","secret-token"]`)
		say(ws, `42["echo","over"]`)
		hear(ws)
		for {
			var l traceLine
			Eventually(lines, "10s").Should(Receive(&l))
			if l.Event == "echo" && l.Direction == "out" {
				break
			}
			if l.Event != "echo" {
				Expect(l).To(And(HaveField("Args", BeEmpty()), HaveField("Text", BeEmpty())))
			}
		}
	})

	It("ends after as many packets as are asked for, and when the server stops", func() {
		h := open(10)
		few, long := h.trace("?max=2"), h.trace("?for=10m")
		h.dashboard("new")
		for range 2 {
			passes(few, HaveField("Type", "packet"))
		}
		passes(few, HaveField("Type", "end"), HaveField("Why", "max"))
		h.stop()
		Eventually(long, "10s").Should(Receive(HaveField("Why", "shutdown")))
		Eventually(long, "10s").Should(BeClosed())
	})

	It("lets four be written at once, and makes room when one ends", func() {
		h := open(10)
		for range 3 {
			h.trace("")
		}
		short := h.trace("?max=1")
		code, body := h.ask("/trace")
		Expect([]any{code, body}).To(HaveExactElements(503, ContainSubstring("too many traces")))
		h.dashboard("new")
		Eventually(short, "10s").Should(BeClosed())
		Eventually(func() int { code, _ := h.ask("/trace?max=1&for=1ms"); return code }, "10s").Should(Equal(200))
	})

	It("loses lines for a reader that is slow, says how many, and never slows a dashboard", func() {
		h := open(10, func(_ *socketio.Options, o *Options) { o.Stall = 500 * time.Millisecond })
		ws := h.dashboard("busy", "us-east")
		reader, err := net.Dial("tcp", strings.TrimPrefix(h.internal, "http://"))
		Expect(err).NotTo(HaveOccurred())
		defer func() { _ = reader.Close() }()
		for range 3 {
			h.trace("?address=192.0.2.1")
		}
		_, err = io.WriteString(reader, "GET /trace?payload=1&max=1000000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
		Expect(err).NotTo(HaveOccurred())
		in := bufio.NewReader(reader)
		begin, err := in.ReadString('}')
		Expect(err).NotTo(HaveOccurred())
		Expect(begin).To(ContainSubstring(`"type":"begin"`))
		go func() { // reads all that comes
			for {
				if _, _, err := ws.ReadMessage(); err != nil {
					return
				}
			}
		}()
		began := time.Now()
		for range 6000 { // more than fits between the trace and its reader
			Expect(h.sockets.Of("/").To("metrics:acme:us-east").Emit("x", strings.Repeat("x", 5000))).To(Succeed())
		}
		Expect(time.Since(began)).To(BeNumerically("<", 20*time.Second))
		Expect(h.sockets.Connections()).To(Equal(1))
		Eventually(func() int { code, _ := h.ask("/trace?max=1&for=1ms"); return code }, "10s").Should(Equal(200), "the fourth place is free again")
		var got strings.Builder
		_, _ = io.Copy(&got, in)
		Expect(got.String()).NotTo(ContainSubstring(`"type":"end"`), "it was cut off")
	})

	It("tells a reader that comes back what it has missed", func() {
		h := open(10)
		ws := h.dashboard("busy", "us-east")
		go func() {
			for {
				if _, _, err := ws.ReadMessage(); err != nil {
					return
				}
			}
		}()
		reader, err := net.Dial("tcp", strings.TrimPrefix(h.internal, "http://"))
		Expect(err).NotTo(HaveOccurred())
		defer func() { _ = reader.Close() }()
		_, err = io.WriteString(reader, "GET /trace?payload=1&socket=1 HTTP/1.0\r\nHost: localhost\r\n\r\n")
		Expect(err).NotTo(HaveOccurred())
		in := bufio.NewReader(reader)
		_, err = in.ReadString('}')
		Expect(err).NotTo(HaveOccurred())
		const sent = 6000 // more than fits between the trace and its reader
		for range sent {
			Expect(h.sockets.Of("/").To("metrics:acme:us-east").Emit("x", strings.Repeat("x", 5000))).To(Succeed())
		}
		Expect(ws.Close()).To(Succeed())
		rest, err := io.ReadAll(in)
		Expect(err).NotTo(HaveOccurred())
		var lost uint64
		packets := 0
		var last traceLine
		for text := range strings.Lines(string(rest)) {
			if text = strings.TrimSpace(text); text == "" {
				continue
			}
			last = traceLine{}
			if json.Unmarshal([]byte(text), &last) != nil {
				continue // the rest of the first line
			}
			lost += last.Lines
			if last.Type == "packet" {
				packets++
			}
		}
		Expect(last).To(And(HaveField("Type", "end"), HaveField("Lost", lost), HaveField("Packets", packets)))
		Expect(lost).To(BeNumerically(">", 100))
		Expect(packets + int(lost)).To(BeNumerically(">=", sent))
	})

	DescribeTable("answers a bad parameter with a sentence", func(query, sentence string) {
		h := open(1)
		code, body := h.ask("/trace" + query)
		Expect(code).To(Equal(400))
		Expect(body).To(ContainSubstring(sentence))
	},
		Entry(nil, "?socket=ab", "socket=ab names no connection: give a cid such as 12, or the first 6 or more characters of an id"),
		Entry(nil, "?for=1h", "for=1h is not allowed: give a time up to 10m, such as 30s or 2m"),
		Entry(nil, "?for=-1", "for=-1 is not allowed"),
		Entry(nil, "?for=NaN", "for=nan is not allowed"),
		Entry(nil, "?max=0", "max=0 is not allowed: give a whole number from 1 to 1000000"),
		Entry(nil, "?payload=yes", "payload=yes is unknown: allowed are 0, 1"),
		Entry(nil, "?region=mars", "region=mars is no region"),
		Entry(nil, "?address=10.0.0.0/99", "is no address"),
		Entry(nil, "?x=1", "allowed are socket, address, region, for, max, payload"),
	)
})

var _ = DescribeTable("the head of a Socket.IO packet", func(text, kind, namespace, event string) {
	m, ok := parseMessage([]byte(text))
	Expect(ok).To(Equal(kind != ""))
	Expect([]string{m.kind, m.namespace, m.event}).To(Equal([]string{kind, namespace, event}))
},
	Entry(nil, ``, "", "", ""),
	Entry(nil, `x`, "", "", ""),
	Entry(nil, `7`, "", "", ""),
	Entry(nil, `0`, "connect", "/", ""),
	Entry(nil, `0/a?token=secret,`, "connect", "/a", ""),
	Entry(nil, `2["a"]`, "event", "/", "a"),
	Entry(nil, `212["a\"b",1]`, "event", "/", `a"b`),
	Entry(nil, `2/admin,12["a",1]`, "event", "/admin", "a"),
	Entry(nil, `2["cut of`, "event", "/", "cut of"),
	Entry(nil, `2["a\`, "event", "/", `a\`),
	Entry(nil, `2["\x"]`, "event", "/", ""),
	Entry(nil, `2[1]`, "event", "/", ""),
	Entry(nil, `2`, "event", "/", ""),
	Entry(nil, `2/`, "event", "/", ""),
	Entry(nil, `51-["a",{"_placeholder":true,"num":0}]`, "binary_event", "/", "a"),
	Entry(nil, `5`, "binary_event", "/", ""),
	Entry(nil, `317["x"]`, "ack", "/", ""),
	Entry(nil, `2["`+strings.Repeat("x", 500), "event", "/", strings.Repeat("x", 100)+"…"),
)

var _ = DescribeTable("figures for people", func(got, want string) { Expect(got).To(Equal(want)) },
	Entry(nil, short(0), "0s"), Entry(nil, short(1234*time.Microsecond), "1.2ms"), Entry(nil, short(59*time.Second), "59s"),
	Entry(nil, short(90*time.Second), "1m30s"), Entry(nil, short(10*time.Minute), "10m"), Entry(nil, short(2*time.Hour), "2h"),
	Entry(nil, short(2*time.Hour+30*time.Minute), "2h30m"), Entry(nil, short(75*time.Hour), "3d3h"),
	Entry(nil, size(0), "0 B"), Entry(nil, size(999), "999 B"), Entry(nil, size(1000), "1.0 kB"), Entry(nil, size(999_999), "1.0 MB"),
	Entry(nil, size(1<<63), fmt.Sprintf("%.1f EB", float64(uint64(1<<63))/1e18)),
)
