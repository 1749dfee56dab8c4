package quiet

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/adhocore/gronx"

	"github.com/devops-insights/devops-insights/poller/alert"
)

// The bounds of windows.
const (
	// MinWindow and MaxWindow bound how long one lasts.
	MinWindow, MaxWindow = time.Minute, 31 * 24 * time.Hour
	// MaxAnnounce bounds how long before it dashboards are told of it.
	MaxAnnounce = 30 * 24 * time.Hour
)

// Planned is a window of maintenance in the settings: once, from Start to End, or
// again and again, by Cron for Duration.
type Planned struct {
	// Name is its ID; Title and Comment are for people.
	Name, Title, Comment string
	// APIs and Regions are those that are meant; empty: all.
	APIs, Regions []string
	Start, End    time.Time
	// Cron has five fields: minute, hour, day of the month, month, day of the week.
	// They are read in Location; nil: UTC.
	Cron     string
	Duration time.Duration
	Location *time.Location
	// Announce is how long before it dashboards are told of it.
	Announce time.Duration
}

// CheckPlanned returns what is wrong with a window, in a sentence.
func CheckPlanned(p Planned) error {
	if p.Announce < 0 || p.Announce > MaxAnnounce {
		return fmt.Errorf("it is announced %s before: 0 to %s are allowed", p.Announce, days(MaxAnnounce))
	}
	if p.Cron == "" {
		if p.Duration != 0 {
			return errors.New("it has a duration and no cron: a window that comes once has a start and an end")
		}
		return checkTimes(p.Start, p.End)
	}
	if !p.Start.IsZero() || !p.End.IsZero() {
		return errors.New("it has a cron, and a start or an end: a window comes once, from start to end, or again and again, by cron and duration")
	}
	if err := checkDuration(p.Duration); err != nil {
		return err
	}
	if len(strings.Fields(p.Cron)) != 5 || !gronx.IsValid(p.Cron) {
		return fmt.Errorf("%q is no cron: five fields are needed, minute hour day-of-month month day-of-week, as in 0 3 * * SUN", p.Cron)
	}
	return p.checkPeriod()
}

// checkedTicks is how many times of a cron are looked at before it is used.
const checkedTicks = 60

// checkPeriod refuses windows that would begin before the one before has ended, and
// crons that never come.
func (p Planned) checkPeriod() error {
	at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	before := time.Time{}
	for range checkedTicks {
		next, err := gronx.NextTickAfter(p.Cron, at, false)
		if err != nil || !next.After(at) {
			if before.IsZero() {
				return fmt.Errorf("the cron %q never comes", p.Cron)
			}
			return nil // so rarely that no two are near each other
		}
		if !before.IsZero() && next.Sub(before) < p.Duration {
			return fmt.Errorf("it lasts %s, and the cron %q comes again after %s: a window has to end before the next one begins", p.Duration, p.Cron, next.Sub(before))
		}
		at, before = next, next
	}
	return nil
}

func checkTimes(start, end time.Time) error {
	switch {
	case start.IsZero() || end.IsZero():
		return errors.New("it needs a start and an end, or a cron and a duration")
	case !end.After(start):
		return errors.New("it ends before it begins")
	}
	return checkDuration(end.Sub(start))
}

func checkDuration(d time.Duration) error {
	if d < MinWindow || d > MaxWindow {
		return fmt.Errorf("it lasts %s: %s to %s are allowed", d, MinWindow, days(MaxWindow))
	}
	return nil
}

func days(d time.Duration) string { return fmt.Sprintf("%d days", int(d/(24*time.Hour))) }

// mostTimes bounds how many times of one cron are looked for.
const mostTimes = 1000

// times returns when the window begins, for all that overlap the time from (part
// of it) to (not part of it), in order, at most mostTimes of them.
//
// Fixed hours are times of the wall clock: one that the clock leaves out is moved
// by as much as the clock, and one that comes twice counts once. Where the hour is
// a *, the clock's changes make no difference: every hour that passes has its own.
func (p Planned) times(from, to time.Time) (all []time.Time) {
	if p.Cron == "" {
		if p.Start.Before(to) && p.End.After(from) {
			return []time.Time{p.Start}
		}
		return nil
	}
	location := p.Location
	if location == nil {
		location = time.UTC
	}
	from = from.Add(-p.Duration)
	if fields := strings.Fields(p.Cron); len(fields) == 5 && strings.HasPrefix(fields[1], "*") {
		for _, zone := range offsets(from, to, location) {
			each(p.Cron, from, to, zone, func(at time.Time) {
				// Only where this is the offset at the time.
				if _, now := at.In(location).Zone(); now == offset(at.In(zone)) {
					all = append(all, at)
				}
			})
		}
		slices.SortFunc(all, time.Time.Compare)
		return all[:min(len(all), mostTimes)]
	}
	// The times of a wall clock, written as if it were that of UTC.
	const most = 26 * time.Hour // between any wall clock and UTC
	each(p.Cron, from.Add(-most), to.Add(most), time.UTC, func(wall time.Time) {
		at := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), 0, 0, location)
		if at.After(from) && at.Before(to) {
			all = append(all, at)
		}
	})
	return all
}

func offset(t time.Time) int {
	_, seconds := t.Zone()
	return seconds
}

// offsets returns the offsets from UTC that a place has within a time.
func offsets(from, to time.Time, location *time.Location) (all []*time.Location) {
	seen := make(map[int]bool)
	for at := from; ; at = at.Add(24 * time.Hour) {
		if at.After(to) {
			at = to
		}
		if o := offset(at.In(location)); !seen[o] {
			seen[o] = true
			all = append(all, time.FixedZone("", o))
		}
		if !at.Before(to) {
			return all
		}
	}
}

// each calls f for the times of a cron after from and before to, in a zone without
// changes.
func each(cron string, from, to time.Time, zone *time.Location, f func(time.Time)) {
	at := from.In(zone).Truncate(time.Minute)
	for range mostTimes {
		next, err := gronx.NextTickAfter(cron, at, false)
		if err != nil || !next.After(at) || !next.Before(to) {
			return
		}
		if next.After(from) {
			f(next)
		}
		at = next
	}
}

// windows returns the windows of the API that overlap a time.
func (p Planned) windows(api string, from, to time.Time) (all []alert.Window) {
	if len(p.APIs) > 0 && !slices.Contains(p.APIs, api) {
		return nil
	}
	for _, start := range p.times(from, to) {
		w := alert.Window{
			ID: p.Name, API: api, Title: p.Title, Comment: p.Comment, Regions: p.Regions, Settings: true,
			StartsAt: start.UTC(), EndsAt: start.Add(p.Duration).UTC(), AnnounceAt: start.Add(-p.Announce).UTC(),
		}
		if p.Cron == "" {
			w.EndsAt = p.End.UTC()
		}
		if w.EndsAt.After(from) {
			all = append(all, w)
		}
	}
	return all
}
