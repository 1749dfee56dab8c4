package poller

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log"
	"net/http"
	"net/http/httptest"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("an upstream with settings of its own", func() {
	ask := func(ctx SpecContext, o HTTPOptions) (string, error) {
		GinkgoHelper()
		o.Retries = -1
		h, err := NewHTTP(o)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(h.Close)
		data, err := h.Target("acme", "east").Fetch(ctx)
		return string(data), err
	}
	It("may answer with other statuses than 200 to 299, and with those only", func(ctx SpecContext) {
		status := http.StatusServiceUnavailable
		upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"status":"down"}`))
		}))
		DeferCleanup(upstream.Close)
		o := HTTPOptions{URLTemplate: upstream.URL, Accepts: func(s int) bool { return s == http.StatusServiceUnavailable }}
		Expect(ask(ctx, o)).To(Equal(`{"status":"down"}`))
		status = http.StatusOK
		_, err := ask(ctx, o)
		Expect(err).To(MatchError(ContainSubstring("answered 200")))
	})
	It("may have a certificate of an authority of its own, and ask for ours", func(ctx SpecContext) {
		upstream := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if len(r.TLS.PeerCertificates) == 0 {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			_, _ = w.Write([]byte(`1`))
		}))
		upstream.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
		upstream.Config.ErrorLog = nil
		upstream.StartTLS()
		DeferCleanup(upstream.Close)
		pool := x509.NewCertPool()
		pool.AddCert(upstream.Certificate())
		_, err := ask(ctx, HTTPOptions{URLTemplate: upstream.URL})
		Expect(err).To(HaveOccurred(), "nobody of the system has signed it")
		_, err = ask(ctx, HTTPOptions{URLTemplate: upstream.URL, TLS: &tls.Config{RootCAs: pool}})
		Expect(err).To(MatchError(ContainSubstring("403")))
		Expect(ask(ctx, HTTPOptions{URLTemplate: upstream.URL, TLS: &tls.Config{RootCAs: pool, Certificates: upstream.TLS.Certificates}})).To(Equal("1"))
	})
	It("says that it is the TLS where the upstream refuses our certificate", func(ctx SpecContext) {
		upstream := httptest.NewUnstartedServer(http.NotFoundHandler())
		upstream.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: x509.NewCertPool()}
		upstream.Config.ErrorLog = log.New(GinkgoWriter, "", 0)
		upstream.StartTLS()
		DeferCleanup(upstream.Close)
		pool := x509.NewCertPool()
		pool.AddCert(upstream.Certificate())
		_, err := ask(ctx, HTTPOptions{URLTemplate: upstream.URL, TLS: &tls.Config{RootCAs: pool}})
		var e *Error
		Expect(errors.As(err, &e)).To(BeTrue())
		Expect(e.Code).To(Equal(CodeTLS))
		Expect(e.Detail).To(ContainSubstring("certificate required"))
	})
	It("shares the limit of its host with others", func() {
		hosts := NewHosts()
		Expect(hosts.limiter("a:1", 50)).To(BeIdenticalTo(hosts.limiter("a:1", 50)))
		Expect(hosts.limiter("a:1", 50)).NotTo(BeIdenticalTo(hosts.limiter("b:1", 50)))
	})
})
