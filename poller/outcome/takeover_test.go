package outcome

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/devops-insights/devops-insights/store"
)

func TestAnInstanceThatMayNotStoreWritesNothing(t *testing.T) {
	in(t, func(t *testing.T) {
		var mine sync.Mutex // locked: not mine
		b := newBench(t, func(o *Options) {
			o.MayStore = func() bool {
				if mine.TryLock() {
					mine.Unlock()
					return true
				}
				return false
			}
		})
		b.polls(2, "ok")
		mine.Lock()
		b.polls(2, "")
		b.expect("up 0-10")
		mine.Unlock()
		time.Sleep(time.Second)
		b.expect("up 0-20", "down 20-30 TIMEOUT")
		b.stop()
	})
}

func TestWhoTakesOverFencesTheWriterBefore(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t, func(*Options) {})
		b.stop()
		first := b.Recorder
		stopFirst := b.during(first, 1)
		b.polls(3, "ok")
		b.expect("up 0-20")
		b.start(2)
		second := b.Recorder
		b.poll("")
		b.expect("up 0-30", "down 30-30 TIMEOUT")
		time.Sleep(interval)
		b.Recorder = first
		b.polls(1, "ok")
		b.expect("up 0-30", "down 30-30 TIMEOUT")
		b.Recorder = second
		b.polls(1, "")
		b.expect("up 0-30", "down 30-50 TIMEOUT")
		stopFirst()
		b.expect("up 0-30", "down 30-50 TIMEOUT")
		b.stop()
	})
}

func TestAWriterThatIsNotDoneYetWhenAnotherTakesOver(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t)
		b.stop()
		stopFirst := b.during(b.Recorder, 1)
		b.polls(3, "ok")
		stopFirst()
		// The last write of the first one comes between the look and the fence.
		b.kept.before = func(k *kept) error {
			k.before = nil
			iv := k.of["eu-west"][0]
			iv.To = b.began.Add(25 * time.Second)
			k.put(iv)
			iv.From, iv.Until, iv.State, iv.Reason = iv.To, iv.To.Add(20*time.Second), store.StateDown, "DNS"
			k.put(iv)
			return nil
		}
		b.start(2)
		b.poll("ok")
		b.expect("up 0-25", "down 25-30 DNS", "up 30-30")
		b.stop()
	})
}

func TestATermThatBeginsAgainKeepsWhatWaits(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t)
		b.stop()
		r := b.Recorder
		stop := b.during(r, 7)
		b.polls(2, "ok")
		b.kept.set(errors.New("away"))
		b.polls(1, "ok")
		b.polls(1, "")
		stop() // the lease, which is in the same database, ends
		b.kept.set(nil)
		stop = b.during(r, 7)
		b.poll("")
		stop()
		b.expect("up 0-30", "down 30-40 TIMEOUT")

		b.kept.set(errors.New("away"))
		stop = b.during(r, 7)
		b.polls(1, "ok")
		stop()
		b.kept.set(nil)
		stop = b.during(r, 9) // somebody else had term 8
		b.poll("")
		stop()
		b.expect("up 0-30", "down 30-50 TIMEOUT")
	})
}
