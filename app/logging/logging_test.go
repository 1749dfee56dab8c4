package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/sirupsen/logrus"
)

func TestLogging(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Logging")
}

// open returns a log and its writer.
func open(out io.Writer, o Options) (*logrus.Logger, *Writer) {
	log := New(out, o)
	return log.Logger, log.Writer
}

// reader is an output whose writes wait for permission.
type reader struct {
	mu      sync.Mutex
	text    bytes.Buffer
	fail    error
	partial bool
	allowed chan struct{}
	waiting chan struct{}
}

func newReader() *reader {
	return &reader{allowed: make(chan struct{}), waiting: make(chan struct{}, 1000)}
}

func (r *reader) Write(p []byte) (int, error) {
	r.waiting <- struct{}{}
	<-r.allowed
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		n := 0
		if r.partial {
			n = len(p) / 2
			r.text.Write(p[:n])
		}
		return n, r.fail
	}
	return r.text.Write(p)
}

func (r *reader) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

var _ = Describe("the log", func() {
	It("never waits for its reader, counts what is lost and says it in one line when it flows again", func() {
		r := newReader()
		log, w := open(r, Options{Format: "json", MaxQueue: 10_000})
		log.Info("first")
		Eventually(r.waiting).Should(Receive())
		for range 1000 {
			log.Info(strings.Repeat("x", 100)) // would hang here
		}
		Expect(w.bytes).To(BeNumerically("<=", 10_000))
		close(r.allowed)
		Eventually(r.String).Should(ContainSubstring("were lost"))
		log.Info("last")
		Expect(w.Close()).To(BeTrue())
		lines := strings.Split(strings.TrimSpace(r.String()), "\n")
		Expect(lines[len(lines)-1]).To(ContainSubstring("last"))
		Expect(strings.Count(r.String(), "were lost")).To(Equal(1))
		var report struct {
			Level string
			Lost  int
		}
		Expect(json.Unmarshal([]byte(lines[len(lines)-2]), &report)).To(Succeed())
		Expect(report.Lost).To(Equal(1000 - (len(lines) - 3)))
		Expect(report.Level).To(Equal("warning"))
	})

	It("does not hold a shutdown up when the reader is stuck", func() {
		r := newReader()
		log, w := open(r, Options{Format: "json"})
		log.Info("x")
		Eventually(r.waiting).Should(Receive())
		closed := make(chan bool)
		go func() { closed <- w.Close() }()
		Eventually(closed, "5s").Should(Receive(BeFalse()))
		log.Info("later lines are dropped, not waited for")
		close(r.allowed)
		Eventually(w.over).Should(BeClosed())
	})

	It("goes on when a write fails, begins a new line after a torn one, and says what was lost", func() {
		r := newReader()
		close(r.allowed)
		r.fail, r.partial = errors.New("broken pipe"), true
		log, w := open(r, Options{Format: "json"})
		for range 3 {
			log.Info("lost")
			Eventually(r.waiting).Should(Receive())
		}
		Eventually(func() uint64 { w.mu.Lock(); defer w.mu.Unlock(); return w.lost }).Should(BeEquivalentTo(3))
		r.mu.Lock()
		r.fail = nil
		r.mu.Unlock()
		log.Info("again")
		Expect(w.Close()).To(BeTrue())
		lines := strings.Split(strings.TrimSpace(r.String()), "\n")
		for _, line := range lines[len(lines)-2:] {
			Expect(json.Valid([]byte(line))).To(BeTrue(), line)
		}
		Expect(lines[len(lines)-1]).To(ContainSubstring(`"lost":3`))
	})

	It("keeps lines whole and in order when many write at once", func() {
		var out bytes.Buffer
		log, w := open(&out, Options{Format: "json"})
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				for j := range 500 {
					log.WithField("n", j).WithField("who", i).Info("x")
				}
			})
		}
		all.Wait()
		Expect(w.Close()).To(BeTrue())
		next := make(map[int]int)
		for line := range strings.SplitSeq(strings.TrimSpace(out.String()), "\n") {
			var e struct{ N, Who int }
			Expect(json.Unmarshal([]byte(line), &e)).To(Succeed())
			Expect(e.N).To(Equal(next[e.Who]))
			next[e.Who]++
		}
		Expect(next).To(HaveLen(8))
		Expect(next).To(HaveEach(500))
	})
})

var _ = Describe("lines for people", func() {
	format := func(colour bool, level logrus.Level, message string, fields logrus.Fields) string {
		GinkgoHelper()
		e := logrus.NewEntry(nil).WithFields(fields)
		e.Time, e.Level, e.Message = time.Date(2026, 1, 2, 15, 4, 5, 0, time.Local), level, message
		b, err := formatter{&text{colour: colour}, newLevels(logrus.New())}.Format(e)
		Expect(err).NotTo(HaveOccurred())
		return string(b)
	}
	It("have the time of day, the level, the message, the fields and an address to click", func() {
		Expect(format(false, logrus.InfoLevel, "ready", logrus.Fields{"url": "http://localhost:5000/", "api": "acme", "why": "two words"})).
			To(Equal("15:04:05 INFO  ready api=acme why=\"two words\" http://localhost:5000/\n"))
		Expect(format(true, logrus.WarnLevel, "odd", nil)).To(Equal("\x1b[2m15:04:05\x1b[0m \x1b[33mWARN \x1b[0m odd\n"))
		Expect(format(false, logrus.ErrorLevel, "bad", logrus.Fields{"error": errors.New("x")})).To(Equal("15:04:05 ERROR bad err=x err_class=OTHER\n"))
	})
	It("cannot command the terminal, nor be two", func() {
		Expect(format(false, logrus.InfoLevel, "a\x1b[2J\nb \"c\" ü", logrus.Fields{"k\x07": "v\r", "w": "x y\n"})).
			To(Equal("15:04:05 INFO  a\\x1b[2J\\nb \"c\" ü k\\a=v\\r w=\"x y\\n\"\n"))
	})
	It("are written where the format says so, without colour where there is no terminal", func() {
		for _, f := range []string{"text", "json", "auto", ""} {
			var out bytes.Buffer
			log, w := open(&out, Options{Format: f})
			log.Info("hello")
			w.Close()
			if f == "text" {
				Expect(out.String()).To(MatchRegexp(`^\d\d:\d\d:\d\d INFO  hello\n$`))
				continue
			}
			Expect(json.Valid(out.Bytes())).To(BeTrue(), out.String())
		}
	})
})

var _ = Describe("what libraries log", func() {
	It("comes with its level, fields and groups from log/slog, and line by line from others", func() {
		var out bytes.Buffer
		log, w := open(&out, Options{Format: "json", Level: "info"})
		l := slog.New(Handler(log.WithField("part", "engine")))
		l.Debug("not shown")
		l.With("a", 1).WithGroup("g").With("b", 2).Warn("said", "err", errors.New("why"), slog.Group("h", "c", time.Second))
		_, err := io.WriteString(Lines(log, logrus.ErrorLevel), "http: something\n")
		Expect(err).NotTo(HaveOccurred())
		Expect(w.Close()).To(BeTrue())
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		Expect(lines).To(HaveLen(2))
		var e map[string]any
		Expect(json.Unmarshal([]byte(lines[0]), &e)).To(Succeed())
		Expect(e).To(And(HaveKeyWithValue("level", "warning"), HaveKeyWithValue("msg", "said"), HaveKeyWithValue("part", "engine"),
			HaveKeyWithValue("a", 1.0), HaveKeyWithValue("g.b", 2.0), HaveKeyWithValue("g.err", "why"), HaveKeyWithValue("g.h.c", "1s")))
		Expect(lines[1]).To(And(ContainSubstring(`"error"`), ContainSubstring(`"http: something"`)))
	})
})

var _ = Describe("the log for packages that use log/slog", func() {
	It("writes message, level and attributes into the program's log, from its level on", func() {
		var out bytes.Buffer
		l := logrus.New()
		l.SetOutput(&out)
		l.SetFormatter(new(logrus.JSONFormatter))
		log := slog.New(Handler(l))
		log.Debug("not shown")
		Expect(out.Len()).To(BeZero())
		log = log.With("part", "sockets").WithGroup("client")
		log.Error("lost", "id", 7, slog.Group("at", "row", 1), slog.Any("error", errors.New("gone")))
		var line map[string]any
		Expect(json.Unmarshal(out.Bytes(), &line)).To(Succeed())
		delete(line, "time")
		Expect(line).To(Equal(map[string]any{
			"level": "error", "msg": "lost", "part": "sockets", "client.id": 7.0, "client.at.row": 1.0, "client.error": "gone",
		}))
		out.Reset()
		l.SetLevel(logrus.DebugLevel)
		log.Debug("shown")
		log.Warn("seen")
		Expect(out.String()).To(ContainSubstring(`"level":"debug"`))
		Expect(out.String()).To(ContainSubstring(`"level":"warning"`))
	})
})
