package notify

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"github.com/devops-insights/devops-insights/poller/alert"
)

func TestNotify(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Notify")
	// Ginkgo keeps one goroutine for interrupts.
	goleak.VerifyNone(t, goleak.IgnoreAnyFunction("github.com/onsi/ginkgo/v2/internal/interrupt_handler.(*InterruptHandler).registerForInterrupts.func2"))
}

// outbox is an Outbox in memory. As the engine does, it forgets a message some
// time after it has been told of it: when commit is called.
type outbox struct {
	mu        sync.Mutex
	pending   []alert.Message
	delivered []string
	gaveUp    map[string]string
	wake      chan struct{}
}

func newOutbox(messages ...alert.Message) *outbox {
	return &outbox{pending: messages, gaveUp: make(map[string]string), wake: make(chan struct{}, 1)}
}

func (o *outbox) Pending() []alert.Message {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.pending)
}

func (o *outbox) Wake() <-chan struct{} { return o.wake }

func (o *outbox) Delivered(keys ...string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.delivered = append(o.delivered, keys...)
}

func (o *outbox) GaveUp(key, why string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.gaveUp[key] = why
}

func (o *outbox) put(messages ...alert.Message) {
	o.mu.Lock()
	o.pending = append(o.pending, messages...)
	o.mu.Unlock()
	o.rouse()
}

// commit forgets what is delivered or given up.
func (o *outbox) commit() {
	o.mu.Lock()
	o.pending = slices.DeleteFunc(o.pending, func(m alert.Message) bool {
		_, lost := o.gaveUp[m.Key]
		return lost || slices.Contains(o.delivered, m.Key)
	})
	o.mu.Unlock()
	o.rouse()
}

func (o *outbox) rouse() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

func (o *outbox) told() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.delivered)
}

func (o *outbox) lost() map[string]string {
	o.mu.Lock()
	defer o.mu.Unlock()
	lost := make(map[string]string)
	for k, v := range o.gaveUp {
		lost[k] = v
	}
	return lost
}

// message is one of an alert of the rule "down" for a region. Its key is
// <region>-<receiver>-<n>.
func message(receiver, region string, n int, kind alert.MessageKind, at time.Time) alert.Message {
	at = at.UTC().Truncate(time.Millisecond)
	a := alert.Alert{
		ID: fmt.Sprintf("%016x", []byte(region + "        ")[:8]), Incident: region + "-1", Rule: "down", API: "acme", Region: region,
		State: alert.Firing, Severity: alert.Critical, Summary: "acme is down in " + region, PendingAt: at, StartedAt: &at,
		Labels: map[string]string{"alertname": "down", "api": "acme", "region": region, "severity": "critical"},
	}
	if kind == alert.MessageResolved {
		a.State, a.EndedAt = alert.Resolved, &at
	}
	return alert.Message{Key: fmt.Sprintf("%s-%s-%d", region, receiver, n), Receiver: receiver, Kind: kind, CreatedAt: at, Alert: a}
}

func webhook(name, url string) Receiver { return Receiver{Name: name, URL: url} }

// answers is a transport that a test plays the receivers in.
type answers func(*http.Request) (*http.Response, error)

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) { return a(r) }

func answer(status int, header ...string) *http.Response {
	h := make(http.Header)
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader("ok"))}
}

func keyOf(r *http.Request) string { return r.Header.Get("Idempotency-Key") }

// running starts a Sender, and stops it when the test ends.
func running(t interface {
	Helper()
	Fatal(...any)
	Cleanup(func())
}, o Options) *Sender {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = s.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-over })
	return s
}

// bubble runs a test in which time passes when nothing else happens.
func bubble(t *testing.T, test func(*testing.T, *WithT)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, NewWithT(t)) })
}

// lines is a logger whose lines can be read.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *lines) logger() logrus.FieldLogger {
	log := logrus.New()
	log.SetOutput(l)
	log.SetLevel(logrus.DebugLevel)
	return log
}
