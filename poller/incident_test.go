package poller

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
)

func TestTheLogHasTheBeginningOfAnIncidentNewReasonsAReminderAnHourAndItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		log, logs := logtest.NewNullLogger()
		in := incident{log: log, maxBackoff: 5 * time.Minute}
		failed := func(e Error) {
			time.Sleep(10 * time.Second)
			in.note(&e)
		}
		unavailable, slow := Error{Code: CodeHTTP(503), HTTPStatus: 503}, Error{Code: CodeTimeout}
		said := func() (texts []string) {
			for _, e := range logs.AllEntries() {
				if e.Level <= logrus.InfoLevel {
					texts = append(texts, e.Message)
				}
			}
			logs.Reset()
			return texts
		}
		for range 25 {
			failed(unavailable)
		}
		g.Expect(said()).To(ConsistOf(ContainSubstring("a poll failed")))
		failed(slow)
		failed(slow)
		failed(unavailable)
		g.Expect(said()).To(Equal([]string{"polls fail for another reason now", "polls fail for another reason now"}))
		for range 365 {
			failed(unavailable)
		}
		g.Expect(said()).To(ConsistOf(ContainSubstring("polls still fail")))
		for range 100 { // two reasons in turn
			failed(slow)
			failed(unavailable)
		}
		g.Expect(len(said())).To(BeNumerically("<=", maxChanges+1))
		for _, pause := range []time.Duration{20 * time.Second, 30 * time.Second, 0, 40 * time.Second} {
			failed(Error{Code: unavailable.Code, HTTPStatus: 503, RetryAfter: pause})
		}
		g.Expect(said()).To(Equal([]string{"polls still fail, and the upstream asks for a pause"}))
		in.end()
		in.end()
		g.Expect(said()).To(Equal([]string{"the upstream answers again"}))
		failed(Error{Code: CodeHTTP(429), HTTPStatus: 429, RetryAfter: 24 * time.Hour})
		g.Expect(said()).To(ConsistOf(And(ContainSubstring("a poll failed"), ContainSubstring("asked again after 5m0s"))))
	})
}

func TestTheLogHasEachPollAtDebug(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		log, logs := logtest.NewNullLogger()
		log.SetLevel(logrus.DebugLevel)
		polls := resultsOf(t, 55*time.Second, Options{Saver: &memory{}, Interval: 10 * time.Second, Jitter: -1, Logger: log,
			Targets: one(func(context.Context) (json.RawMessage, error) {
				time.Sleep(40 * time.Millisecond)
				return json.RawMessage(`{}`), nil
			})})
		g.Expect(polls).NotTo(BeEmpty())
		g.Expect(logs.AllEntries()).To(HaveLen(len(polls)))
		for _, e := range logs.AllEntries() {
			g.Expect(e.Level).To(Equal(logrus.DebugLevel))
			g.Expect(e.Message).To(Equal("a region was polled"))
			g.Expect(e.Data).To(Equal(logrus.Fields{"api": "acme", "region": "us-east", "changed": true, "duration_ms": int64(40)}))
		}
	})
}
