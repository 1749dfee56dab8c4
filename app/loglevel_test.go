package app

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/gin-gonic/gin"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/devops-insights/devops-insights/app/config"
)

var _ = Describe("the level of the log at run time", func() {
	var (
		internal *httptest.Server
		logger   *logrus.Logger
		lines    *logtest.Hook
	)
	BeforeEach(func() {
		gin.SetMode(gin.ReleaseMode)
		logger, lines = logtest.NewNullLogger()
		a := &App{logs: logOf(Options{Logger: logger}), log: logger}
		c := config.Default()
		served := c.Catalog()
		a.catalog.Store(&served)
		r := a.newRouter()
		a.logLevel(r)
		internal = httptest.NewServer(withRequestID(r))
		DeferCleanup(internal.Close)
		DeferCleanup(a.logs.Levels.Clear)
	})
	ask := func(method, body string, headers ...string) (int, string) {
		GinkgoHelper()
		req, err := http.NewRequestWithContext(context.Background(), method, internal.URL+"/loglevel", strings.NewReader(body))
		Expect(err).NotTo(HaveOccurred())
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		resp, err := http.DefaultClient.Do(req)
		Expect(err).NotTo(HaveOccurred())
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		Expect(err).NotTo(HaveOccurred())
		return resp.StatusCode, string(text)
	}

	It("is shown, changed for one region, and taken back, and the log says by which request", func() {
		_, body := ask(http.MethodGet, "")
		Expect(body).To(MatchJSON(`{"level":"info","rules":[]}`))
		status, body := ask(http.MethodPut, `{"level":"debug","region":"EU-West","for":"10m"}`, "X-Request-Id", "mine")
		Expect(status).To(Equal(http.StatusOK), body)
		Expect(body).To(MatchRegexp(`^\{"level":"info","rules":\[\{"level":"debug","region":"eu-west","until":"[-0-9T:]+Z"\}\]\}$`))
		Expect(logger.IsLevelEnabled(logrus.DebugLevel)).To(BeTrue())
		Expect(lines.LastEntry().Data).To(And(HaveKeyWithValue("request_id", "mine"), HaveKeyWithValue("only_region", "eu-west")))
		_, body = ask(http.MethodDelete, "")
		Expect(body).To(MatchJSON(`{"level":"info","rules":[]}`))
		Expect(logger.IsLevelEnabled(logrus.DebugLevel)).To(BeFalse())
	})

	It("says to curl -d which method is meant, and changes nothing", func() {
		status, body := ask(http.MethodPost, `{"level":"debug"}`)
		Expect(status).To(Equal(http.StatusMethodNotAllowed))
		Expect(body).To(ContainSubstring("-X PUT"))
		Expect(logger.IsLevelEnabled(logrus.DebugLevel)).To(BeFalse())
	})

	DescribeTable("refuses what cannot be meant with a sentence that says what is allowed", func(body string, words ...string) {
		status, answer := ask(http.MethodPut, body)
		Expect(status).To(Equal(http.StatusBadRequest), answer)
		for _, w := range words {
			Expect(answer).To(ContainSubstring(w))
		}
		_, shown := ask(http.MethodGet, "")
		Expect(shown).To(MatchJSON(`{"level":"info","rules":[]}`))
	},
		Entry("nothing", "", "level", "debug"),
		Entry("no object", `"debug"`, "object"),
		Entry("two", `{"level":"debug"}{"level":"info"}`, "one JSON object"),
		Entry("an unknown field", `{"level":"debug","regoin":"eu-west"}`, "region"),
		Entry("no level", `{}`, "level", "debug, info, warning and error"),
		Entry("an unknown level", `{"level":"loud"}`, "loud", "debug, info, warning and error"),
		Entry("a level that ends the program's lines", `{"level":"panic"}`, "panic"),
		Entry("an unknown region", `{"level":"debug","region":"mars"}`, "mars", "eu-west"),
		Entry("a region that a script has not set", `{"level":"debug","region":""}`, "region is empty", "leave it out"),
		Entry("an address with a port", `{"level":"debug","address":"10.0.0.7:80"}`, "10.0.0.7:80", "without a port"),
		Entry("no time", `{"level":"debug","for":"soon"}`, "soon", "1s to 24h"),
		Entry("a time of nothing", `{"level":"debug","for":"0s"}`, "1s to 24h"),
		Entry("a time without an end", `{"level":"debug","for":"25h"}`, "1s to 24h"),
		Entry("a long user", `{"level":"debug","user":"`+strings.Repeat("x", 201)+`"}`, "200"),
		Entry("a body without an end", `{"level":"`+strings.Repeat("x", 10_000)+`"}`, "4096"),
	)

	It("cannot be changed by a page of another origin", func() {
		status, _ := ask(http.MethodPut, `{"level":"debug"}`, "Origin", "https://evil.example")
		Expect(status).To(Equal(http.StatusForbidden))
		status, _ = ask(http.MethodDelete, "", "Sec-Fetch-Site", "cross-site")
		Expect(status).To(Equal(http.StatusForbidden))
	})

	It("takes an address in any spelling", func() {
		_, body := ask(http.MethodPut, `{"level":"warn","address":"::ffff:10.0.0.7"}`)
		Expect(body).To(ContainSubstring(`"level":"warning","address":"10.0.0.7"`))
	})
})
