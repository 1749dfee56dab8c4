package redisadapter

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/socket/internal/discreet"
	"github.com/devops-insights/devops-insights/socket/internal/notepack"
	"github.com/devops-insights/devops-insights/socket/socketio"
)

// The right side is what JavaScript's TextDecoder makes of the left one.
var _ = DescribeTable("invalid UTF-8 of other servers becomes U+FFFD", func(invalid, valid string) {
	classic := newClassic("socket.io", "/", "abcdef", false)
	sharded := newSharded("socket.io", "/", "abcdef", Dynamic)
	str := string([]byte{0xa0 | byte(len(invalid))}) + invalid
	for _, m := range []struct {
		codec         codec
		channel, body string
	}{
		{classic, "socket.io#/#", "\x93\xa1x\x83\xa4type\x02\xa4data\x92\xa1e" + "\x81" + str + str + "\xa3nsp\xa1/\x82\xa5rooms\x90\xa6except\x90"},
		{classic, "socket.io-request#/#", `{"type":6,"data":["e",{"` + invalid + `":"` + invalid + `"}]}`},
		{sharded, "socket.io#/#", `{"type":3,"nsp":"/","data":{"packet":{"type":2,"data":["e",{"` + invalid + `":"` + invalid + `"}]}}}`},
	} {
		got, err := m.codec.decode(m.channel, []byte(m.body))
		Expect(err).NotTo(HaveOccurred())
		text := got.command.Args.JSON()
		if got.command.Packet != nil {
			text = got.command.Packet.Data
		}
		Expect(utf8.Valid(text)).To(BeTrue())
		Expect(string(text)).To(Equal(`["e",{"` + valid + `":"` + valid + `"}]`))
	}
	answer, err := classic.decode("socket.io-response#/#", []byte(`{"type":6,"requestId":"a","data":"`+invalid+`"}`))
	Expect(err).NotTo(HaveOccurred())
	Expect(string(answer.answer.Args.JSON())).To(Equal(`["` + valid + `"]`))
},
	Entry("latin-1", "S\xe3o", "S\uFFFDo"),
	Entry("bytes that never occur", "a\xff\xfeb", "a\uFFFD\uFFFDb"),
	Entry("a sequence that was cut", "\xe2\x82", "\uFFFD"),
	Entry("a sequence that was cut before more", "\xf0\x9f\x98z", "\uFFFDz"),
	Entry("an encoded surrogate", "\xed\xa0\x80", "\uFFFD\uFFFD\uFFFD"),
	Entry("an overlong form", "\xc0\x80", "\uFFFD\uFFFD"),
	Entry("an overlong form of three bytes", "\xe0\x80\x80", "\uFFFD\uFFFD\uFFFD"),
	Entry("beyond Unicode", "\xf4\x90\x80\x80", "\uFFFD\uFFFD\uFFFD\uFFFD"),
	Entry("a lone continuation", "\x80x", "\uFFFDx"),
	Entry("a valid text", "ä€😀", "ä€😀"),
)

var _ = DescribeTable("a message that announces or nests too much is an error", func(channel, body string) {
	classic := newClassic("socket.io", "/", "abcdef", false)
	sharded := newSharded("socket.io", "/", "abcdef", Dynamic)
	_, err := classic.decode(channel, []byte(body))
	Expect(err).To(HaveOccurred())
	_, err = sharded.decode("socket.io#/#", []byte(body))
	Expect(err).To(HaveOccurred())
},
	Entry("an array of 4 billion", "socket.io#/#", "\xdd\xff\xff\xff\xff"),
	Entry("a map of 4 billion", "socket.io#/#", "\xdf\xff\xff\xff\xff"),
	Entry("a text of 4 GB", "socket.io#/#", "\xdb\xff\xff\xff\xff"),
	Entry("a binary of 4 GB", "socket.io#/#", "\xc6\xff\xff\xff\xff"),
	Entry("an extension of 4 GB", "socket.io#/#", "\xc9\xff\xff\xff\xff\x00"),
	Entry("an array within the data", "socket.io#/#", "\x93\xa1x\x82\xa4type\x02\xa4data\xdd\xff\xff\xff\xff"),
	Entry("MessagePack arrays without end", "socket.io#/#", strings.Repeat("\x91", 10_000_000)),
	Entry("MessagePack maps without end", "socket.io-request#/#", strings.Repeat("\x81\xa1a", 5_000_000)),
	Entry("MessagePack in the data", "socket.io#/#", "\x93\xa1x\x82\xa4type\x02\xa4data"+strings.Repeat("\x91", 2000)+"\x80"),
	Entry("JSON arrays without end", "socket.io-request#/#", `{"type":6,"data":`+strings.Repeat("[", 10_000_000)),
	Entry("JSON objects without end", "socket.io-request#/#", strings.Repeat(`{"a":`, 5_000_000)),
	Entry("JSON in a response", "socket.io-response#/#", `{"type":6,"requestId":"a","data":`+strings.Repeat("[", 20_000)+strings.Repeat("]", 20_000)+`}`),
)

var _ = Describe("what this server sends", func() {
	It("is nested as deep as other servers take it, and not deeper", func() {
		nested := func(depth int) socketio.Command {
			text := strings.Repeat("[", depth) + strings.Repeat("]", depth)
			return socketio.Command{Packet: &socketio.Packet{Namespace: "/", Data: json.RawMessage(text)}}
		}
		a, b := newClassic("socket.io", "/", "abcdef", false), newClassic("socket.io", "/", "ghijkl", false)
		channel, body, err := a.encodeRequest(nested(maxDepth), "", 0)
		Expect(err).NotTo(HaveOccurred())
		_, err = b.decode(channel, body)
		Expect(err).NotTo(HaveOccurred())
		_, _, err = a.encodeRequest(nested(maxDepth+1), "", 0)
		Expect(err).To(MatchError(notepack.ErrDepth))
	})

	It("has no secret of a client's handshake", func() {
		auth := `{"name":"ops","token":"hunter2","pid":"hunter2","more":{"apiKey":"hunter2","theme":"dark"}}`
		info := socketio.SocketInfo{ID: "id", Rooms: []string{"id"}, Handshake: socketio.Handshake{
			Time: time.UnixMilli(0), URL: "/socket.io/?EIO=4&token=hunter2&transport=websocket&access%5Ftoken=hunter2", Address: "192.0.2.1",
			Headers: http.Header{
				"User-Agent": {"browser"}, "Origin": {"https://a.example"}, "Sec-Websocket-Key": {"x"},
				"Cookie": {"sid=hunter2"}, "Authorization": {"Bearer hunter2"}, "Proxy-Authorization": {"hunter2"},
				"X-Api-Key": {"hunter2"}, "X_api_key": {"hunter2"}, "Apikey": {"hunter2"}, "X-Auth-Token": {"hunter2"}, "X-Csrf-Token": {"hunter2"},
				"X-Forwarded-Access-Token": {"hunter2"}, "X-Amz-Security-Token": {"hunter2"}, "X-Session-Id": {"hunter2"}, "X-Client-Secret": {"hunter2"},
				"X-Password": {"hunter2"}, "X-Hub-Signature-256": {"hunter2"}, "X-Forwarded-Client-Cert": {"hunter2"},
			},
			Query: url.Values{"EIO": {"4"}, "who": {"me"}, "token": {"hunter2"}, "api_key": {"hunter2"}, "jwt": {"hunter2"}},
			Auth:  json.RawMessage(auth),
		}}
		fetch := message{request: "r", from: "ghijkl", command: &socketio.Command{Kind: socketio.CommandFetch}}
		for _, c := range []codec{newClassic("socket.io", "/", "abcdef", true), newSharded("socket.io", "/", "abcdef", Dynamic)} {
			_, body, err := c.encodeResponse(fetch, socketio.Answer{Sockets: []socketio.SocketInfo{info}})
			Expect(err).NotTo(HaveOccurred())
			Expect(string(body)).NotTo(ContainSubstring("hunter2"))
			for _, kept := range []string{`"user-agent":"browser"`, `"origin":"https://a.example"`, `"who":"me"`, `"url":"/socket.io/?EIO=4&transport=websocket"`, `"address":"192.0.2.1"`, `"auth":{"more":{"theme":"dark"},"name":"ops"}`} {
				Expect(string(body)).To(ContainSubstring(kept))
			}
		}
		Expect(info.Handshake.Headers.Get("Cookie")).To(Equal("sid=hunter2"), "this process still has it")
		Expect(string(discreet.Auth(json.RawMessage(`"hunter2"`)))).To(Equal("{}"))
		Expect(string(discreet.Auth(json.RawMessage(`{"b":1e3,"a":2}`)))).To(Equal(`{"b":1e3,"a":2}`), "unchanged without a secret")
		Expect(string(discreet.Auth(nil))).To(Equal("{}"))
	})
})

var _ = It("who fills the inbox waits, by number and by bytes", func(ctx SpecContext) {
	b := newInbox(1000)
	limited, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	b.put(limited, message{request: "1"}, 600)
	b.put(limited, message{request: "2"}, 600) // gives up
	Expect(limited.Err()).To(HaveOccurred())
	Expect(b.messages).To(HaveLen(1))
	executed := make(chan string, 10)
	running, stop := context.WithCancel(ctx)
	go b.run(running, func(m message) { executed <- m.request })
	DeferCleanup(stop)
	b.put(ctx, message{request: "3"}, 5000) // more than there is room for in all: alone
	b.put(ctx, message{request: "4"}, 1)
	for _, want := range []string{"1", "3", "4"} {
		Eventually(executed).Should(Receive(Equal(want)))
	}
})
