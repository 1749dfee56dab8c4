package lease

import "time"

// stamp is a moment by two clocks.
type stamp struct {
	boot time.Duration
	wall time.Time
}

// newStamps returns a function that takes stamps.
func newStamps() func() stamp {
	boot := newBootClock()
	return func() stamp { return stamp{boot: boot(), wall: time.Now().Round(0)} }
}

// since is how much time may have passed since an earlier stamp: the larger of
// what the clocks say. A machine that was paused from outside, as a virtual one,
// may have stopped both of its own clocks, and then has its wall clock set
// right; a wall clock that is set forward for another reason costs one renewal.
func (s stamp) since(earlier stamp) time.Duration {
	return max(s.boot-earlier.boot, s.wall.Sub(earlier.wall))
}
