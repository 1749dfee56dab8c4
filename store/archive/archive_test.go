package archive

import (
	"bytes"
	stdgzip "compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/diskfile"
	"github.com/devops-insights/devops-insights/store/ndjson"
)

func TestArchive(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "The archive")
}

var day = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)

// rows returns rows of an api, one each second from a second of the day on.
func rows(api string, from, to int) (all []store.Metric) {
	for n := from; n < to; n++ {
		data := fmt.Sprintf(`{"n":%d,"pad":%q}`, n, strings.Repeat("x", n%100))
		at := day.Add(time.Duration(n) * time.Second)
		all = append(all, store.Metric{API: api, Source: "eu-west", Data: json.RawMessage(data), Hash: store.Hash([]byte(data)), CreatedAt: at, UpdatedAt: at, ID: fmt.Sprint(n)})
	}
	return all
}

func text(all []store.Metric) (lines string) {
	for _, m := range all {
		lines += string(ndjson.Append(nil, m))
	}
	return lines
}

// contents unpacks a file with the standard library, which knows nothing of
// members.
func contents(path string) string {
	GinkgoHelper()
	file, err := os.Open(path)
	Expect(err).NotTo(HaveOccurred())
	defer file.Close()
	r, err := stdgzip.NewReader(file)
	Expect(err).NotTo(HaveOccurred())
	b, err := io.ReadAll(r)
	Expect(err).NotTo(HaveOccurred())
	return string(b)
}

var _ = Describe("the archive", func() {
	var dir, path string
	BeforeEach(func() {
		dir = filepath.Join(GinkgoT().TempDir(), "archive")
		path = filepath.Join(dir, "acme-2026-11-24.ndjson.gz")
	})

	It("has a file of each api and day, with the rows in their order", func() {
		a := New(Options{Dir: dir})
		midnight := 24 * 3600
		batch := append(rows("acme", midnight-3, midnight+2), rows("other", 0, 2)...)
		Expect(a.Append(batch)).To(Succeed())
		Expect(a.Append(rows("acme", midnight+2, midnight+4))).To(Succeed())
		Expect(contents(path)).To(Equal(text(rows("acme", midnight-3, midnight))))
		Expect(contents(filepath.Join(dir, "acme-2026-11-25.ndjson.gz"))).To(Equal(text(rows("acme", midnight, midnight+4))))
		Expect(contents(filepath.Join(dir, "other-2026-11-24.ndjson.gz"))).To(Equal(text(rows("other", 0, 2))))
		files, err := os.ReadDir(dir)
		Expect(err).NotTo(HaveOccurred())
		Expect(files).To(HaveLen(3))
		r, err := Open(path)
		Expect(err).NotTo(HaveOccurred())
		Expect(ndjson.NewReader(r).Next()).To(HaveField("Hash", batch[0].Hash))
		Expect(r.Close()).To(Succeed())
		if gzip, err := exec.LookPath("gzip"); err == nil {
			out, err := exec.Command(gzip, "-dc", path).Output()
			Expect(err).NotTo(HaveOccurred())
			Expect(string(out)).To(Equal(contents(path)))
		}
	})

	It("takes nothing twice that comes again, in one process or after a crash, alone or with other rows", func() {
		a := New(Options{Dir: dir})
		Expect(a.Append(rows("acme", 0, 100))).To(Succeed())
		Expect(a.Append(rows("acme", 100, 200))).To(Succeed())
		Expect(a.Append(rows("acme", 100, 200))).To(Succeed())
		for _, again := range []func() *Archive{func() *Archive { return a }, func() *Archive { return New(Options{Dir: dir}) }} {
			Expect(again().Append(rows("acme", 150, 200))).To(Succeed())
			Expect(again().Append(rows("acme", 0, 200))).To(Succeed())
		}
		late := rows("acme", 5000, 5001)
		Expect(New(Options{Dir: dir}).Append(append(late, rows("acme", 100, 220)...))).To(Succeed())
		Expect(New(Options{Dir: dir}).Append(append(late, rows("acme", 100, 220)...))).To(Succeed())
		Expect(contents(path)).To(Equal(text(rows("acme", 0, 200)) + text(late) + text(rows("acme", 200, 220))))
	})

	It("knows what came last however long the file is", func() {
		a := New(Options{Dir: dir})
		for from := 0; from < 12_000; from += 1000 {
			Expect(a.Append(rows("acme", from, from+1000))).To(Succeed())
		}
		for _, a := range []*Archive{a, New(Options{Dir: dir})} {
			Expect(a.Append(rows("acme", 11_000, 12_000))).To(Succeed())
			Expect(a.Append(rows("acme", 9_000, 10_000))).To(Succeed())
		}
		Expect(contents(path)).To(Equal(text(rows("acme", 0, 12_000))))
	})

	It("cuts off what was written in part, wherever that ends", func() {
		Expect(New(Options{Dir: dir}).Append(rows("acme", 0, 3))).To(Succeed())
		first, err := os.ReadFile(path)
		Expect(err).NotTo(HaveOccurred())
		Expect(New(Options{Dir: dir}).Append(rows("acme", 3, 6))).To(Succeed())
		whole, err := os.ReadFile(path)
		Expect(err).NotTo(HaveOccurred())
		for size := range len(whole) {
			want := text(rows("acme", 0, 6))
			if size < len(first) { // of the first member too
				want = text(rows("acme", 3, 6))
			}
			Expect(os.WriteFile(path, whole[:size], 0o600)).To(Succeed())
			Expect(New(Options{Dir: dir}).Append(rows("acme", 3, 6))).To(Succeed())
			Expect(contents(path)).To(Equal(want), "after %d bytes", size)
		}
		files, err := os.ReadDir(dir)
		Expect(err).NotTo(HaveOccurred())
		Expect(files).To(HaveLen(1))
	})

	It("goes on behind zeros, and behind a last member whose pages are missing", func() {
		Expect(New(Options{Dir: dir}).Append(rows("acme", 0, 300))).To(Succeed())
		first, err := os.ReadFile(path)
		Expect(err).NotTo(HaveOccurred())
		Expect(New(Options{Dir: dir}).Append(rows("acme", 300, 600))).To(Succeed())
		whole, err := os.ReadFile(path)
		Expect(err).NotTo(HaveOccurred())
		torn := bytes.Clone(whole)
		copy(torn[len(first)+headerSize+50:], make([]byte, 200))
		for _, damaged := range [][]byte{append(bytes.Clone(first), make([]byte, 5000)...), torn} {
			Expect(os.WriteFile(path, damaged, 0o600)).To(Succeed())
			Expect(New(Options{Dir: dir}).Append(rows("acme", 300, 600))).To(Succeed())
			Expect(contents(path)).To(Equal(text(rows("acme", 0, 600))))
		}
	})

	DescribeTable("moves aside what it has not written, and says so once", func(strange func(whole []byte) []byte, kept int) {
		Expect(New(Options{Dir: dir}).Append(rows("acme", 0, 100))).To(Succeed())
		whole, err := os.ReadFile(path)
		Expect(err).NotTo(HaveOccurred())
		Expect(os.WriteFile(path, strange(whole), 0o600)).To(Succeed())
		var log bytes.Buffer
		logger := logrus.New()
		logger.SetOutput(&log)
		a := New(Options{Dir: dir, Logger: logger})
		Expect(a.Append(rows("acme", 100, 200))).To(Succeed())
		Expect(a.Append(rows("acme", 200, 300))).To(Succeed())
		Expect(contents(path)).To(Equal(text(append(rows("acme", 0, kept), rows("acme", 100, 300)...))))
		aside, err := filepath.Glob(path + ".damaged-*")
		Expect(err).NotTo(HaveOccurred())
		Expect(aside).To(HaveLen(1))
		b, err := os.ReadFile(aside[0])
		Expect(err).NotTo(HaveOccurred())
		Expect(strange(whole)).To(HaveSuffix(string(b)))
		Expect(strings.Count(log.String(), "moved to")).To(Equal(1))
	},
		Entry("another file", func([]byte) []byte { return []byte(strings.Repeat("hello ", 100)) }, 0),
		Entry("gzip of another program", func([]byte) []byte {
			var b bytes.Buffer
			w := stdgzip.NewWriter(&b)
			_, _ = w.Write([]byte(text(rows("acme", 0, 100))))
			_ = w.Close()
			return b.Bytes()
		}, 0),
		Entry("something behind the last member", func(whole []byte) []byte { return append(bytes.Clone(whole), "hello hello hello hello hello"...) }, 100),
		Entry("a length that cannot be", func(whole []byte) []byte {
			return append(bytes.Clone(whole), append(header(3), make([]byte, 100)...)...)
		}, 100),
		Entry("a length beyond all bounds", func(whole []byte) []byte {
			return append(bytes.Clone(whole), append(header(1<<60), make([]byte, 100)...)...)
		}, 100),
	)

	It("does not write where somebody else does", func() {
		a := New(Options{Dir: dir})
		Expect(a.Append(rows("acme", 0, 3))).To(Succeed())
		other, err := os.OpenFile(path, os.O_RDWR, 0)
		Expect(err).NotTo(HaveOccurred())
		Expect(diskfile.Lock(other)).To(Succeed())
		Expect(a.Append(rows("acme", 3, 6))).To(MatchError(ContainSubstring("another process writes it")))
		Expect(other.Close()).To(Succeed())
		Expect(a.Append(rows("acme", 3, 6))).To(Succeed())
		Expect(contents(path)).To(Equal(text(rows("acme", 0, 6))))
	})

	It("says that it could not write, and takes the rows when it can", func() {
		Expect(os.MkdirAll(path, 0o750)).To(Succeed()) // a folder in the place of the file
		a := New(Options{Dir: dir})
		Expect(a.Append(rows("acme", 0, 3))).NotTo(Succeed())
		Expect(os.Remove(path)).To(Succeed())
		Expect(a.Append(rows("acme", 0, 3))).To(Succeed())
		Expect(contents(path)).To(Equal(text(rows("acme", 0, 3))))
		file := filepath.Join(dir, "file")
		Expect(os.WriteFile(file, nil, 0o600)).To(Succeed())
		Expect(New(Options{Dir: filepath.Join(file, "below")}).Append(rows("acme", 0, 3))).To(MatchError(syscall.ENOTDIR))
	})

	It("loses nothing that was appended when the process is killed", func() {
		if os.Getenv(killedEnv) != "" {
			Skip("this is the process that is killed")
		}
		total := 0
		for range 3 {
			cmd := exec.Command(os.Args[0], "-test.run=TestWriteUntilKilled")
			cmd.Env = append(os.Environ(), killedEnv+"="+dir)
			out, err := cmd.StdoutPipe()
			Expect(err).NotTo(HaveOccurred())
			Expect(cmd.Start()).To(Succeed())
			acknowledged, buffer := 0, make([]byte, 1)
			for acknowledged < 20 {
				_, err := out.Read(buffer)
				Expect(err).NotTo(HaveOccurred())
				acknowledged++
			}
			Expect(cmd.Process.Kill()).To(Succeed())
			rest, _ := io.ReadAll(out)
			_ = cmd.Wait()
			acknowledged += len(rest)
			Expect(New(Options{Dir: dir}).Append(rows("other", 0, 1))).To(Succeed())
			Expect(New(Options{Dir: dir}).Append(rows("acme", 0, 10))).To(Succeed()) // mends what was cut
			lines := strings.Count(contents(path), "\n")
			Expect(lines).To(BeNumerically(">=", total+10*acknowledged))
			total = lines
		}
	})
})

// killedEnv makes the test binary a writer that is going to be killed.
const killedEnv = "ARCHIVE_TEST_WRITER"

func TestWriteUntilKilled(*testing.T) {
	dir := os.Getenv(killedEnv)
	if dir == "" {
		return
	}
	a := New(Options{Dir: dir})
	for n := 0; n < 8000; n++ {
		all := rows("acme", 10*n, 10*n+10)
		for i := range all {
			all[i].CreatedAt, all[i].Hash = day.Add(time.Duration(n)*time.Millisecond), fmt.Sprint(os.Getpid(), n, i)
		}
		if err := a.Append(all); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		_, _ = os.Stdout.Write([]byte("."))
	}
}

var _ = DescribeTable("the name of a file", func(api, want string) {
	name := FileName(api, day.Add(23*time.Hour))
	Expect(name).To(Equal(want + "-2026-11-24.ndjson.gz"))
	Expect(filepath.Base(name)).To(Equal(name))
},
	Entry("plain", "acme", "acme"), Entry("with what is harmless", "ac_me-2.x", "ac_me-2.x"),
	Entry("a way up", "../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"), Entry("hidden", ".acme", "%2Eacme"), Entry("of Windows", `c:\x`, "c%3A%5Cx"),
	Entry("large letters, which some file systems take for small ones", "Acme", "%41cme"),
	Entry("letters of other alphabets", "é", "%C3%A9"), Entry("a percent sign", "%2e", "%252e"), Entry("nothing", "", ""),
)

var _ = It("the names of long apis are short, and not the same", func() {
	a, b := FileName(strings.Repeat("x", 5000), day), FileName(strings.Repeat("x", 5001), day)
	Expect(len(a)).To(BeNumerically("<", 200))
	Expect(a).NotTo(Equal(b))
	Expect(errors.Is(New(Options{Dir: GinkgoT().TempDir()}).Append([]store.Metric{{API: strings.Repeat("/", 5000), CreatedAt: day}}), nil)).To(BeTrue())
})

func FuzzExamine(f *testing.F) {
	member, err := pack([]byte(text(rows("acme", 0, 3))))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(member)
	f.Add(append(bytes.Clone(member), member[:30]...))
	f.Add(append(bytes.Clone(member), "garbage"...))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := examine(bytes.NewReader(b), int64(len(b)))
		if err != nil || got.size > int64(len(b)) || got.size < 0 {
			t.Fatal(got.size, err)
		}
	})
}
