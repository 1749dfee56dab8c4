package bundle

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func TestBundle(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Client bundle")
}

var _ = Describe("the client bundle", func() {
	get := func(h http.Handler, path string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, path, http.NoBody)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	everyone := func(string) (string, bool) { return "*", false }
	files := fstest.MapFS{
		"VERSION":          {Data: []byte("4.8.4\n")},
		"socket.io.js":     {Data: []byte(strings.Repeat("io();", 1000))},
		"socket.io.js.map": {Data: []byte("{}")},
	}

	It("is served as Node serves it", func() {
		h := handler(files, everyone)
		w := get(h, "/socket.io/socket.io.js")
		Expect(w.Code).To(Equal(200))
		Expect(w.Body.String()).To(HavePrefix("io();"))
		for name, value := range map[string]string{
			"Content-Type": "application/javascript; charset=utf-8", "ETag": `"4.8.4"`,
			"Cache-Control": "public, max-age=0", "Access-Control-Allow-Origin": "*",
		} {
			Expect(w.Header().Get(name)).To(Equal(value), name)
		}
		Expect(get(h, "/socket.io/socket.io.js.map").Header().Get("Content-Type")).To(Equal("application/json; charset=utf-8"))
		Expect(get(h, "/socket.io/socket.io.js", "Accept-Encoding", "gzip").Header().Get("Content-Encoding")).To(Equal("gzip"))
	})

	DescribeTable("answers 304 to who has it", func(header string, code int) {
		Expect(get(handler(files, everyone), "/socket.io/socket.io.js", "If-None-Match", header).Code).To(Equal(code))
	},
		Entry("the tag", `"4.8.4"`, 304), Entry("the weak tag", `W/"4.8.4"`, 304),
		Entry("one of several", `"x", "4.8.4"`, 304), Entry("another", `"4.8.3"`, 200),
	)

	It("says how to build it where it is not there", func() {
		w := get(handler(fstest.MapFS{}, everyone), "/socket.io/socket.io.min.js")
		Expect(w.Code).To(Equal(404))
		Expect(w.Body.String()).To(ContainSubstring("make assets"))
		Expect(Serves("/socket.io/socket.io.min.js")).To(BeTrue())
		Expect(Serves("/socket.io/")).To(BeFalse())
		Expect(get(Handler(everyone), "/socket.io/nothing.js").Code).To(Equal(404))
	})
})
