package poller

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/andybalholm/brotli"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// answers with a body and headers, "Name: value" each.
func answers(body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			w.Header().Add(name, value)
		}
		_, _ = io.WriteString(w, body)
	}
}

func compressed(text string, with func(io.Writer) io.WriteCloser) string {
	var b bytes.Buffer
	w := with(&b)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return b.String()
}

func gzipped(text string) string {
	return compressed(text, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
}

var _ = Describe("an answer's bytes", func() {
	// The expected texts were written by Node's TextDecoder.
	DescribeTable("that are not UTF-8 become U+FFFD as in fetch", func(raw, want string) {
		data, e := ask(answers(`{"`+raw+`":"`+raw+`"}`), HTTPOptions{})
		Expect(e).To(BeNil())
		Expect(string(data)).To(Equal(`{"` + want + `":"` + want + `"}`))
	},
		Entry(nil, "\x53\xe3\x6f", "S\ufffdo"),
		Entry(nil, "\xe3\x81", "\ufffd"),
		Entry(nil, "\xe3\x81\x41", "\ufffdA"),
		Entry(nil, "\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
		Entry(nil, "\xc0\xaf", "\ufffd\ufffd"),
		Entry(nil, "\xe0\x80\xaf", "\ufffd\ufffd\ufffd"),
		Entry(nil, "\xf0\x80\x80\xaf", "\ufffd\ufffd\ufffd\ufffd"),
		Entry(nil, "\xf4\x90\x80\x80", "\ufffd\ufffd\ufffd\ufffd"),
		Entry(nil, "\xff\xfe\x41", "\ufffd\ufffdA"),
		Entry(nil, "\x80\xbf", "\ufffd\ufffd"),
		Entry(nil, "\xf0\x9f\x98", "\ufffd"),
		Entry(nil, "\xf0\x9f\x98\x80", "\U0001f600"),
		Entry(nil, "\xc3\xa9", "\u00e9"),
		Entry(nil, "\xed\xb0\x80\xed\xa0\x80", "\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd"),
		Entry(nil, "\xf8\x88\x80\x80\x80", "\ufffd\ufffd\ufffd\ufffd\ufffd"),
		Entry(nil, "\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", "\ufffd\ufffd\ufffd\ufffdA"),
	)

	DescribeTable("are a value", func(h http.HandlerFunc, want string) {
		data, e := ask(h, HTTPOptions{Retries: -1})
		Expect(e).To(BeNil())
		Expect(string(data)).To(Equal(want))
	},
		Entry("behind a byte order mark", answers("\ufeff{\"a\": 1}"), `{"a":1}`),
		Entry("with escaped surrogates that have no partner, as they are", answers(`"\ud800"`), `"\ud800"`),
		Entry("with 203", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(203); _, _ = io.WriteString(w, "1") }, `1`),
		Entry("with 206", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(206); _, _ = io.WriteString(w, "1") }, `1`),
		Entry("with 299", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(299); _, _ = io.WriteString(w, "1") }, `1`),
		Entry("in gzip", answers(gzipped("[1]"), "Content-Encoding: gzip"), `[1]`),
		Entry("in x-gzip", answers(gzipped("[1]"), "Content-Encoding: x-gzip"), `[1]`),
		Entry("in zlib", answers(compressed("[1]", func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }), "Content-Encoding: deflate"), `[1]`),
		Entry("in bare deflate", answers(compressed("[1]", func(w io.Writer) io.WriteCloser {
			z, _ := flate.NewWriter(w, 9)
			return z
		}), "Content-Encoding: Deflate"), `[1]`),
		Entry("in brotli", answers(compressed("[1]", func(w io.Writer) io.WriteCloser { return brotli.NewWriter(w) }), "Content-Encoding: br"), `[1]`),
		Entry("compressed twice", answers(gzipped(gzipped("[1]")), "Content-Encoding: gzip, gzip"), `[1]`),
		Entry("in latin-1 by its name", answers("\"S\xe3o\"", "Content-Type: application/json; charset=ISO-8859-1"), `"São"`),
		Entry("in windows-1252", answers("\"\x80\"", `Content-Type: application/json; charset="windows-1252"`), `"€"`),
		Entry("in UTF-16 with a mark", answers("\xff\xfe1\x002\x00", "Content-Type: application/json"), `12`),
		Entry("in UTF-16, big end first, with a mark", answers("\xfe\xff\x001\x002", "Content-Type: application/json; charset=utf-16"), `12`),
		Entry("in UTF-16 without a mark", answers("\x001\x002", "Content-Type: application/json; charset=utf-16"), `12`),
		Entry("in utf-16le", answers("1\x002\x00", "Content-Type: application/json; charset=utf-16le"), `12`),
		Entry("in a charset that nobody knows, as UTF-8", answers(`"é"`, "Content-Type: application/json; charset=klingon"), `"é"`),
		Entry("whatever Content-Type says", answers(`1`, "Content-Type: text/html"), `1`),
	)

	DescribeTable("are a clear failure", func(h http.HandlerFunc, code Code) {
		_, e := ask(h, HTTPOptions{Retries: -1, MaxBytes: 100_000})
		Expect(e).NotTo(BeNil())
		Expect(e.Code).To(Equal(code))
		Expect(e.Text).NotTo(BeEmpty())
	},
		Entry("with 204", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, CodeEmpty),
		Entry("with 205", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(205) }, CodeEmpty),
		Entry("where there are none", answers(""), CodeEmpty),
		Entry("where there is only a mark and space", answers("\ufeff \n"), CodeEmpty),
		Entry("where they are none in gzip", answers("", "Content-Encoding: gzip"), CodeEmpty),
		Entry("in a compression that they are not", answers("[1]", "Content-Encoding: gzip"), CodeEncoding),
		Entry("in gzip that is cut off", answers(gzipped(strings.Repeat("1", 5000))[:20], "Content-Encoding: gzip"), CodeEncoding),
		Entry("in an unknown compression", answers("[1]", "Content-Encoding: zstd"), CodeEncoding),
		Entry("compressed too often", answers("[1]", "Content-Encoding: br, br, br, br, br, br"), CodeEncoding),
		Entry("that grow without end in brotli", answers(compressed(strings.Repeat("1", 10<<20), func(w io.Writer) io.WriteCloser { return brotli.NewWriter(w) }), "Content-Encoding: br"), CodeTooLarge),
		Entry("that grow without end in deflate", answers(compressed(strings.Repeat("1", 10<<20), func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }), "Content-Encoding: deflate"), CodeTooLarge),
		Entry("that are text", answers(fmt.Sprintf("%0200d<html>", 1)), CodeNotJSON),
	)
})
