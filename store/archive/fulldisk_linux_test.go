package archive

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store"
)

var _ = Describe("the disk of the archive", func() {
	It("leaves no half row on a disk that is full", func() {
		small := GinkgoT().TempDir()
		if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=256k"); err != nil {
			Skip("a disk that is full needs the right to mount one: " + err.Error())
		}
		DeferCleanup(func() { Expect(syscall.Unmount(small, syscall.MNT_DETACH)).To(Succeed()) })
		a, full, n := New(Options{Dir: small}), error(nil), 0
		for ; full == nil && n < 100; n++ {
			full = a.Append(noise(n))
		}
		Expect(full).To(MatchError(syscall.ENOSPC))
		path := filepath.Join(small, "acme-2026-11-24.ndjson.gz")
		Expect(strings.Count(contents(path), "\n")).To(Equal(n - 1))
		Expect(a.Append(noise(n - 1))).To(MatchError(syscall.ENOSPC))
		Expect(strings.Count(contents(path), "\n")).To(Equal(n - 1))
		Expect(syscall.Mount("tmpfs", small, "tmpfs", syscall.MS_REMOUNT, "size=4m")).To(Succeed())
		Expect(a.Append(noise(n - 1))).To(Succeed())
		Expect(strings.Count(contents(path), "\n")).To(Equal(n))
		Expect(syscall.Mount("tmpfs", small, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, "")).To(Succeed())
		Expect(a.Append(noise(n))).To(MatchError(syscall.EROFS))
	})
})

// noise returns a row that cannot be made smaller.
func noise(n int) []store.Metric {
	all := rows("acme", n, n+1)
	var b strings.Builder
	b.WriteByte('"')
	for i := range 1000 {
		b.WriteString(store.Hash([]byte(fmt.Sprint(n, i))))
	}
	b.WriteByte('"')
	all[0].Data = json.RawMessage(b.String())
	return all
}
