package program

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/boltstore"
	"github.com/devops-insights/devops-insights/test/binary"
	"github.com/devops-insights/devops-insights/test/kit"
)

// past fills the store of a program that does not run yet: a row of each region
// in turn, a second apart, the last one at the given time.
func past(cmd *exec.Cmd, rows int, last time.Time) (path string) {
	GinkgoHelper()
	dir := filepath.Join(cmd.Dir, "data")
	Expect(os.MkdirAll(dir, 0o700)).To(Succeed())
	path = filepath.Join(dir, boltstore.FileName)
	db, err := boltstore.Open(boltstore.Options{Path: path, Retention: -1})
	Expect(err).NotTo(HaveOccurred())
	regions := store.Regions()
	all := make([]store.Metric, rows)
	for i := range all {
		data := fmt.Appendf(nil, `{"n":%d,"pad":%q}`, i, strings.Repeat("p", 50))
		at := store.Milliseconds(last.Add(-time.Duration(rows-1-i) * time.Second))
		all[i] = store.Metric{API: "acme", Source: regions[i%len(regions)], Data: data, Hash: store.Hash(data), CreatedAt: at, UpdatedAt: at}
	}
	Expect(db.Import(context.Background(), all)).To(Equal(rows))
	Expect(db.Close()).To(Succeed())
	return path
}

// stored is a server with an upstream and a store of its own.
type stored struct {
	loud
	path string
	out  *binary.Output
}

func startStored(rows int, last time.Time, environ ...string) *stored {
	GinkgoHelper()
	up, port := kit.NewUpstream(GinkgoTB()), freePort()
	s := &stored{loud: loud{upstream: up, addr: "127.0.0.1:" + port}, out: new(binary.Output)}
	s.cmd = command(nil, append([]string{
		"SERVER_PORT=" + port, "UPSTREAM_URL=" + up.Template(), "EXTERNAL_API_NAME=acme", "POLL_INTERVAL=200ms",
	}, environ...)...)
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	s.path = past(s.cmd, rows, last)
	start(s.cmd)
	ready(s.addr)
	s.dashboard = s.dial()
	s.dashboard.Subscribe("eu-west")
	return s
}

func (s *stored) dial() *kit.Client { return kit.Dial(GinkgoTB(), "http://"+s.addr) }

// command runs `devops-insights store` on the file.
func (s *stored) command(action string) (stdout, stderr string, code int) {
	GinkgoHelper()
	return finish([]string{"store", action, s.path})
}

// answer returns what a dashboard is answered to a question, beside updates.
func answer(c *kit.Client, event, question string) kit.Event {
	GinkgoHelper()
	c.Emit(event, json.RawMessage(question))
	for {
		if e := c.Next(); e.Name != "metrics-update" {
			return e
		}
	}
}

var _ = Describe("the store of the program", func() {
	It("answers 50,000 rows to a dashboard, and to twenty at once within bounded memory", func() {
		const rows = 50_000
		s := startStored(rows, time.Now().Add(-time.Minute), "HISTORY_MAX_BYTES=64MiB", "MAX_BACKLOG=80MiB")
		e := answer(s.dial(), "metrics:getHistory", `{"limit":50000}`)
		Expect(e.Name).To(Equal("metrics:history"))
		var all struct {
			Count int
			Items []struct{ Data json.RawMessage }
		}
		Expect(json.Unmarshal(e.Payload, &all)).To(Succeed())
		Expect([]int{all.Count, len(all.Items)}).To(Equal([]int{rows, rows}))
		stop(s.cmd, "10s")

		s = startStored(rows, time.Now().Add(-time.Minute), "HISTORY_MAX_BYTES=4MiB", "MAX_MEMORY=256MiB")
		var asking sync.WaitGroup
		for i := range 20 {
			c := s.dial()
			asking.Go(func() {
				defer GinkgoRecover()
				e := answer(c, "metrics:getHistory", fmt.Sprintf(`{"limit":%d}`, rows-i))
				Expect(e.Name).To(Equal("metrics:history"), e.Frame)
				var thinned struct {
					Count, Total int
					Thinned      bool
				}
				Expect(json.Unmarshal(e.Payload, &thinned)).To(Succeed())
				Expect([]any{thinned.Thinned, thinned.Total}).To(Equal([]any{true, rows - i}))
				Expect(thinned.Count).To(BeNumerically(">", 5000))
				Expect(len(e.Payload)).To(BeNumerically("<=", 4<<20))
			})
		}
		s.hear()
		asking.Wait()
		if most, known := mostMemory(s.cmd.Process.Pid); known {
			Expect(most).To(BeNumerically("<", 384), "MiB")
		}
		stop(s.cmd, "10s")
	})

	It("may hold rows that are an hour ahead of the clock: dashboards hear of the next change, also after a start", func() {
		s := startStored(600, time.Now().Add(time.Hour))
		health := func() string { _, body := ask("http://" + s.addr + "/api/v1/health"); return body }
		Eventually(health, "10s").Should(ContainSubstring(`"clock":"rows of the history are ahead of it by`))
		for range 2 {
			s.hear()
			e := answer(s.dial(), "metrics:get", `{"source":"eu-west"}`)
			Expect(string(e.Payload)).To(ContainSubstring(fmt.Sprintf(`"data":{"n":%d}`, s.n)))
		}
		Expect(lines(s.out.String(), "another writer's clock is fast")).To(HaveLen(1))
		stop(s.cmd, "10s")

		again := command(nil, s.cmd.Env...)
		again.Env = append(s.cmd.Env, "DATA_DIR="+filepath.Dir(s.path))
		start(again)
		ready(s.addr)
		e := answer(s.dial(), "metrics:get", `{"source":"eu-west"}`)
		Expect(string(e.Payload)).To(ContainSubstring(fmt.Sprintf(`"data":{"n":%d}`, s.n)), "what came last, not what has the latest time")
		s.dashboard = s.dial()
		s.dashboard.Subscribe("eu-west")
		s.hear()
		stop(again, "10s")
	})

	DescribeTable("may lose its file: dashboards go on, history says so, health and log too, and it can be repaired", func(keep func(size int64) int64, saved bool) {
		s := startStored(2000, time.Now().Add(-time.Minute))
		info, err := os.Stat(s.path)
		Expect(err).NotTo(HaveOccurred())
		Expect(os.Truncate(s.path, keep(info.Size()))).To(Succeed())
		s.hear()
		readyz := func() string { _, body := ask("http://" + s.addr + "/readyz"); return body }
		Eventually(readyz, "20s").Should(ContainSubstring("the file is damaged"))
		c := s.dial()
		for range 5 {
			e := answer(c, "metrics:getHistory", `{"limit":50000}`)
			Expect(e.Name).To(Equal("metrics:error"))
			Expect(e.Frame).NotTo(ContainSubstring(".db"))
		}
		Expect(answer(c, "metrics:get", `{"source":"eu-west"}`).Name).To(Equal("metrics:data"))
		s.hear()
		stop(s.cmd, "10s")
		Expect(lines(s.out.String(), "the store has a failure")).To(HaveLen(1))
		Expect(len(lines(s.out.String(), "an event could not be answered"))).To(BeNumerically("<", 5))
		Expect(s.out.String()).NotTo(ContainSubstring("goroutine "))

		_, stderr, code := s.command("check")
		Expect([]any{code, stderr}).To(ConsistOf(1, ContainSubstring("damaged")))
		if !saved {
			return
		}
		broken := command(nil, "SERVER_PORT="+freePort(), "UPSTREAM_URL="+s.upstream.Template(), "EXTERNAL_API_NAME=acme")
		broken.Env = append(broken.Env, "DATA_DIR="+filepath.Dir(s.path))
		out, _ := broken.CombinedOutput()
		Expect(broken.ProcessState.ExitCode()).To(Equal(1), string(out))
		Expect(string(out)).To(And(ContainSubstring("devops-insights store repair"), Not(ContainSubstring("goroutine "))))
		for _, action := range []string{"repair", "check", "compact", "check"} {
			stdout, stderr, code := s.command(action)
			Expect(code).To(BeZero(), action+": "+stdout+stderr)
		}
	},
		Entry("cut to half", func(size int64) int64 { return size / 2 }, true),
		Entry("cut to a page", func(int64) int64 { return 4096 }, false),
		Entry("cut to nothing", func(int64) int64 { return 0 }, false),
	)

	It("may have no room: what comes waits, and is written when there is room", func() {
		dir := GinkgoT().TempDir()
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=12m"); err != nil {
			Skip("a disk that is full needs the right to mount one: " + err.Error())
		}
		DeferCleanup(func() { Expect(syscall.Unmount(dir, syscall.MNT_DETACH)).To(Succeed()) })
		s := startStored(0, time.Now(), "DATA_DIR="+dir)
		s.hear()
		other := filepath.Join(dir, "other")
		f, err := os.Create(other)
		Expect(err).NotTo(HaveOccurred())
		for block := make([]byte, 4096); err == nil; {
			_, err = f.Write(block)
		}
		Expect(f.Close()).To(Succeed())
		readyz := func() string { _, body := ask("http://" + s.addr + "/readyz"); return body }
		large := 0
		Eventually(func() string {
			large++
			s.upstream.Set("us-east", fmt.Sprintf(`{"n":%d,"pad":%q}`, large, strings.Repeat("p", 60_000)))
			return readyz()
		}, "20s", "250ms").Should(ContainSubstring("the disk is full"))
		s.hear()
		Expect(readyz()).NotTo(ContainSubstring(dir))
		Expect(os.Remove(other)).To(Succeed())
		Eventually(readyz, "20s").Should(ContainSubstring(`"store":"ok"`))
		stop(s.cmd, "10s")
	})
})

// mostMemory returns the most that a process has had in memory, in MiB, where the
// system tells it.
func mostMemory(pid int) (mebibytes int, known bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, false
	}
	for _, line := range lines(string(text), "VmHWM:") {
		n, _ := fmt.Sscanf(line, "VmHWM: %d", &mebibytes)
		return mebibytes >> 10, n == 1
	}
	return 0, false
}
