package health_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/devops-insights/devops-insights/app/health"
)

// part returns one part of a board, which has to be there.
func part(g Gomega, b *health.Board, name string) health.Part {
	p, there := b.Lookup(name)
	g.Expect(there).To(BeTrue(), name)
	return p
}

// said returns what was logged since the last call, with its level.
func said(logs *logtest.Hook) (lines []string) {
	for _, e := range logs.AllEntries() {
		lines = append(lines, e.Level.String()+" "+e.Message)
	}
	logs.Reset()
	return lines
}

func TestABoardKeepsTheStateOfEachPartSinceWhenAndItsLastSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		b := health.New(health.Options{})
		store, redis := b.Part("store", 0), b.Part("redis", 0)
		g.Expect(part(g, b, "redis")).To(And(HaveField("State", health.Unknown), HaveField("Message", "it has not reported yet")))
		store.OK()
		redis.OK()
		up := time.Now()
		time.Sleep(time.Minute)
		redis.OK()
		time.Sleep(time.Second)
		redis.Report(health.Report{State: health.Down, Class: "REFUSED", Message: "nothing listens there"})
		down := time.Now()
		time.Sleep(time.Second)
		redis.Report(health.Report{State: health.Down, Class: health.ClassTimeout, Message: "it does not answer"})
		g.Expect(b.Parts()).To(Equal([]health.Part{
			{Name: "redis", State: health.Down, Since: down, LastSuccess: up.Add(time.Minute), Class: "TIMEOUT", Message: "it does not answer"},
			{Name: "store", State: health.OK, Since: up, LastSuccess: up},
		}))
		redis.Report(health.Report{State: health.OK, Class: "LEFT", Message: "over"})
		g.Expect(part(g, b, "redis")).To(And(HaveField("Class", ""), HaveField("Message", "")))

		redis.Remove()
		redis.OK()
		g.Expect(b.Parts()).To(ConsistOf(HaveField("Name", "store")))
		g.Expect(part(g, b, "store").State).To(Equal(health.OK))
		b.Part("redis", 0).OK()
		redis.Remove()
		g.Expect(b.Parts()).To(HaveLen(2), "a part that is there again does not go with the one before")
	})
}

func TestAPartThatDoesNotReportWithinItsTimeIsUnknownAndNotWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		log, logs := logtest.NewNullLogger()
		b := health.New(health.Options{Logger: log})
		b.SetServing(true)
		go func() { _ = b.Watch(t.Context()) }()
		r := b.Part("upstream:us-east", time.Minute)
		quiet := b.Part("settings", 0)
		time.Sleep(time.Minute)
		g.Expect(b.Overall()).To(Equal(health.OK), "it has its time for a first report")
		time.Sleep(2 * time.Second)
		g.Expect(b.Overall()).To(Equal(health.Degraded))
		r.OK()
		quiet.OK()
		last := time.Now()
		g.Expect(b.Overall()).To(Equal(health.OK))
		time.Sleep(time.Minute)
		g.Expect(part(g, b, "upstream:us-east").State).To(Equal(health.OK))
		time.Sleep(10 * time.Second)
		g.Expect(part(g, b, "upstream:us-east")).To(Equal(health.Part{
			Name: "upstream:us-east", State: health.Unknown, Since: last.Add(time.Minute), LastSuccess: last,
			Class: health.ClassSilent, Message: "nothing was heard of it for more than 1m0s",
		}))
		g.Expect(b.Overall()).To(Equal(health.Degraded))
		time.Sleep(time.Hour)
		g.Expect(part(g, b, "settings").State).To(Equal(health.OK), "it may be silent")
		g.Expect(said(logs)).To(Equal([]string{"warning upstream:us-east is unknown: nothing was heard of it for more than 1m0s"}))
		r.OK()
		g.Expect(said(logs)).To(Equal([]string{"info upstream:us-east is ok"}))
	})
}

func TestAPartThatFallsSilentAndIsNotLoggedIsUnknownAsAnyOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		log, logs := logtest.NewNullLogger()
		b := health.New(health.Options{Logger: log})
		go func() { _ = b.Watch(t.Context()) }()
		r := b.Part("upstream:us-east", time.Minute).Unlogged()
		r.OK()
		time.Sleep(2 * time.Minute)
		g.Expect(part(g, b, "upstream:us-east").State).To(Equal(health.Unknown))
		r.OK()
		g.Expect(part(g, b, "upstream:us-east").State).To(Equal(health.OK))
		g.Expect(said(logs)).To(BeEmpty())
	})
}

func TestOverallIsDownOnlyWhereDashboardsCannotBeServed(t *testing.T) {
	g := NewWithT(t)
	b := health.New(health.Options{})
	redis := b.Part("redis", time.Hour)
	g.Expect(b.Overall()).To(Equal(health.Down))
	b.SetServing(true)
	g.Expect(b.Overall()).To(Equal(health.OK))
	for _, state := range []health.State{health.Degraded, health.Down, health.Unknown, ""} {
		redis.Report(health.Report{State: state})
		g.Expect(b.Overall()).To(Equal(health.Degraded), string(state))
	}
	redis.OK()
	g.Expect(b.Overall()).To(Equal(health.OK))
	b.SetServing(false)
	g.Expect(b.Overall()).To(Equal(health.Down))
}

func TestTheLogHasEachChangeOnceAndABoundedNumberInAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		log, logs := logtest.NewNullLogger()
		b := health.New(health.Options{Logger: log})
		r := b.Part("disk", 0)
		bad := health.Report{State: health.Degraded, Class: "DISK_FULL", Message: "5 MiB are free"}
		r.OK()
		g.Expect(said(logs)).To(BeEmpty(), "a good start is no news")
		time.Sleep(time.Minute)
		for range 3 {
			r.Report(bad)
		}
		g.Expect(logs.AllEntries()).To(HaveLen(1))
		g.Expect(logs.LastEntry().Data).To(Equal(logrus.Fields{
			"part": "disk", "state": "degraded", "before": "ok", "err_class": "DISK_FULL", "duration_ms": int64(60_000),
		}))
		g.Expect(said(logs)).To(Equal([]string{"warning disk is degraded: 5 MiB are free"}))
		r.Report(health.Report{State: health.Down, Class: "DISK_FULL"})
		r.Report(bad)
		g.Expect(said(logs)).To(Equal([]string{"warning disk is down", "info disk is degraded: 5 MiB are free"}))
		r.OK()
		logs.Reset()
		for range 1000 {
			r.Report(bad)
			time.Sleep(time.Second)
			r.OK()
		}
		g.Expect(len(said(logs))).To(BeNumerically("<", 12))
		time.Sleep(time.Hour)
		r.Report(bad)
		g.Expect(logs.LastEntry().Data).To(HaveKeyWithValue("changes_not_logged", BeNumerically(">", 1900)))

		brief := b.Part("redis", 0).Terse()
		logs.Reset()
		brief.Report(bad)
		brief.OK()
		g.Expect(said(logs)).To(Equal([]string{"warning redis is degraded", "info redis is ok"}))

		own := b.Part("upstream:eu-west", 0).Unlogged()
		logs.Reset()
		own.Report(bad)
		own.OK()
		g.Expect(said(logs)).To(BeEmpty())
	})
}

func TestAMessageIsOneBoundedLineWhoeverWroteIt(t *testing.T) {
	g := NewWithT(t)
	b := health.New(health.Options{})
	b.Part("a", 0).Report(health.Report{State: health.Down, Message: "one\r\ntwo\x1b[31m \xff" + strings.Repeat("é", 4000)})
	message := part(g, b, "a").Message
	g.Expect(message).To(And(HavePrefix("one two [31m \uFFFD"), HaveSuffix("…")))
	g.Expect(len(message)).To(BeNumerically("<=", 400))
}
