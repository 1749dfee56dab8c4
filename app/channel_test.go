package app

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("the channel of PM2", func() {
	find := func(fd uintptr) (*Supervisor, error) {
		return FindSupervisor(func(name string) string {
			return map[string]string{"NODE_CHANNEL_FD": fmt.Sprint(fd)}[name]
		})
	}
	It("is a local socket", func() {
		pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		Expect(err).NotTo(HaveOccurred())
		s, err := find(uintptr(pair[0]))
		Expect(err).NotTo(HaveOccurred())
		_, err = s.channel.Write([]byte("ready"))
		Expect(err).NotTo(HaveOccurred())
		b := make([]byte, 10)
		n, err := syscall.Read(pair[1], b)
		Expect([]any{string(b[:n]), err}).To(Equal([]any{"ready", nil}))

		_, err = s.channel.Write(make([]byte, 10<<20))
		Expect(err).To(MatchError(os.ErrDeadlineExceeded), "nobody reads")
		Expect(syscall.Close(pair[1])).To(Succeed())
	})

	It("is a pipe", func() {
		r, w, err := os.Pipe()
		Expect(err).NotTo(HaveOccurred())
		fd, err := syscall.Dup(int(w.Fd()))
		Expect(err).NotTo(HaveOccurred())
		s, err := find(uintptr(fd))
		Expect(err).NotTo(HaveOccurred())
		_, err = s.channel.Write([]byte("ready"))
		Expect(err).NotTo(HaveOccurred())
		b := make([]byte, 10)
		n, err := r.Read(b)
		Expect([]any{string(b[:n]), err}).To(Equal([]any{"ready", nil}))
	})

	It("is never a file, a connection or nothing", func() {
		path := filepath.Join(GinkgoT().TempDir(), "database")
		Expect(os.WriteFile(path, []byte("untouched"), 0o600)).To(Succeed())
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		Expect(err).NotTo(HaveOccurred())
		l, err := net.Listen("tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(l.Close)
		lf, err := l.(*net.TCPListener).File()
		Expect(err).NotTo(HaveOccurred())
		null, err := os.Open(os.DevNull)
		Expect(err).NotTo(HaveOccurred())
		for _, file := range []*os.File{f, lf, null} {
			fd, err := syscall.Dup(int(file.Fd()))
			Expect(err).NotTo(HaveOccurred())
			s, err := find(uintptr(fd))
			Expect(err).To(MatchError(ContainSubstring("is not the channel of PM2")))
			Expect(s.channel).To(BeNil())
		}
		_, err = find(987)
		Expect(err).To(HaveOccurred())
		b, err := os.ReadFile(path)
		Expect([]any{string(b), err}).To(Equal([]any{"untouched", nil}))
	})

	It("is not asked for", func() {
		for _, value := range []string{"", "x", "-1", "0", "2", strings.Repeat("9", 30)} {
			s, err := FindSupervisor(func(string) string { return value })
			Expect(err).NotTo(HaveOccurred())
			Expect(s.channel).To(BeNil())
		}
	})
})
