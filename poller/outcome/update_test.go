package outcome

import (
	"encoding/json"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/poller"
)

func TestARegionThatIsAddedWhilePollsAreRecordedIsTakenOverAndKept(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t, func(o *Options) { o.Sources = []string{"us-east"} })
		b.poll("ok") // of eu-west, which is not polled
		time.Sleep(interval)
		b.expect()
		means, err := NewClassifier("state", []string{"fine"}, nil)
		b.g.Expect(err).NotTo(HaveOccurred())
		b.Update(map[string]*Classifier{"eu-west": means})
		say := func(text string) {
			now := time.Now()
			b.Record(poller.Result{API: "acme", Source: "eu-west", Data: json.RawMessage(text), Began: now, Ended: now, Next: now.Add(interval), Interval: interval})
			time.Sleep(interval)
		}
		say(`{"state":"fine"}`)
		say(`{"state":"fine"}`)
		say(`{"state":"bad","status":"ok"}`)
		b.expect("up 10-30", "down 30-30 bad")
		b.stop()
	})
}

func TestWhatValuesMeanCanChangeWhileTheyAreRecorded(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t)
		b.polls(2, "fine")
		means, err := NewClassifier("status", []string{"fine"}, nil)
		b.g.Expect(err).NotTo(HaveOccurred())
		b.Update(map[string]*Classifier{"eu-west": means})
		b.polls(2, "fine")
		b.poll("fine")
		b.expect("down 0-20 fine", "up 20-40")
		b.stop()
	})
}

func TestAValueThatCameBeforeTheProcessWasStoppedSaysNothingOfTheTimeAfter(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t)
		b.polls(2, "ok")
		began := time.Now()
		time.Sleep(time.Minute) // the answer is there, and nobody reads it
		now := time.Now()
		b.Record(poller.Result{
			API: "acme", Source: "eu-west", Data: json.RawMessage(`{"status":"ok"}`), Timeout: time.Second,
			Began: began, Ended: now, Next: now.Add(interval), Interval: interval,
		})
		time.Sleep(interval)
		b.poll("degraded")
		b.expect("up 0-10", "unknown 10-90", "degraded 90-90 degraded")
		b.stop()
	})
}
