//go:build !linux

package lease

import "time"

// newBootClock returns a clock that counts while the process is stopped.
// Whether it counts while the machine sleeps is the system's business; the wall
// clock, which is asked too, does.
func newBootClock() func() time.Duration {
	start := time.Now()
	return func() time.Duration { return time.Since(start) }
}
