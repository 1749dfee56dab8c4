package outcome

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store"
)

func TestAStoreThatIsAwayForAnHourLosesNothing(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t)
		b.polls(1, "ok")
		b.kept.set(errors.New("away"))
		b.polls(100, "ok")
		b.polls(100, "")
		b.polls(160, "ok")
		b.expect("up 0-0")
		b.g.Expect(b.Failing()).To(BeTemporally("~", b.began.Add(interval), interval))
		b.kept.set(nil)
		time.Sleep(maxPause)
		synctest.Wait()
		b.g.Expect(b.Failing()).To(BeZero())
		b.expect("up 0-1010", "down 1010-2010 TIMEOUT", "up 2010-3600")
		b.stop()
	})
}

func TestAStoreThatIsAwayFromTheStartLosesNothing(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t)
		b.polls(2, "ok")
		b.stop()
		b.kept.set(errors.New("away"))
		b.start(0)
		b.polls(2, "ok")
		b.polls(2, "")
		b.kept.set(nil)
		time.Sleep(maxPause)
		b.stop()
		b.expect("up 0-40", "down 40-50 TIMEOUT")
	})
}

func TestAWriteOfUnknownResultIsRepeated(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t)
		n := 0
		b.kept.before = func(*kept) error {
			if n++; n%2 == 1 {
				return errors.New("carried out, and the answer was lost")
			}
			return nil
		}
		for i := range 40 {
			b.polls(1+i%3, []string{"ok", "", "degraded"}[i%3])
		}
		b.stop()
		all := b.kept.all("eu-west")
		b.g.Expect(all).To(HaveLen(40))
		polls := int64(0)
		for i, iv := range all {
			polls += iv.Polls
			if i > 0 {
				b.g.Expect(iv.From).To(Equal(all[i-1].To))
			}
		}
		b.g.Expect(polls).To(BeEquivalentTo(14*1 + 13*2 + 13*3))
	})
}

func TestWhatWaitsIsBoundedAndTheOldestBecomesUnknown(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t, func(o *Options) { o.MaxHeld = 120 })
		b.polls(1, "ok")
		b.kept.set(errors.New("away"))
		for i := range 5000 {
			b.polls(1, []string{"", "ok"}[i%2])
		}
		b.g.Expect(len(b.regions["eu-west"].held)).To(BeNumerically("<=", 120))
		b.kept.set(nil)
		time.Sleep(maxPause)
		synctest.Wait()
		all := b.kept.all("eu-west")
		unknown := time.Duration(0)
		polls := int64(0)
		for i, iv := range all {
			polls += iv.Polls
			if iv.State == store.StateUnknown {
				unknown += iv.To.Sub(iv.From)
			}
			if i > 0 {
				b.g.Expect(iv.From).To(Equal(all[i-1].To))
			}
		}
		b.g.Expect(polls).To(BeEquivalentTo(5001))
		b.g.Expect(unknown).To(BeNumerically("~", 4880*interval, 5*interval))
		b.g.Expect(all[0].State).To(Equal(store.StateUp))
		b.stop()
	})
}
