package faults

import (
	"os"
	"path/filepath"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// disk mounts a file system of this size for the spec, and returns a folder on it.
func disk(size string) string {
	GinkgoHelper()
	dir := GinkgoT().TempDir()
	mount(dir, "tmpfs", "tmpfs", 0, "size="+size)
	return dir
}

func mount(dir, source, kind string, flags uintptr, data string) {
	GinkgoHelper()
	if err := syscall.Mount(source, dir, kind, flags, data); err != nil {
		Skip("this fault needs the right to mount a file system: " + err.Error())
	}
	DeferCleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) }) // it may be gone
}

// fill leaves no room on a disk, until the returned function is called.
func fill(dir string) (free func()) {
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

var _ = DescribeTable("health is right about the disk of the embedded store", func(make func() fault) {
	f := make()
	s := f.server()
	f.begin()
	for _, t := range f.shows {
		s.shows(t)
	}
	f.end()
	for _, t := range f.shows {
		s.shownWell(t)
	}
},
	Entry("that is full", func() fault {
		dir := disk("300m")
		var free func()
		return fault{
			server: func() *server { return command("DATA_DIR=" + dir).start() },
			begin:  func() { free = fill(dir) }, end: func() { free() },
			shows: []trouble{{"disk", "down", "DISK_FULL"}, {"store_write", "down", "DISK_FULL"}},
		}
	}),
	Entry("that takes no writes any more", func() fault {
		dir := GinkgoT().TempDir()
		return fault{
			server: func() *server { return command("DATA_DIR=" + dir).start() },
			begin: func() {
				// What is open goes on; what is opened from now on is read-only.
				mount(dir, dir, "", syscall.MS_BIND, "")
				if err := syscall.Mount("", dir, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
					Skip("this fault needs the right to mount a file system: " + err.Error())
				}
			},
			end:   func() { Expect(syscall.Unmount(dir, 0)).To(Succeed()) },
			shows: []trouble{{"store_write", "down", "READ_ONLY"}},
		}
	}),
	Entry("whose folder is gone", func() fault {
		dir := filepath.Join(GinkgoT().TempDir(), "data")
		return fault{
			server: func() *server { return command("DATA_DIR=" + dir).start() },
			begin:  func() { Expect(os.Rename(dir, dir+".away")).To(Succeed()) },
			end:    func() { Expect(os.Rename(dir+".away", dir)).To(Succeed()) },
			shows:  []trouble{{"store_write", "down", "GONE|MISSING"}},
		}
	}),
)
