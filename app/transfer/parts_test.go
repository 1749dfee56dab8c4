package transfer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store"
)

var _ = Describe("a range", func() {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	DescribeTable("is read as people write it", func(from, to, wantFrom, wantTo string) {
		r, err := ParseRange(from, to, now)
		Expect(err).NotTo(HaveOccurred())
		for _, end := range []struct {
			got  time.Time
			want string
		}{{r.From, wantFrom}, {r.To, wantTo}} {
			if end.want == "" {
				Expect(end.got.IsZero()).To(BeTrue())
				continue
			}
			Expect(end.got.Format(time.RFC3339Nano)).To(Equal(end.want))
		}
	},
		Entry("all", "", "", "", ""),
		Entry("a month", "2026-11", "2026-11", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
		Entry("a leap day", "2028-02-29", "2028-02-29", "2028-02-29T00:00:00Z", "2028-03-01T00:00:00Z"),
		Entry("a year of months", "2026-01", "2026-12", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
		Entry("times", "2026-11-25T10:00:00+01:00", "2026-11-25T10:00:00.5Z", "2026-11-25T09:00:00Z", "2026-11-25T10:00:00.5Z"),
		Entry("times without a zone", "2026-11-25 10:00", "2026-11-25t10:00:01", "2026-11-25T10:00:00Z", "2026-11-25T10:00:01Z"),
		Entry("ages", "24h ago", "90m ago", "2026-11-24T12:00:00Z", "2026-11-25T10:30:00Z"),
		Entry("longer ages", "1w 2d ago", "1d12h ago", "2026-11-16T12:00:00Z", "2026-11-24T00:00:00Z"),
		Entry("words", "2 days ago", "now", "2026-11-23T12:00:00Z", "2026-11-25T12:00:00Z"),
		Entry("seconds", "1795593600", "1795593601", "2026-11-25T08:00:00Z", "2026-11-25T08:00:01Z"),
	)

	DescribeTable("is refused with a sentence", func(from, to, part string) {
		_, err := ParseRange(from, to, now)
		Expect(err).To(MatchError(ContainSubstring(part)))
	},
		Entry(nil, "yesterday", "", "--from=\"yesterday\""), Entry(nil, "", "2026-13", "--to=\"2026-13\""), Entry(nil, "2026-02-30", "", "--from"),
		Entry(nil, "24h", "", "ago"), Entry(nil, "-1h ago", "", "--from"), Entry(nil, "ago", "", "--from"), Entry(nil, "99999999w ago", "", "--from"),
		Entry(nil, "2026-11-25", "2026-11-24", "is not before"), Entry(nil, "1h ago", "2h ago", "is not before"),
	)
})

func found(text string) (all []string) {
	numbers(json.RawMessage(text), func(path, number []byte) { all = append(all, string(path)+"="+string(number)) })
	return all
}

var _ = Describe("the numbers of a value", func() {
	DescribeTable("have the paths of their keys", func(text string, want ...string) { Expect(found(text)).To(Equal(want)) },
		Entry(nil, `{"a":1,"b":{"c":-2.5e3,"d":{"e":0}},"f":3}`, "a=1", "b.c=-2.5e3", "b.d.e=0", "f=3"),
		Entry("with white space", "{ \"a\" : 1 ,\n\"b\" : { \"c\" : 2 } , \"d\": 3 }", "a=1", "b.c=2", "d=3"),
		Entry("not in texts, arrays and words", `{"t":"{\"x\":1}","l":[1,{"y":2},"]"],"n":null,"b":true,"z":9}`, "z=9"),
		Entry("with dots and escapes", `{"a.b":{"c\\":1},"\u0041":2,"":3,"q\"":4}`, `a\.b.c\\=1`, "A=2", "=3", `q"=4`),
	)
	It("are none where the value is no object, or no JSON", func() {
		for _, text := range []string{"", "1", "[1]", "null", `"x"`, `{"a":1`, "{", "{}"} {
			Expect(found(text)).To(BeEmpty(), text)
		}
	})
})

// FuzzNumbers compares the numbers with those that encoding/json finds.
func FuzzNumbers(f *testing.F) {
	for _, text := range []string{`{"a":1,"b":{"c":[2]}}`, `{"a.b":{"\\":1e5}}`, `{"":{"":0}}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		n := 0
		numbers(text, func(_, number []byte) {
			n++
			if !json.Valid(number) {
				t.Errorf("%q is no number", number)
			}
		})
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		if !json.Valid(text) {
			if n > 0 {
				t.Error("numbers in what is no JSON")
			}
			return
		}
		want, lists, first := 0, 0, true
		for {
			token, err := d.Token()
			if err != nil {
				break
			}
			if first {
				if token != json.Delim('{') {
					break
				}
				first = false
			}
			switch token {
			case json.Delim('['):
				lists++
			case json.Delim(']'):
				lists--
			}
			if _, ok := token.(json.Number); ok && lists == 0 {
				want++
			}
		}
		if n != want {
			t.Errorf("%d numbers of %d in %q", n, want, text)
		}
	})
}

var _ = Describe("OpenMetrics", func() {
	It("has all samples of a family and of a series in one place, in the order of time, each millisecond once", func() {
		db := open()
		put(db, []store.Metric{
			row(-2500, "eu-west", `{"load":{"a":1},"status":"ok"}`),
			row(0, "us-east", `{"load":{"a":2},"n":5}`),
			row(0, "us-east", `{"load":{"a":3}}`),
			row(1500, "eu-west", `{"load":{"a":4.50},"load_a":7,"huge":1e400}`),
		})
		text, r := export(db, func(o *ExportOptions) { o.Format = OpenMetrics })
		Expect(text).To(Equal(`# TYPE devops_insights_load_a gauge
devops_insights_load_a{api="acme",source="eu-west",field="load.a"} 1 1795593597.500
devops_insights_load_a{api="acme",source="eu-west",field="load.a"} 4.50 1795593601.500
devops_insights_load_a{api="acme",source="us-east",field="load.a"} 3 1795593600
devops_insights_load_a{api="acme",source="eu-west",field="load_a"} 7 1795593601.500
# TYPE devops_insights_n gauge
devops_insights_n{api="acme",source="us-east",field="n"} 5 1795593600
# EOF
`))
		Expect(r.Samples).To(BeEquivalentTo(5))
		Expect(r.Series).To(BeEquivalentTo(4))
		empty, _ := export(open(), func(o *ExportOptions) { o.Format = OpenMetrics })
		Expect(empty).To(Equal("# EOF\n"))
	})

	It("sorts more than it holds in memory, and leaves no file behind", func() {
		dir := GinkgoT().TempDir()
		var s spool
		Expect(s.open(dir)).To(Succeed())
		DeferCleanup(s.close)
		texts := make([]*spooled, 3000)
		for i := range texts {
			texts[i] = new(spooled)
		}
		const rounds = 1000
		for n := range rounds {
			for i, t := range texts {
				t.text = fmt.Appendf(t.text, "%d of %d\n", n, i)
				Expect(s.grown(t)).To(Succeed())
			}
		}
		Expect(s.size).To(BeNumerically(">", 0))
		Expect(s.held).To(BeNumerically("<=", maxHeld))
		for i, t := range texts[:50] {
			n := 0
			Expect(s.each(t, func(line []byte) error {
				if string(line) != fmt.Sprintf("%d of %d\n", n, i) {
					return fmt.Errorf("%q in the place of %d", line, n)
				}
				n++
				return nil
			})).To(Succeed())
			Expect(n).To(Equal(rounds))
		}
	})

	It("bounds the fields of a region", func() {
		db := open()
		var b strings.Builder
		for i := range maxSeries + 10 {
			_, _ = fmt.Fprintf(&b, `,"f%d":1`, i)
		}
		put(db, []store.Metric{row(0, "us-east", "{"+b.String()[1:]+"}")})
		_, r := export(db, func(o *ExportOptions) { o.Format = OpenMetrics })
		Expect(r.Series).To(BeEquivalentTo(maxSeries))
		Expect(r.Left).To(BeEquivalentTo(10))
	})

	It("writes times before 1970 as well", func() {
		Expect(string(appendSeconds(nil, -1500))).To(Equal("-1.500"))
		Expect(string(appendSeconds(nil, 7))).To(Equal("0.007"))
	})
})

var _ = Describe("progress", func() {
	It("is a line now and then where there is no terminal", func() {
		p := &Progress{stop: make(chan struct{}), over: make(chan struct{})}
		lines := make(chan string, 10)
		go p.writeLines(writerFunc(func(b []byte) (int, error) { lines <- string(b); return len(b), nil }), "exporting", time.Millisecond)
		p.Set(25, 100, 1234567, 2_500_000, begin)
		Eventually(lines).Should(Receive(MatchRegexp(`^exporting: 1,234,567 rows, 2\.5 MB, [\d,]+ rows a second, 25 %, at 2026-11-25T08:00:00Z\n$`)))
		go func() {
			for range lines { // until it ends
			}
		}()
		p.Close()
		close(lines)
	})

	It("writes numbers for people", func() {
		Expect([]string{Thousands(0), Thousands(999), Thousands(1000), Thousands(-1234567)}).To(Equal([]string{"0", "999", "1,000", "-1,234,567"}))
		Expect([]string{Size(999), Size(1000), Size(999_990), Size(2_500_000_000)}).To(Equal([]string{"999 B", "1.0 kB", "1.0 MB", "2.5 GB"}))
	})
})
