package transfer

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("an export that was cut off", func() {
	to := func(db Scanner, path string, o OutputOptions, change ...func(*ExportOptions)) (Exported, error) {
		out, err := OpenOutput(path, nil, o)
		if err != nil {
			return Exported{}, err
		}
		defer func() { _ = out.Close() }()
		e := ExportOptions{Store: db, API: "acme", Format: NDJSON, Output: out, PageBytes: 2000}
		for _, f := range change {
			f(&e)
		}
		return Export(context.Background(), e)
	}

	DescribeTable("goes on behind what the file holds, wherever it ends", func(change func(*ExportOptions)) {
		db := open()
		put(db, many(60))
		put(db, strange()[:9])
		whole, _ := export(db, change, func(o *ExportOptions) { o.PageBytes = 2000 })
		plain := whole
		if strings.HasPrefix(whole, "\x1f\x8b") {
			plain = unzip(whole)
		}
		dir := GinkgoT().TempDir()
		step := max(len(whole)/100, 1)
		tails := []string{"", "\x00\x00\x00\x00", "\n\n", "{\"half\":"}
		for n := 0; n <= len(whole); n += step {
			path := filepath.Join(dir, fmt.Sprint(n))
			Expect(os.WriteFile(path+PartSuffix, []byte(whole[:n]+tails[n/step%len(tails)]), 0o600)).To(Succeed())
			_, err := to(db, path, OutputOptions{Resume: true}, change)
			Expect(err).NotTo(HaveOccurred(), "cut at %d", n)
			got, err := os.ReadFile(path)
			Expect(err).NotTo(HaveOccurred())
			text := string(got)
			if plain != whole {
				text = unzip(text)
			}
			Expect(text == plain).To(BeTrue(), "cut at %d of %d", n, len(whole))
			Expect(os.Remove(path)).To(Succeed())
		}
		left, err := os.ReadDir(dir)
		Expect(err).NotTo(HaveOccurred())
		Expect(left).To(BeEmpty())
	},
		Entry("NDJSON", func(*ExportOptions) {}),
		Entry("NDJSON with gzip", func(o *ExportOptions) { o.Gzip = true }),
		Entry("CSV", func(o *ExportOptions) { o.Format = CSV }),
		Entry("CSV with gzip", func(o *ExportOptions) { o.Format, o.Gzip = CSV, true }),
		Entry("CSV with columns", func(o *ExportOptions) { o.Format, o.Fields = CSV, []string{"n", "padding"} }),
	)

	It("is refused where it was another one", func() {
		db := open()
		put(db, many(60))
		path := filepath.Join(GinkgoT().TempDir(), "file")
		text, _ := export(db)
		Expect(os.WriteFile(path+PartSuffix, []byte(text[:5000]), 0o600)).To(Succeed())
		for _, change := range []func(*ExportOptions){
			func(o *ExportOptions) { o.Range.From = begin.Add(time.Hour) },
			func(o *ExportOptions) { o.Range.To = begin.Add(2 * time.Millisecond) },
			func(o *ExportOptions) { o.API = "other" },
			func(o *ExportOptions) { o.Gzip = true },
		} {
			_, err := to(db, path, OutputOptions{Resume: true}, change)
			Expect(err).To(HaveOccurred())
			Expect(os.Stat(path + PartSuffix)).To(HaveField("Size()", BeEquivalentTo(5000)))
		}
		_, err := to(db, path, OutputOptions{})
		Expect(err).To(MatchError(ContainSubstring("--resume continues it")))
		for _, zip := range []bool{false, true} {
			table := func(o *ExportOptions) { o.Format, o.Gzip = CSV, zip }
			text, _ = export(db, table)
			Expect(os.WriteFile(path+PartSuffix, []byte(text[:len(text)-10]), 0o600)).To(Succeed())
			_, err = to(db, path, OutputOptions{Resume: true}, table, func(o *ExportOptions) { o.Fields = []string{"n"} })
			Expect(err).To(MatchError(errColumns))
		}
	})

	It("never has the name of a complete file, and never takes that of another", func() {
		db := open()
		put(db, many(60))
		path := filepath.Join(GinkgoT().TempDir(), "file")
		out, err := OpenOutput(path, nil, OutputOptions{})
		Expect(err).NotTo(HaveOccurred())
		_, err = OpenOutput(path, nil, OutputOptions{Force: true})
		Expect(err).To(MatchError(ContainSubstring("written by another")))
		Expect(os.WriteFile(path, []byte("came meanwhile"), 0o600)).To(Succeed())
		_, err = Export(context.Background(), ExportOptions{Store: db, API: "acme", Format: NDJSON, Output: out})
		Expect(err).To(MatchError(ContainSubstring("cannot get the name")))
		Expect(os.ReadFile(path)).To(BeEquivalentTo("came meanwhile"))
		_, err = to(db, path, OutputOptions{})
		Expect(err).To(MatchError(ContainSubstring("is there already")))
		_, err = to(db, path, OutputOptions{Force: true})
		Expect(err).NotTo(HaveOccurred())
		text, _ := export(db)
		Expect(os.ReadFile(path)).To(BeEquivalentTo(text))
		_, err = os.Stat(path + PartSuffix)
		Expect(err).To(MatchError(os.ErrNotExist))
		Expect(os.Link(path, path+PartSuffix)).To(Succeed(), "as a kill between two steps leaves it")
		_, err = to(db, path, OutputOptions{Force: true})
		Expect(err).NotTo(HaveOccurred())
		Expect(os.ReadFile(path)).To(BeEquivalentTo(text))
	})

	It("begins anew where a part is of no use, as a kill leaves it", func() {
		db := open()
		put(db, many(60))
		path := filepath.Join(GinkgoT().TempDir(), "file")
		Expect(os.WriteFile(path+PartSuffix, []byte("# TYPE devops"), 0o600)).To(Succeed())
		_, err := to(db, path, OutputOptions{Whole: true}, func(o *ExportOptions) { o.Format = OpenMetrics })
		Expect(err).NotTo(HaveOccurred())
		text, _ := export(db, func(o *ExportOptions) { o.Format = OpenMetrics })
		Expect(os.ReadFile(path)).To(BeEquivalentTo(text))
	})
})
