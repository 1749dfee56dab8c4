package app

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/devops-insights/devops-insights/app/config"
)

func TestApp(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "App")
}

var _ = DescribeTable("CORS of CLIENT_URL", func(setting, origin, allow string) {
	got, _ := allowOrigin(config.Clients{ClientURL: setting})(origin)
	Expect(got).To(Equal(allow))
},
	Entry("empty: everyone", "", "http://a", "*"),
	Entry("one: that one", "http://a/", "http://b", "http://a"),
	Entry("several: the one that asks", "http://a, http://b", "http://b", "http://b"),
	Entry("several: not a stranger", "http://a,http://b", "http://c", ""),
)

var _ = Describe("a page of another origin", func() {
	var (
		g    *gate
		logs *logtest.Hook
	)
	open := func(clientURL, check string) {
		GinkgoHelper()
		var log *logrus.Logger
		log, logs = logtest.NewNullLogger()
		c := config.Default()
		c.ClientURL, c.OriginCheck, c.TrustedProxies, c.Host = clientURL, check, []string{"10.0.0.0/8"}, "127.0.0.1"
		var err error
		g, err = newGate(c, log)
		Expect(err).NotTo(HaveOccurred())
	}
	ask := func(origin, host string, from ...string) error {
		r := httptest.NewRequest(http.MethodGet, "http://"+host+"/socket.io/", http.NoBody)
		r.RemoteAddr = "192.0.2.1:1"
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		if len(from) > 0 {
			r.RemoteAddr = from[0]
			r.Header.Set("X-Forwarded-Host", from[1])
		}
		return g.allowRequest(r)
	}

	DescribeTable("may connect where CLIENT_URL names it, and the server's own may", func(origin string, allowed bool, host string, from ...string) {
		open("https://dash.example, http://localhost:3000", "enforce")
		if allowed {
			Expect(ask(origin, host, from...)).To(Succeed())
			return
		}
		Expect(ask(origin, host, from...)).To(MatchError(errOrigin))
	},
		Entry("no browser", "", true, "server:5000"),
		Entry("listed", "https://dash.example", true, "server:5000"),
		Entry("listed, as no browser writes it", "HTTPS://DASH.example:443", true, "server:5000"),
		Entry("listed, with its port", "http://localhost:3000", true, "server:5000"),
		Entry("another port", "http://localhost:3001", false, "server:5000"),
		Entry("another scheme", "http://dash.example", false, "server:5000"),
		Entry("a longer name", "https://dash.example.evil.example", false, "server:5000"),
		Entry("a file or a sandbox", "null", false, "server:5000"),
		Entry("the server's own", "http://server:5000", true, "server:5000"),
		Entry("the server's own, where TLS ends before it", "https://Server", true, "server"),
		Entry("the same host on another port", "http://server:8080", false, "server:5000"),
		Entry("the name that a stranger claims a proxy had", "http://evil.example", false, "server:5000", "192.0.2.1:1", "evil.example"),
		Entry("the name that a trusted proxy had", "https://public.example", true, "server:5000", "10.1.2.3:1", "public.example, other"),
		Entry("the host that a trusted proxy passed on without its port", "http://public.example:8080", true, "public.example", "10.1.2.3:1", ""),
		Entry("not the name that a trusted proxy had", "https://evil.example", false, "server:5000", "10.1.2.3:1", "public.example"),
	)

	It("may connect where everybody may, or nobody asks", func() {
		for _, c := range [][2]string{{"", "enforce"}, {"*", "enforce"}, {"https://dash.example,*", "enforce"}, {"https://dash.example", "off"}, {"https://dash.example", "log"}} {
			open(c[0], c[1])
			Expect(ask("https://evil.example", "server")).To(Succeed(), "%v", c)
		}
		Expect(logs.AllEntries()).To(HaveLen(1), "only said")
	})

	It("is logged once for each, with the setting to change, and not without end", func() {
		open("https://dash.example", "enforce")
		for range 3 {
			Expect(ask("https://a.example", "server")).NotTo(Succeed())
			Expect(ask("https://b.example", "server")).NotTo(Succeed())
		}
		Expect(logs.AllEntries()).To(HaveLen(2))
		Expect(logs.LastEntry().Message).To(And(ContainSubstring("CLIENT_URL"), ContainSubstring("ORIGIN_CHECK")))
		for i := range 10 * maxRemembered {
			Expect(ask(fmt.Sprintf("https://%d.example", i), "server")).NotTo(Succeed())
		}
		Expect(logs.AllEntries()).To(HaveLen(maxRemembered + 1))
		Expect(g.told).To(HaveLen(maxRemembered))
	})

	DescribeTable("cannot let its name point to this machine", func(host, from string, allowed bool) {
		open("https://dash.example", "enforce")
		h := g.guardHost(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, http.NotFoundHandler())
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.Host, r.RemoteAddr = host, from
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if allowed {
			Expect(w.Code).To(Equal(http.StatusNotFound))
			return
		}
		Expect(w.Code).To(Equal(http.StatusForbidden))
	},
		Entry(nil, "localhost:5000", "127.0.0.1:1", true),
		Entry(nil, "LOCALHOST.", "127.0.0.1:1", true),
		Entry(nil, "app.localhost:5000", "127.0.0.1:1", true),
		Entry(nil, "127.0.0.1:5000", "127.0.0.1:1", true),
		Entry(nil, "[::1]:5000", "[::1]:1", true),
		Entry("an origin of CLIENT_URL", "dash.example", "127.0.0.1:1", true),
		Entry("behind a trusted proxy", "public.example", "10.0.0.1:1", true),
		Entry(nil, "evil.example:5000", "127.0.0.1:1", false),
		Entry(nil, "localhost.evil.example", "127.0.0.1:1", false),
		Entry(nil, "127.0.0.1.evil.example", "127.0.0.1:1", false),
		Entry(nil, "192.168.1.1", "127.0.0.1:1", false),
	)

	It("may have any name where the server listens for others", func() {
		open("", "enforce")
		h := g.guardHost(&net.TCPAddr{IP: net.IPv6zero}, http.NotFoundHandler())
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.Host = "any.example"
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		Expect(w.Code).To(Equal(http.StatusNotFound))
	})
})
