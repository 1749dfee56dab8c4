package network

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"go.uber.org/goleak"

	"github.com/devops-insights/devops-insights/poller"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// How a place answers to who connects.
const (
	silent  = iota // not at all
	accepts        // as a server does
	refuses        // as a machine without that server does
)

// world is a Watch over places that answer as they are told, in a bubble with a
// clock of its own.
type world struct {
	*Watch
	g    Gomega
	logs *logtest.Hook

	mu     sync.Mutex
	places map[string]int
	dials  map[string]int
}

const gateway, resolver = "192.0.2.1:53", "192.0.2.2:53"

func newWorld(t *testing.T, change ...func(*Options)) *world {
	t.Helper()
	w := &world{g: NewWithT(t), places: map[string]int{gateway: accepts, resolver: accepts}, dials: make(map[string]int)}
	log, logs := logtest.NewNullLogger()
	w.logs = logs
	o := Options{Witnesses: func() []string { return []string{gateway, resolver} }, Dial: w.dial, Logger: log}
	for _, f := range change {
		f(&o)
	}
	w.Watch = New(o)
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		w.g.Expect(<-over).To(Succeed())
	})
	return w
}

func (w *world) dial(ctx context.Context, _, address string) (net.Conn, error) {
	w.mu.Lock()
	w.dials[address]++
	how := w.places[address]
	w.mu.Unlock()
	switch how {
	case accepts:
		conn, other := net.Pipe()
		_ = other.Close()
		return conn, nil
	case refuses:
		return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// set says how places answer from now on.
func (w *world) set(how int, places ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range places {
		w.places[one] = how
	}
}

func (w *world) dialled(place string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dials[place]
}

// up is a poll that brings a value.
func (w *world) up(host string) {
	w.g.Expect(w.Judge(context.Background(), poller.Result{Host: host, Began: time.Now(), Ended: time.Now(), Data: json.RawMessage(`{}`)})).To(BeFalse())
	synctest.Wait()
}

// fails is a poll that fails after a second, and reports whether it is unwatched.
func (w *world) fails(host string, e poller.Error) bool {
	began := time.Now()
	time.Sleep(time.Second)
	unwatched := w.Judge(context.Background(), poller.Result{Host: host, Began: began, Ended: time.Now(), Err: &e})
	synctest.Wait()
	return unwatched
}

func (w *world) timesOut(host string) bool {
	return w.fails(host, poller.Error{Code: poller.CodeTimeout})
}

const eu, us = "eu.example.com", "us.example.com:8443"

func in(t *testing.T, run func(t *testing.T)) { synctest.Test(t, run) }

func TestAPollIsUnwatchedWhileNeitherAnUpstreamNorAWitnessAnswers(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t)
		w.up(eu)
		w.g.Expect(w.Status()).To(Equal(Status{Witnesses: 2}))
		w.set(silent, gateway, resolver)
		time.Sleep(10 * time.Second)
		began := time.Now()
		w.g.Expect(w.timesOut(eu)).To(BeTrue())
		w.g.Expect(w.timesOut(us)).To(BeTrue())
		w.g.Expect(w.Status()).To(Equal(Status{Failing: true, Since: began, Witnesses: 2}))
		for _, earlier := range []poller.Error{{Code: "HTTP_500", HTTPStatus: 500, NotAsked: true}, {Code: poller.CodeRefused, NotAsked: true}} {
			w.g.Expect(w.fails(us, earlier)).To(BeFalse())
			w.g.Expect(w.Failing()).To(BeTrue(), "what came back earlier ends nothing")
		}
		w.g.Expect(w.logs.AllEntries()).To(HaveLen(1))
		w.g.Expect(w.logs.LastEntry()).To(And(HaveField("Level", logrus.WarnLevel), HaveField("Data", HaveKeyWithValue("err_class", ClassFailing))))

		w.set(accepts, gateway, resolver)
		w.up(eu)
		w.g.Expect(w.Status()).To(Equal(Status{Witnesses: 2}))
		w.g.Expect(w.logs.AllEntries()).To(HaveLen(2))
		w.g.Expect(w.logs.LastEntry().Level).To(Equal(logrus.InfoLevel))
	})
}

func TestInDoubtItIsTheUpstreamThatFails(t *testing.T) {
	for name, c := range map[string]struct {
		change func(w *world)
		poll   func(w *world) bool
	}{
		"every witness answers": {func(*world) {}, func(w *world) bool { return w.timesOut(eu) }},
		"one witness answers":   {func(w *world) { w.set(silent, gateway) }, func(w *world) bool { return w.timesOut(eu) }},
		"a witness refuses the connection": {
			func(w *world) { w.set(silent, gateway); w.set(refuses, resolver) }, func(w *world) bool { return w.timesOut(eu) },
		},
		"only the names are not resolved": {
			func(*world) {}, func(w *world) bool { return w.fails(eu, poller.Error{Code: poller.CodeDNS}) },
		},
		"the upstream answers HTTP 500": {
			cut, func(w *world) bool { return w.fails(eu, poller.Error{Code: "HTTP_500", HTTPStatus: 500}) },
		},
		"the upstream refuses the connection": {
			cut, func(w *world) bool { return w.fails(eu, poller.Error{Code: poller.CodeRefused}) },
		},
		"the certificate is not accepted": {
			cut, func(w *world) bool { return w.fails(eu, poller.Error{Code: poller.CodeTLS}) },
		},
		"the poll ended with a fault of the program": {
			cut, func(w *world) bool { return w.fails(eu, poller.Error{Code: poller.CodePanic}) },
		},
		"the upstream answered HTTP 500 and is left alone": {
			cut, func(w *world) bool {
				return w.fails(eu, poller.Error{Code: "HTTP_500", HTTPStatus: 500, NotAsked: true})
			},
		},
		"another upstream answers meanwhile": {cut, func(w *world) bool {
			began := time.Now()
			time.Sleep(time.Second)
			w.up(us)
			return w.Judge(context.Background(), poller.Result{Host: eu, Began: began, Ended: time.Now(), Err: &poller.Error{Code: poller.CodeTimeout}})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				w := newWorld(t)
				w.up(eu)
				time.Sleep(time.Second)
				c.change(w)
				w.g.Expect(c.poll(w)).To(BeFalse())
				w.g.Expect(w.Failing()).To(BeFalse())
			})
		})
	}
}

// cut is a network that is cut: no witness answers.
func cut(w *world) { w.set(silent, gateway, resolver) }

func TestEverySilenceMayBeOurs(t *testing.T) {
	for name, e := range map[string]poller.Error{
		"a timeout":         {Code: poller.CodeTimeout},
		"no way":            {Code: poller.CodeUnreachable},
		"no name":           {Code: poller.CodeDNS},
		"no interface":      {Code: poller.CodeOther, Cause: &net.OpError{Op: "dial", Err: syscall.ENETDOWN}},
		"it is left alone":  {Code: poller.CodeTimeout, NotAsked: true},
		"no more file open": {Code: poller.CodeOther, Cause: &net.OpError{Op: "dial", Err: syscall.EMFILE}},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T) {
				w := newWorld(t)
				w.up(eu)
				cut(w)
				time.Sleep(time.Second)
				w.g.Expect(w.fails(eu, e)).To(BeTrue())
			})
		})
	}
}

func TestAnAnswerThatComesDuringTheCheckCounts(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t)
		w.up(eu)
		cut(w)
		time.Sleep(time.Second)
		began, judged := time.Now(), make(chan bool, 1)
		time.Sleep(time.Second)
		go func() {
			judged <- w.Judge(context.Background(), poller.Result{Host: eu, Began: began, Ended: time.Now(), Err: &poller.Error{Code: poller.CodeTimeout}})
		}()
		time.Sleep(time.Second)
		w.up(us)
		w.g.Expect(<-judged).To(BeFalse())
		w.g.Expect(w.Failing()).To(BeFalse())
	})
}

func TestAPollThatBeganWhileTheNetworkFailedIsUnwatchedAlsoWhereItEndsLater(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t)
		w.up(eu)
		cut(w)
		time.Sleep(time.Second)
		w.g.Expect(w.timesOut(eu)).To(BeTrue())
		judge := func(host string, began time.Time) bool {
			return w.Judge(context.Background(), poller.Result{Host: host, Began: began, Ended: time.Now(), Err: &poller.Error{Code: poller.CodeTimeout}})
		}
		began := time.Now()
		time.Sleep(time.Second)
		w.set(accepts, gateway)
		w.up(us)
		w.g.Expect(judge(eu, began)).To(BeTrue(), "an upstream answers")
		w.g.Expect(judge("10.0.0.7", began)).To(BeFalse(), "the local network did not fail")
		w.g.Expect(w.Failing()).To(BeFalse())
		w.g.Expect(w.timesOut(eu)).To(BeFalse(), "it began later")

		cut(w)
		time.Sleep(time.Second)
		w.g.Expect(w.timesOut(eu)).To(BeTrue())
		began = time.Now()
		time.Sleep(fresh)
		w.set(accepts, gateway)
		w.g.Expect(judge(eu, began)).To(BeTrue(), "a witness answers")
		w.g.Expect(w.Failing()).To(BeFalse())
		time.Sleep(time.Second)
		w.g.Expect(w.timesOut(eu)).To(BeFalse())
	})
}

func TestTheEndIsNoticedAlsoWhereNobodyPolls(t *testing.T) {
	in(t, func(t *testing.T) {
		w := newWorld(t)
		w.up(eu)
		cut(w)
		time.Sleep(time.Second)
		w.g.Expect(w.timesOut(eu)).To(BeTrue())
		time.Sleep(time.Minute)
		w.g.Expect(w.Failing()).To(BeTrue())
		w.set(refuses, gateway)
		time.Sleep(lookEvery + time.Second)
		w.g.Expect(w.Failing()).To(BeFalse())
	})
}

func TestAnUpstreamNearbySaysNothingOfThoseFarAway(t *testing.T) {
	for _, nearby := range []string{"10.0.0.7:8080", "status:80", "status.default.svc.cluster.local", "[fd00::1]:80", "127.0.0.1"} {
		in(t, func(t *testing.T) {
			w := newWorld(t)
			w.up(nearby)
			w.up(eu)
			cut(w)
			time.Sleep(time.Second)
			began := time.Now()
			time.Sleep(time.Second)
			w.up(nearby)
			failed := poller.Result{Host: eu, Began: began, Ended: time.Now(), Err: &poller.Error{Code: poller.CodeTimeout}}
			w.g.Expect(w.Judge(context.Background(), failed)).To(BeTrue(), nearby)
			w.up(nearby)
			w.g.Expect(w.Failing()).To(BeTrue(), "the way out is cut still")

			time.Sleep(time.Second)
			began = time.Now()
			time.Sleep(time.Second)
			w.up(nearby)
			failed.Host, failed.Began = "10.0.0.8", began
			w.g.Expect(w.Judge(context.Background(), failed)).To(BeFalse(), "but the local network works")
		})
	}
}
