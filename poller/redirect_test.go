package poller

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("a redirect", func() {
	secrets := http.Header{
		"X-Api-Key": {"secret"}, "Authorization": {"Bearer secret"}, "Cookie": {"id=secret"}, "X-Anything": {"secret"}, "x-as-it-is": {"secret"}, "User-Agent": {"ours"},
	}

	It("takes no secret to another origin, and all of them to another path of the same", func() {
		var seen []http.Header
		elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen = append(seen, r.Header.Clone())
			_, _ = w.Write([]byte(`1`))
		}))
		DeferCleanup(elsewhere.Close)
		data, e := ask(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/acme/us-east" {
				http.Redirect(w, r, "/moved", http.StatusFound)
				return
			}
			Expect(r.Header.Get("X-Api-Key")).To(Equal("secret"))
			Expect(r.Header).NotTo(HaveKey("Referer"))
			http.Redirect(w, r, elsewhere.URL+"/there", http.StatusTemporaryRedirect)
		}, HTTPOptions{Header: secrets})
		Expect(e).To(BeNil())
		Expect(string(data)).To(Equal("1"))
		Expect(seen).To(HaveLen(1))
		Expect(fmt.Sprint(seen[0])).NotTo(ContainSubstring("secret"))
		Expect(seen[0]).NotTo(HaveKey("Referer"))
		Expect(seen[0].Get("User-Agent")).To(Equal("ours"))
	})

	DescribeTable("is not followed", func(location string) {
		_, e := ask(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", location)
			w.WriteHeader(http.StatusFound)
		}, HTTPOptions{Header: secrets, Retries: -1})
		Expect(e).NotTo(BeNil())
		Expect(e.Code).To(BeElementOf(CodeRedirect, CodeAddress, CodeOther))
		Expect(e.Text + e.Detail).NotTo(ContainSubstring("meta-data"))
	},
		Entry("to a metadata service", "http://169.254.169.254/latest/meta-data"),
		Entry("to one over IPv6", "http://[fd00:ec2::254]/latest/meta-data"),
		Entry("to a link-local address", "http://[fe80::1]/latest/meta-data"),
		Entry("to one that is written within IPv6", "http://[::ffff:169.254.169.254]/latest/meta-data"),
		Entry("to a file", "file:///etc/meta-data"),
		Entry("to nothing", "http:///meta-data"),
	)

	It("is followed five times, and no more", func() {
		hops := func(n int) *Error {
			_, e := ask(func(w http.ResponseWriter, r *http.Request) {
				left := n - strings.Count(r.URL.Path, "x")
				if left == 0 {
					_, _ = w.Write([]byte(`1`))
					return
				}
				http.Redirect(w, r, "/"+strings.Repeat("x", n-left+1), http.StatusFound)
			}, HTTPOptions{Retries: -1, URLTemplate: ""})
			return e
		}
		Expect(hops(5)).To(BeNil())
		Expect(hops(6)).To(HaveField("Code", CodeRedirect))
	})

	It("never leads from https to http", func() {
		plain := httptest.NewServer(answers(`1`))
		DeferCleanup(plain.Close)
		secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, plain.URL, http.StatusFound) }))
		DeferCleanup(secure.Close)
		_, e := fetchOnce(HTTPOptions{URLTemplate: secure.URL, Transport: secure.Client().Transport, Retries: -1}, 5*time.Second)
		Expect(e).To(HaveField("Code", CodeRedirect))
	})
})

var _ = DescribeTable("addresses that are never asked", func(address string, never bool) {
	Expect(forbidden(netip.MustParseAddr(address))).To(Equal(never))
},
	Entry(nil, "169.254.169.254", true), Entry(nil, "169.254.0.1", true), Entry(nil, "fe80::1%eth0", true), Entry(nil, "fd00:ec2::254", true),
	Entry(nil, "::ffff:169.254.169.254", true), Entry(nil, "64:ff9b::a9fe:a9fe", true), Entry(nil, "2002:a9fe:a9fe::", true), Entry(nil, "100.100.100.200", true),
	Entry(nil, "127.0.0.1", false), Entry(nil, "::1", false), Entry(nil, "10.0.0.1", false), Entry(nil, "192.168.1.1", false), Entry(nil, "1.1.1.1", false), Entry(nil, "fd00::1", false),
)

var _ = It("connects to none of them, whatever name led there", func() {
	_, e := fetchOnce(HTTPOptions{URLTemplate: "http://169.254.169.254/latest", Retries: -1}, 5*time.Second)
	Expect(e).To(HaveField("Code", CodeAddress))
	// The name is resolved by the dialer, and what it connects to is looked at.
	dial := newTransport(netip.Addr{}, nil).DialContext
	for _, address := range []string{"[::ffff:169.254.169.254]:80", "[fd00:ec2::254]:80", "100.100.100.200:80"} {
		_, err := dial(context.Background(), "tcp", address)
		Expect(requestError(err)).To(HaveField("Code", CodeAddress), address)
	}
})

var _ = It("connects to a link-local address that is configured, but to no metadata service", func() {
	own := netip.MustParseAddr("169.254.7.7")
	for _, c := range []struct {
		configured, asked string
		refused           bool
	}{
		{"169.254.7.7", "169.254.7.7", false}, {"169.254.7.7", "::ffff:169.254.7.7", false}, {"fe80::7%eth0", "fe80::7%eth0", false},
		{"169.254.7.7", "169.254.7.8", true}, {"169.254.169.254", "169.254.169.254", true}, {"fd00:ec2::254", "fd00:ec2::254", true},
		{"100.100.100.200", "100.100.100.200", true}, {"::ffff:169.254.169.254", "169.254.169.254", true},
	} {
		Expect(isConfigured(netip.MustParseAddr(c.asked), netip.MustParseAddr(c.configured))).NotTo(Equal(c.refused), "%v", c)
	}
	Expect(isConfigured(own, netip.Addr{})).To(BeFalse())
	for template, code := range map[string]bool{"http://169.254.7.7:1/": false, "http://169.254.169.254:1/": true} {
		_, e := fetchOnce(HTTPOptions{URLTemplate: template, Retries: -1}, 200*time.Millisecond)
		Expect(e.Code == CodeAddress).To(Equal(code), template)
	}
	_, e := ask(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://169.254.7.7:1/", http.StatusFound)
	}, HTTPOptions{Retries: -1})
	Expect(e).To(HaveField("Code", CodeRedirect), "nobody else leads there")
})

var _ = It("tells nobody what the upstream sent: path, query, Location, or its text", func() {
	long := strings.Repeat("secret ", 1000)
	for _, h := range []http.HandlerFunc{
		func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503); _, _ = w.Write([]byte(long)) },
		func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/secret?x="+long)
			w.WriteHeader(302)
		},
		func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/secret")
			_, _ = w.Write([]byte(long))
		},
		func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "secret")
			_, _ = w.Write([]byte(long))
		},
	} {
		_, e := ask(h, HTTPOptions{Retries: -1})
		Expect(e).NotTo(BeNil())
		Expect(e.Code).NotTo(BeEmpty())
		Expect(len(e.Text)).To(BeNumerically("<", 120))
		Expect(len(e.Detail)).To(BeNumerically("<=", maxDetail))
		Expect(e.Text + e.Detail).NotTo(Or(ContainSubstring("secret"), ContainSubstring("127.0.0.1"), ContainSubstring("acme")))
	}
	source := Target{API: "acme", Source: "us-east", Fetch: func(context.Context) (json.RawMessage, error) { panic("a secret") }}
	err := guard(func() error { _, err := source.Fetch(context.Background()); return err })
	Expect(err.Error()).NotTo(ContainSubstring("secret"))
	Expect(asError(fmt.Errorf("secret"))).To(HaveField("Text", "could not be asked"))
})

var _ = It("says at the start which host would be asked more often than the limit allows", func() {
	var targets []Target
	for n := range 6 {
		targets = append(targets, Target{Host: "status.example:80", Source: fmt.Sprint(n), Interval: 100 * time.Millisecond})
	}
	Expect(Overload(targets)).To(HaveExactElements(And(ContainSubstring("60 times a second"), ContainSubstring("POLL_INTERVAL"))))
	targets[0].Interval, targets[1].Host = time.Hour, "other.example:80"
	Expect(Overload(targets)).To(BeEmpty())
})
