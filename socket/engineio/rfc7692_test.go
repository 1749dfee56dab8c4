package engineio

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("RFC 7692", func() {
	const agreed = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	long := "4" + strings.Repeat("abc ", 500)
	noise := make([]byte, 3000)
	rnd := rand.NewChaCha8([32]byte{1})
	_, _ = rnd.Read(noise)
	mixed := "4" + base64.StdEncoding.EncodeToString(noise)

	DescribeTable("the answer to", func(offer, want string) {
		_, url, _ := echo(Options{PerMessageDeflate: 1})
		p, resp := shake(url+"&transport=websocket", append(proper, offer)...)
		Expect(resp.StatusCode).To(Equal(101))
		Expect(resp.Header.Get("Sec-Websocket-Extensions")).To(Equal(want))
		Expect(p.next()).To(HavePrefix("text:0{"))
		_, err := p.Write(fr(0x81, long))
		Expect(err).NotTo(HaveOccurred())
		Expect(p.next() == "text:"+long).To(BeTrue())
	},
		Entry("nothing", "X: y", ""),
		Entry("the plain offer", "Sec-WebSocket-Extensions: permessage-deflate", agreed),
		Entry("what browsers offer", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits", agreed),
		Entry("a client's window", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=10", agreed),
		Entry("a client's window in quotes", `Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits="10"`, agreed),
		Entry("no context takeover", "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover;client_no_context_takeover", agreed),
		Entry("a full window of the server", "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=15", agreed+"; server_max_window_bits=15"),
		Entry("a small window of the server", "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9", agreed+"; server_max_window_bits=9"),
		Entry("the smallest window", "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=8", agreed+"; server_max_window_bits=8"),
		Entry("a window that is none", "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=7", ""),
		Entry("a window that is too large", "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=16", ""),
		Entry("a window with a leading zero", "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=09", ""),
		Entry("a window without a size", "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits", ""),
		Entry("a window that is no number", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=x", ""),
		Entry("a client's window that is none", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=16", ""),
		Entry("a value where none belongs", "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover=1", ""),
		Entry("an unknown parameter", "Sec-WebSocket-Extensions: permessage-deflate; level=9", ""),
		Entry("a doubled parameter", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits; client_max_window_bits", ""),
		Entry("a doubled parameter without a value", "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; server_no_context_takeover", ""),
		Entry("a second offer behind one that cannot be honoured", "Sec-WebSocket-Extensions: permessage-deflate; level=9, permessage-deflate", agreed),
		Entry("a second offer in a line of its own", "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99\r\nSec-WebSocket-Extensions: permessage-deflate", agreed),
		Entry("another extension", "Sec-WebSocket-Extensions: x-webkit-deflate-frame", ""),
		Entry("another extension first", `Sec-WebSocket-Extensions: foo; bar="baz", permessage-deflate`, agreed),
		Entry("a name with another prefix", "Sec-WebSocket-Extensions: permessage-deflate2", ""),
		Entry("what is no list of extensions", "Sec-WebSocket-Extensions: ;=,", ""),
		Entry("a parameter without a name", "Sec-WebSocket-Extensions: permessage-deflate; =1", ""),
		Entry("a quote that does not end", `Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits="10`, ""),
	)

	It("is declined by a server without compression", func() {
		_, url, _ := echo(Options{})
		_, resp := shake(url+"&transport=websocket", append(proper, "Sec-WebSocket-Extensions: permessage-deflate")...)
		Expect(resp.Header).NotTo(HaveKey("Sec-Websocket-Extensions"))
	})

	for _, bits := range []int{8, 9, 10, 11, 12, 13, 14, 15} {
		It(fmt.Sprintf("keeps to a window of %d bits", bits), func() {
			_, url, _ := echo(Options{PerMessageDeflate: 1})
			p, _ := shake(url+"&transport=websocket", append(proper, fmt.Sprintf("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=%d", bits))...)
			Expect(p.next()).To(HavePrefix("text:0{"))
			for _, size := range []int{100, 255, 256, 257, 511, 512, 513, 1023, 1024, 4095, 4096, 40_000} {
				text := "4" + strings.Repeat("abc ", size/4+1)[:size-1]
				_, err := p.Write(fr(0x81, text))
				Expect(err).NotTo(HaveOccurred())
				head, err := p.in.Peek(1)
				Expect(err).NotTo(HaveOccurred())
				Expect(head[0]&0x40 != 0).To(Equal(bits == 15 || size <= 1<<bits), "%d bytes compressed", size)
				Expect(p.next() == "text:"+text).To(BeTrue())
			}
		})
	}

	offered := []string{"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"}
	Context("messages:", func() {
		runCases(Options{PerMessageDeflate: 1 << 20}, offered, []wsCase{
			one("text", fr(0xc1, deflated("4hello")), "text:4hello"),
			one("binary", fr(0xc2, deflated("\x01\x02\xff")), "binary:\x01\x02\xff"),
			one("an empty one", fr(0xc2, deflated("")), "binary:"),
			one("a long one", fr(0xc1, deflated(long)), "text:"+long),
			one("one that is hard to compress", fr(0xc1, deflated(mixed)), "text:"+mixed),
			many("one after the other, without context", []string{"text:" + long, "text:" + long}, fr(0xc1, deflated(long)), fr(0xc1, deflated(long))),
			many("plain ones among them", []string{"text:4a", "text:4b", "text:4c"}, fr(0xc1, deflated("4a")), fr(0x81, "4b"), fr(0xc1, deflated("4c"))),
			many("in two frames", []string{"text:4hello"}, fr(0x41, deflated("4hello")[:3]), fr(0x80, deflated("4hello")[3:])),
			many("a ping between two frames", []string{"pong:p", "text:4hello"}, fr(0x41, deflated("4hello")[:3]), fr(0x89, "p"), fr(0x80, deflated("4hello")[3:])),
			one("a final block with the byte behind it", fr(0xc1, finalBlock("4hello")+"\x00"), "text:4hello"),
			one("a final block", fr(0xc1, finalBlock("4hello")), "text:4hello"),
			one("a stored block", fr(0xc1, "\x00\x06\x00\xf9\xff4hello\x00"), "text:4hello"),
			many("two blocks", []string{"text:4hello"}, fr(0xc1, "\x00\x03\x00\xfc\xff4he\x00\x03\x00\xfc\xffllo\x00")),
			many("RSV1 on a continuation", []string{broken1002}, fr(0x41, deflated("4hello")[:3]), fr(0xc0, deflated("4hello")[3:])),
			one("RSV1 on a ping", fr(0xc9, ""), broken1002),
			one("RSV1 on a pong", fr(0xca, ""), broken1002),
			one("RSV1 on a close", fr(0xc8, closing(1000, "")), broken1002),
			one("RSV2 beside it", fr(0xe1, deflated("4a")), broken1002),
			one("what is not deflate", fr(0xc1, "\xff\xff\xff\xff"), broken1007),
			one("no bytes at all", fr(0xc2, ""), "binary:"),
			one("a block of the reserved type", fr(0xc1, "\x07\x00"), broken1007),
			one("a stored block with a wrong length", fr(0xc1, "\x00\x06\x00\x00\x004hello\x00"), broken1007),
			one("a distance before the beginning", fr(0xc1, "\x02\x04\x00"), broken1007),
			one("bytes behind the final block", fr(0xc1, finalBlock("4hello")+"\x01"), broken1007),
			one("more bytes behind the final block", fr(0xc1, finalBlock("4hello")+"\x00\x00"), broken1007),
			one("a second stream behind the final block", fr(0xc1, finalBlock("4hello")+finalBlock("more")), broken1007),
			one("text that is not UTF-8", fr(0xc1, deflated("4\xff")), broken1007),
			one("text that ends within a character", fr(0xc1, deflated("4\xe2\x82")), broken1007),
			many("what is not UTF-8 before it is inflated", []string{"text:4€"}, fr(0xc1, deflated("4€"))),
		})
	})

	Context("limits:", func() {
		runCases(Options{PerMessageDeflate: 1 << 20, MaxPayload: 5000}, offered, []wsCase{
			one("the largest message", fr(0xc1, deflated("4"+strings.Repeat("x", 4999))), "text:4"+strings.Repeat("x", 4999)),
			one("one byte more", fr(0xc1, deflated("4"+strings.Repeat("x", 5000))), broken1009),
			one("a bomb", fr(0xc1, deflated("4"+strings.Repeat("x", 4_000_000))), broken1009),
			one("a compressed message that is too large", fr(0xc2, strings.Repeat("x", 5001)), broken1009),
		})
	})

	It("ends a bomb early", func() {
		srv, _, _ := echo(Options{PerMessageDeflate: 1})
		bomb := deflated(strings.Repeat("x", 200<<20))
		data, err := srv.flate.Inflate([]byte(bomb), 1_000_000)
		Expect(err).To(HaveOccurred())
		Expect(cap(data)).To(BeNumerically("<", 4<<20))
	})
})

var _ = Describe("the opening handshake", func() {
	request := func(replace map[string]string, more ...string) (peerConn, int, string, map[string][]string) {
		GinkgoHelper()
		_, url, _ := echo(Options{})
		var lines []string
		for _, line := range proper {
			name, _, _ := strings.Cut(line, ":")
			if other, ok := replace[name]; ok {
				line = other
			}
			if line != "" {
				lines = append(lines, line)
			}
		}
		p, resp := shake(url+"&transport=websocket", append(lines, more...)...)
		body := ""
		if resp.StatusCode != 101 {
			text, err := io.ReadAll(resp.Body)
			Expect(err).NotTo(HaveOccurred())
			body = string(text)
		}
		return p, resp.StatusCode, body, resp.Header
	}

	It("is answered as the RFC's example", func() {
		_, status, _, h := request(nil)
		Expect(status).To(Equal(101))
		Expect(h["Sec-Websocket-Accept"]).To(Equal([]string{"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}))
		Expect(h["Upgrade"]).To(Equal([]string{"websocket"}))
		Expect(h["Connection"]).To(Equal([]string{"Upgrade"}))
	})

	DescribeTable("takes", func(name, line string) {
		_, status, _, _ := request(map[string]string{name: line})
		Expect(status).To(Equal(101))
	},
		Entry("a list of tokens", "Connection", "Connection: keep-alive, Upgrade"),
		Entry("two lines", "Connection", "Connection: keep-alive\r\nConnection: upgrade"),
		Entry("small and large letters", "Upgrade", "Upgrade: WebSocket"),
	)

	DescribeTable("refuses", func(want int, name, line string) {
		_, status, body, h := request(map[string]string{name: line})
		Expect(status).To(Equal(want))
		Expect(body).To(Equal(`{"code":3,"message":"Bad request"}`))
		if want == 426 {
			Expect(h["Sec-Websocket-Version"]).To(Equal([]string{"13"}))
		}
	},
		Entry("version 12", 426, "Sec-WebSocket-Version", "Sec-WebSocket-Version: 12"),
		Entry("version 8", 426, "Sec-WebSocket-Version", "Sec-WebSocket-Version: 8"),
		Entry("version 130", 426, "Sec-WebSocket-Version", "Sec-WebSocket-Version: 130"),
		Entry("no version", 426, "Sec-WebSocket-Version", ""),
		Entry("no key", 400, "Sec-WebSocket-Key", ""),
		Entry("a short key", 400, "Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZQ=="),
		Entry("a key that is not base64", 400, "Sec-WebSocket-Key", "Sec-WebSocket-Key: !!!!IHNhbXBsZSBub25jZQ=="),
		Entry("two keys", 400, "Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
		Entry("no upgrade", 400, "Upgrade", ""),
		Entry("another upgrade", 400, "Upgrade", "Upgrade: h2c"),
		Entry("a connection without upgrade", 400, "Connection", "Connection: keep-alive"),
	)

	DescribeTable("answers the protocols", func(offer string, want ...string) {
		p, status, _, h := request(nil, offer)
		Expect(status).To(Equal(101))
		Expect(h["Sec-Websocket-Protocol"]).To(HaveExactElements(want))
		Expect(p.next()).To(HavePrefix("text:0{"))
	},
		Entry("none", "X: y"),
		Entry("one", "Sec-WebSocket-Protocol: a", "a"),
		Entry("two", "Sec-WebSocket-Protocol: a, b", "a"),
		Entry("two in two lines", "Sec-WebSocket-Protocol: b\r\nSec-WebSocket-Protocol: a", "b"),
		Entry("with spaces", "Sec-WebSocket-Protocol:  v10.stomp ,b", "v10.stomp"),
		Entry("an empty one", "Sec-WebSocket-Protocol: "),
		Entry("what is no token", "Sec-WebSocket-Protocol: a b"),
		Entry("what is no ASCII", "Sec-WebSocket-Protocol: \xe4"),
	)

	It("keeps what the client sends before the answer", func() {
		_, url, _ := echo(Options{})
		host, path, _ := strings.Cut(strings.TrimPrefix(url, "http://"), "/")
		c, err := net.Dial("tcp", host)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(c.Close)
		late := fr(0x81, "4late")
		_, err = fmt.Fprintf(c, "GET /%s&transport=websocket HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n%s%s", path, strings.Join(proper, "\r\n"), fr(0x81, "4early"), late[:3])
		Expect(err).NotTo(HaveOccurred())
		p := peerConn{c, bufio.NewReader(c)}
		resp, err := http.ReadResponse(p.in, nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(resp.Body.Close()).To(Succeed())
		Expect(p.next()).To(HavePrefix("text:0{"))
		Expect(p.next()).To(Equal("text:4early"))
		_, err = c.Write(late[3:])
		Expect(err).NotTo(HaveOccurred())
		Expect(p.next()).To(Equal("text:4late"))
	})
})
