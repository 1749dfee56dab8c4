// Package retention says which history is too old.
package retention

import "time"

// Clock is the time by which history ages. A wall clock that jumps ahead while
// the program runs deletes nothing before its time: since New the age grows no
// faster than the monotonic clock.
type Clock struct {
	now     func() time.Time
	began   time.Time
	elapsed func() time.Duration
}

// New returns a Clock that begins now. now is time.Now, or another clock in
// tests.
func New(now func() time.Time) *Clock {
	began := now()
	return &Clock{now: now, began: began.Round(0), elapsed: func() time.Duration { return now().Sub(began) }}
}

// Horizon returns the time before which rows are older than age.
func (c *Clock) Horizon(age time.Duration) time.Time {
	wall, steady := c.now().Round(0), c.began.Add(c.elapsed())
	if steady.Before(wall) {
		wall = steady
	}
	return wall.Add(-age)
}
