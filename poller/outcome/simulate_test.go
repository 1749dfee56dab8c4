package outcome

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/devops-insights/devops-insights/store"
)

// lived is a poll of a random life, at a millisecond since it began.
type lived struct {
	at, until int
	state     store.State
}

// TestRandomLives compares what is stored with a plain account of the polls,
// millisecond by millisecond, through kills, restarts, take-overs and a store
// that comes and goes: what is stored as known is what the polls have found, and
// of what they have found only the last seconds before a kill are missing.
func TestRandomLives(t *testing.T) {
	for seed := range uint64(20) {
		in(t, func(t *testing.T) { live(t, rand.New(rand.NewPCG(seed, 13))) })
	}
}

func live(t *testing.T, random *rand.Rand) {
	b := newBench(t)
	var polls []lived
	var lossy [][2]int // times of which a kill may have lost what was found
	now := func() int { return int(time.Since(b.began).Milliseconds()) }
	term, status := int64(0), "ok"
	for range 300 {
		switch random.IntN(40) {
		case 0: // killed: what was not written is gone
			synctest.Wait()
			k := &kept{of: map[string][]store.Interval{"eu-west": b.kept.all("eu-west")}, term: map[string]int64{"eu-west": term}}
			oldest := b.began
			if all := k.of["eu-west"]; len(all) > 0 {
				oldest = all[len(all)-1].To
			}
			lossy = append(lossy, [2]int{int(oldest.Sub(b.began).Milliseconds()), now()})
			b.kept.set(errors.New("nothing is written after the kill"))
			b.stop()
			b.kept = k
			time.Sleep(time.Duration(random.IntN(60_000)) * time.Millisecond)
			term++
			b.start(term)
		case 1: // restarted
			b.kept.set(nil)
			time.Sleep(maxPause)
			b.stop()
			time.Sleep(time.Duration(random.IntN(30_000)) * time.Millisecond)
			b.start(term)
		case 2:
			b.kept.set(errors.New("away"))
		case 3, 4:
			b.kept.set(nil)
		case 5: // stopped, or asleep
			time.Sleep(time.Duration(random.IntN(100_000)) * time.Millisecond)
		}
		if random.IntN(4) == 0 {
			status = []string{"ok", "", "degraded"}[random.IntN(3)]
		}
		next := interval
		if random.IntN(20) == 0 {
			next = 3 * interval
		}
		state := map[string]store.State{"ok": store.StateUp, "": store.StateDown, "degraded": store.StateDegraded}[status]
		polls = append(polls, lived{now(), now() + int((next + interval).Milliseconds()), state})
		b.pollAt(time.Now(), next, status)
		time.Sleep(next + time.Duration(random.IntN(2000)-1000)*time.Millisecond)
	}
	b.kept.set(nil)
	time.Sleep(maxPause)
	b.stop()
	all := b.kept.all("eu-west")
	first := int(all[0].From.Sub(b.began).Milliseconds())
	want := make([]store.State, polls[len(polls)-1].at)
	for i, p := range polls[:len(polls)-1] {
		state := p.state
		if polls[i+1].at > p.until {
			state = store.StateUnknown
		}
		for ms := p.at; ms < polls[i+1].at; ms++ {
			want[ms] = state
		}
	}
	reached := all[0].From
	for _, iv := range all {
		b.g.Expect(iv.From).To(Equal(reached), "neither hole nor overlap")
		reached = iv.To
		for ms := int(iv.From.Sub(b.began).Milliseconds()); ms < int(iv.To.Sub(b.began).Milliseconds()); ms++ {
			found := func(p lived) bool { return p.at == ms && p.state == iv.State }
			if iv.State == want[ms] || want[ms] == store.StateUnknown && slices.ContainsFunc(polls, found) {
				continue // a poll that nothing followed in time lasts a millisecond
			}
			lost := iv.State == store.StateUnknown && slices.ContainsFunc(lossy, func(l [2]int) bool { return l[0] <= ms && ms <= l[1]+int(2*interval.Milliseconds()) })
			if !lost {
				b.g.Expect(iv.State).To(Equal(want[ms]), "at %d ms", ms)
			}
		}
	}
	if first != polls[0].at {
		b.g.Expect(lossy).To(ContainElement(Satisfy(func(l [2]int) bool { return l[0] == 0 && first > l[1] })), "killed before anything was written")
	}
	b.g.Expect(int(reached.Sub(b.began).Milliseconds())).To(Equal(len(want)), "all of the time since the first poll")
}

func TestAClockThatIsSetBack(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t)
		at := time.Now() // the wall clock, read together with the monotonic one
		step := func(status string) {
			b.pollAt(at, interval, status)
			at = at.Add(interval)
			time.Sleep(interval)
		}
		step("ok")
		step("ok")
		at = at.Add(-time.Minute).Round(0)
		for range 3 {
			step("ok")
		}
		for range 3 {
			step("")
		}
		for range 20 {
			step("ok")
		}
		b.stop()
		all := b.kept.all("eu-west")
		for i, iv := range all {
			b.g.Expect(iv.To.Before(iv.From)).To(BeFalse())
			if i > 0 {
				b.g.Expect(iv.From).To(Equal(all[i-1].To))
			}
		}
		b.g.Expect(all).To(HaveLen(3))
		b.g.Expect(all[1].To.Sub(all[1].From)).To(BeNumerically("~", 15*time.Second, 5*time.Second), "half of the real length")
		b.g.Expect(all[2].To).To(Equal(store.Milliseconds(at.Add(-interval))), "the wall clock has caught up")
	})
}

func TestAClockThatIsSetForward(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t)
		b.poll("ok")
		time.Sleep(interval)
		b.pollAt(time.Now().Add(5*time.Second), interval, "ok")
		b.expect("up 0-15")
		b.pollAt(time.Now().Add(time.Hour), interval, "ok")
		b.expect("up 0-15", "unknown 15-3610", "up 3610-3610")
		b.stop()
	})
}

func TestANewestIntervalInTheFuture(t *testing.T) {
	in(t, func(t *testing.T) {
		b := newBench(t)
		b.pollAt(time.Now().Add(time.Minute), interval, "ok")
		b.stop()
		log, logs := logtest.NewNullLogger()
		b.start(0, func(o *Options) { o.Logger = log })
		b.polls(3, "")
		b.stop()
		b.g.Expect(logs.AllEntries()).To(HaveLen(1))
		b.g.Expect(logs.LastEntry().Message).To(ContainSubstring("reach into the future"))
		b.expect("up 60-60.001", "down 60.001-70 TIMEOUT")
	})
}
