package app

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/devops-insights/devops-insights/store/jsjson"
	"github.com/sirupsen/logrus"
)

const (
	// clockPeriod is how often the wall clock is compared with the monotonic one.
	clockPeriod = time.Second
	// clockJump is the difference within one period that is no drift any more.
	clockJump = 3 * time.Second
)

// clock notices that the wall clock was set, or stood still while the machine
// slept. Nothing is ordered by it, but the time stamps that people read are
// those of this clock.
type clock struct {
	log logrus.FieldLogger
	// now returns the wall clock and the monotonic one.
	now func() (wall time.Time, monotonic time.Duration)

	mu     sync.Mutex
	info   clockInfo
	jumped time.Time // the last jump, with a monotonic reading
}

// clockInfo is what /api/v1/info says of the clock.
type clockInfo struct {
	Jumps  int        `json:"jumps"`
	LastAt *time.Time `json:"last_jump_at,omitempty"`
	LastMS int64      `json:"last_jump_ms,omitempty"`
	// AheadMS is by how much the newest row of the history is ahead of the clock.
	AheadMS int64 `json:"history_ahead_ms,omitempty"`
}

func newClock(log logrus.FieldLogger) *clock {
	began := time.Now()
	return &clock{log: log, now: func() (time.Time, time.Duration) {
		now := time.Now()
		return now.Round(0), now.Sub(began)
	}}
}

// watch compares the clocks until ctx ends.
func (c *clock) watch(ctx context.Context) error {
	wall, monotonic := c.now()
	tick := time.NewTicker(clockPeriod)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		wall, monotonic = c.compare(wall, monotonic)
	}
}

// compare returns the clocks as they are now, and tells of a jump since then.
func (c *clock) compare(wall time.Time, monotonic time.Duration) (time.Time, time.Duration) {
	nowWall, nowMonotonic := c.now()
	jump := nowWall.Sub(wall) - (nowMonotonic - monotonic)
	if jump.Abs() < clockJump {
		return nowWall, nowMonotonic
	}
	at := nowWall.UTC()
	c.mu.Lock()
	c.jumped = time.Now()
	c.info.Jumps, c.info.LastAt, c.info.LastMS = c.info.Jumps+1, &at, jump.Milliseconds()
	c.mu.Unlock()
	c.log.WithField("jump", jump.Round(time.Millisecond).String()).
		Warn("the clock of this machine was set, or the machine slept: times of values before and after do not fit together; their order is not concerned")
	return nowWall, nowMonotonic
}

// noteAhead takes by how much the newest row of the history is ahead of the
// clock, and logs it when that begins and when it ends.
func (c *clock) noteAhead(by time.Duration) {
	c.mu.Lock()
	before := c.info.AheadMS
	c.info.AheadMS = by.Milliseconds()
	c.mu.Unlock()
	switch {
	case by > 0 && before == 0:
		c.log.WithField("ahead", by.Round(time.Second).String()).
			Warn("the history has rows that are ahead of the clock of this machine: it was set back, or another writer's clock is fast; new values reach dashboards all the same, in the history they come behind those rows")
	case by == 0 && before > 0:
		c.log.Info("the clock of this machine has caught up with the rows of the history")
	}
}

// state says in a sentence whether the clock was set since the start, or is
// behind the history.
func (c *clock) state() string {
	info := c.describe()
	ahead := ""
	if info.AheadMS > 0 {
		ahead = fmt.Sprintf("rows of the history are ahead of it by %s", (time.Duration(info.AheadMS) * time.Millisecond).Round(time.Second))
	}
	switch {
	case info.Jumps == 0 && ahead == "":
		return "ok"
	case info.Jumps == 0:
		return ahead
	case ahead != "":
		ahead = "; " + ahead
	}
	jump := time.Duration(info.LastMS) * time.Millisecond
	return fmt.Sprintf("set by %s at %s, %d times since the start: times of values before and after do not fit together%s", jump, info.LastAt.Format(jsjson.TimeFormat), info.Jumps, ahead)
}

// describe returns what is known of jumps.
func (c *clock) describe() clockInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.info
}
