package quiet

import "time"

// maxShift is the largest change of a clock: Samoa left out a whole day.
const maxShift = 24 * time.Hour

// onWall returns what a clock on a wall shows at t, as the same time in UTC.
func onWall(t time.Time) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
}

// fromWall returns when a clock on a wall of a zone shows a time. Where a change of
// the clock leaves the time out, it is read as if the clock had not been changed
// yet; where it comes twice, both are returned. RFC 5545 reads times so, and takes
// the first of two.
func fromWall(wall time.Time, zone *time.Location) (first, second time.Time) {
	before, after := offset(wall.Add(-maxShift-maxOffset), zone), offset(wall.Add(maxShift+maxOffset), zone)
	first = wall.Add(-before)
	if other := wall.Add(-after); before == after || other.Equal(first) {
		return nearest(wall, first, zone), second
	} else if shows(other, wall, zone) {
		if !shows(first, wall, zone) {
			return other, second
		}
		if other.After(first) {
			second = other
		}
	}
	return first, second
}

// maxOffset is more than any zone is away from UTC.
const maxOffset = 15 * time.Hour

// nearest returns a time that the clock shows as wall where it was changed and set
// back within days.
func nearest(wall, guess time.Time, zone *time.Location) time.Time {
	if shows(guess, wall, zone) {
		return guess
	}
	if other := wall.Add(-offset(guess, zone)); shows(other, wall, zone) {
		return other
	}
	return guess
}

func shows(t, wall time.Time, zone *time.Location) bool { return onWall(t.In(zone)).Equal(wall) }

func offset(t time.Time, zone *time.Location) time.Duration {
	_, seconds := t.In(zone).Zone()
	return time.Duration(seconds) * time.Second
}

// slackAround returns how far the order of times on the wall may differ from that
// of time itself near t: nothing where no clock is changed.
func slackAround(t time.Time, zone *time.Location) time.Duration {
	begin, end := t.In(zone).ZoneBounds()
	if !begin.IsZero() && t.Sub(begin) < 2*maxShift || !end.IsZero() && end.Sub(t) < 2*maxShift {
		return maxShift
	}
	return 0
}
