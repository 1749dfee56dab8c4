package poller

import (
	"math/rand/v2"
	"time"
)

// schedule says when one target is polled. Each target has its own place in
// the interval and comes back to it, so that the polls of the targets, and the
// broadcasts that follow them, do not fall together.
type schedule struct {
	interval time.Duration
	jitter   float64
	due      time.Time // the place of the next poll
}

// newSchedule returns the schedule of target i of n and the wait for its first
// poll, which comes within the given time: nobody waits a whole interval for
// the first values.
func newSchedule(now time.Time, i, n int, interval, within time.Duration, jitter float64) (*schedule, time.Duration) {
	share := float64(i) / float64(n)
	first := time.Duration(share * float64(min(interval, within)))
	s := &schedule{interval: interval, jitter: jitter, due: now.Add(time.Duration(share * float64(interval)))}
	if s.due.Sub(now.Add(first)) < interval/2 {
		s.due = s.due.Add(interval)
	}
	return s, first
}

// next returns the wait for the next poll, at least the given one. A place
// that a slow poll has passed, or nearly, is left out.
func (s *schedule) next(now time.Time, least time.Duration) time.Duration {
	least = max(least, s.interval/10)
	for s.due.Before(now.Add(least)) {
		s.due = s.due.Add(s.interval)
	}
	wait := s.due.Sub(now)
	if s.jitter > 0 {
		wait += time.Duration((rand.Float64()*2 - 1) * s.jitter * float64(s.interval))
	}
	s.due = s.due.Add(s.interval)
	return max(wait, least)
}
