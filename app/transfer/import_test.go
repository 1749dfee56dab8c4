package transfer

import (
	"context"
	"errors"
	"io"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/ndjson"
)

var _ = Describe("an import", func() {
	line := func(m store.Metric) string { return string(ndjson.Append(nil, m)) }

	DescribeTable("names a line that is none, and imports what stands before it", func(bad, part string) {
		db := open()
		text := line(row(0, "us-east", `1`)) + "\n" + line(row(1, "us-east", `2`)) + bad + "\n" + line(row(2, "us-east", `3`))
		done, err := importText(db, text)
		var at *LineError
		Expect(errors.As(err, &at)).To(BeTrue(), "%v", err)
		Expect(at.Line).To(BeEquivalentTo(4))
		Expect(err).To(MatchError(And(HavePrefix("rows, line 4: "), ContainSubstring(part))))
		Expect(done.Added).To(BeEquivalentTo(2))
		var told []error
		done, err = importText(db, text, func(o *ImportOptions) {
			o.SkipBad = true
			o.OnBad = func(err error) { told = append(told, err) }
		})
		Expect(err).NotTo(HaveOccurred())
		Expect(done.Added).To(BeEquivalentTo(1))
		Expect(done.Bad).To(BeEquivalentTo(1))
		Expect(told).To(HaveLen(1))
	},
		Entry("no JSON", "hello", "invalid character"),
		Entry("cut off", `{"api":"acme","source":"us`, "unexpected end"),
		Entry("another object", `{"a":1}`, "api"),
		Entry("a time that is none", `{"api":"a","source":"b","data":1,"createdAt":"yesterday"}`, "yesterday"),
		Entry("changed data", strings.Replace(line(row(9, "us-east", `{"n":1}`)), `"n":1`, `"n":2`, 1), "hash"),
		Entry("a byte that is no UTF-8", `{"api":"acme","source":"us-east","data":"`+"\xe9"+`","createdAt":"2026-11-25T08:00:00.000Z"}`, "UTF-8"),
		Entry("a name with a line in it", `{"api":"a\u0000","source":"b","data":1,"createdAt":"2026-11-25T08:00:00.000Z"}`, "api"),
		Entry("too long", strings.Repeat("x", maxLine+1), "64 MiB"),
		Entry("what the store refuses", `{"api":"`+strings.Repeat("a", 999)+`","source":"`+strings.Repeat("b", 999)+`","data":`+strings.Repeat("[", 9999)+strings.Repeat("]", 9998)+`,"createdAt":"2026-11-25T08:00:00.000Z"}`, ""),
	)

	It("takes data that do not fit their hash where it is told to", func() {
		db := open()
		changed := strings.Replace(line(row(9, "us-east", `{"n":1}`)), `"n":1`, `"n":2`, 1)
		done, err := importText(db, changed, func(o *ImportOptions) { o.Rehash = true })
		Expect(err).NotTo(HaveOccurred())
		Expect(done.Added).To(BeEquivalentTo(1))
		text, _ := export(db)
		Expect(text).To(Equal(line(row(9, "us-east", `{"n":2}`))))
	})

	It("says what else a file is", func() {
		zipped, _ := export(open(), func(o *ExportOptions) { o.Gzip, o.Format = true, CSV })
		for text, part := range map[string]string{
			newTable(nil).header: "CSV", zipped: "CSV", "# TYPE x gauge\n": "OpenMetrics", "PK\x03\x04xx": "not by gzip", "\x00\x01\n": "restore",
		} {
			_, err := importText(open(), text, func(o *ImportOptions) { o.SkipBad = true })
			Expect(err).To(MatchError(ContainSubstring(part)))
		}
	})

	It("says that a compressed file was cut off or damaged, after what is whole", func() {
		db := open()
		put(db, many(100))
		text, _ := export(db, func(o *ExportOptions) { o.Gzip = true })
		other := open()
		_, err := importText(other, text[:len(text)/2], func(o *ImportOptions) { o.SkipBad = true })
		Expect(err).To(MatchError(ContainSubstring("cut off")))
		_, err = importText(other, text[:len(text)/2]+"xxxxxxxx"+text[len(text)/2+8:], func(o *ImportOptions) { o.SkipBad = true })
		Expect(err).To(MatchError(ContainSubstring("damaged")))
		rows, err := store.History(context.Background(), other, store.Query{API: "acme", Limit: 1000})
		Expect(err).NotTo(HaveOccurred())
		Expect(len(rows)).To(And(BeNumerically(">", 30), BeNumerically("<", 100)))
		done, err := importText(other, text)
		Expect(err).NotTo(HaveOccurred())
		Expect(done.Added).To(BeEquivalentTo(100 - len(rows)))
	})

	It("ends while its input is silent", func() {
		r, w := io.Pipe()
		defer func() { _ = w.Close() }()
		ctx, cancel := context.WithCancel(context.Background())
		over := make(chan error, 1)
		db := open()
		go func() {
			_, err := Import(ctx, ImportOptions{Store: db, In: r, Name: "pipe"})
			over <- err
		}()
		_, err := io.WriteString(w, line(row(0, "us-east", `1`)))
		Expect(err).NotTo(HaveOccurred())
		cancel()
		Eventually(over, "10s").Should(Receive(MatchError(context.Canceled)))
	})
})
