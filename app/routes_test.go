package app

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"github.com/sirupsen/logrus"
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
		c := DefaultConfig()
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
		resp, _ = ask(http.MethodGet, "/api/v1/health", "")
		Expect(resp.Header.Get("X-Request-Id")).NotTo(BeEmpty())
	})

	It("are not ready while the server stops, and a second start on its data is refused", func() {
		_, err := New(context.Background(), a.opts)
		Expect(err).To(MatchError(ContainSubstring("another devops-insights process uses this file")))
		resp, _ := ask(http.MethodGet, "/readyz", "")
		Expect(resp.StatusCode).To(Equal(http.StatusOK))
		a.ready.Store(false)
		resp, body := ask(http.MethodGet, "/readyz", "")
		Expect(resp.StatusCode).To(Equal(http.StatusServiceUnavailable))
		Expect(body).To(ContainSubstring(`"ready":false`))
	})
})
