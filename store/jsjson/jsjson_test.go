package jsjson_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"
	"unicode/utf8"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store/jsjson"
)

func TestJSJSON(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "JSON as JavaScript writes it")
}

// What is expected was written by Node 20: JSON.stringify, Date.prototype.toJSON
// and Buffer.prototype.toString, which here agrees with TextDecoder.
var _ = Describe("JSON text", func() {
	DescribeTable("has strings as JSON.stringify", func(in, want string) {
		Expect(string(jsjson.AppendString(nil, in))).To(Equal(want))
		Expect(string(jsjson.AppendString([]byte("x"), []byte(in)))).To(Equal("x" + want))
		Expect(jsjson.Marshal(in)).To(BeEquivalentTo(want))
		Expect(jsjson.Marshal(struct {
			V string `json:"v"`
		}{in})).To(BeEquivalentTo(`{"v":` + want + `}`))
	},
		Entry("plain", "us-east", `"us-east"`),
		Entry("empty", "", `""`),
		Entry("what must be escaped", "\x00\x01\b\t\n\v\f\r\x1f \"\\/<>&\x7f", `"\u0000\u0001\b\t\n\u000b\f\r\u001f \"\\/<>&`+"\x7f"+`"`),
		Entry("letters", "\u0080\u2028\u2029é😀\ufffd\ufeff", "\"\u0080\u2028\u2029é😀\ufffd\ufeff\""),
		Entry("what looks like an escape", `\u2028 \\ufffd`, `"\\u2028 \\\\ufffd"`),
		Entry("latin-1", "S\xe3o \"Paulo\"", "\"S\ufffdo \\\"Paulo\\\"\""),
	)

	DescribeTable("has U+FFFD where bytes are not UTF-8", func(in, want string) {
		Expect(string(jsjson.Valid([]byte(in)))).To(Equal(want))
		Expect(string(jsjson.AppendString(nil, in))).To(Equal(`"` + want + `"`))
		Expect(jsjson.Marshal(json.RawMessage(`["` + in + `"]`))).To(BeEquivalentTo(`["` + want + `"]`))
	},
		Entry("a letter of latin-1", "S\xe3o", "S\ufffdo"),
		Entry("a sequence that is cut off", "\xe2\x82", "\ufffd"),
		Entry("one that is cut off before a letter", "\xe2\x82A", "\ufffdA"),
		Entry("one of four bytes that is cut off", "\xf0\x9f\x98", "\ufffd"),
		Entry("one that is cut off by another", "\xe1\x80\xc3\xa9", "\ufffdé"),
		Entry("one that is cut off by a byte that begins none", "\xf1\x80\x80\xe9x", "\ufffd\ufffdx"),
		Entry("an overlong form", "\xc0\x80", "\ufffd\ufffd"),
		Entry("an overlong form of three bytes", "\xe0\x80\x80", "\ufffd\ufffd\ufffd"),
		Entry("an overlong form of four bytes", "\xf0\x80\x80\x80", "\ufffd\ufffd\ufffd\ufffd"),
		Entry("encoded surrogates", "\xed\xa0\x80\xed\xb0\x80", "\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd"),
		Entry("above U+10FFFF", "\xf4\x90\x80\x80", "\ufffd\ufffd\ufffd\ufffd"),
		Entry("bytes that never occur", "\xff\xfe", "\ufffd\ufffd"),
		Entry("a byte that only continues", "\x80", "\ufffd"),
		Entry("nothing of the kind", "é😀", "é😀"),
	)

	It("does not copy text that is UTF-8", func() {
		text := []byte(`{"city":"São"}`)
		Expect(&jsjson.Valid(text)[0]).To(BeIdenticalTo(&text[0]))
	})

	DescribeTable("has dates as Date.prototype.toJSON", func(milliseconds int64, want string) {
		Expect(string(jsjson.AppendDate(nil, milliseconds))).To(Equal(want))
		Expect(string(jsjson.AppendTime(nil, time.UnixMilli(milliseconds).In(time.FixedZone("", 3600))))).To(Equal(want))
	},
		Entry(nil, int64(0), `"1970-01-01T00:00:00.000Z"`),
		Entry(nil, int64(-1), `"1969-12-31T23:59:59.999Z"`),
		Entry(nil, int64(253402300799999), `"9999-12-31T23:59:59.999Z"`),
		Entry(nil, int64(253402300800000), `"+010000-01-01T00:00:00.000Z"`),
		Entry(nil, int64(-62167219200000), `"0000-01-01T00:00:00.000Z"`),
		Entry(nil, int64(-62167219200001), `"-000001-12-31T23:59:59.999Z"`),
		Entry(nil, int64(-210866803200000), `"-004713-11-24T00:00:00.000Z"`),
		Entry(nil, int64(8.64e15), `"+275760-09-13T00:00:00.000Z"`),
		Entry(nil, int64(-8.64e15), `"-271821-04-20T00:00:00.000Z"`),
		Entry(nil, int64(8640000000000001), `null`),
		Entry(nil, int64(math.MaxInt64), `null`),
		Entry(nil, int64(math.MinInt64), `null`),
	)

	It("has null for a time beyond all dates", func() {
		for _, t := range []time.Time{time.Unix(math.MaxInt64, 0), time.Unix(math.MinInt64, 0), time.Unix(1<<60, 0)} {
			Expect(string(jsjson.AppendTime(nil, t))).To(Equal("null"))
		}
	})

	DescribeTable("has numbers as Number.prototype.toString", func(f float64, want string) {
		Expect(string(jsjson.AppendNumber(nil, f))).To(Equal(want))
		Expect(jsjson.Marshal(f)).To(BeEquivalentTo(want))
	},
		Entry(nil, 0.0, `0`), Entry(nil, math.Copysign(0, -1), `0`), Entry(nil, -1.5, `-1.5`), Entry(nil, 0.1, `0.1`),
		Entry(nil, 1e21, `1e+21`), Entry(nil, 1e20, `100000000000000000000`), Entry(nil, 123456789012345680000.0, `123456789012345680000`),
		Entry(nil, 1e-6, `0.000001`), Entry(nil, 1e-7, `1e-7`), Entry(nil, 1.5e-10, `1.5e-10`), Entry(nil, 0.000001234, `0.000001234`),
		Entry(nil, 5e-324, `5e-324`), Entry(nil, math.MaxFloat64, `1.7976931348623157e+308`), Entry(nil, -1e-9, `-1e-9`),
		Entry(nil, math.NaN(), `null`), Entry(nil, math.Inf(-1), `null`),
	)

	It("has values of every kind", func() {
		text, err := jsjson.Marshal(map[string]any{
			"b": []any{nil, true, 1, 1.5, json.RawMessage(`{ "z" : 1.0, "a": "\u2028" }`), map[string]any(nil), []any(nil)},
			"<": struct {
				A string `json:"a,omitempty"`
				B []byte `json:"b"`
			}{B: []byte("x")},
			"a": []string{"\u2028", "\xff"},
		})
		Expect(err).NotTo(HaveOccurred())
		Expect(string(text)).To(Equal(`{"<":{"b":"eA=="},"a":["` + "\u2028" + `","` + "\ufffd" + `"],"b":[null,true,1,1.5,{"z":1.0,"a":"\u2028"},null,null]}`))
	})

	It("refuses what has no text", func() {
		for _, v := range []any{json.RawMessage(`{`), []any{func() {}}, map[string]any{"a": make(chan int)}} {
			_, err := jsjson.Marshal(v)
			Expect(err).To(HaveOccurred())
		}
	})
})

func FuzzStrings(f *testing.F) {
	for _, s := range []string{"S\xe3o", "\xf0\x9f\x98", "\xed\xa0\x80", "a\"b\\", "\u2028"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text := jsjson.AppendString(nil, s)
		if !utf8.Valid(text) || !json.Valid(text) {
			t.Fatalf("%q became %q", s, text)
		}
		var back string
		if err := json.Unmarshal(text, &back); err != nil || back != string(jsjson.Valid([]byte(s))) {
			t.Fatalf("%q became %q, which is %q", s, text, back)
		}
		if utf8.ValidString(s) && back != s {
			t.Fatalf("%q became %q", s, back)
		}
	})
}

func BenchmarkAppendString(b *testing.B) {
	for name, s := range map[string]string{"plain": "us-east.example.com:8080", "letters": "São Paulo, 東京"} {
		b.Run("text="+name, func(b *testing.B) {
			buf := make([]byte, 0, 64)
			b.ReportAllocs()
			for b.Loop() {
				buf = jsjson.AppendString(buf[:0], s)
			}
		})
	}
}
