package boltstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	bolt "go.etcd.io/bbolt"

	"github.com/devops-insights/devops-insights/store"
)

// between runs something after the first write.
type between struct {
	io.Writer
	do func()
}

func (b *between) Write(p []byte) (int, error) {
	if b.do != nil {
		b.do()
		b.do = nil
	}
	return b.Writer.Write(p)
}

var _ = Describe("a backup", func() {
	var (
		path string
		s    *Store
		ctx  context.Context
	)
	BeforeEach(func(SpecContext) {
		ctx, path = context.Background(), temporary()
		fill(path, Options{})
		s = open(Options{Path: path, Retention: -1})
	})
	backup := func() []byte {
		GinkgoHelper()
		var b bytes.Buffer
		Expect(s.Backup(ctx, &b)).To(Succeed())
		return b.Bytes()
	}
	count := func(s *Store) int {
		GinkgoHelper()
		all, err := store.History(ctx, s, store.Query{API: "acme", Limit: 10_000})
		Expect(err).NotTo(HaveOccurred())
		return len(all)
	}

	It("is the file of one moment, while values are saved without waiting", func() {
		var b bytes.Buffer
		Expect(s.Backup(ctx, &between{&b, func() {
			for n := range 200 {
				Expect(s.Save(ctx, sample("eu-west", fmt.Sprintf(`"new %d %0100d"`, n, n), time.Now()))).To(BeTrue())
			}
		}})).To(Succeed())
		Expect(count(s)).To(Equal(800))
		other := temporary()
		restored, err := Restore(other, &b)
		Expect(err).NotTo(HaveOccurred())
		Expect(restored).To(Equal(Restored{Findings: Findings{Latest: 2, Rows: 600, Intervals: filledIntervals, Chunks: filledChunks, Ledgers: 1, Records: filledRecords}}))
		copied := open(Options{Path: other, Retention: -1})
		Expect(count(copied)).To(Equal(600))
		intervals, chunks, err := readPast(copied)
		Expect(err).NotTo(HaveOccurred())
		Expect([]int{intervals, chunks}).To(Equal([]int{filledIntervals, filledChunks}))
		Expect(copied.Save(ctx, sample("eu-west", `"of the copy"`, time.Now()))).To(BeTrue())
	})

	It("takes the place of the file, which stays beside it, also of one that is damaged", func() {
		b := backup()
		Expect(s.Save(ctx, sample("eu-west", `"later"`, time.Now()))).To(BeTrue())
		Expect(s.Close()).To(Succeed())
		restored, err := Restore(path, bytes.NewReader(b))
		Expect(err).NotTo(HaveOccurred())
		Expect(Check(restored.Old)).To(HaveField("Rows", 601))
		Expect(Check(path)).To(HaveField("Rows", 600))
		Expect(os.WriteFile(path, []byte("no store"), 0o600)).To(Succeed())
		restored, err = Restore(path, bytes.NewReader(b))
		Expect(err).NotTo(HaveOccurred())
		Expect(os.ReadFile(restored.Old)).To(Equal([]byte("no store")))
		Expect(Check(path)).To(HaveField("Rows", 600))
	})

	It("is not restored over a file that is in use", func() {
		_, err := Restore(path, bytes.NewReader(backup()))
		Expect(err).To(MatchError(ErrLocked))
	})

	It("is refused where it is not whole, and the file stays", func() {
		b := backup()
		Expect(s.Close()).To(Succeed())
		strange := temporary()
		db, err := bolt.Open(strange, 0o600, nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(db.Close()).To(Succeed())
		foreign, err := os.ReadFile(strange)
		Expect(err).NotTo(HaveOccurred())
		flipped := bytes.Clone(b)
		copy(flipped[len(b)/2:], bytes.Repeat([]byte{0xa5}, 20_000))
		for what, bad := range map[string][]byte{
			"nothing": nil, "a few bytes": b[:100], "half": b[:len(b)/2], "all but a page": b[:len(b)-os.Getpagesize()],
			"another file": bytes.Repeat([]byte("hello"), 10_000), "a file of bbolt": foreign, "damaged": flipped,
		} {
			_, err := Restore(path, bytes.NewReader(bad))
			Expect(err).To(MatchError(ErrDamaged), what)
		}
		_, err = Restore(path, io.MultiReader(bytes.NewReader(b[:1000]), failing{}))
		Expect(err).To(MatchError(ContainSubstring("connection lost")))
		Expect(Check(path)).To(HaveField("Rows", 600))
		files, err := os.ReadDir(filepath.Dir(path))
		Expect(err).NotTo(HaveOccurred())
		Expect(files).To(HaveLen(1))
	})

	It("ends with the caller's time, or where it cannot be written", func() {
		over, cancel := context.WithCancel(ctx)
		Expect(s.Backup(over, &between{io.Discard, cancel})).To(MatchError(context.Canceled))
		Expect(s.Backup(ctx, failing{})).To(MatchError(ContainSubstring("connection lost")))
		Expect(s.Stats()).To(Equal(Stats{}))
		Expect(s.Close()).To(Succeed())
		Expect(s.Backup(ctx, io.Discard)).To(MatchError(store.ErrClosed))
	})

	It("of a file that was cut is an error", func() {
		Expect(os.Truncate(path, int64(4*os.Getpagesize()))).To(Succeed())
		Expect(s.Backup(ctx, io.Discard)).To(MatchError(ErrDamaged))
	})
})

// failing is a connection that is lost.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("connection lost") }

func (failing) Read([]byte) (int, error) { return 0, errors.New("connection lost") }
