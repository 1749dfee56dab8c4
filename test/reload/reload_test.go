// Package reload loads the settings of the real program again and again while
// dashboards are connected.
package reload

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/test/binary"
	"github.com/devops-insights/devops-insights/test/ports"
)

func TestReload(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Reloads")
}

const (
	dashboards = 24
	reloads    = 100
)

// upstream answers each region with a value that counts up by one.
// It takes a while for that: polls are under way when settings change.
type upstream struct {
	mu       sync.Mutex
	answered map[string]int
	header   string // the last that eu-west had
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	region := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	time.Sleep(30 * time.Millisecond)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.answered[region]++
	if region == "eu-west" {
		u.header = r.Header.Get("X-Reload")
	}
	_, _ = fmt.Fprintf(w, `{"status":"ok","n":%d}`, u.answered[region])
}

// lastHeader returns the header of the last poll of eu-west.
func (u *upstream) lastHeader() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.header
}

// count returns how often a region was polled.
func (u *upstream) count(region string) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.answered[region]
}

// server is the real program with a settings file.
type server struct {
	cmd            *exec.Cmd
	addr, internal string
	log            binary.Output
	file           string
}

func startServer(settings string) *server {
	GinkgoHelper()
	dir := GinkgoT().TempDir()
	program := filepath.Join(dir, "devops-insights")
	out, err := exec.Command("go", "build", "-o", program, "../../cmd/devops-insights").CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(out))
	port, err := ports.Free(2)
	Expect(err).NotTo(HaveOccurred())
	s := &server{addr: fmt.Sprintf("127.0.0.1:%d", port), internal: fmt.Sprintf("127.0.0.1:%d", port+1), file: filepath.Join(dir, "devops-insights.yaml")}
	s.write(settings)
	s.cmd = exec.Command(program)
	s.cmd.Dir = dir
	s.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "SERVER_HOST=127.0.0.1", fmt.Sprintf("SERVER_PORT=%d", port), "INTERNAL_ADDR=" + s.internal, "LOG_FORMAT=json"}
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	Expect(s.cmd.Start()).To(Succeed())
	DeferCleanup(func() {
		_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		_ = s.cmd.Wait()
	})
	Eventually(func() int { status, _ := get("http://" + s.addr + "/readyz"); return status }, "30s", "50ms").Should(Equal(200))
	return s
}

// write puts a settings file in the place of the one before.
func (s *server) write(text string) {
	GinkgoHelper()
	Expect(os.WriteFile(s.file+".new", []byte(text), 0o600)).To(Succeed())
	Expect(os.Rename(s.file+".new", s.file)).To(Succeed())
}

// reload asks for a reload and waits for its end.
func (s *server) reload(settings string) {
	GinkgoHelper()
	const done = "the settings were loaded again"
	before := s.log.Count(done)()
	s.write(settings)
	Expect(s.cmd.Process.Signal(syscall.SIGHUP)).To(Succeed())
	Eventually(s.log.Count(done), "20s", "5ms").Should(BeNumerically(">", before))
}

// get returns the status and the body of an answer; no answer has status 0.
func get(url string) (int, string) {
	resp, err := http.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

// goroutines returns how many the program has.
func (s *server) goroutines() int {
	GinkgoHelper()
	_, body := get("http://" + s.internal + "/debug/pprof/goroutine?debug=1")
	total := regexp.MustCompile(`total (\d+)`).FindStringSubmatch(body)
	Expect(total).To(HaveLen(2), body)
	n, err := strconv.Atoi(total[1])
	Expect(err).NotTo(HaveOccurred())
	return n
}

// heap returns the bytes that are in use after a collection.
func (s *server) heap() int {
	GinkgoHelper()
	_, body := get("http://" + s.internal + "/debug/pprof/heap?gc=1&debug=1")
	used := regexp.MustCompile(`# HeapAlloc = (\d+)`).FindStringSubmatch(body)
	Expect(used).To(HaveLen(2))
	n, err := strconv.Atoi(used[1])
	Expect(err).NotTo(HaveOccurred())
	return n
}

// crowd are dashboards that report what must not happen.
type crowd struct {
	input io.Writer
	said  chan string
	wrong binary.Output
}

func connect(url string, regions ...string) *crowd {
	GinkgoHelper()
	c := &crowd{said: make(chan string, 10)}
	cmd := exec.Command("node", "../js/steady.mjs", url, strconv.Itoa(dashboards), strings.Join(regions, ","))
	in, err := cmd.StdinPipe()
	Expect(err).NotTo(HaveOccurred())
	out, err := cmd.StdoutPipe()
	Expect(err).NotTo(HaveOccurred())
	c.input = in
	cmd.Stderr = GinkgoWriter
	Expect(cmd.Start()).To(Succeed())
	over := make(chan struct{})
	go func() {
		defer close(over)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if strings.Contains(lines.Text(), `"values"`) || strings.Contains(lines.Text(), `"connected"`) {
				c.said <- lines.Text()
				continue
			}
			_, _ = fmt.Fprintln(&c.wrong, lines.Text())
		}
	}()
	DeferCleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		<-over
		_ = cmd.Wait()
	})
	Eventually(c.said, "30s").Should(Receive())
	return c
}

// values returns the newest value of each region that all dashboards have.
func (c *crowd) values() map[string]int {
	GinkgoHelper()
	_, err := fmt.Fprintln(c.input, "?")
	Expect(err).NotTo(HaveOccurred())
	var line string
	Eventually(c.said, "20s").Should(Receive(&line))
	var answer struct{ Value map[string]int }
	Expect(json.Unmarshal([]byte(line), &answer)).To(Succeed())
	return answer.Value
}

var _ = It("is loaded again 100 times under load, and nothing is lost", func() {
	up := &upstream{answered: make(map[string]int)}
	web := httptest.NewServer(up)
	DeferCleanup(web.Close)
	// us-east stays as it is, eu-west changes each time, and another region and
	// another API come and go.
	settings := func(i int) string {
		var b strings.Builder
		_, _ = fmt.Fprintf(&b, "settings: {log-level: %s}\nregions: [us-east, eu-west, comes-and-goes]\napis:\n", []string{"info", "debug"}[i/10%2])
		_, _ = fmt.Fprintf(&b, "  - name: acme\n    url: %s/{api}/{source}\n    interval: 100ms\n    regions:\n      - us-east\n", web.URL)
		_, _ = fmt.Fprintf(&b, "      - {name: eu-west, interval: %dms, headers: {X-Reload: \"%d\"}}\n", 100+i/10%3*20, i)
		if i%2 == 1 {
			b.WriteString("      - comes-and-goes\n")
		}
		if i%3 == 1 {
			_, _ = fmt.Fprintf(&b, "  - {name: second, url: \"%s/{api}/second-{source}\", interval: 200ms}\n", web.URL)
		}
		return b.String()
	}
	s := startServer(settings(0))
	c := connect("http://"+s.addr, "us-east", "eu-west")

	for i := range 12 { // all that comes once has come
		s.reload(settings(i))
	}
	s.reload(settings(0))
	goroutines, heap := s.goroutines(), s.heap()
	before := up.count("us-east")
	for i := range reloads {
		s.reload(settings(i))
		Eventually(up.lastHeader, "20s", "5ms").Should(Equal(strconv.Itoa(i)), "the next poll has the new settings")
	}
	s.reload(settings(0))
	gone := up.count("comes-and-goes")
	Expect(gone).To(BeNumerically(">", 5))
	Expect(up.count("second-us-east")).NotTo(BeZero())

	for _, region := range []string{"us-east", "eu-west"} {
		answered := up.count(region)
		Eventually(func() int { return c.values()[region] }, "20s", "50ms").Should(BeNumerically(">=", answered), region)
	}
	Expect(up.count("us-east")).To(BeNumerically(">", before), "it was polled meanwhile")
	Expect(c.wrong.String()).To(BeEmpty())
	Expect(up.count("comes-and-goes")).To(BeNumerically("<=", gone+1), "but for the poll under way it has gone")
	Eventually(s.goroutines, "20s", "200ms").Should(BeNumerically("<=", goroutines+10))
	after := s.heap()
	Expect(after).To(BeNumerically("<", heap+heap/2+4<<20))
	Expect(s.log.Count("DATA RACE")()).To(BeZero(), "of a program that is built to find them")
	GinkgoWriter.Printf("polls of us-east: %d; goroutines: %d, then %d; heap: %d KiB, then %d\n", up.count("us-east"), goroutines, s.goroutines(), heap>>10, after>>10)
	Expect(s.log.Count(`"level":"error"`)()).To(BeZero())
	Expect(s.log.Count("need a restart")()).To(BeZero())
})
