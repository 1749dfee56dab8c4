package program

import (
	"os"
	"path/filepath"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("export, import, backup and restore on a full disk", func() {
	It("end with a sentence, leave nothing half under its name, and go on when there is room", func() {
		dir := GinkgoT().TempDir()
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
			Skip("a disk that is full needs the right to mount one: " + err.Error())
		}
		DeferCleanup(func() { Expect(syscall.Unmount(dir, syscall.MNT_DETACH)).To(Succeed()) })
		room := func(size string) {
			GinkgoHelper()
			Expect(syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size="+size)).To(Succeed())
		}
		p := newPlace()
		p.write("rows", rowsOf(10_000))
		p.must("import", "rows")
		whole := p.must("export", "-o", "-")
		file := filepath.Join(dir, "file")
		fails := func(sentence string, args ...string) {
			GinkgoHelper()
			_, stderr, code := p.run(args...)
			Expect(code).To(Equal(1), stderr)
			Expect(stderr).To(ContainSubstring(sentence))
			Expect(file).NotTo(BeAnExistingFile())
		}
		fails("the disk is full", "backup", "-o", file)
		fails("the disk is full; what was written is in "+file+".part, and --resume continues it", "export", "-o", file)
		fails("the disk is full", "export", "-o", file, "--resume")
		room("64m")
		p.must("export", "-o", file, "--resume")
		got, err := os.ReadFile(file)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(got) == whole).To(BeTrue())
		Expect(os.Remove(file)).To(Succeed())

		p.must("backup", "-o", "copy.db")
		room("4m")
		full := place{p.dir, append(p.environ[:len(p.environ):len(p.environ)], "DATA_DIR="+dir)}
		_, stderr, code := full.run("import", "rows")
		Expect([]any{stderr, code}).To(HaveExactElements(ContainSubstring("the disk is full"), 1))
		_, stderr, code = full.run("restore", "copy.db")
		Expect([]any{stderr, code}).To(HaveExactElements(ContainSubstring("stays as it was"), 1))
		room("64m")
		full.must("import", "rows")
		Expect(full.must("export", "-o", "-") == whole).To(BeTrue())
		full.must("restore", "copy.db")
		Expect(full.must("export", "-o", "-") == whole).To(BeTrue())
	})
})
