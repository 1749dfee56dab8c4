package redisadapter

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/redis/go-redis/v9"

	"github.com/devops-insights/devops-insights/socket/socketio"
)

var _ = Describe("the check of Redis' replies", func() {
	passes := func(text string) {
		GinkgoHelper()
		for size := 1; size <= len(text); size += max(1, size/2) { // in pieces of every kind of size
			var r replyChecker
			for rest := text; rest != ""; rest = rest[min(size, len(rest)):] {
				Expect(r.check([]byte(rest[:min(size, len(rest))]))).To(Succeed())
			}
			Expect(r.open).To(BeEmpty())
			Expect(r.size).To(BeZero())
		}
	}

	It("lets through what Redis says", func() {
		passes("+OK\r\n-ERR no\r\n:5\r\n$-1\r\n*-1\r\n$0\r\n\r\n*0\r\n_\r\n#t\r\n,1.5\r\n(12345678901234567890\r\n")
		passes("$12\r\n*2000000000\n\r\n" + "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$14\r\n|9999999999\r\n*\r\n")
		passes("%2\r\n+a\r\n*2\r\n:1\r\n%0\r\n+b\r\n~1\r\n!3\r\nERR\r\n" + ">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n" + "=7\r\ntxt:abc\r\n")
		passes(strings.Repeat("|1\r\n+ttl\r\n:5\r\n*2\r\n:1\r\n|1\r\n+x\r\n:5\r\n:2\r\n", 100))
		passes(strings.Repeat("*1\r\n", maxReplyDepth) + ":1\r\n")
		passes(fmt.Sprintf("*%d\r\n%s", 20_000, strings.Repeat("*1\r\n:1\r\n", 20_000)))
	})

	DescribeTable("refuses", func(text, reason string) {
		var r replyChecker
		Expect(r.check([]byte(text))).To(MatchError(ContainSubstring(reason)))
		r = replyChecker{}
		var err error
		for i := 0; i < len(text) && err == nil; i++ {
			err = r.check([]byte(text[i : i+1]))
		}
		Expect(err).To(MatchError(ContainSubstring(reason)), "byte by byte")
	},
		Entry("a huge array", "*2000000000\r\n", "a list of 2000000000 elements"),
		Entry("a huge array in an array", "*2\r\n:1\r\n*100001\r\n", "a list of 100001 elements"),
		Entry("a huge map", "%100001\r\n", "a list of 100001 elements"),
		Entry("a huge set", "~2000000000\r\n", "a list of"),
		Entry("a huge push message", ">2000000000\r\n", "a list of"),
		Entry("a huge attribute", "|2000000000\r\n", "a list of"),
		Entry("a length beyond all numbers", "*99999999999999999999\r\n", "a list of 99999999999999999999 elements"),
		Entry("a length that is none", "*abc\r\n", "a list of abc elements"),
		Entry("a huge text", "$2000000000\r\n", "a text of 2000000000 bytes"),
		Entry("a huge error", "!2000000000\r\n", "a text of"),
		Entry("a huge verbatim text", "=2000000000\r\n", "a text of"),
		Entry("a text behind another", "$3\r\nabc\r\n$9223372036854775807\r\n", "a text of"),
		Entry("a line without end", "+"+strings.Repeat("x", maxReplyLine+1), "a line of more than"),
		Entry("lists nested without end", strings.Repeat("*1\r\n", 100), "nested deeper than 32"),
		Entry("maps nested without end", strings.Repeat("%1\r\n+k\r\n", 100), "nested deeper than 32"),
		Entry("attributes without end", strings.Repeat("|0\r\n", 100), "attributes"),
		Entry("attributes with content without end", strings.Repeat("|1\r\n+a\r\n+b\r\n", 100), "attributes"),
	)

	It("refuses many texts that are too much together", func() {
		var r replyChecker
		Expect(r.check([]byte("*100\r\n"))).To(Succeed())
		megabyte := []byte("$1048576\r\n" + strings.Repeat("x", 1<<20) + "\r\n")
		var err error
		for range 100 {
			if err = r.check(megabyte); err != nil {
				break
			}
		}
		Expect(err).To(MatchError(ContainSubstring("a reply of more than")))
	})
})

// lyingRedis answers every command but those of the greeting with a lie. A real
// Redis does not lie.
func lyingRedis(lie func(w io.Writer)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(l.Close)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				for r := bufio.NewReader(c); ; {
					name, err := readCommand(r)
					switch {
					case err != nil:
						return
					case strings.EqualFold(name, "hello"), strings.EqualFold(name, "client"):
						_, _ = io.WriteString(c, "-ERR unknown command\r\n")
					default:
						lie(c)
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// readCommand reads a command, an array of texts, and returns its name.
func readCommand(r *bufio.Reader) (name string, err error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	n, _ := strconv.Atoi(strings.TrimSpace(line[1:]))
	for i := range n {
		if line, err = r.ReadString('\n'); err != nil {
			return "", err
		}
		size, _ := strconv.Atoi(strings.TrimSpace(line[1:]))
		text := make([]byte, size+2)
		if _, err = io.ReadFull(r, text); err != nil {
			return "", err
		}
		if i == 0 {
			name = string(text[:size])
		}
	}
	return name, nil
}

var _ = DescribeTable("a Redis that lies does not end the process", func(ctx SpecContext, lie string, times int) {
	block := []byte(strings.Repeat(lie, min(times, 1000)))
	addr := lyingRedis(func(w io.Writer) {
		for range max(1, times/1000) {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	o := &redis.UniversalOptions{Addrs: []string{addr}, MaxRetries: 1, DialerRetries: 1, ContextTimeoutEnabled: true}
	o.Dialer = Dialer(o)
	client := redis.NewUniversalClient(o)
	DeferCleanup(client.Close)
	log := slog.New(slog.NewTextHandler(GinkgoWriter, nil))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cluster := Open(Options{Client: client, Logger: log, RequestTimeout: 200 * time.Millisecond})
	server := socketio.NewServer(socketio.Options{NewAdapter: cluster.Adapter})
	limited, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	_ = cluster.Ready(limited) // it may even seem to be
	_ = server.Of("/").Emit("e")
	_, _ = server.Of("/").All().FetchSockets(limited)
	_, err := client.Get(limited, "k").Result()
	Expect(err).To(HaveOccurred())
	_, _ = client.PubSubNumSub(limited, "a").Result()
	Expect(server.Close(ctx)).To(Succeed())
	Expect(cluster.Close(ctx)).To(Succeed())
	runtime.ReadMemStats(&after)
	Expect(after.TotalAlloc-before.TotalAlloc).To(BeNumerically("<", 512<<20), "bytes allocated in all")
	Expect(after.Sys-before.Sys).To(BeNumerically("<", 256<<20), "bytes held")
},
	Entry("a huge array", "*2000000000\r\n", 1),
	Entry("an array that no memory holds", "*9223372036854775807\r\n", 1),
	Entry("a huge text", "$2000000000\r\n", 1),
	Entry("a text that no memory holds", "$9223372036854775807\r\n", 1),
	Entry("a huge map", "%2000000000\r\n", 1),
	Entry("lists nested without end", "*1\r\n", 1_000_000),
	Entry("attributes without end", "|0\r\n", 1_000_000),
	Entry("a line without end", "xxxxxxxxxx", 1_000_000),
	Entry("a message without its parts", "*1\r\n$7\r\nmessage\r\n", 1),
	Entry("a message of another kind", "*3\r\n$7\r\nmessage\r\n:1\r\n:2\r\n", 1),
	Entry("a confirmation without its parts", "*1\r\n$9\r\nsubscribe\r\n", 1),
	Entry("a confirmation of nothing", "*3\r\n$9\r\nsubscribe\r\n*0\r\n$-1\r\n", 1),
	Entry("an empty array", "*0\r\n", 1),
	Entry("messages without a body", "*4\r\n$8\r\npmessage\r\n$-1\r\n$-1\r\n$-1\r\n", 1),
	Entry("no protocol at all", "HTTP/1.1 400 Bad Request\r\n\r\n", 1),
)
