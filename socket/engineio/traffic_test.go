package engineio

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = It("loses and reorders nothing when 40 clients upgrade under traffic in both directions", func() {
	const each = 500
	var mu sync.Mutex
	heard := make(map[*Session][]string)
	_, url := hosted(Options{OnSession: func(s *Session) {
		s.OnMessage(func(data []byte, _ bool) {
			mu.Lock()
			heard[s] = append(heard[s], string(data))
			mu.Unlock()
		})
		s.OnOpen(func() {
			go func() {
				for i := range each {
					if s.Send(NewText(fmt.Append(nil, i))) != nil {
						return
					}
					if i%10 == 0 {
						time.Sleep(100 * time.Microsecond) // the traffic lasts as long as the upgrade
					}
				}
			}()
		})
	}})
	var clients sync.WaitGroup
	for range 40 {
		clients.Go(func() {
			defer GinkgoRecover()
			_, body := do(http.MethodGet, url+"&transport=polling", "")
			session := url + "&transport=polling&sid=" + strings.Split(body, `"`)[3]
			var got []string
			take := func(payload string) (noop bool) {
				for p := range strings.SplitSeq(payload, "\x1e") {
					if p == "6" {
						noop = true
					} else if !strings.HasPrefix(p, "0") && p != "2" {
						got = append(got, p[1:])
					}
				}
				return noop
			}
			take(body)
			sent := 0
			post := func() {
				do(http.MethodPost, session, fmt.Sprintf("4%d\x1e4%d", sent, sent+1))
				sent += 2
			}
			post()
			_, body = do(http.MethodGet, session, "")
			take(body)
			ws := dial(session)
			write(ws, "2probe")
			Expect(read(ws)).To(Equal("3probe"))
			post()
			_, body = do(http.MethodGet, session, "") // the poll that is released before the switch
			take(body)
			write(ws, "5")
			for range 10 {
				write(ws, fmt.Sprintf("4%d", sent))
				sent++
			}
			for len(got) < each {
				take(read(ws))
			}
			for i, text := range got {
				Expect(text).To(Equal(fmt.Sprint(i)))
			}
			Expect(ws.Close()).To(Succeed())
		})
	}
	clients.Wait()
	Eventually(func() bool {
		mu.Lock()
		defer mu.Unlock()
		for _, list := range heard {
			if len(list) != 14 {
				return false
			}
			for i, text := range list {
				if text != fmt.Sprint(i) {
					return false
				}
			}
		}
		return len(heard) == 40
	}, "10s").Should(BeTrue(), "each client's 14 messages in order")
})

var _ = Describe("a client that sends a byte now and then", func() {
	trickle := func(url, head, then string, each byte) error {
		GinkgoHelper()
		host := strings.Split(strings.TrimPrefix(url, "http://"), "/")[0]
		c, err := net.Dial("tcp", host)
		Expect(err).NotTo(HaveOccurred())
		defer func() { _ = c.Close() }()
		_, err = c.Write([]byte(head))
		Expect(err).NotTo(HaveOccurred())
		r := bufio.NewReader(c)
		for line := ""; then != "" && line != "\r\n"; {
			line, err = r.ReadString('\n')
			Expect(err).NotTo(HaveOccurred())
		}
		_, err = c.Write([]byte(then))
		Expect(err).NotTo(HaveOccurred())
		gone := make(chan error, 1)
		go func() { // ends with the connection
			for {
				if _, err := r.ReadByte(); err != nil {
					gone <- err
					return
				}
			}
		}()
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for deadline := time.After(10 * time.Second); ; {
			select {
			case <-gone:
				return nil
			case <-deadline:
				return fmt.Errorf("the connection was still open after 10 s")
			case <-ticker.C:
				_, _ = c.Write([]byte{each}) // a reset shows on the reading side
			}
		}
	}

	It("does not hold a POST open", func() {
		base, reasons := server(Options{PingTimeout: 100 * time.Millisecond})
		session := dialect(4).open(base)
		path := session[strings.Index(session, "/engine.io"):]
		Expect(trickle(base, "POST "+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n4", "", 'x')).To(Succeed())
		Eventually(reasons, "10s").Should(Receive(Equal(ReasonTransportError)))
	})

	It("does not hold a websocket open in the middle of a frame", func() {
		base, reasons := server(Options{PingInterval: 50 * time.Millisecond, PingTimeout: 100 * time.Millisecond})
		head := "GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
		Expect(trickle(base, head, "\x81\xfe\xff\xff\x00\x00\x00\x00", '4')).To(Succeed())
		Eventually(reasons, "10s").Should(Receive(Equal(ReasonPingTimeout)))
	})
})
