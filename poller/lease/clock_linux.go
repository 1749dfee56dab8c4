package lease

import (
	"time"

	"golang.org/x/sys/unix"
)

// newBootClock returns a clock that counts while the process is stopped and
// while the machine sleeps, and that nobody sets; Go's monotonic clock stops
// with the machine.
func newBootClock() func() time.Duration {
	return func() time.Duration {
		var t unix.Timespec
		if unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) != nil { // only before Linux 2.6.39
			return 0 // the wall clock, which is asked too, decides
		}
		return time.Duration(t.Nano())
	}
}
