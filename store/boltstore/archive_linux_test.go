package boltstore

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/archive"
	"github.com/devops-insights/devops-insights/store/ndjson"
)

// archived counts the rows of all files of an archive by their data.
func archived(dir string) map[string]int {
	GinkgoHelper()
	found := make(map[string]int)
	files, err := filepath.Glob(filepath.Join(dir, "*.ndjson.gz"))
	Expect(err).NotTo(HaveOccurred())
	for _, name := range files {
		file, err := archive.Open(name)
		Expect(err).NotTo(HaveOccurred())
		for rows := ndjson.NewReader(file); ; {
			m, err := rows.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			Expect(err).NotTo(HaveOccurred())
			found[string(m.Data)]++
		}
		Expect(file.Close()).To(Succeed())
	}
	return found
}

var _ = Describe("rows on their way to the archive", func() {
	rowsOf := func(s *Store) int {
		GinkgoHelper()
		all, err := store.History(context.Background(), s, store.Query{API: "acme", Limit: 100_000})
		Expect(err).NotTo(HaveOccurred())
		return len(all)
	}

	It("are in it once, whenever the process is killed", func() {
		path, dir := temporary(), GinkgoT().TempDir()
		acknowledged := make(map[int]int)
		for range 4 {
			cmd := exec.Command(os.Args[0], "-test.run=TestBoltstore")
			cmd.Env = append(os.Environ(), writerEnv+"="+path, archiveEnv+"="+dir)
			out, err := cmd.StdoutPipe()
			Expect(err).NotTo(HaveOccurred())
			Expect(cmd.Start()).To(Succeed())
			for lines := bufio.NewScanner(out); lines.Scan(); {
				if acknowledged[cmd.Process.Pid]++; acknowledged[cmd.Process.Pid] == 150 {
					Expect(cmd.Process.Kill()).To(Succeed())
				}
			}
			_ = cmd.Wait()
		}
		s, err := Open(archiving(path, dir))
		Expect(err).NotTo(HaveOccurred())
		Eventually(func() int { return rowsOf(s) }, "20s").Should(BeZero())
		Expect(s.Close()).To(Succeed())
		byRun := make(map[int]int)
		for data, times := range archived(dir) {
			Expect(times).To(Equal(1), data)
			var row struct{ N, Run int }
			Expect(json.Unmarshal([]byte(data), &row)).To(Succeed())
			byRun[row.Run]++
		}
		for run, count := range acknowledged {
			Expect(byRun[run]).To(BeNumerically(">=", count))
		}
		found, err := Check(path)
		Expect(err).NotTo(HaveOccurred())
		Expect(found.Problems).To(BeEmpty())
	})

	It("are in it once where they could not be deleted", func() {
		path, dir := temporary(), GinkgoT().TempDir()
		fill(path, Options{})
		s := open(Options{Path: path, Retention: -1})
		oldest, err := store.History(context.Background(), s, store.Query{API: "acme", Limit: 100, OldestFirst: true})
		Expect(err).NotTo(HaveOccurred())
		Expect(s.Close()).To(Succeed())
		Expect(archive.New(archive.Options{Dir: dir}).Append(oldest)).To(Succeed()) // as far as a sweep had come
		s = open(archiving(path, dir))
		Eventually(func() int { return rowsOf(s) }, "20s").Should(BeZero())
		all := archived(dir)
		total := 0
		for _, times := range all {
			total += times
		}
		Expect(total).To(Equal(600))
	})

	It("stay where the disk of the archive is full, or cannot be written", func() {
		dir, path := smallDisk(), temporary()
		s := open(Options{Path: path, Retention: -1})
		for n := range 100 {
			Expect(s.Save(context.Background(), sample("eu-west", fmt.Sprintf(`"%d %065536d"`, n, n), time.Now()))).To(BeTrue())
		}
		free := fillDisk(dir)
		Expect(s.Close()).To(Succeed())
		s = open(archiving(path, filepath.Join(dir, "archive")))
		why := func() string { return s.Stats().ArchiveCause }
		Eventually(why, "20s").Should(Equal("the disk is full"))
		Expect(s.Stats().ArchiveFailing).NotTo(BeZero())
		Expect(rowsOf(s)).To(Equal(100))
		// A disk that is in use cannot be made read-only: it is tried until no sweep
		// has a file open.
		Eventually(func() error { return syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, "") }, "10s").Should(Succeed())
		Eventually(why, "20s").Should(Equal("the file system is read-only"))
		Expect(rowsOf(s)).To(Equal(100))
		Expect(syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=4m")).To(Succeed())
		free()
		Eventually(func() int { return rowsOf(s) }, "20s").Should(BeZero())
		Expect(archived(filepath.Join(dir, "archive"))).To(HaveLen(100))
		Eventually(s.Stats).Should(Equal(Stats{}))
	})
})
