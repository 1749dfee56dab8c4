package engineio

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// wsCase is what a client sends and what must come back, in order. Where the
// last of it is no close, the connection must still be open.
type wsCase struct {
	name string
	send [][]byte
	want []string
}

func one(name string, send []byte, want ...string) wsCase { return wsCase{name, [][]byte{send}, want} }

func many(name string, want []string, send ...[]byte) wsCase { return wsCase{name, send, want} }

const (
	broken1002 = "close:1002"
	broken1007 = "close:1007"
	broken1009 = "close:1009"
)

// runCases sends each case at once and, where it is short, byte by byte.
func runCases(o Options, lines []string, cases []wsCase) {
	o.PingInterval = time.Hour
	for _, c := range cases {
		for _, step := range []int{1 << 30, 1} {
			all := bytes.Join(c.send, nil)
			if step == 1 && len(all) > 600 {
				continue
			}
			It(fmt.Sprintf("%s%s", c.name, map[int]string{1: ", byte by byte"}[step]), func() {
				_, url, _ := echo(o)
				p, resp := shake(url+"&transport=websocket", append(proper, lines...)...)
				Expect(resp.StatusCode).To(Equal(101))
				Expect(p.next()).To(HavePrefix("text:0{"))
				for rest := all; len(rest) > 0; {
					n := min(step, len(rest))
					if _, err := p.Write(rest[:n]); err != nil {
						break // closed for what came before
					}
					rest = rest[n:]
				}
				last := ""
				for _, want := range c.want {
					pong := strings.HasPrefix(want, "pong:")
					if pong && !canWriteNow {
						continue // pongs overtake what waits, and replace each other
					}
					last = p.next()
					for !canWriteNow && strings.HasPrefix(last, "pong:") {
						last = p.next()
					}
					if len(want) > 200 || len(last) > 200 {
						Expect(last == want).To(BeTrue(), "%.50q… instead of %.50q…", last, want)
						continue
					}
					Expect(last).To(Equal(want))
				}
				if strings.HasPrefix(last, "close:") {
					Expect(p.next()).To(Equal("end"), "nothing follows a close frame")
					return
				}
				_, err := p.Write(fr(0x89, "still there?"))
				Expect(err).NotTo(HaveOccurred())
				for last = p.next(); !canWriteNow && last != "pong:still there?"; last = p.next() {
					Expect(last).To(HavePrefix("pong:"))
				}
				Expect(last).To(Equal("pong:still there?"))
			})
		}
	}
}

func lengths() (cases []wsCase) {
	for _, n := range []int{1, 2, 124, 125, 126, 127, 128, 1000, 65534, 65535, 65536, 100_000} {
		text := "4" + strings.Repeat("*", n-1)
		cases = append(cases, one(fmt.Sprintf("text of %d bytes", n), fr(0x81, text), "text:"+text))
	}
	for _, n := range []int{0, 1, 124, 125, 126, 127, 128, 1000, 65534, 65535, 65536, 100_000} {
		data := strings.Repeat("\xfe", n)
		cases = append(cases, one(fmt.Sprintf("binary of %d bytes", n), fr(0x82, data), "binary:"+data))
	}
	for _, f := range []frame{
		{first: 0x81, payload: "4x", form: 2},
		{first: 0x81, payload: "4x", form: 8},
		{first: 0x82, payload: strings.Repeat("x", 125), form: 2},
		{first: 0x82, payload: strings.Repeat("x", 126), form: 8},
		{first: 0x82, payload: strings.Repeat("x", 65535), form: 8},
		{first: 0x82, payload: "", form: 2},
		{first: 0x89, payload: "x", form: 2},
		{first: 0x88, payload: closing(1000, ""), form: 8},
		{first: 0x82, payload: "x", form: 8, size: 1 << 63},
		{first: 0x82, payload: "x", form: 8, size: 1<<64 - 1},
	} {
		cases = append(cases, one(fmt.Sprintf("refuses a first byte of %x with %d bytes, length in %d bytes", f.first, max(uint64(len(f.payload)), f.size), f.form), f.bytes(), broken1002))
	}
	return cases
}

var _ = Describe("RFC 6455", func() {
	Context("lengths:", func() { runCases(Options{}, nil, lengths()) })

	Context("pings and pongs:", func() {
		flood := bytes.Repeat(fr(0x89, "x"), 10)
		runCases(Options{}, nil, []wsCase{
			one("a ping without data", fr(0x89, ""), "pong:"),
			one("a ping with text", fr(0x89, "hello"), "pong:hello"),
			one("a ping with bytes", fr(0x89, "\x00\xff\xfe\xfd"), "pong:\x00\xff\xfe\xfd"),
			one("a ping of 125 bytes", fr(0x89, strings.Repeat("p", 125)), "pong:"+strings.Repeat("p", 125)),
			one("a ping of 126 bytes", fr(0x89, strings.Repeat("p", 126)), broken1002),
			one("a pong that nobody asked for", fr(0x8a, "")),
			one("a pong with data", fr(0x8a, "x")),
			many("a pong, then a ping", []string{"pong:y"}, fr(0x8a, "x"), fr(0x89, "y")),
			one("ten pings", flood, strings.Split(strings.Repeat(" pong:x", 10)[1:], " ")...),
			many("a ping between messages", []string{"text:4a", "pong:b", "text:4c"}, fr(0x81, "4a"), fr(0x89, "b"), fr(0x81, "4c")),
			one("a pong of 126 bytes", fr(0x8a, strings.Repeat("p", 126)), broken1002),
			one("a ping in fragments", fr(0x09, "x"), broken1002),
			one("a pong in fragments", fr(0x0a, "x"), broken1002),
		})
	})

	Context("reserved bits:", func() {
		var cases []wsCase
		for _, rsv := range []byte{0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70} {
			cases = append(cases, many(fmt.Sprintf("%x after a good message", rsv), []string{"text:4a", broken1002}, fr(0x81, "4a"), fr(0x81|rsv, "4b"), fr(0x89, "")))
		}
		for _, opcode := range []byte{0x2, 0x8, 0x9, 0xa} {
			cases = append(cases, one(fmt.Sprintf("RSV1 on opcode %x", opcode), fr(0xc0|opcode, ""), broken1002))
		}
		cases = append(cases, many("RSV1 on a continuation", []string{broken1002}, fr(0x01, "4a"), fr(0xc0, "b")))
		runCases(Options{}, nil, cases)
	})

	Context("opcodes:", func() {
		var cases []wsCase
		for _, opcode := range []byte{0x3, 0x4, 0x5, 0x6, 0x7, 0xb, 0xc, 0xd, 0xe, 0xf} {
			cases = append(cases, many(fmt.Sprintf("%x is reserved", opcode), []string{"text:4a", broken1002}, fr(0x81, "4a"), fr(0x80|opcode, ""), fr(0x89, "")))
		}
		cases = append(cases, one("b with a payload", fr(0x8b, "x"), broken1002), one("3 with a payload", fr(0x83, "x"), broken1002))
		runCases(Options{}, nil, cases)
	})

	Context("masks:", func() {
		runCases(Options{}, nil, []wsCase{
			one("text without one", frame{first: 0x81, payload: "4a", bare: true}.bytes(), broken1002),
			one("a ping without one", frame{first: 0x89, payload: "a", bare: true}.bytes(), broken1002),
			one("a close without one", frame{first: 0x88, payload: closing(1000, ""), bare: true}.bytes(), broken1002),
			one("an empty frame without one", frame{first: 0x82, bare: true}.bytes(), broken1002),
			many("a continuation without one", []string{broken1002}, fr(0x01, "4a"), frame{first: 0x80, payload: "b", bare: true}.bytes()),
		})
	})

	Context("fragments:", func() {
		runCases(Options{}, nil, []wsCase{
			many("text in two", []string{"text:4ab"}, fr(0x01, "4a"), fr(0x80, "b")),
			many("text in three", []string{"text:4abc"}, fr(0x01, "4a"), fr(0x00, "b"), fr(0x80, "c")),
			many("binary in three", []string{"binary:abc"}, fr(0x02, "a"), fr(0x00, "b"), fr(0x80, "c")),
			many("empty ones", []string{"binary:"}, fr(0x02, ""), fr(0x00, ""), fr(0x80, "")),
			many("an empty one at the end", []string{"text:4a"}, fr(0x01, "4a"), fr(0x80, "")),
			many("an empty one in front", []string{"text:4a"}, fr(0x01, ""), fr(0x80, "4a")),
			many("a ping between", []string{"pong:p", "text:4ab"}, fr(0x01, "4a"), fr(0x89, "p"), fr(0x80, "b")),
			many("pings and pongs between", []string{"pong:p", "pong:q", "text:4abc"}, fr(0x01, "4a"), fr(0x89, "p"), fr(0x00, "b"), fr(0x8a, "x"), fr(0x89, "q"), fr(0x80, "c")),
			many("a close between", []string{"close:1000"}, fr(0x01, "4a"), fr(0x88, closing(1000, "")), fr(0x80, "b")),
			many("many", []string{"binary:" + strings.Repeat("x", 202)}, fr(0x02, "x"), bytes.Repeat(fr(0x00, "x"), 200), fr(0x80, "x")),
			many("two messages", []string{"text:4ab", "text:4cd"}, fr(0x01, "4a"), fr(0x80, "b"), fr(0x01, "4c"), fr(0x80, "d")),
			many("a text within a text", []string{broken1002}, fr(0x01, "4a"), fr(0x81, "4b")),
			many("a text's beginning within a text", []string{broken1002}, fr(0x01, "4a"), fr(0x01, "4b")),
			many("a binary within a text", []string{broken1002}, fr(0x01, "4a"), fr(0x82, "b")),
			one("a final continuation of nothing", fr(0x80, "x"), broken1002),
			one("a continuation of nothing", fr(0x00, "x"), broken1002),
			one("an empty continuation of nothing", fr(0x80, ""), broken1002),
			many("a continuation after a whole message", []string{"text:4a", broken1002}, fr(0x81, "4a"), fr(0x80, "b")),
			many("a continuation after a fragmented message", []string{"text:4ab", broken1002}, fr(0x01, "4a"), fr(0x80, "b"), fr(0x00, "c"), fr(0x80, "d")),
			one("a close in fragments", fr(0x08, closing(1000, "")), broken1002),
		})
	})

	Context("UTF-8:", func() { runCases(Options{}, nil, texts()) })

	Context("the end:", func() { runCases(Options{}, nil, endings()) })

	Context("limits:", func() {
		runCases(Options{MaxPayload: 1000}, nil, []wsCase{
			one("the largest text", fr(0x81, "4"+strings.Repeat("x", 999)), "text:4"+strings.Repeat("x", 999)),
			one("one byte more", fr(0x81, "4"+strings.Repeat("x", 1000)), broken1009),
			one("the largest binary", fr(0x82, strings.Repeat("x", 1000)), "binary:"+strings.Repeat("x", 1000)),
			one("one byte more of binary", fr(0x82, strings.Repeat("x", 1001)), broken1009),
			one("a length that is only announced", frame{first: 0x82, form: 8, size: 1 << 40}.bytes(), broken1009),
			one("the greatest length there is", frame{first: 0x82, form: 8, size: 1<<63 - 1}.bytes(), broken1009),
			many("the largest in fragments", []string{"binary:" + strings.Repeat("x", 1000)}, fr(0x02, strings.Repeat("x", 500)), fr(0x80, strings.Repeat("x", 500))),
			many("fragments that are too much together", []string{broken1009}, fr(0x02, strings.Repeat("x", 500)), fr(0x00, strings.Repeat("x", 500)), fr(0x80, "x")),
			many("a message that is too large after a good one", []string{"binary:a", broken1009}, fr(0x82, "a"), fr(0x82, strings.Repeat("x", 1001)), fr(0x89, "")),
			many("a ping between fragments does not count", []string{"pong:" + strings.Repeat("p", 100), "binary:" + strings.Repeat("x", 1000)},
				fr(0x02, strings.Repeat("x", 950)), fr(0x89, strings.Repeat("p", 100)), fr(0x80, strings.Repeat("x", 50))),
		})
	})
})

func texts() (cases []wsCase) {
	for name, text := range map[string]string{
		"Greek":                  "κόσμε",
		"the euro sign":          "€",
		"an emoji":               "😀",
		"the last one-byte code": "\x7f",
		"the zero byte":          "\x00",
		"the first of two":       "\u0080", "the last of two": "\u07ff",
		"the first of three": "\u0800", "the last of three": "\uffff",
		"the first of four": "\U00010000", "the last of four": "\U0010ffff",
		"just below the surrogates": "\ud7ff", "just above them": "\ue000",
		"a noncharacter": "\ufffe", "the replacement character": "\ufffd",
		"a byte order mark": "\ufeff",
	} {
		cases = append(cases,
			one(name, fr(0x81, "4"+text), "text:4"+text),
			many(name+", each byte in a frame of its own", []string{"text:4" + text}, eachByte("4"+text)...))
	}
	for name, text := range map[string]string{
		"a lone continuation byte": "\x80", "the last continuation byte": "\xbf",
		"continuation bytes":              "\x80\xbf\x80\xbf",
		"a two-byte character cut off":    "\xce",
		"a three-byte character cut off":  "\xe2\x82",
		"a four-byte character cut off":   "\xf0\x9f\x98",
		"a cut character before a letter": "\xe2\x82a",
		"an overlong slash in two bytes":  "\xc0\xaf", "in three bytes": "\xe0\x80\xaf", "in four bytes": "\xf0\x80\x80\xaf",
		"overlong, the greatest of two": "\xc1\xbf", "of three": "\xe0\x9f\xbf", "of four": "\xf0\x8f\xbf\xbf",
		"an overlong zero": "\xc0\x80",
		"a high surrogate": "\xed\xa0\x80", "a low surrogate": "\xed\xbf\xbf", "a pair of surrogates": "\xed\xa0\x80\xed\xb0\x80",
		"beyond Unicode": "\xf4\x90\x80\x80", "five bytes": "\xf8\x88\x80\x80\x80", "six bytes": "\xfc\x84\x80\x80\x80\x80",
		"fe": "\xfe", "ff": "\xff", "latin-1": "S\xe3o", "invalid after valid": "κόσμε\xed\xa0\x80edited",
	} {
		cases = append(cases,
			one("refuses "+name, fr(0x81, "4"+text), broken1007),
			many("refuses "+name+" in two frames", []string{broken1007}, fr(0x01, "4"+text[:1]), fr(0x80, text[1:])))
	}
	return append(cases,
		many("refuses what is invalid before the message ends", []string{broken1007}, fr(0x01, "4κόσμε\xf4\x90")),
		many("refuses what is invalid before the frame ends", []string{broken1007}, fr(0x01, "4\xff"+strings.Repeat("x", 100))[:20]),
		many("is not asked of binary", []string{"binary:\xff\xfe"}, fr(0x82, "\xff\xfe")),
		many("is asked of each message alone", []string{"text:4a", broken1007}, fr(0x81, "4a"), fr(0x81, "4\xce"), fr(0x81, "\xba")))
}

func eachByte(text string) (frames [][]byte) {
	for i := range len(text) {
		first := byte(0x00)
		if i == 0 {
			first = 0x01
		}
		if i == len(text)-1 {
			first |= 0x80
		}
		frames = append(frames, fr(first, text[i:i+1]))
	}
	return frames
}

func endings() (cases []wsCase) {
	for _, status := range []uint16{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		cases = append(cases, one(fmt.Sprintf("%d comes back", status), fr(0x88, closing(status, "")), fmt.Sprintf("close:%d", status)))
	}
	for _, status := range []uint16{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		cases = append(cases, one(fmt.Sprintf("%d must not be sent", status), fr(0x88, closing(status, "")), broken1002))
	}
	return append(cases,
		one("without a status", fr(0x88, ""), "close:"),
		one("with half a status", fr(0x88, "\x03"), broken1002),
		one("with a reason", fr(0x88, closing(1000, "goodbye")), "close:1000"),
		one("with the longest reason", fr(0x88, closing(1000, strings.Repeat("x", 123))), "close:1000"),
		one("with a longer reason", fr(0x88, closing(1000, strings.Repeat("x", 124))), broken1002),
		one("with a reason that is not UTF-8", fr(0x88, closing(1000, "\xce\xba\xe1\xbd\xb9\xcf\x83\xed\xa0\x80")), broken1007),
		many("a message before it is answered", []string{"text:4a", "close:1000"}, fr(0x81, "4a"), fr(0x88, closing(1000, ""))),
		many("a message after it is not", []string{"close:1000"}, fr(0x88, closing(1000, "")), fr(0x81, "4a")),
		many("a ping after it is not", []string{"close:1000"}, fr(0x88, closing(1000, "")), fr(0x89, "x")),
		many("a second one is not", []string{"close:1000"}, fr(0x88, closing(1000, "")), fr(0x88, closing(1001, ""))),
		many("nonsense after it is not", []string{"close:1000"}, fr(0x88, closing(1000, "")), []byte("\xff\xff\xff\xff")),
		many("nothing after an error is answered", []string{broken1002}, fr(0x83, ""), fr(0x81, "4a"), fr(0x89, "x"), fr(0x88, closing(1000, ""))),
		many("a large message before it", []string{"binary:" + strings.Repeat("x", 256<<10), "close:1000"}, fr(0x82, strings.Repeat("x", 256<<10)), fr(0x88, closing(1000, ""))),
	)
}
