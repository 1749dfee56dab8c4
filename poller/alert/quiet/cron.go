package quiet

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/adhocore/gronx"
)

const (
	// maxCron is the longest text of a cron expression, in bytes.
	maxCron = 200
	// maxTicks bounds how many times of a cron expression are looked at in one go.
	maxTicks = 4000
	// gapTicks and gapYears bound those that leastGap compares: each day of a year,
	// and two leap days, are among them.
	gapTicks, gapYears = 1000, 9
)

// cron says when windows begin: by the clock on the wall of a place.
type cron struct {
	text string
	zone *time.Location
	// hourly says that its hours are all that there are. Such a cron also counts the
	// hour that a change of the clock brings twice; another one, as RFC 5545 has it,
	// takes the first of two equal times.
	hourly bool
}

// errNever is the answer to a cron expression of no time, such as 30 February.
var errNever = errors.New("cron names a time that never comes")

// parseCron reads five fields.
func parseCron(text string, zone *time.Location) (*cron, error) {
	fields := strings.Fields(text)
	if len(fields) != 5 || len(text) > maxCron || !gronx.IsValid(strings.Join(fields, " ")) {
		return nil, fmt.Errorf("cron is %.60q: five fields are expected, minute, hour, day of the month, month and day of the week, such as 0 3 * * SUN", text)
	}
	c := &cron{text: strings.Join(fields, " "), zone: cmp.Or(zone, time.UTC), hourly: true}
	hours := new(gronx.SegmentChecker)
	for hour := range 24 {
		hours.SetRef(time.Date(2024, 1, 1, hour, 0, 0, 0, time.UTC))
		if due, err := hours.CheckDue(fields[1], 2); fields[1] != "*" && fields[1] != "?" && (err != nil || !due) {
			c.hourly = false
		}
	}
	return c, nil
}

// next returns the first time after another one, both as a clock on a wall shows
// them: in UTC, so that no change of the clock confuses the search.
func (c *cron) next(wall time.Time) (time.Time, error) {
	t, err := gronx.NextTickAfter(c.text, wall, false)
	if err != nil || !t.After(wall) {
		return wall, errNever
	}
	return t, nil
}

// leastGap returns the shortest time between two beginnings, by the clock on the
// wall.
func (c *cron) leastGap() (time.Duration, error) {
	before := time.Date(2023, 12, 31, 23, 59, 0, 0, time.UTC)
	end := before.AddDate(gapYears, 0, 0)
	least := end.Sub(before)
	for i := range gapTicks {
		t, err := c.next(before)
		if err != nil {
			if i == 0 {
				return 0, err
			}
			break
		}
		if i > 0 {
			least = min(least, t.Sub(before))
		}
		if before = t; before.After(end) {
			break
		}
	}
	return least, nil
}

// between returns the beginnings after from, up to and with to, in order, at most
// most of them.
func (c *cron) between(from, to time.Time, most int) (starts []time.Time) {
	slack := slackAround(from, c.zone)
	wall, last := onWall(from.In(c.zone)).Add(-slack), onWall(to.In(c.zone)).Add(slackAround(to, c.zone))
	var enough time.Time // where no further time on the wall can be among the first
	for range maxTicks {
		t, err := c.next(wall)
		if err != nil || t.After(last) || !enough.IsZero() && t.After(enough) {
			break
		}
		wall = t
		for _, start := range c.instants(t) {
			if start.After(from) && !start.After(to) {
				starts = append(starts, start)
			}
		}
		if len(starts) >= most && enough.IsZero() {
			enough = t.Add(slackAround(starts[len(starts)-1], c.zone))
		}
	}
	// A time that a change of the clock leaves out may come behind later ones.
	slices.SortFunc(starts, time.Time.Compare)
	starts = slices.CompactFunc(starts, time.Time.Equal)
	return starts[:min(len(starts), most)]
}

// instants returns when the clock on the wall shows a time at which windows begin.
func (c *cron) instants(wall time.Time) []time.Time {
	first, second := fromWall(wall, c.zone)
	if c.hourly && !second.IsZero() {
		return []time.Time{first, second}
	}
	return []time.Time{first}
}
