package notify

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/poller/alert"
)

// deadline is generous: machines are slow.
const deadline = 15 * time.Second

// secret is in the address, the headers and the template of the receivers here,
// and must be in no error and no line of the log.
const secret = "s3cr3t"

var _ = Describe("a receiver on the network", func() {
	// told sends one message to a receiver and returns what the sender says of it.
	told := func(r Receiver) (class string, delivered bool, log string) {
		GinkgoHelper()
		out := newOutbox(message("hook", "east", 1, alert.MessageFiring, time.Now()))
		said := new(lines)
		r.Name = "hook"
		r.Header = http.Header{"Authorization": {"Bearer " + secret}}
		s := running(GinkgoT(), Options{Receivers: []Receiver{r}, Outbox: out, Logger: said.logger()})
		Eventually(func() bool { return len(out.told()) > 0 || s.Status()[0].Class != "" }, deadline, "5ms").Should(BeTrue())
		class, delivered = s.Status()[0].Class, len(out.told()) > 0
		Eventually(said.String, deadline, "5ms").Should(ContainSubstring("receiver=hook"))
		Expect(said.String()).NotTo(ContainSubstring(secret))
		Expect(said.String()).NotTo(ContainSubstring("127.0.0.1"))
		return class, delivered, said.String()
	}
	serve := func(h http.HandlerFunc) string {
		server := httptest.NewServer(h)
		DeferCleanup(server.Close)
		return server.URL + "/" + secret
	}
	// raw answers each connection with some bytes, and ends it.
	raw := func(text string) string {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		over := make(chan struct{})
		go func() {
			defer close(over)
			for {
				c, err := listener.Accept()
				if err != nil {
					return
				}
				_ = c.SetDeadline(time.Now().Add(deadline))
				_, _ = http.ReadRequest(bufio.NewReader(c))
				_, _ = io.WriteString(c, text)
				_ = c.Close()
			}
		}()
		DeferCleanup(func() { _ = listener.Close(); <-over })
		return "http://" + listener.Addr().String() + "/" + secret
	}

	It("gets a POST with version-4 JSON, its headers and the key of the message", func() {
		var mu sync.Mutex
		var got *http.Request
		var body []byte
		url := serve(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			got = r
			body, _ = io.ReadAll(r.Body)
			w.WriteHeader(http.StatusAccepted)
		})
		class, delivered, said := told(Receiver{URL: url})
		Expect(delivered).To(BeTrue())
		Expect(class).To(BeEmpty())
		Expect(said).To(ContainSubstring("a message was delivered"))
		mu.Lock()
		defer mu.Unlock()
		Expect(got.Method).To(Equal(http.MethodPost))
		Expect(got.Header).To(And(
			HaveKeyWithValue("Content-Type", []string{"application/json"}),
			HaveKeyWithValue("Authorization", []string{"Bearer " + secret}),
			HaveKeyWithValue("Idempotency-Key", []string{"east-hook-1"}),
			HaveKeyWithValue("User-Agent", []string{"devops-insights/1.0"})))
		Expect(json.Valid(body)).To(BeTrue())
	})

	DescribeTable("has taken a message that it answers with 2xx, whatever comes behind it",
		func(h http.HandlerFunc) {
			_, delivered, _ := told(Receiver{URL: serve(h)})
			Expect(delivered).To(BeTrue())
		},
		Entry("nothing", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }),
		Entry("a body without end", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}),
		Entry("a reset in the middle", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100000")
			_, _ = w.Write(make([]byte, 100))
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}),
	)

	DescribeTable("that does not take a message is named by a class and tried again",
		func(address func() Receiver, class string) {
			found, delivered, said := told(address())
			Expect(delivered).To(BeFalse())
			Expect(found).To(Equal(class))
			Expect(said).To(ContainSubstring("a receiver of alerts does not take messages; they are tried again"))
		},
		Entry("one that refuses", func() Receiver {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			Expect(err).NotTo(HaveOccurred())
			defer func() { _ = l.Close() }()
			return Receiver{URL: fmt.Sprintf("http://%s/%s", l.Addr(), secret)}
		}, "REFUSED"),
		Entry("one that is too slow", func() Receiver {
			return Receiver{Timeout: 50 * time.Millisecond, URL: serve(func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				<-r.Context().Done()
			})}
		}, "TIMEOUT"),
		Entry("one that closes the connection", func() Receiver { return Receiver{URL: raw("")} }, "RESET"),
		Entry("one that stops within the header", func() Receiver { return Receiver{URL: raw("HTTP/1.1 200 OK\r\nX-A: b")} }, "RESET"),
		Entry("one that does not speak HTTP", func() Receiver { return Receiver{URL: raw("SSH-2.0-OpenSSH_9.9\r\n")} }, "OTHER"),
		Entry("one with a header without end", func() Receiver {
			return Receiver{URL: raw("HTTP/1.1 200 OK\r\n" + strings.Repeat("X-Filler: "+strings.Repeat("a", 1000)+"\r\n", 1000))}
		}, "OTHER"),
		Entry("one that answers 500", func() Receiver {
			return Receiver{URL: serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })}
		}, "HTTP_500"),
		Entry("one that answers 401", func() Receiver {
			return Receiver{URL: serve(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, secret, http.StatusUnauthorized) })}
		}, "HTTP_401"),
		Entry("one that redirects, which is not followed", func() Receiver {
			return Receiver{URL: serve(func(w http.ResponseWriter, r *http.Request) {
				Expect(r.URL.Path).NotTo(Equal("/elsewhere"))
				http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
			})}
		}, "REDIRECT"),
		Entry("one whose certificate nobody knows", func() Receiver {
			server := httptest.NewUnstartedServer(http.NotFoundHandler())
			server.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains
			server.StartTLS()
			DeferCleanup(server.Close)
			return Receiver{URL: server.URL + "/" + secret}
		}, "TLS"),
		Entry("one that speaks HTTP where https is asked for", func() Receiver {
			address := serve(func(w http.ResponseWriter, _ *http.Request) {})
			return Receiver{URL: "https" + address[len("http"):]}
		}, "TLS"),
	)

	It("is checked by the certificates of its settings", func() {
		server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) }))
		DeferCleanup(server.Close)
		roots := x509.NewCertPool()
		roots.AddCert(server.Certificate())
		_, delivered, _ := told(Receiver{URL: server.URL + "/" + secret, TLS: &tls.Config{RootCAs: roots}})
		Expect(delivered).To(BeTrue())
	})

	Describe("a test", func() {
		It("tells that an alert fires, and that it is over", func() {
			var mu sync.Mutex
			var statuses []string
			url := serve(func(_ http.ResponseWriter, r *http.Request) {
				var d Document
				if json.NewDecoder(r.Body).Decode(&d) == nil {
					mu.Lock()
					defer mu.Unlock()
					statuses = append(statuses, d.Status+" "+d.CommonLabels["alertname"])
				}
			})
			Expect(SendTest(context.Background(), webhook("hook", url), "https://insights.example")).To(Succeed())
			mu.Lock()
			defer mu.Unlock()
			Expect(statuses).To(Equal([]string{"firing test", "resolved test"}))
		})
		It("says in a sentence why it did not arrive", func() {
			url := serve(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, secret, http.StatusForbidden) })
			Expect(SendTest(context.Background(), webhook("hook", url), "")).To(MatchError("receiver hook answered with status 403"))
			Expect(SendTest(context.Background(), Receiver{Name: "hook", URL: "ftp://" + secret}, "")).To(MatchError("receiver hook: its address must be an http:// or https:// URL with a host"))
		})
	})
})
