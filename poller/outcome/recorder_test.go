package outcome

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"go.uber.org/goleak"

	"github.com/devops-insights/devops-insights/poller"
	"github.com/devops-insights/devops-insights/store"
)

func TestOutcome(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Recording outcomes")
	// Ginkgo keeps one goroutine for interrupts.
	goleak.VerifyNone(t, goleak.IgnoreAnyFunction("github.com/onsi/ginkgo/v2/internal/interrupt_handler.(*InterruptHandler).registerForInterrupts.func2"))
}

// show is one line for each interval: state, reason, and seconds since the start.
func show(began time.Time, all []store.Interval) (lines []string) {
	for _, iv := range all {
		line := fmt.Sprintf("%s %g-%g", iv.State, iv.From.Sub(began).Seconds(), iv.To.Sub(began).Seconds())
		if iv.Reason != "" {
			line += " " + iv.Reason
		}
		lines = append(lines, line)
	}
	return lines
}

// bench is a recorder over a store, in a bubble with a clock of its own.
type bench struct {
	*Recorder
	g     Gomega
	kept  *kept
	began time.Time
	stop  func()
}

const interval = 10 * time.Second

func newBench(t *testing.T, change ...func(*Options)) *bench {
	t.Helper()
	b := &bench{g: NewWithT(t), kept: newKept(), began: time.Now()}
	b.start(0, change...)
	return b
}

// start begins to record as the writer of a term.
func (b *bench) start(term int64, change ...func(*Options)) {
	c, err := NewClassifier("status", []string{"ok"}, []string{"degraded"})
	b.g.Expect(err).NotTo(HaveOccurred())
	o := Options{Store: b.kept, Classifier: c, API: "acme", Sources: []string{"eu-west", "us-east"}}
	for _, f := range change {
		f(&o)
	}
	b.Recorder, err = New(o)
	b.g.Expect(err).NotTo(HaveOccurred())
	b.stop = b.during(b.Recorder, term)
}

// during begins a term of a recorder, and returns what ends it.
func (b *bench) during(r *Recorder, term int64) func() {
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() {
		over <- r.During(ctx, term, func(ctx context.Context) error { <-ctx.Done(); return nil })
	}()
	synctest.Wait()
	return func() {
		cancel()
		b.g.Expect(<-over).To(Succeed())
	}
}

// poll is a poll that brings this status; "" is one that failed with TIMEOUT.
func (b *bench) poll(status string) { b.pollAt(time.Now(), interval, status) }

func (b *bench) pollAt(at time.Time, next time.Duration, status string) {
	r := poller.Result{API: "acme", Source: "eu-west", Began: at.Add(-100 * time.Millisecond), Ended: at, Next: at.Add(next), Interval: interval}
	if status == "" {
		r.Began, r.Ended = at, at.Add(100*time.Millisecond)
		r.Err = &poller.Error{Code: poller.CodeTimeout}
	} else {
		r.Data = json.RawMessage(`{"status":"` + status + `"}`)
	}
	b.Record(r)
}

// polls lets one interval pass after each poll.
func (b *bench) polls(n int, status string) {
	for range n {
		b.poll(status)
		time.Sleep(interval)
	}
}

func (b *bench) expect(lines ...string) {
	synctest.Wait()
	all := b.kept.all("eu-west")
	b.g.ExpectWithOffset(1, show(b.began, all)).To(Equal(lines))
	for i := 1; i < len(all); i++ {
		b.g.ExpectWithOffset(1, all[i].From).To(Equal(all[i-1].To), "neither hole nor overlap")
	}
}

func in(t *testing.T, run func(t *testing.T)) { synctest.Test(t, run) }

func TestAStateGoesOnFromPollToPollAndAChangeIsWrittenAtOnce(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t)
		b.polls(3, "ok")
		b.poll("")
		b.expect("up 0-30", "down 30-30 TIMEOUT")
		time.Sleep(interval)
		b.polls(1, "")
		b.polls(1, "fire")
		b.polls(2, "degraded")
		b.poll("ok")
		b.expect("up 0-30", "down 30-50 TIMEOUT", "down 50-60 fire", "degraded 60-80 degraded", "up 80-80")
		all := b.kept.all("eu-west")
		b.g.Expect([]int64{all[0].Polls, all[0].Failures, all[1].Polls, all[1].Failures, all[2].Failures}).To(Equal([]int64{3, 0, 2, 2, 0}))
		b.g.Expect(newLatency(all[0].Latency).digest.Weight()).To(Equal(3.0))
		b.g.Expect(newLatency(all[0].Latency).digest.Quantile(0.5)).To(BeNumerically("~", 100, 2))
		b.stop()
	})
}

func TestTheStateOfARegionIsThatOfItsLastPollAsLongAsThatHolds(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t)
		b.g.Expect(b.States()).To(HaveKeyWithValue("eu-west", store.StateUnknown))
		b.poll("ok")
		b.g.Expect(b.States()).To(HaveKeyWithValue("eu-west", store.StateUp))
		time.Sleep(interval)
		b.poll("")
		b.g.Expect(b.States()).To(HaveKeyWithValue("eu-west", store.StateDown))
		time.Sleep(3 * interval)
		b.g.Expect(b.States()).To(HaveKeyWithValue("eu-west", store.StateUnknown), "nobody polls it any more")
		b.stop()
	})
}

func TestAStateThatGoesOnIsWrittenEveryFiveSecondsAtMost(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t)
		for range 600 { // a minute
			b.poll("ok") // of an interval of 10 s
			time.Sleep(100 * time.Millisecond)
		}
		b.stop()
		b.g.Expect(b.kept.writes).To(BeNumerically("~", 13, 1))
		b.expect("up 0-59.9")
	})
}

func TestTheStoreKnowsInTimeThatARegionIsStillPolledHoweverOftenItIs(t *testing.T) {
	in(t, func(t *testing.T) {
		for _, interval := range []time.Duration{100 * time.Millisecond, time.Second, 4 * time.Second, 30 * time.Second} {
			b := newBench(t)
			for began := time.Now(); time.Since(began) < 2*time.Minute; time.Sleep(interval) {
				b.Record(poller.Result{
					API: "acme", Source: "eu-west", Data: json.RawMessage(`{}`), Began: time.Now(), Ended: time.Now(), Next: time.Now().Add(interval), Interval: interval,
				})
				synctest.Wait()
				last, err := b.kept.LastOutcome(t.Context(), "acme", "eu-west")
				b.g.Expect(err).NotTo(HaveOccurred())
				b.g.Expect(last.Until).To(BeTemporally(">", time.Now()), "with an interval of %s", interval)
			}
			b.stop()
			b.g.Expect(b.kept.writes).To(BeNumerically("<=", 123))
		}
	})
}

func TestALatePollLeavesAnUnknownTime(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t)
		b.polls(2, "ok")
		time.Sleep(interval) // the time by which it must have come
		b.poll("ok")
		b.expect("up 0-30")
		time.Sleep(20*time.Second + time.Millisecond)
		b.poll("ok")
		b.expect("up 0-30", "unknown 30-50.001", "up 50.001-50.001")
		time.Sleep(time.Minute)
		b.poll("")
		b.expect("up 0-30", "unknown 30-50.001", "up 50.001-50.002", "unknown 50.002-110.001", "down 110.001-110.001 TIMEOUT")
		b.stop()
	})
}

func TestAPauseThatTheUpstreamAsksForIsNotUnknown(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t)
		b.pollAt(time.Now(), 5*time.Minute, "") // Retry-After
		time.Sleep(5*time.Minute + 5*time.Second)
		b.poll("ok")
		b.expect("down 0-305 TIMEOUT", "up 305-305")
		b.stop()
	})
}

func TestAFailureCountsFromWhenThePollBegan(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t)
		b.polls(1, "ok")
		began := time.Now()
		time.Sleep(8 * time.Second) // in vain
		b.Record(poller.Result{
			API: "acme", Source: "eu-west", Began: began, Ended: time.Now(), Next: time.Now().Add(2 * time.Second), Interval: interval,
			Err: &poller.Error{Code: poller.CodeTimeout},
		})
		time.Sleep(2*time.Second + interval) // the last moment
		b.poll("ok")
		b.stop()
		b.expect("up 0-10", "down 10-30 TIMEOUT", "up 30-30")
		b.g.Expect(newLatency(b.kept.all("eu-west")[1].Latency).digest.Quantile(0.5)).To(BeNumerically("~", 8000, 160))
	})
}

func TestAPollThatFailedBecauseTheProcessWasStoppedLeavesAnUnknownTime(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t)
		b.polls(1, "ok")
		began := time.Now()
		time.Sleep(time.Hour) // stopped
		b.Record(poller.Result{
			API: "acme", Source: "eu-west", Began: began, Ended: time.Now(), Next: time.Now().Add(interval), Interval: interval,
			Timeout: 8 * time.Second, Err: &poller.Error{Code: poller.CodeTimeout},
		})
		time.Sleep(interval)
		b.poll("ok")
		b.stop()
		b.expect("up 0-0.001", "unknown 0.001-3620", "up 3620-3620")
	})
}

func TestWhatAPollLearnt(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t)
		record := func(change func(*poller.Result)) {
			r := poller.Result{API: "acme", Source: "eu-west", Began: time.Now().Add(-time.Second), Ended: time.Now(), Next: time.Now().Add(interval), Interval: interval}
			change(&r)
			b.Record(r)
			time.Sleep(interval)
		}
		record(func(r *poller.Result) {
			r.Data, r.Err = json.RawMessage(`{"status":"degraded"}`), &poller.Error{Code: poller.CodeStore}
		})
		record(func(r *poller.Result) { r.Err = &poller.Error{Code: "HTTP_503", HTTPStatus: 503} })
		record(func(r *poller.Result) { r.Err = &poller.Error{Code: "HTTP_503", NotAsked: true} })
		record(func(r *poller.Result) { r.Err = &poller.Error{Code: poller.CodePanic} })
		record(func(r *poller.Result) { r.API = "other" })
		record(func(r *poller.Result) { r.Source = "mars" })
		b.stop()
		b.expect("degraded 0-9 degraded", "down 9-29 HTTP_503", "unknown 29-29")
		all := b.kept.all("eu-west")
		b.g.Expect(newLatency(all[1].Latency).digest.Weight()).To(Equal(1.0), "the open circuit asked nobody")
		b.g.Expect([]int64{all[0].Failures, all[1].Failures, all[2].Failures}).To(Equal([]int64{0, 2, 1}))
		b.g.Expect(all[2].Latency).To(BeEmpty())
		b.g.Expect(b.kept.all("mars")).To(BeEmpty())
	})
}

func TestAProcessThatWasKilledLeavesAnUnknownTime(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t)
		b.polls(3, "ok")
		// Whatever it had not written yet is gone; nothing is flushed.
		killed := b.stop
		b.kept.mu.Lock()
		stored := slices.Clone(b.kept.of["eu-west"])
		b.kept.mu.Unlock()
		killed()
		b.kept.of["eu-west"] = stored
		time.Sleep(time.Minute)
		b.start(0)
		b.poll("ok")
		b.expect("up 0-20", "unknown 20-90", "up 90-90")
		b.stop()
	})
}

func TestARestartInTimeIsNoUnknownTime(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t)
		b.polls(2, "ok")
		b.stop()
		time.Sleep(5 * time.Second)
		b.start(0)
		b.poll("ok")
		b.stop()
		b.expect("up 0-25")
		all := b.kept.all("eu-west")
		b.g.Expect(all[0].Polls).To(BeEquivalentTo(3))
		b.g.Expect(newLatency(all[0].Latency).digest.Weight()).To(Equal(3.0))
	})
}
