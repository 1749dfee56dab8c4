package engine

import (
	"time"

	"github.com/devops-insights/devops-insights/store"
)

// moment is a time by both clocks.
type moment struct {
	wall   time.Time     // in whole milliseconds of UTC
	passed time.Duration // by the clock that only goes forward
}

func (o Options) moment() moment {
	return moment{wall: store.Milliseconds(o.Now()), passed: o.Elapsed()}
}

// at returns the time by the wall clock, as it is set now, of something that
// happened when the other clock showed passed.
func (m moment) at(passed time.Duration) time.Time {
	return store.Milliseconds(m.wall.Add(passed - m.passed))
}

// maxDrift is how far the wall clock may move against the other one before it
// counts as set.
const maxDrift = time.Second

// jump returns by how much the wall clock was set forward between two moments;
// less than 0: back.
func jump(before, now moment) time.Duration {
	d := now.wall.Sub(before.at(now.passed))
	if d.Abs() < maxDrift {
		return 0
	}
	return d
}
