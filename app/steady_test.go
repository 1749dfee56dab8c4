package app

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("a request of a stranger", func() {
	over := make(chan error, 1)
	dial := func(h http.HandlerFunc, request string) *net.TCPConn {
		GinkgoHelper()
		web := httptest.NewServer(steady(h, 200*time.Millisecond, 600*time.Millisecond))
		DeferCleanup(web.Close)
		c, err := net.Dial("tcp", web.Listener.Addr().String())
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() { _ = c.Close() })
		_, err = io.WriteString(c, request)
		Expect(err).NotTo(HaveOccurred())
		return c.(*net.TCPConn)
	}
	const post = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nx"
	read := func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		over <- err
	}

	It("ends when its body stops", func() {
		dial(read, post)
		Eventually(over, "10s").Should(Receive(MatchError(ContainSubstring("timeout"))))
	})

	It("ends when its body trickles in", func() {
		c := dial(read, post)
		began := time.Now()
		go func() { // ends with the connection
			for {
				if _, err := c.Write([]byte("x")); err != nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		}()
		Eventually(over, "10s").Should(Receive(MatchError(ContainSubstring("timeout"))))
		Expect(time.Since(began)).To(BeNumerically(">", 400*time.Millisecond), "it made progress")
	})

	It("ends when nobody reads its body either", func() {
		c := dial(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }, post)
		Expect(c.SetReadDeadline(time.Now().Add(10 * time.Second))).To(Succeed())
		answer, err := io.ReadAll(c)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(answer)).To(HavePrefix("HTTP/1.1 404"))
	})

	It("ends when its answer is not read", func() {
		dial(func(w http.ResponseWriter, _ *http.Request) {
			_, err := w.Write(make([]byte, 64<<20))
			over <- err
		}, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		Eventually(over, "10s").Should(Receive(MatchError(ContainSubstring("timeout"))))
	})

	It("is answered as before where it is read", func() {
		want := bytes.Repeat([]byte("x"), 5<<20)
		c := dial(func(w http.ResponseWriter, _ *http.Request) {
			n, err := w.Write(want)
			over <- err
			Expect(n).To(Equal(len(want)))
		}, "GET / HTTP/1.0\r\nHost: x\r\n\r\n")
		answer, err := io.ReadAll(c)
		Expect(err).NotTo(HaveOccurred())
		Expect(bytes.HasSuffix(answer, want)).To(BeTrue(), fmt.Sprint(len(answer)))
		Expect(over).To(Receive(BeNil()))
	})
})
