package ndjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store"
)

func TestNDJSON(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Rows as lines of JSON")
}

func metric(source, data string) store.Metric {
	at := time.Date(2026, 11, 24, 3, 45, 1, 123e6, time.UTC)
	return store.Metric{
		API: "acme", Source: source, Data: json.RawMessage(data), Hash: store.Hash([]byte(data)),
		CreatedAt: at, UpdatedAt: at.Add(time.Second), ID: "0011",
	}
}

func must(m store.Metric, err error) store.Metric {
	GinkgoHelper()
	Expect(err).NotTo(HaveOccurred())
	return m
}

var _ = Describe("a line", func() {
	It("has the keys in their order, and the very bytes of the data", func() {
		m := metric("eu-west", `{"z":1.50,"a":[1e2,"<&>`+"\u2028"+`é"]}`)
		Expect(string(Append([]byte("before "), m))).To(Equal(`before {"api":"acme","source":"eu-west","data":{"z":1.50,"a":[1e2,"<&>` + "\u2028" +
			`é"]},"hash":"` + m.Hash + `","createdAt":"2026-11-24T03:45:01.123Z","updatedAt":"2026-11-24T03:45:02.123Z"}` + "\n"))
	})

	DescribeTable("is read as it was written", func(source, data string) {
		m := metric(source, data)
		text := Append(nil, m)
		Expect(bytes.Count(text, []byte("\n"))).To(Equal(1))
		m.ID = ""
		Expect(Decode(text)).To(Equal(m))
		Expect(Append(nil, m)).To(Equal(text))
	},
		Entry("an object", "us-east", `{"status":"ok"}`), Entry("null", "us-east", `null`), Entry("a number", "us-east", `12345678901234567890.10`),
		Entry("a text", "us-east", `"a\nb"`), Entry("a name with everything", "a\"\\\n\u2028é<>", `[]`),
		Entry("an empty hash within", "us-east", `{"x":1,"hash":"","createdAt":"2026-11-24T03:45:01.123Z","updatedAt":"2026-11-24T03:45:01.123Z"}`),
		Entry("keys like those of a row", "us-east", `{"hash":"x","createdAt":"y","api":"z"}`),
	)

	It("tells whether its data are those that were written", func() {
		m := metric("eu-west", `{"a":1}`)
		text := Append(nil, m)
		Expect(Intact(text, m)).To(BeTrue())
		changed := bytes.Replace(text, []byte(`{"a":1}`), []byte(`{"a":2}`), 1)
		Expect(Intact(changed, must(Decode(changed)))).To(BeFalse())

		m.Hash = store.Hash([]byte(`{"a":1.0}`)) // of another spelling
		text = Append(nil, m)
		Expect(string(text)).To(HaveSuffix(`","checksum":"` + store.Hash(m.Data) + "\"}\n"))
		read := must(Decode(text))
		Expect(read.Hash).To(Equal(m.Hash))
		Expect(Intact(text, read)).To(BeTrue())
		Expect(Append(nil, read)).To(Equal(text))
		changed = bytes.Replace(text, []byte(`{"a":1}`), []byte(`{"a":2}`), 1)
		Expect(Intact(changed, must(Decode(changed)))).To(BeFalse())
	})

	It("ends once, also for data that no store was meant to hold", func() {
		for _, data := range []string{"{\n\"a\": 1\r\n}", "not\njson", "", "\n"} {
			text := Append(nil, metric("us-east", data))
			Expect(bytes.Count(text, []byte("\n"))).To(Equal(1))
			_, err := Decode(text)
			Expect(err).NotTo(HaveOccurred())
		}
	})

	It("may be another program's: spaces, other keys, other times, without what can be made", func() {
		m, err := Decode([]byte(` { "createdAt" : "2026-11-24T04:45:01.1239+01:00", "note": {"x":[1]}, "data": { "a" : [ 1, 2 ] }, "source":"eu-west", "api":"acme" } `))
		Expect(err).NotTo(HaveOccurred())
		Expect(string(m.Data)).To(Equal(`{"a":[1,2]}`))
		Expect(m.Hash).To(Equal(store.Hash([]byte(`{"a":[1,2]}`))))
		Expect(m.CreatedAt).To(Equal(time.Date(2026, 11, 24, 3, 45, 1, 123e6, time.UTC)))
		Expect(m.UpdatedAt).To(Equal(m.CreatedAt))
	})

	It("is read the same whether or not it looks as Append writes it", func() {
		for _, data := range []string{`{"a":"\u0041"}`, `"\"hash\":\""`, `1.0`, `[{}]`} {
			text := Append(nil, metric("us-east", data))
			own, ok := decodeOwn(text)
			Expect(ok).To(BeTrue())
			Expect(Decode(append([]byte(" "), text...))).To(Equal(own))
		}
		for _, text := range []string{
			`{"api":"a","source":"b","data":1,"data":2,"hash":"c","createdAt":"2026-11-24T03:45:01.123Z","updatedAt":"2026-11-24T03:45:01.123Z"}`,
			`{"api":"a","source":"b","data":,"hash":"c","createdAt":"2026-11-24T03:45:01.123Z","updatedAt":"2026-11-24T03:45:01.123Z"}`,
			`{"api":"a","source":"b","data":1,"hash":"c","createdAt":"2026-11-24T03:45:01.123Z","updatedAt":"2026-11-24T03:45:01.123Z"}}`,
		} {
			_, ok := decodeOwn([]byte(text))
			Expect(ok).To(BeFalse(), text)
		}
	})

	DescribeTable("that is none says what is wrong", func(text, want string) {
		_, err := Decode([]byte(text))
		Expect(err).To(MatchError(ContainSubstring(want)))
	},
		Entry("no JSON", `hello`, "invalid character"), Entry("cut", `{"api":"acme"`, "unexpected end"),
		Entry("two rows", `{} {}`, "invalid character"), Entry("an array", `[1]`, "array"),
		Entry("no api", `{"source":"a","data":1,"createdAt":"2026-11-24T03:45:01Z"}`, `"api" is missing`),
		Entry("no data", `{"api":"a","source":"a","createdAt":"2026-11-24T03:45:01Z"}`, `"data" is missing`),
		Entry("no time", `{"api":"a","source":"a","data":1}`, `"createdAt" is missing`),
		Entry("a strange time", `{"api":"a","source":"a","data":1,"createdAt":"yesterday"}`, "yesterday"),
	)
})

var _ = Describe("a reader", func() {
	It("passes over empty lines and a mark, names the line of an error, and goes on", func() {
		one := string(Append(nil, metric("us-east", `1`)))
		r := NewReader(strings.NewReader("\ufeff" + one + "\r\n\n" + "nonsense\n" + strings.TrimSuffix(one, "\n")))
		_, err := r.Next()
		Expect(err).NotTo(HaveOccurred())
		_, err = r.Next()
		var wrong *LineError
		Expect(errors.As(err, &wrong)).To(BeTrue())
		Expect(wrong.Line).To(Equal(4))
		_, err = r.Next()
		Expect(err).NotTo(HaveOccurred())
		Expect(r.Line()).To(Equal(5))
		_, err = r.Next()
		Expect(err).To(MatchError(io.EOF))
	})

	It("does not hold a line without an end", func() {
		r := NewReader(endless{})
		_, err := r.Next()
		Expect(err).To(MatchError(ContainSubstring("line 1: it is longer than")))
	})

	It("returns the error of what it reads", func() {
		boom := errors.New("boom")
		r := NewReader(io.MultiReader(bytes.NewReader(Append(nil, metric("us-east", `1`))), failing{boom}))
		_, err := r.Next()
		Expect(err).NotTo(HaveOccurred())
		_, err = r.Next()
		Expect(err).To(MatchError(boom))
	})
})

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func BenchmarkAppend(b *testing.B) {
	m := metric("us-east", `"`+strings.Repeat("x", 1000)+`"`)
	var buffer []byte
	b.ReportAllocs()
	for b.Loop() {
		buffer = Append(buffer[:0], m)
	}
	b.SetBytes(int64(len(buffer)))
}

func BenchmarkDecode(b *testing.B) {
	text := Append(nil, metric("us-east", `"`+strings.Repeat("x", 1000)+`"`))
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := Decode(text); err != nil {
			b.Fatal(err)
		}
	}
}
