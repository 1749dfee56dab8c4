package poller

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
)

// polled counts the polls of each region.
type polled struct {
	mu     sync.Mutex
	counts map[string]int
}

func (p *polled) target(region string, interval time.Duration) Target {
	return Target{API: "acme", Source: region, Interval: interval, Fetch: func(context.Context) (json.RawMessage, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.counts[region]++
		return json.RawMessage(fmt.Sprint(p.counts[region])), nil
	}}
}

func (p *polled) of(region string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[region]
}

// polling runs a poller in the bubble until the test ends.
func polling(t *testing.T, o Options) *Poller {
	t.Helper()
	o.Jitter = -1
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = p.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-over })
	return p
}

func TestAnUpdateAddsAndRemovesRegionsAndLeavesTheOthersAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		polls := &polled{counts: make(map[string]int)}
		east, west, north := polls.target("east", time.Minute), polls.target("west", time.Minute), polls.target("north", time.Minute)
		p := polling(t, Options{Saver: new(memory), Targets: []Target{east, west}})
		time.Sleep(10*time.Minute + 30*time.Second)
		before := polls.of("east")
		g.Expect(before).To(BeNumerically("~", 11, 1))
		g.Expect(p.Update([]Target{east, north})).To(Succeed())
		gone := polls.of("west")
		time.Sleep(10 * time.Minute)
		g.Expect(polls.of("east")-before).To(Equal(10), "one that stays keeps its place in time")
		g.Expect(polls.of("west")).To(Equal(gone))
		g.Expect(polls.of("north")).To(BeNumerically("~", 10, 1))
	})
}

func TestAHundredUpdatesMakeNoPollOfAnUnchangedRegionEarlyOrLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		polls := &polled{counts: make(map[string]int)}
		p := polling(t, Options{Saver: new(memory), Targets: []Target{polls.target("east", time.Minute)}})
		for range 100 {
			time.Sleep(6 * time.Second)
			g.Expect(p.Update([]Target{polls.target("east", time.Minute)})).To(Succeed())
		}
		g.Expect(polls.of("east")).To(BeNumerically("~", 10, 1))
	})
}

func TestANewIntervalCountsAtOnceAlsoWhereTheOldOneWasLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		polls := &polled{counts: make(map[string]int)}
		p := polling(t, Options{Saver: new(memory), Targets: []Target{polls.target("east", 24*time.Hour)}})
		time.Sleep(time.Minute)
		g.Expect(polls.of("east")).To(Equal(1))
		g.Expect(p.Update([]Target{polls.target("east", 10*time.Second)})).To(Succeed())
		time.Sleep(time.Minute)
		g.Expect(polls.of("east")).To(BeNumerically("~", 7, 1))
	})
}

func TestANewIntervalDoesNotForgetThatTheUpstreamAskedForAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		var polls atomic.Int32
		busy := Target{API: "acme", Source: "east", Interval: time.Hour, Fetch: func(context.Context) (json.RawMessage, error) {
			polls.Add(1)
			return nil, &Error{Code: CodeHTTP(429), RetryAfter: 3 * time.Minute, Text: "answered 429"}
		}}
		p := polling(t, Options{Saver: new(memory), Targets: []Target{busy}})
		time.Sleep(time.Minute)
		busy.Interval = 10 * time.Second
		g.Expect(p.Update([]Target{busy})).To(Succeed())
		time.Sleep(time.Minute)
		g.Expect(polls.Load()).To(BeEquivalentTo(1))
		time.Sleep(2 * time.Minute)
		g.Expect(polls.Load()).To(BeEquivalentTo(2))
	})
}

func TestThePollUnderWayIsNotLostAndIsNeverOneOfTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		var at, most atomic.Int32
		slow := Target{API: "acme", Source: "east", Interval: time.Minute, Fetch: func(ctx context.Context) (json.RawMessage, error) {
			most.Store(max(most.Load(), at.Add(1)))
			defer at.Add(-1)
			select {
			case <-time.After(20 * time.Second):
				return json.RawMessage(`1`), nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}}
		saver := new(memory)
		p := polling(t, Options{Saver: saver, Targets: []Target{slow}})
		time.Sleep(time.Second)
		g.Expect(at.Load()).To(BeEquivalentTo(1))
		for range 3 { // it goes and comes back while its poll is under way
			g.Expect(p.Update(nil)).To(Succeed())
			g.Expect(p.Update([]Target{slow})).To(Succeed())
		}
		time.Sleep(5 * time.Minute)
		g.Expect(most.Load()).To(BeEquivalentTo(1))
		saver.mu.Lock()
		defer saver.mu.Unlock()
		g.Expect(len(saver.saved)).To(BeNumerically(">=", 4))
	})
}

func TestAnUpdateBetweenTwoRunsCountsForTheSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		polls := &polled{counts: make(map[string]int)}
		p, err := New(Options{Saver: new(memory), Targets: []Target{polls.target("east", time.Minute)}})
		g.Expect(err).NotTo(HaveOccurred())
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			g.Expect(p.Run(ctx)).To(Succeed())
			cancel()
			g.Expect(p.Update([]Target{polls.target("west", time.Minute)})).To(Succeed())
		}
		g.Expect(polls.counts).To(Equal(map[string]int{"east": 1, "west": 1}))
	})
}

func TestAnUpdateWithATargetThatCannotBePolledChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		polls := &polled{counts: make(map[string]int)}
		east := polls.target("east", time.Minute)
		p := polling(t, Options{Saver: new(memory), Targets: []Target{east}})
		time.Sleep(time.Second)
		g.Expect(p.Update([]Target{{API: "acme", Source: "west"}})).To(MatchError(ContainSubstring("Fetch")))
		g.Expect(p.Update([]Target{east, east})).To(MatchError(ContainSubstring("twice")))
		time.Sleep(2 * time.Minute)
		g.Expect(polls.of("east")).To(BeNumerically("~", 3, 1))
	})
}
