package outcome_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/outcome"
)

func TestOutcome(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Outcome")
}

// kept is a store of the intervals of one region.
type kept []store.Interval

func (k kept) LastOutcome(context.Context, string, string) (store.Interval, error) {
	if len(k) == 0 {
		return store.Interval{}, store.ErrNotFound
	}
	return k[len(k)-1], nil
}

func (k kept) ScanOutcomes(_ context.Context, _, _ string, from, to time.Time, each func(store.Interval) error) error {
	for _, iv := range k {
		if !from.IsZero() && !iv.To.After(from) && !iv.From.Equal(from) || !to.IsZero() && !iv.From.Before(to) {
			continue
		}
		if err := each(iv); err != nil {
			return err
		}
	}
	return nil
}

var epoch = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// at is a second of a test.
func at(second int) time.Time { return epoch.Add(time.Duration(second) * time.Second) }

func interval(from, to int, state store.State, reason ...string) store.Interval {
	iv := store.Interval{From: at(from), To: at(to), Until: at(to + 60), State: state, Polls: 1}
	for _, r := range reason {
		iv.Reason = r
	}
	return iv
}

func measure(k outcome.Scanner, from, to, now time.Time) outcome.Uptime {
	GinkgoHelper()
	u, err := outcome.Measure(context.Background(), k, "acme", "eu-west", from, to, now)
	Expect(err).NotTo(HaveOccurred())
	return u
}

func spans(k outcome.Scanner, from, to, now time.Time) (all []outcome.Span) {
	GinkgoHelper()
	err := outcome.Spans(context.Background(), k, "acme", "eu-west", from, to, now, func(s outcome.Span) error {
		all = append(all, s)
		return nil
	})
	Expect(err).NotTo(HaveOccurred())
	return all
}

var _ = Describe("uptime", func() {
	day := kept{
		interval(0, 100, store.StateUp),
		interval(100, 130, store.StateDown, "TIMEOUT"),
		interval(130, 150, store.StateDown, "HTTP_503"),
		interval(150, 180, store.StateUnknown),
		interval(180, 200, store.StateDown, "TIMEOUT"),
		interval(200, 300, store.StateDegraded, "degraded"),
		interval(300, 400, store.StateUp),
		interval(400, 410, store.StateDown, "DNS"),
	}

	It("is the share of the watched time, with incidents that go on through what is unknown", func() {
		u := measure(day, time.Time{}, at(410), at(5000))
		Expect(u.From).To(Equal(at(0)))
		Expect(u.To).To(Equal(at(410)))
		Expect([]time.Duration{u.Up, u.Degraded, u.Down, u.Unknown}).To(Equal([]time.Duration{200 * time.Second, 100 * time.Second, 80 * time.Second, 30 * time.Second}))
		Expect(u.Watched()).To(Equal(380 * time.Second))
		share, ok := u.Ratio()
		Expect(ok).To(BeTrue())
		Expect(share).To(BeNumerically("~", 200.0/380, 1e-12))
		share, _ = u.Available()
		Expect(share).To(BeNumerically("~", 300.0/380, 1e-12))
		Expect(u.Incidents).To(Equal([]outcome.Incident{
			{From: at(100), To: at(200), Reasons: []string{"TIMEOUT", "HTTP_503"}, Down: 70 * time.Second},
			{From: at(400), To: at(410), Open: true, Reasons: []string{"DNS"}, Down: 10 * time.Second},
		}))
		Expect([]int{u.Count, u.Ended}).To(Equal([]int{2, 1}))
		Expect(u.Longest).To(Equal(70 * time.Second))
		Expect(u.MTTR).To(Equal(70*time.Second), "the open incident is not repaired")
		Expect(u.MTBF).To(Equal(150 * time.Second))
	})

	It("ends with the last poll until the next one is overdue, and is unknown from then on", func() {
		Expect(measure(day, time.Time{}, time.Time{}, at(470)).To).To(Equal(at(410)), "the next poll may still come")
		u := measure(day, time.Time{}, time.Time{}, at(471))
		Expect(u.To).To(Equal(at(471)))
		Expect(u.Unknown).To(Equal(91 * time.Second))
		u = measure(day, at(450), time.Time{}, at(460))
		Expect(u.From).To(Equal(u.To), "nothing is known of this window yet")
		u = measure(day, at(450), at(460), at(9000))
		Expect(u.Unknown).To(Equal(10 * time.Second))
	})

	It("begins with the first poll, and says when that was", func() {
		u := measure(day[1:], at(-1000), at(130), at(5000))
		Expect([]time.Time{u.From, u.FirstPoll}).To(Equal([]time.Time{at(100), at(100)}))
		Expect(u.Unknown).To(BeZero())
		u = measure(day, at(-1000), at(-500), at(5000))
		Expect(u.From).To(Equal(u.To))
		_, ok := u.Ratio()
		Expect(ok).To(BeFalse(), "no time was watched")
	})

	It("of a region that was never polled has no time at all", func() {
		u := measure(kept{}, at(0), at(10), at(20))
		Expect(u.FirstPoll).To(BeZero())
		Expect(u.Watched() + u.Unknown).To(BeZero())
		Expect(spans(kept{}, at(0), at(10), at(20))).To(BeEmpty())
	})

	It("sees a poll at the very end of the window: the incident is over", func() {
		k := kept{interval(0, 10, store.StateDown, "TIMEOUT"), interval(10, 10, store.StateUp)}
		u := measure(k, time.Time{}, time.Time{}, at(20))
		Expect(u.Incidents).To(Equal([]outcome.Incident{{From: at(0), To: at(10), Reasons: []string{"TIMEOUT"}, Down: 10 * time.Second}}))
		k = kept{interval(0, 10, store.StateUp), interval(10, 10, store.StateDown, "TIMEOUT")}
		u = measure(k, time.Time{}, time.Time{}, at(20))
		Expect(u.Incidents).To(Equal([]outcome.Incident{{From: at(10), To: at(10), Open: true, Reasons: []string{"TIMEOUT"}}}))
		u = measure(k, time.Time{}, at(10), at(2000))
		Expect(u.Count).To(Equal(1))
	})

	It("of a window that begins where a down interval ends has no incident", func() {
		k := kept{interval(0, 10, store.StateDown, "TIMEOUT"), interval(10, 30, store.StateUp)}
		Expect(measure(k, at(10), at(30), at(99)).Count).To(BeZero())
	})

	It("counts a time once where intervals of two writers overlap, and holes as unknown", func() {
		k := kept{interval(0, 50, store.StateUp), interval(20, 40, store.StateDown, "TIMEOUT"), interval(30, 70, store.StateDegraded), interval(80, 90, store.StateUp)}
		u := measure(k, time.Time{}, at(90), at(999))
		Expect([]time.Duration{u.Up, u.Degraded, u.Down, u.Unknown}).To(Equal([]time.Duration{60 * time.Second, 20 * time.Second, 0, 10 * time.Second}))
	})

	It("lists the newest incidents only, and counts all", func() {
		var k kept
		for i := range 5000 {
			k = append(k, interval(4*i, 4*i+1, store.StateDown, fmt.Sprint(i)), interval(4*i+1, 4*i+4, store.StateUp))
		}
		u := measure(k, time.Time{}, at(4*5000), at(1e6))
		Expect(u.Count).To(Equal(5000))
		Expect(u.Incidents).To(HaveLen(outcome.MaxIncidents))
		Expect(u.Incidents[0].Reasons).To(Equal([]string{"4000"}))
		Expect(u.Incidents[outcome.MaxIncidents-1].Reasons).To(Equal([]string{"4999"}))
	})

	It("returns the error of the store", func() {
		_, err := outcome.Measure(context.Background(), failing{day}, "acme", "eu-west", at(0), at(9), at(99))
		Expect(err).To(MatchError("gone"))
	})
})

type failing struct{ kept }

func (failing) ScanOutcomes(context.Context, string, string, time.Time, time.Time, func(store.Interval) error) error {
	return errors.New("gone")
}

var _ = Describe("spans", func() {
	It("join neighbours of one state and fill holes", func() {
		k := kept{
			interval(0, 10, store.StateUp), interval(10, 20, store.StateUp),
			interval(20, 30, store.StateDown, "TIMEOUT"), interval(30, 40, store.StateDown, "DNS"),
			interval(45, 50, store.StateUnknown), interval(50, 60, store.StateUp),
		}
		Expect(spans(k, at(5), at(55), at(999))).To(Equal([]outcome.Span{
			{From: at(5), To: at(20), State: store.StateUp},
			{From: at(20), To: at(40), State: store.StateDown, Reasons: []string{"TIMEOUT", "DNS"}},
			{From: at(40), To: at(50), State: store.StateUnknown},
			{From: at(50), To: at(55), State: store.StateUp},
		}))
	})
})

// history is a random history, and what it was at each second: one letter a
// second, and a blank where nobody knows.
func history(random *rand.Rand) (k kept, seconds []store.State) {
	states := []store.State{store.StateUp, store.StateUp, store.StateDegraded, store.StateDown, store.StateUnknown}
	for second, n := 0, 1+random.IntN(60); len(k) < n; {
		if random.IntN(6) == 0 { // a hole
			second += random.IntN(40)
		}
		for len(seconds) < second {
			seconds = append(seconds, store.StateUnknown)
		}
		iv := interval(second, second+1+random.IntN(50), states[random.IntN(len(states))])
		for ; second < int(iv.To.Sub(epoch).Seconds()); second++ {
			seconds = append(seconds, iv.State)
		}
		k = append(k, iv)
	}
	first := int(k[0].From.Sub(epoch).Seconds())
	for i := range first {
		seconds[i] = ""
	}
	return k, seconds
}

// reference is Measure done second by second.
func reference(k kept, seconds []store.State, from, to, now int) outcome.Uptime {
	first := int(k[0].From.Sub(epoch).Seconds())
	from, to = max(from, first), min(to, now)
	if end := len(seconds); to > end && now <= end+60 {
		to = end
	}
	to = max(from, to)
	u := outcome.Uptime{From: at(from), To: at(to), FirstPoll: k[0].From}
	var current *outcome.Incident
	var repaired time.Duration
	for s := from; s < to; s++ {
		state := store.StateUnknown
		if s < len(seconds) {
			state = seconds[s]
		}
		switch state {
		case store.StateUp, store.StateDegraded:
			if state == store.StateUp {
				u.Up += time.Second
			} else {
				u.Degraded += time.Second
			}
			if current != nil {
				current.To = at(s)
				u.Incidents, repaired, current, u.Ended = append(u.Incidents, *current), repaired+current.Down, nil, u.Ended+1
			}
		case store.StateDown:
			u.Down += time.Second
			if current == nil {
				current = &outcome.Incident{From: at(s)}
			}
			current.Down += time.Second
		default:
			u.Unknown += time.Second
		}
	}
	if current != nil {
		current.To, current.Open = at(to), true
		u.Incidents = append(u.Incidents, *current)
	}
	u.Count = len(u.Incidents)
	for _, in := range u.Incidents {
		u.Longest = max(u.Longest, in.Down)
	}
	if u.Ended > 0 {
		u.MTTR = repaired / time.Duration(u.Ended)
	}
	if u.Count > 0 {
		u.MTBF = (u.Up + u.Degraded) / time.Duration(u.Count)
	}
	return u
}

var _ = It("random histories are measured as second by second", func() {
	for seed := range uint64(500) {
		random := rand.New(rand.NewPCG(seed, 13))
		k, seconds := history(random)
		for range 20 {
			from := random.IntN(len(seconds)+100) - 50
			to := from + random.IntN(len(seconds)+100)
			now := max(from, random.IntN(len(seconds)+200))
			got := measure(k, at(from), at(to), at(now))
			want := reference(k, seconds, from, to, now)
			Expect(got).To(Equal(want), "seed %d, %d to %d at %d", seed, from, to, now)
			sum := time.Duration(0)
			reached := got.From
			for _, s := range spans(k, at(from), at(to), at(now)) {
				Expect(s.From).To(Equal(reached), "no hole and no overlap")
				reached, sum = s.To, sum+s.To.Sub(s.From)
			}
			Expect(reached).To(Equal(got.To))
			Expect(sum).To(Equal(got.Watched()+got.Unknown), "the sum is the whole time")
		}
	}
})

// stream is a region with n intervals that nobody holds in memory.
type stream int

func (n stream) interval(i int) store.Interval {
	states := []store.State{store.StateUp, store.StateDown, store.StateUp, store.StateDegraded}
	return store.Interval{From: at(300 * i), To: at(300 * (i + 1)), Until: at(300*(i+1) + 60), State: states[i%4], Reason: []string{"", "TIMEOUT"}[i%2]}
}

func (n stream) LastOutcome(context.Context, string, string) (store.Interval, error) {
	return n.interval(int(n) - 1), nil
}

func (n stream) ScanOutcomes(_ context.Context, _, _ string, from, _ time.Time, each func(store.Interval) error) error {
	first := 0
	if !from.IsZero() {
		first = int(from.Sub(epoch).Seconds()) / 300
	}
	for i := first; i < int(n); i++ {
		if err := each(n.interval(i)); err != nil {
			return err
		}
	}
	return nil
}

var _ = It("a year of 100,000 intervals takes no memory but that of the incidents", func() {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	u := measure(stream(100_000), time.Time{}, time.Time{}, at(300*100_000))
	runtime.ReadMemStats(&after)
	Expect(u.Count).To(Equal(25_000))
	// All that was ever allocated: 25,000 incidents of 120 bytes with a list of one
	// reason, most of them collected on the way, and the lists.
	Expect(after.TotalAlloc - before.TotalAlloc).To(BeNumerically("<", 8<<20))
	Expect(cap(u.Incidents)).To(BeNumerically("<=", 2*outcome.MaxIncidents))
	Expect(slices.IsSortedFunc(u.Incidents, func(a, b outcome.Incident) int { return a.From.Compare(b.From) })).To(BeTrue())
})

func BenchmarkMeasure(b *testing.B) {
	for _, n := range []int{5_000, 100_000} {
		b.Run(fmt.Sprintf("intervals=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := outcome.Measure(context.Background(), stream(n), "acme", "eu-west", time.Time{}, time.Time{}, at(300*n)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
