package page_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/app/page"
)

func TestPage(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Page")
}

func get(path, tag string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, http.NoBody)
	r.Header.Set("If-None-Match", tag)
	w := httptest.NewRecorder()
	page.Handler().ServeHTTP(w, r)
	return w
}

var _ = DescribeTable("the page's files", func(path, kind string) {
	w := get(path, "")
	Expect(w.Code).To(Equal(http.StatusOK))
	Expect(w.Header().Get("Content-Type")).To(HavePrefix(kind))
	Expect(w.Header().Get("Content-Security-Policy")).To(ContainSubstring("script-src 'self'"))
	Expect(w.Header().Get("X-Content-Type-Options")).To(Equal("nosniff"))
	Expect(w.Body.Len()).To(BeNumerically(">", 500))
	Expect(get(path, w.Header().Get("ETag")).Code).To(Equal(http.StatusNotModified))
},
	Entry("the page", "/", "text/html"),
	Entry("its style", "/assets/page.css", "text/css"),
	Entry("its wiring", "/assets/page.js", "text/javascript"),
	Entry("its protocol", "/assets/socket.js", "text/javascript"),
	Entry("its drawing", "/assets/chart.js", "text/javascript"),
	Entry("its health", "/assets/health.js", "text/javascript"),
)

var _ = It("serves nothing else", func() {
	Expect(get("/assets/page.go", "").Code).To(Equal(http.StatusNotFound))
	Expect(get("/assets/../page.go", "").Code).To(Equal(http.StatusNotFound))
})
