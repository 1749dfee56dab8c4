package diskfile_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store/diskfile"
)

func TestAProbeLeavesNothingBehindAndNamesWhatIsWrong(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	for _, durable := range []bool{false, true} {
		g.Expect(diskfile.Probe(dir, durable)).To(Succeed())
	}
	g.Expect(os.ReadDir(dir)).To(BeEmpty())
	class, text := diskfile.Fault(diskfile.Probe(filepath.Join(dir, "none"), false))
	g.Expect(class).To(Equal("MISSING"))
	g.Expect(text).NotTo(ContainSubstring(dir))
	for class, err := range map[string]error{
		"DISK_FULL": syscall.ENOSPC, "READ_ONLY": syscall.EROFS, "DISK_FAILS": syscall.EIO, "PERMISSION": fs.ErrPermission, "": os.ErrClosed,
	} {
		got, _ := diskfile.Fault(fmt.Errorf("write /a/path: %w", err))
		g.Expect(got).To(Equal(class))
	}
}

func TestTheSpaceOfAFolderIsKnown(t *testing.T) {
	g := NewWithT(t)
	free, all, ok, err := diskfile.Space(t.TempDir())
	g.Expect(err).NotTo(HaveOccurred())
	if !ok {
		t.Skip("this system does not tell")
	}
	g.Expect(all).To(BeNumerically(">=", free))
	_, _, _, err = diskfile.Space(filepath.Join(t.TempDir(), "none"))
	g.Expect(err).To(HaveOccurred())
}
