package poller

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("the schedule", func() {
	const interval = 30 * time.Second
	start := time.Unix(1_000_000, 0)

	// times are the first polls of target i of six, each taking no time.
	times := func(i, polls int, jitter float64) (all []time.Duration) {
		s, wait := newSchedule(start, i, 6, interval, 2*time.Second, jitter)
		now := start
		for range polls {
			now = now.Add(wait)
			all = append(all, now.Sub(start))
			wait = s.next(now, 0)
		}
		return all
	}

	It("brings every region's first value within two seconds", func() {
		for i := range 6 {
			Expect(times(i, 1, 0.05)[0]).To(BeNumerically("<", 2*time.Second))
		}
	})

	It("then gives each region its own place in the interval, always the same", func() {
		for i := range 6 {
			polls := times(i, 4, 0)
			Expect(polls[1] % interval).To(Equal(interval / 6 * time.Duration(i)))
			Expect(polls[2] - polls[1]).To(Equal(interval))
			Expect(polls[3] - polls[2]).To(Equal(interval))
		}
	})

	It("leaves half an interval at least, and one and a half at most, between the first two polls", func() {
		for i := range 6 {
			polls := times(i, 2, 0)
			Expect(polls[1] - polls[0]).To(And(BeNumerically(">=", interval/2), BeNumerically("<=", interval*3/2)))
		}
	})

	It("strays from the place by the jitter and no further, however long it runs", func() {
		for n, at := range times(2, 500, 0.05)[1:] {
			place := interval/3 + time.Duration(n+1)*interval
			Expect(at).To(BeNumerically("~", place, interval/20))
		}
	})

	It("leaves out the places that a slow poll has passed", func() {
		s, _ := newSchedule(start, 0, 6, interval, 2*time.Second, 0)
		Expect(s.next(start.Add(65*time.Second), 0)).To(Equal(25 * time.Second))
		Expect(s.next(start.Add(119*time.Second), 0)).To(Equal(31 * time.Second))
	})

	It("waits as long as the upstream asks for", func() {
		s, _ := newSchedule(start, 0, 6, interval, 2*time.Second, 0)
		Expect(s.next(start, 70*time.Second)).To(Equal(90 * time.Second))
	})
})
