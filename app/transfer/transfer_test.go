package transfer

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/boltstore"
	"github.com/devops-insights/devops-insights/store/ndjson"
)

func TestTransfer(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Transfer")
}

func open() *boltstore.Store {
	GinkgoHelper()
	db, err := boltstore.Open(boltstore.Options{Path: filepath.Join(GinkgoT().TempDir(), boltstore.FileName), Retention: -1})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(db.Close)
	return db
}

var begin = time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)

// row is one of so many milliseconds after the beginning.
func row(ms int, source, data string) store.Metric {
	at := begin.Add(time.Duration(ms) * time.Millisecond)
	return store.Metric{API: "acme", Source: source, Data: json.RawMessage(data), Hash: store.Hash([]byte(data)), CreatedAt: at, UpdatedAt: at}
}

// strange are rows that are hard to keep as they are.
func strange() []store.Metric {
	return []store.Metric{
		row(-2e12, "us-east", `{"before":1970}`),
		row(0, "us-east", `{"big":9007199254740993,"e":1E+2,"z":-0.0}`),
		row(0, "us-east", `{"in the same":"millisecond"}`),
		row(0, "eu-west", `{"in the same":"millisecond"}`),
		row(0, "us-east", `{"in the same":"millisecond again"}`),
		row(1, "eu-west", `"text, with \"quotes\" and a \n line"`),
		row(2, "eu-west", `{"😀":"🇩🇪é\u2028<>&","a.b":{"c":[1,{"d":2}]}}`),
		row(3, "eu-west", `null`),
		row(4, "us-east", `{"large":"`+strings.Repeat("x", 1<<20)+`"}`),
		row(5, "us-east", `{"large":"`+strings.Repeat("é", 3<<20)+`"}`),
		{API: "acme", Source: "us-east", Data: json.RawMessage(`{"n":1}`), Hash: store.Hash([]byte(`{"n":1.0}`)), CreatedAt: begin.Add(6 * time.Millisecond), UpdatedAt: begin.Add(time.Hour)},
	}
}

func many(n int) (rows []store.Metric) {
	for i := range n {
		rows = append(rows, row(i/3, store.Regions()[i%2], fmt.Sprintf(`{"n":%d,"padding":"%0200d"}`, i, i)))
	}
	return rows
}

func put(db *boltstore.Store, rows []store.Metric) {
	GinkgoHelper()
	Expect(db.Import(context.Background(), rows)).To(Equal(len(rows)))
}

// export returns what an export writes.
func export(db Scanner, change ...func(*ExportOptions)) (string, Exported) {
	GinkgoHelper()
	var b bytes.Buffer
	out, err := OpenOutput("-", &b, OutputOptions{})
	Expect(err).NotTo(HaveOccurred())
	o := ExportOptions{Store: db, API: "acme", Format: NDJSON, Output: out, PageBytes: 1000}
	for _, f := range change {
		f(&o)
	}
	r, err := Export(context.Background(), o)
	Expect(err).NotTo(HaveOccurred())
	return b.String(), r
}

func importText(db store.Importer, text string, change ...func(*ImportOptions)) (Imported, error) {
	o := ImportOptions{Store: db, In: strings.NewReader(text), Name: "rows", BatchRows: 7}
	for _, f := range change {
		f(&o)
	}
	return Import(context.Background(), o)
}

func unzip(text string) string {
	GinkgoHelper()
	r, err := gzip.NewReader(strings.NewReader(text))
	Expect(err).NotTo(HaveOccurred())
	b, err := io.ReadAll(r)
	Expect(err).NotTo(HaveOccurred())
	return string(b)
}

var _ = Describe("an export", func() {
	It("imported into an empty store and exported again has the same bytes", func() {
		db, other := open(), open()
		put(db, strange())
		put(db, many(1000))
		text, r := export(db)
		Expect(r.Rows).To(BeEquivalentTo(1011))
		Expect(strings.Count(text, "\n")).To(Equal(1011))
		done, err := importText(other, text)
		Expect(err).NotTo(HaveOccurred())
		Expect(done).To(Equal(Imported{Rows: 1011, Added: 1011, Oldest: strange()[0].CreatedAt}))
		again, _ := export(other)
		Expect(again == text).To(BeTrue())

		zipped, _ := export(db, func(o *ExportOptions) { o.Gzip = true })
		Expect(unzip(zipped) == text).To(BeTrue())
		done, err = importText(other, zipped)
		Expect(err).NotTo(HaveOccurred())
		Expect(done.Added).To(BeZero(), "nothing twice")
		Expect(done.Rows).To(BeEquivalentTo(1011))
		again, _ = export(other)
		Expect(again == text).To(BeTrue())
	})

	It("has the rows of its range and region, oldest first", func() {
		db := open()
		put(db, many(300))
		text, r := export(db, func(o *ExportOptions) {
			o.Source = "us-east"
			o.Range = Range{From: begin.Add(10 * time.Millisecond), To: begin.Add(20 * time.Millisecond)}
		})
		Expect(r.Rows).To(BeEquivalentTo(15))
		last := time.Time{}
		for line := range strings.Lines(text) {
			m, err := ndjson.Decode([]byte(line))
			Expect(err).NotTo(HaveOccurred())
			Expect(m.Source).To(Equal("us-east"))
			Expect(m.CreatedAt).To(BeTemporally(">=", begin.Add(10*time.Millisecond)))
			Expect(m.CreatedAt).To(BeTemporally("<", begin.Add(20*time.Millisecond)))
			Expect(m.CreatedAt).To(BeTemporally(">=", last))
			last = m.CreatedAt
		}
	})

	It("is CSV that other readers take", func() {
		db := open()
		rows := strange()
		put(db, rows)
		text, _ := export(db, func(o *ExportOptions) { o.Format = CSV })
		Expect(text).To(HavePrefix("api,source,createdAt,updatedAt,hash,data\r\nacme,us-east,"))
		Expect(strings.Count(text, "\n")).To(Equal(strings.Count(text, "\r\n")))
		records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		Expect(err).NotTo(HaveOccurred())
		Expect(records).To(HaveLen(len(rows) + 1))
		for i, m := range rows[5:] {
			at := m.CreatedAt.Format("2006-01-02T15:04:05.000Z")
			Expect(records[i+6]).To(Equal([]string{"acme", m.Source, at, m.UpdatedAt.Format("2006-01-02T15:04:05.000Z"), m.Hash, string(m.Data)}))
		}
		empty, _ := export(open(), func(o *ExportOptions) { o.Format = CSV })
		Expect(empty).To(Equal("api,source,createdAt,updatedAt,hash,data\r\n"))
	})

	It("has the fields that are asked for in columns of their own", func() {
		db := open()
		put(db, []store.Metric{
			row(0, "us-east", `{"status":"ok, \"fine\"","a.b":{"c":1.50},"list":[1,2],"null":null}`),
			row(1, "us-east", `{"status":{"x":"y"},"a.b":7}`), row(2, "us-east", `3`),
		})
		text, _ := export(db, func(o *ExportOptions) { o.Format, o.Fields = CSV, []string{"status", `a\.b.c`, "list.1", "null"} })
		records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		Expect(err).NotTo(HaveOccurred())
		for i, want := range [][]string{
			{"data.status", `data.a\.b.c`, "data.list.1", "data.null"}, {`ok, "fine"`, "1.50", "2", ""}, {`{"x":"y"}`, "", "", ""}, {"", "", "", ""},
		} {
			Expect(records[i][5:]).To(Equal(want))
		}
	})

	DescribeTable("leaves nothing in a column of its own that a spreadsheet would compute", func(value, cell string) {
		db := open()
		put(db, []store.Metric{row(0, "us-east", `{"v":`+value+`}`)})
		text, _ := export(db, func(o *ExportOptions) { o.Format, o.Fields = CSV, []string{"v"} })
		records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		Expect(err).NotTo(HaveOccurred())
		Expect(records[1][5]).To(Equal(cell))
	},
		Entry("a formula", `"=HYPERLINK(\"http://a\")"`, `'=HYPERLINK("http://a")`), Entry("a plus", `"+1"`, "'+1"), Entry("a minus", `"-1+1"`, "'-1+1"),
		Entry("an at sign", `"@SUM(A1)"`, "'@SUM(A1)"), Entry("a tab", `"\t=1"`, "'\t=1"), Entry("a line end", `"\n=1"`, "'\n=1"), Entry("a wide equals sign", `"＝1"`, "'＝1"),
		Entry("but a number", `-1.50`, "-1.50"), Entry("but other text", `"a=1"`, "a=1"), Entry("but no text", `""`, ""),
	)

	It("takes little memory, however many rows there are", func() {
		db := open()
		big := strings.Repeat("x", 1<<20)
		var rows []store.Metric
		for i := range 100 {
			rows = append(rows, row(i, "us-east", fmt.Sprintf(`"%d%s"`, i, big)))
		}
		put(db, rows)
		pages := make(chan int, 1000)
		out, err := OpenOutput("-", writerFunc(func(b []byte) (int, error) { pages <- len(b); return len(b), nil }), OutputOptions{})
		Expect(err).NotTo(HaveOccurred())
		_, err = Export(context.Background(), ExportOptions{Store: db, API: "acme", Format: NDJSON, Output: out})
		Expect(err).NotTo(HaveOccurred())
		close(pages)
		for n := range pages {
			Expect(n).To(BeNumerically("<", 4<<20))
		}
	})

	It("ends without waiting for a reader that does not read", func() {
		db := open()
		put(db, many(300))
		r, w := io.Pipe()
		defer func() { _ = r.Close() }()
		out, err := OpenOutput("-", w, OutputOptions{})
		Expect(err).NotTo(HaveOccurred())
		ctx, cancel := context.WithCancel(context.Background())
		over := make(chan error, 1)
		go func() {
			_, err := Export(ctx, ExportOptions{Store: db, API: "acme", Format: NDJSON, Output: out, PageBytes: 1000})
			over <- err
		}()
		_, err = io.ReadFull(r, make([]byte, 100))
		Expect(err).NotTo(HaveOccurred())
		cancel()
		Eventually(over, "10s").Should(Receive(MatchError(context.Canceled)))
	})
})

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
