package poller

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// ask polls a handler once with these options.
func ask(h http.HandlerFunc, o HTTPOptions) (json.RawMessage, *Error) {
	GinkgoHelper()
	server := httptest.NewServer(h)
	DeferCleanup(server.Close)
	o.URLTemplate = server.URL + "/{api}/{source}?token=secret"
	if o.Backoff == 0 {
		o.Backoff = time.Millisecond
	}
	return fetchOnce(o, 30*time.Second)
}

func fetchOnce(o HTTPOptions, timeout time.Duration) (json.RawMessage, *Error) {
	GinkgoHelper()
	source, err := NewHTTP(o)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(source.Close)
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	data, err := source.Target("acme", "us-east").Fetch(ctx)
	var e *Error
	if err != nil {
		Expect(errors.As(err, &e)).To(BeTrue())
		Expect(err.Error()).NotTo(ContainSubstring("secret"))
	}
	return data, e
}

var _ = Describe("the HTTP source", func() {
	It("returns the upstream's bytes without white space between tokens", func() {
		data, e := ask(func(w http.ResponseWriter, r *http.Request) {
			Expect(r.URL.Path).To(Equal("/acme/us-east"))
			Expect(r.Header.Get("Authorization")).To(Equal("Bearer x"))
			_, _ = w.Write([]byte("{ \"b\" : 1.0,\n \"a\" : \"<x y>\" }\n"))
		}, HTTPOptions{Header: http.Header{"Authorization": {"Bearer x"}}})
		Expect(e).To(BeNil())
		Expect(string(data)).To(Equal(`{"b":1.0,"a":"<x y>"}`))
	})

	DescribeTable("says what is wrong with an answer", func(h http.HandlerFunc, code Code, part string) {
		_, e := ask(h, HTTPOptions{MaxBytes: 1000, Retries: -1})
		Expect(e).NotTo(BeNil())
		Expect(e.Code).To(Equal(code))
		Expect(e.Error()).To(ContainSubstring(part))
	},
		Entry("a wrong status", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, CodeHTTP(404), "answered 404"),
		Entry("not JSON", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, CodeNotJSON, "not JSON"),
		Entry("half of it", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"a":`)) }, CodeNotJSON, "not JSON"),
		Entry("two values", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{} {}`)) }, CodeNotJSON, "not JSON"),
		Entry("nothing", func(http.ResponseWriter, *http.Request) {}, CodeEmpty, "without content"),
		Entry("too much", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.Repeat([]byte("1"), 5000)) }, CodeTooLarge, "1000 bytes"),
		Entry("a compressed bomb", answers(gzipped(strings.Repeat("1", 10<<20)), "Content-Encoding: gzip"), CodeTooLarge, "1000 bytes"),
		Entry("a redirect without end", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/again", http.StatusFound) }, CodeRedirect, "redirected"),
		Entry("a connection that breaks", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, CodeReset, "ended the connection"),
	)

	It("names a refused connection, an unknown host and a slow upstream", func() {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		Expect(l.Close()).To(Succeed())
		_, e := fetchOnce(HTTPOptions{URLTemplate: "http://" + l.Addr().String(), Retries: -1}, time.Second)
		Expect(e.Code).To(Equal(CodeRefused))
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
		DeferCleanup(server.Close)
		_, e = fetchOnce(HTTPOptions{URLTemplate: server.URL}, 50*time.Millisecond)
		Expect(e.Code).To(Equal(CodeTimeout))
	})

	It("tries again where that may help, and not where it cannot", func() {
		var asked atomic.Int32
		flaky := func(status int) http.HandlerFunc {
			asked.Store(0)
			return func(w http.ResponseWriter, _ *http.Request) {
				if asked.Add(1) < 3 {
					w.WriteHeader(status)
					return
				}
				_, _ = w.Write([]byte(`1`))
			}
		}
		_, e := ask(flaky(503), HTTPOptions{})
		Expect(e).To(BeNil())
		Expect(asked.Load()).To(BeEquivalentTo(3))
		_, e = ask(flaky(404), HTTPOptions{})
		Expect(e.HTTPStatus).To(Equal(404))
		Expect(asked.Load()).To(BeEquivalentTo(1))
	})

	It("does not wait for a Retry-After that is longer than the poll", func() {
		_, e := ask(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "120")
			w.WriteHeader(429)
		}, HTTPOptions{})
		Expect(e.RetryAfter).To(Equal(2 * time.Minute))
	})

	It("leaves a failing upstream alone for a while, then asks again", func() {
		var asked atomic.Int32
		healthy := false
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			if !healthy {
				w.WriteHeader(500)
				return
			}
			_, _ = w.Write([]byte(`1`))
		}))
		DeferCleanup(server.Close)
		h, err := NewHTTP(HTTPOptions{URLTemplate: server.URL, Retries: -1, BreakAfter: 3, CoolDown: 50 * time.Millisecond})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(h.Close)
		target := h.Target("acme", "us-east")
		source := target.Fetch
		Expect(target.Breaker()).To(Equal(BreakerClosed))
		for range 3 {
			_, err = source(context.Background())
			Expect(err.(*Error).Code).To(Equal(CodeHTTP(500))) //nolint:errorlint // the very type is promised
		}
		_, err = source(context.Background())
		Expect(err.(*Error).Code).To(Equal(CodeHTTP(500)), "the reason stays") //nolint:errorlint // likewise
		Expect(err.Error()).To(MatchRegexp(`^answered 500; it is asked again at \d\d:\d\d:\d\dZ$`))
		Expect(asked.Load()).To(BeEquivalentTo(3))
		healthy = true
		Eventually(target.Breaker, "5s").Should(Equal(BreakerHalfOpen))
		Eventually(func() error { _, err := source(context.Background()); return err }, "5s").Should(Succeed())
		Expect(target.Breaker()).To(Equal(BreakerClosed))
	})

	It("asks a failing upstream once in a poll until it answers", func() {
		var asked atomic.Int32
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			w.WriteHeader(500)
		}))
		DeferCleanup(server.Close)
		h, err := NewHTTP(HTTPOptions{URLTemplate: server.URL, Retries: 2, Backoff: time.Nanosecond, BreakAfter: 2, CoolDown: time.Nanosecond})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(h.Close)
		source := h.Target("acme", "us-east").Fetch
		for _, more := range []int32{3, 3, 1, 1, 1} {
			before := asked.Load()
			_, err := source(context.Background())
			Expect(err).To(HaveOccurred())
			Expect(asked.Load() - before).To(Equal(more))
		}
	})

	It("uses its connection again", func() {
		var connections atomic.Int32
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`1`)) }))
		server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
			if s == http.StateNew {
				connections.Add(1)
			}
		}
		server.Start()
		DeferCleanup(server.Close)
		h, err := NewHTTP(HTTPOptions{URLTemplate: server.URL})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(h.Close)
		for range 10 {
			_, err := h.Target("acme", "us-east").Fetch(context.Background())
			Expect(err).NotTo(HaveOccurred())
		}
		Expect(connections.Load()).To(BeEquivalentTo(1))
	})

	DescribeTable("refuses a template that is none", func(template string) {
		_, err := NewHTTP(HTTPOptions{URLTemplate: template})
		Expect(err).To(MatchError(ContainSubstring("UPSTREAM_URL")))
	},
		Entry("relative", "/status"), Entry("another scheme", "ftp://x/{source}"), Entry("an unknown name", "http://x/{region}"),
	)
})
