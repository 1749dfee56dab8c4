package heartbeat_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"go.uber.org/goleak"

	"github.com/devops-insights/devops-insights/poller/alert/heartbeat"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	okURL   = "https://watch.example/ping/secret-token"
	failURL = okURL + "/fail"
)

// service is the one outside, in a bubble with a clock of its own.
type service struct {
	*heartbeat.Heartbeat
	g    Gomega
	logs *logtest.Hook

	mu     sync.Mutex
	began  time.Time
	calls  []string // seconds since the begin, the last part of the path, and status
	bodies []string
	answer func(*http.Request) (int, error) // nil: 200
	wrong  []string
	theirs bool // another instance calls
}

func newService(t *testing.T, change ...func(*heartbeat.Options)) *service {
	t.Helper()
	s := &service{g: NewWithT(t), began: time.Now()}
	log, logs := logtest.NewNullLogger()
	s.logs = logs
	o := heartbeat.Options{URL: okURL, Wrong: s.state, Instance: "host-1", Transport: s, Logger: log}
	for _, f := range change {
		f(&o)
	}
	var err error
	s.Heartbeat, err = heartbeat.New(o)
	s.g.Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		s.g.Expect(<-over).To(Succeed())
		for _, line := range logs.AllEntries() {
			text, _ := line.String()
			s.g.Expect(text).NotTo(Or(ContainSubstring("secret-token"), ContainSubstring("watch.example")))
		}
	})
	return s
}

func (s *service) state() ([]string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wrong, !s.theirs
}

func (s *service) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *service) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	var m struct{ Status string }
	_ = json.Unmarshal(body, &m)
	s.mu.Lock()
	s.calls = append(s.calls, fmt.Sprintf("%g %s %s", time.Since(s.began).Seconds(), r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:], m.Status))
	s.bodies = append(s.bodies, string(body))
	answer := s.answer
	s.mu.Unlock()
	status := http.StatusOK
	if answer != nil {
		var err error
		if status, err = answer(r); err != nil {
			return nil, err
		}
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Location": {"https://elsewhere.example/"}}, Body: io.NopCloser(bytes.NewReader(nil)), Request: r}, nil
}

// expect compares the calls since the last time.
func (s *service) expect(calls ...string) {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(calls) == 0 {
		s.g.ExpectWithOffset(1, s.calls).To(BeEmpty())
	} else {
		s.g.ExpectWithOffset(1, s.calls).To(Equal(calls))
	}
	s.calls = nil
}

func in(t *testing.T, run func(t *testing.T)) { synctest.Test(t, run) }

func TestWhileAllIsWellItCallsOnceInAPeriod(t *testing.T) {
	in(t, func(t *testing.T) {
		s := newService(t)
		time.Sleep(3*time.Minute - time.Second)
		s.expect("0 secret-token ok", "60 secret-token ok", "120 secret-token ok")
		s.g.Expect(s.bodies[0]).To(MatchJSON(`{"status":"ok","wrong":[],"instance":"host-1","timestamp":"2000-01-01T00:00:00Z"}`))
		s.g.Expect(s.Status().Called).To(Equal(s.began.Add(2 * time.Minute)))
		s.g.Expect(s.logs.AllEntries()).To(BeEmpty())
	})
}

func TestWithoutAnAddressForFailuresItTellsOnceAndFallsSilent(t *testing.T) {
	in(t, func(t *testing.T) {
		s := newService(t)
		time.Sleep(30 * time.Second)
		s.set(func() { s.wrong = []string{"the region eu-west is not polled in time"} })
		time.Sleep(10 * time.Minute)
		s.expect("0 secret-token ok", "70 secret-token failing")
		s.g.Expect(s.bodies[1]).To(ContainSubstring(`"wrong":["the region eu-west is not polled in time"]`))
		s.set(func() { s.wrong = nil })
		time.Sleep(time.Minute)
		s.expect("660 secret-token ok")
		s.set(func() { s.wrong = []string{"again"} })
		time.Sleep(2 * time.Minute)
		s.expect("730 secret-token failing")
	})
}

func TestTheAddressForFailuresIsCalledInEachPeriod(t *testing.T) {
	in(t, func(t *testing.T) {
		s := newService(t, func(o *heartbeat.Options) { o.FailURL = failURL })
		time.Sleep(30 * time.Second)
		s.set(func() { s.wrong = []string{"a", "b"} })
		time.Sleep(2 * time.Minute)
		s.expect("0 secret-token ok", "70 fail failing", "130 fail failing")
		s.set(func() { s.wrong = nil })
		time.Sleep(time.Minute)
		s.expect("180 secret-token ok")
	})
}

func TestWhatIsWrongForAMomentIsNotTold(t *testing.T) {
	in(t, func(t *testing.T) {
		s := newService(t, func(o *heartbeat.Options) { o.FailURL = failURL })
		s.set(func() { s.wrong = []string{"a"} })
		time.Sleep(5 * time.Second)
		s.set(func() { s.wrong = nil })
		time.Sleep(30 * time.Second)
		s.expect("10 secret-token ok")
	})
}

func TestOnlyTheInstanceThatPollsCalls(t *testing.T) {
	in(t, func(t *testing.T) {
		s := newService(t)
		s.expect("0 secret-token ok")
		s.set(func() { s.theirs, s.wrong = true, []string{"a"} })
		time.Sleep(10 * time.Minute)
		s.expect()
		s.set(func() { s.theirs = false })
		time.Sleep(2 * time.Minute)
		s.expect("670 secret-token failing")
	})
}

func TestACallThatFailsIsTriedAgainWithinItsPeriod(t *testing.T) {
	in(t, func(t *testing.T) {
		s := newService(t)
		s.expect("0 secret-token ok")
		fails := 2
		s.set(func() {
			s.answer = func(*http.Request) (int, error) {
				if fails--; fails >= 0 {
					return http.StatusBadGateway, nil
				}
				return http.StatusNoContent, nil
			}
		})
		time.Sleep(90 * time.Second)
		s.expect("60 secret-token ok", "61 secret-token ok", "63 secret-token ok")
		s.g.Expect(s.logs.AllEntries()).To(HaveLen(2))
		s.g.Expect(s.logs.AllEntries()[0].Data).To(HaveKeyWithValue("err_class", "HTTP_502"))
		s.g.Expect(s.Status()).To(Equal(heartbeat.Status{Called: s.began.Add(63 * time.Second)}))
	})
}

func TestAServiceThatIsAwayOrRedirectsIsToldOfOnce(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(*http.Request) (int, error)
		class  string
	}{
		"hangs":     {func(r *http.Request) (int, error) { <-r.Context().Done(); return 0, r.Context().Err() }, "TIMEOUT"},
		"redirects": {func(*http.Request) (int, error) { return http.StatusFound, nil }, "HTTP_302"},
		"fails":     {func(*http.Request) (int, error) { return 0, errors.New("at " + okURL) }, "OTHER"},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				s := newService(t)
				s.expect("0 secret-token ok")
				s.set(func() { s.answer = c.answer })
				time.Sleep(time.Hour)
				s.g.Expect(s.Status().Class).To(Equal(c.class))
				s.g.Expect(s.Status().FailingSince).To(BeTemporally("~", s.began.Add(time.Minute), 11*time.Second))
				s.g.Expect(s.logs.AllEntries()).To(HaveLen(1))
				s.mu.Lock()
				defer s.mu.Unlock()
				s.g.Expect(len(s.calls)).To(And(BeNumerically(">=", 59), BeNumerically("<=", 7*60)), "it goes on, and not in a hurry")
			})
		})
	}
}

func TestAFailureThatCouldNotBeToldIsToldInTheNextPeriod(t *testing.T) {
	in(t, func(t *testing.T) {
		s := newService(t)
		s.expect("0 secret-token ok")
		s.set(func() {
			s.wrong = []string{"a"}
			s.answer = func(*http.Request) (int, error) { return 0, errors.New("away") }
		})
		time.Sleep(90 * time.Second)
		s.set(func() { s.answer, s.calls = nil, nil })
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		s.g.Expect(s.calls).To(ConsistOf(HaveSuffix("failing")))
	})
}

func TestWhatIsSaidIsBounded(t *testing.T) {
	in(t, func(t *testing.T) {
		s := newService(t, func(o *heartbeat.Options) { o.FailURL = failURL })
		s.expect("0 secret-token ok")
		s.set(func() {
			for range 1000 {
				s.wrong = append(s.wrong, "a"+strings.Repeat("ä", 10_000))
			}
		})
		time.Sleep(80 * time.Second)
		s.expect("70 fail failing")
		s.g.Expect(len(s.bodies[1])).To(BeNumerically("<", 10_000))
		s.g.Expect(s.bodies[1]).To(And(ContainSubstring("and 980 more"), Not(ContainSubstring("\uFFFD"))))
	})
}

func TestItCallsOverRealHTTP(t *testing.T) {
	g := NewWithT(t)
	heard := make(chan *http.Request, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body map[string]any
		if json.NewDecoder(r.Body).Decode(&body) == nil && body["status"] == "ok" {
			heard <- r
		}
	}))
	defer server.Close()
	h, err := heartbeat.New(heartbeat.Options{URL: server.URL + "/ping", Wrong: func() ([]string, bool) { return nil, true }})
	g.Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- h.Run(ctx) }()
	var r *http.Request
	g.Eventually(heard, 15*time.Second).Should(Receive(&r))
	g.Expect([]string{r.Method, r.URL.Path, r.Header.Get("Content-Type")}).To(Equal([]string{"POST", "/ping", "application/json"}))
	cancel()
	g.Expect(<-over).To(Succeed())
}

func TestOptionsThatCannotWorkAreRefusedWithoutTheirSecrets(t *testing.T) {
	g := NewWithT(t)
	wrong := func() ([]string, bool) { return nil, true }
	for _, o := range []heartbeat.Options{
		{Wrong: wrong}, {URL: "ftp://watch.example/secret", Wrong: wrong}, {URL: "https:///secret", Wrong: wrong}, {URL: "https://a b/secret", Wrong: wrong},
		{URL: okURL, FailURL: "secret", Wrong: wrong}, {URL: okURL}, {URL: okURL, Wrong: wrong, Every: time.Millisecond}, {URL: okURL, Wrong: wrong, Every: -1},
	} {
		_, err := heartbeat.New(o)
		g.Expect(err).To(MatchError(And(HavePrefix("heartbeat: "), Not(ContainSubstring("secret")))))
	}
}
