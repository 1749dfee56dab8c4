package boltstore

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store"
)

// smallDisk mounts a file system of 4 MiB for the spec, and returns a folder on
// it.
func smallDisk() string {
	GinkgoHelper()
	dir := GinkgoT().TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		Skip("a disk that is full needs the right to mount one: " + err.Error())
	}
	DeferCleanup(func() { Expect(syscall.Unmount(dir, syscall.MNT_DETACH)).To(Succeed()) })
	return dir
}

// fillDisk leaves no room, until the returned function is called.
func fillDisk(dir string) (free func()) {
	GinkgoHelper()
	path := filepath.Join(dir, "other")
	f, err := os.Create(path)
	Expect(err).NotTo(HaveOccurred())
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	Expect(err).To(MatchError(syscall.ENOSPC))
	Expect(f.Close()).To(Succeed())
	return func() { Expect(os.Remove(path)).To(Succeed()) }
}

var _ = Describe("a full disk", func() {
	It("keeps changes in memory, and takes them in their order when there is room again", func() {
		dir := smallDisk()
		s, err := Open(Options{Path: filepath.Join(dir, "test.db"), Retention: -1})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(s.Close)
		save := func(data string) bool {
			GinkgoHelper()
			changed, err := s.Save(context.Background(), sample("eu-west", data, time.Now()))
			Expect(err).NotTo(HaveOccurred())
			return changed
		}
		Expect(save(`1`)).To(BeTrue())
		free := fillDisk(dir)
		for n := range 20 {
			Expect(save(fmt.Sprintf(`{"n":%d,"pad":"%065536d"}`, n, n))).To(BeTrue())
		}
		Expect(s.Stats().Cause).To(Equal("the disk is full"))
		Expect(s.Stats().Damaged).To(BeFalse())
		Expect(s.Stats().Pending).To(BeNumerically(">", 0))
		Expect(save(`2`)).To(BeTrue())
		Expect(save(`2`)).To(BeFalse())
		free()
		Eventually(func() Stats { return s.Stats() }, "10s").Should(Equal(Stats{}))
		rows, err := store.History(context.Background(), s, store.Query{API: "acme", Limit: 100})
		Expect(err).NotTo(HaveOccurred())
		Expect(rows).To(HaveLen(22))
		Expect(string(rows[0].Data)).To(Equal(`2`))
		Expect(s.Latest(context.Background(), "acme", "eu-west")).To(HaveField("Hash", store.Hash([]byte(`2`))))
	})

	It("takes no ledger and no record, keeps those that are there, and takes them when there is room again", func() {
		dir, ctx := smallDisk(), context.Background()
		s, err := Open(Options{Path: filepath.Join(dir, "test.db"), Retention: -1})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(s.Close)
		ledger := func(version int64, size int) store.Ledger {
			return store.Ledger{API: "acme", Term: 1, Version: version, Data: []byte(`"` + strings.Repeat("x", size) + `"`)}
		}
		Expect(s.PutLedger(ctx, ledger(1, 10))).To(Succeed())
		Expect(s.PutRecord(ctx, incident(1, 1))).To(Succeed())
		free := fillDisk(dir)
		err = s.PutLedger(ctx, ledger(2, 1<<20))
		Expect(err).To(MatchError(syscall.ENOSPC))
		class, _ := Explain(err)
		Expect(class).To(Equal("DISK_FULL"))
		large := incident(2, 1)
		large.Data = []byte(`"` + strings.Repeat("x", 1_000_000) + `"`)
		Expect(s.PutRecord(ctx, large)).To(MatchError(syscall.ENOSPC))
		Expect(s.Ledger(ctx, "acme")).To(Equal(ledger(1, 10)))
		Expect(incidents(s, "")).To(Equal([]string{"i000001"}))
		free()
		Expect(s.PutLedger(ctx, ledger(2, 1<<20))).To(Succeed())
		Expect(s.PutRecord(ctx, large)).To(Succeed())
		Expect(incidents(s, "")).To(Equal([]string{"i000002", "i000001"}))
	})
})
