package app

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/klauspost/compress/gzhttp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/app/config"
)

var _ = Describe("the system endpoints", func() {
	var (
		a    *App
		logs *gbytes.Buffer
	)
	BeforeEach(func() {
		gin.SetMode(gin.ReleaseMode)
		logs = gbytes.NewBuffer()
		log := logrus.New()
		log.SetOutput(logs)
		log.SetLevel(logrus.DebugLevel)
		log.SetFormatter(new(logrus.JSONFormatter))
		c := config.Default()
		c.Host, c.Port, c.DataDir, c.InternalAddr = "127.0.0.1", 0, GinkgoT().TempDir(), ""
		var err error
		a, err = New(context.Background(), Options{Config: c, Logger: log})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() { Expect(a.Stop()).To(Succeed()) })
	})
	ask := func(method, path, body string, headers ...string) (*http.Response, string) {
		GinkgoHelper()
		req, err := http.NewRequestWithContext(context.Background(), method, "http://"+a.Addr()+path, strings.NewReader(body))
		Expect(err).NotTo(HaveOccurred())
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		resp, err := http.DefaultClient.Do(req)
		Expect(err).NotTo(HaveOccurred())
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		Expect(err).NotTo(HaveOccurred())
		return resp, string(text)
	}

	It("say that the upstream is simulated", func() {
		_, body := ask(http.MethodGet, "/api/v1/info", "")
		Expect(body).To(And(ContainSubstring(`"upstream":"simulator"`), ContainSubstring(`"external_apis":["demo"]`)))
		Expect(logs).To(gbytes.Say("no upstream is configured"))
	})

	It("compress answers of 1 KB and more where the client accepts it", func() {
		long := strings.Repeat("x", 2000)
		resp, body := ask(http.MethodGet, "/api/v1/metrics/"+long, "", "Accept-Encoding", "gzip")
		Expect(resp.StatusCode).To(Equal(http.StatusUpgradeRequired))
		Expect(resp.Header.Get("Content-Encoding")).To(Equal("gzip"))
		z, err := gzip.NewReader(strings.NewReader(body))
		Expect(err).NotTo(HaveOccurred())
		plain, err := io.ReadAll(z)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(plain)).To(ContainSubstring(long))
		resp, _ = ask(http.MethodGet, "/api/v1/metrics", "", "Accept-Encoding", "gzip")
		Expect(resp.Header.Get("Content-Encoding")).To(BeEmpty())
	})

	It("answer a broken body with 400 and nothing of the inside, and echo a source escaped", func() {
		resp, body := ask(http.MethodPost, "/api/v1/health", "{", "Content-Type", "application/json")
		Expect(resp.StatusCode).To(Equal(http.StatusBadRequest))
		Expect(body).To(Equal(`{"error":"The body is not valid JSON"}`))
		_, body = ask(http.MethodGet, "/api/v1/metrics/%22%3Cb%3E", "")
		Expect(body).To(ContainSubstring(`"source":"\"<b>"`))
	})

	It("give every request an id that the log repeats", func() {
		resp, _ := ask(http.MethodGet, "/api/v1/health", "", "X-Request-Id", "from-the-proxy")
		Expect(resp.Header.Get("X-Request-Id")).To(Equal("from-the-proxy"))
		Eventually(logs).Should(gbytes.Say(`"request_id":"from-the-proxy"`))
	})

	DescribeTable("give every answer an id", func(method, path string, status int, headers ...string) {
		resp, body := ask(method, path, "", headers...)
		Expect(resp.StatusCode).To(Equal(status), body)
		Expect(resp.Header.Values("X-Request-Id")).To(ConsistOf(MatchRegexp(`^[A-Z2-7]{26}$`)))
		resp, _ = ask(method, path, "", append(headers, "X-Request-Id", "a-1:B_2.c")...)
		Expect(resp.Header.Values("X-Request-Id")).To(ConsistOf("a-1:B_2.c"))
	},
		Entry("an endpoint", http.MethodGet, "/api/v1/info", http.StatusOK),
		Entry("the probe", http.MethodGet, "/readyz", http.StatusOK),
		Entry("the page", http.MethodGet, "/", http.StatusOK),
		Entry("an unknown path", http.MethodGet, "/nowhere", http.StatusNotFound),
		Entry("a path of the Node backend", http.MethodGet, "/api/v1/metrics/eu-west", http.StatusUpgradeRequired),
		Entry("a question that cannot be answered", http.MethodGet, "/api/v1/history?limit=x", http.StatusBadRequest),
		Entry("a handshake", http.MethodGet, "/socket.io/?EIO=4&transport=polling", http.StatusOK),
		Entry("a bad handshake", http.MethodGet, "/socket.io/?EIO=9&transport=polling", http.StatusBadRequest),
		Entry("a preflight", http.MethodOptions, "/socket.io/?EIO=4&transport=polling", http.StatusNoContent),
		Entry("a websocket that is none", http.MethodGet, "/socket.io/?EIO=4&transport=websocket", http.StatusUpgradeRequired,
			"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "12", "Sec-WebSocket-Key", "MDEyMzQ1Njc4OWFiY2RlZg=="),
	)

	It("give the answer to a websocket an id", func() {
		for range 2 {
			req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+a.Addr()+"/socket.io/?EIO=4&transport=websocket", http.NoBody)
			Expect(err).NotTo(HaveOccurred())
			req.Header = http.Header{
				"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
				"Sec-Websocket-Key": {"MDEyMzQ1Njc4OWFiY2RlZg=="}, "X-Request-Id": {"mine"},
			}
			resp, err := http.DefaultClient.Do(req)
			Expect(err).NotTo(HaveOccurred())
			Expect(resp.Body.Close()).To(Succeed())
			Expect(resp.StatusCode).To(Equal(http.StatusSwitchingProtocols))
			Expect(resp.Header.Values("X-Request-Id")).To(ConsistOf("mine"))
		}
	})

	DescribeTable("give an id of their own where the one that came cannot be trusted", func(id string) {
		resp, _ := ask(http.MethodGet, "/livez", "", "X-Request-Id", id)
		Expect(resp.Header.Values("X-Request-Id")).To(ConsistOf(MatchRegexp(`^[A-Z2-7]{26}$`)))
	},
		Entry("long", strings.Repeat("x", 65)),
		Entry("a page", "<script>"),
		Entry("words", "two words"),
		Entry("JSON", `","level":"panic`),
		Entry("no ASCII", "é"),
	)

	It("answer questions for the history under paths in any spelling, compressed, for pages of other origins", func() {
		Eventually(func() int {
			_, body := ask(http.MethodGet, "/api/v1/history", "")
			return len(body)
		}, "20s", "50ms").Should(BeNumerically(">", 5000))
		resp, body := ask(http.MethodGet, "/API/v1/History/?source=&limit=100", "", "Accept-Encoding", "gzip", "Origin", "https://dashboard.example")
		Expect(resp.StatusCode).To(Equal(http.StatusOK), body)
		Expect(resp.Header.Get("Content-Encoding")).To(Equal("gzip"))
		Expect(resp.Header.Values("Vary")).To(ContainElements("Accept-Encoding", "Accept"))
		Expect(resp.Header.Get("Access-Control-Allow-Origin")).To(Equal("*"))
		Expect(resp.Header.Get("Access-Control-Expose-Headers")).To(ContainSubstring("Link"))
		resp, body = ask(http.MethodGet, "/Api/V1/Badge/EU-West/Uptime/30D.svg/", "")
		Expect(resp.StatusCode).To(Equal(http.StatusOK), body)
		Expect(resp.Header.Get("Content-Type")).To(Equal("image/svg+xml"))
		resp, body = ask(http.MethodOptions, "/api/v1/history", "")
		Expect(resp.StatusCode).To(Equal(http.StatusOK))
		Expect(body).To(Equal("GET, HEAD"))
		resp, body = ask(http.MethodPost, "/api/v1/history", "")
		Expect(resp.StatusCode).To(Equal(http.StatusNotFound), body)
	})

	It("let pages of other origins ask whether they may write, and find ids as they are spelled", func() {
		resp, body := ask(http.MethodOptions, "/API/v1/Silences/Deploy-17/", "", "Origin", "https://dashboard.example", "Access-Control-Request-Method", "DELETE", "Access-Control-Request-Headers", "authorization,content-type")
		Expect(resp.StatusCode).To(Equal(http.StatusOK))
		Expect(body).To(Equal("DELETE"))
		Expect(resp.Header.Get("Access-Control-Allow-Origin")).To(Equal("*"))
		Expect(resp.Header.Get("Access-Control-Allow-Methods")).To(Equal("DELETE"))
		Expect(resp.Header.Get("Access-Control-Allow-Headers")).To(Equal("authorization,content-type"))
		resp, _ = ask(http.MethodOptions, "/api/v1/silences", "")
		Expect(resp.Header.Get("Allow")).To(Equal("GET, HEAD, POST"))
		Expect(resp.Header.Get("Access-Control-Allow-Methods")).To(Equal("GET,HEAD,POST"))
		resp, body = ask(http.MethodHead, "/api/v1/alerts", "")
		Expect(resp.StatusCode).To(Equal(http.StatusOK))
		Expect(body).To(BeEmpty())
		_, body = ask(http.MethodGet, "/Api/V1/Incidents/Ab-1/", "")
		Expect(body).To(ContainSubstring(`There is no incident \"Ab-1\"`))
		resp, _ = ask(http.MethodPost, "/Api/V1/Alerts/Ab-1/Acknowledge", "{}", "Content-Type", "application/json")
		Expect(resp.StatusCode).To(Equal(http.StatusForbidden), "there is no token")
		Eventually(logs).Should(gbytes.Say(`"id":"Ab-1"`))
	})

	It("break the connection off where an answer cannot be completed", func() {
		for _, fault := range []any{http.ErrAbortHandler, "a fault"} {
			r := a.newRouter()
			r.GET("/", func(c *gin.Context) {
				for range 100 {
					_, _ = c.Writer.WriteString(strings.Repeat("0123456789", 1000))
				}
				panic(fault)
			})
			web := httptest.NewServer(a.recoverRequest(steady(gzhttp.GzipHandler(r), stallTimeout, transferTimeout)))
			for _, encoding := range []string{"gzip", "identity"} {
				req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, web.URL, http.NoBody)
				Expect(err).NotTo(HaveOccurred())
				req.Header.Set("Accept-Encoding", encoding)
				resp, err := http.DefaultClient.Do(req)
				if err == nil {
					_, err = io.ReadAll(resp.Body)
					_ = resp.Body.Close()
				}
				Expect(err).To(HaveOccurred(), encoding)
			}
			web.Close()
		}
	})

	DescribeTable("answer a balancer that probes with HEAD", func(path string) {
		resp, body := ask(http.MethodHead, path, "")
		Expect(resp.StatusCode).To(Equal(http.StatusOK))
		Expect(body).To(BeEmpty())
		Expect(resp.Header.Get("Cache-Control")).To(Equal("no-store"))
	},
		Entry(nil, "/livez"), Entry(nil, "/readyz"), Entry(nil, "/api/v1/health"), Entry(nil, "/api/v1/info"),
	)

	It("are not ready while the server stops, and a second start on its data is refused", func() {
		_, err := New(context.Background(), a.opts)
		Expect(err).To(MatchError(ContainSubstring("another devops-insights process uses this file")))
		resp, _ := ask(http.MethodGet, "/readyz", "")
		Expect(resp.StatusCode).To(Equal(http.StatusOK))
		a.ready.Store(false)
		resp, body := ask(http.MethodGet, "/readyz", "")
		Expect(resp.StatusCode).To(Equal(http.StatusServiceUnavailable))
		Expect(body).To(ContainSubstring(`"ready":false`))
		resp, _ = ask(http.MethodHead, "/readyz", "")
		Expect(resp.StatusCode).To(Equal(http.StatusServiceUnavailable))
	})
})
