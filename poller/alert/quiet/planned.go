package quiet

import (
	"fmt"
	"time"
)

// Planned is a window of maintenance in the settings: once, from Start to End, or
// again and again, by Cron for Duration.
type Planned struct {
	// Name is its ID; Title, without one Name, and Comment are for people.
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

// The bounds of windows and silences.
const (
	// MinWindow and MaxWindow bound how long one lasts.
	MinWindow, MaxWindow = time.Minute, 31 * 24 * time.Hour
	// MaxSilence is the longest time that a silence lasts.
	MaxSilence = 366 * 24 * time.Hour
	// MaxAhead is how far ahead one may begin that people make.
	MaxAhead = 366 * 24 * time.Hour
	// MaxAnnounce is how long before it begins a window can be announced.
	MaxAnnounce = 30 * 24 * time.Hour
	// Horizon is how far ahead the times of a window by Cron are known.
	Horizon = 30 * 24 * time.Hour
)

// CheckPlanned returns an error, a sentence that names the field, where a window
// cannot be understood: also one by Cron that never begins, or of which one begins
// while the one before lasts.
func CheckPlanned(p Planned) error {
	once := !p.Start.IsZero() || !p.End.IsZero()
	switch {
	case p.Announce < 0 || p.Announce > MaxAnnounce:
		return fmt.Errorf("announce is %s: 0s to %s are allowed", p.Announce, days(MaxAnnounce))
	case once && (p.Cron != "" || p.Duration != 0):
		return fmt.Errorf("a window is there once, with start and end, or comes again, with cron and duration: not both")
	case once:
		return checkOnce(p.Start, p.End)
	case p.Cron == "":
		return fmt.Errorf("a window needs start and end, or cron and duration")
	}
	s, err := parseCron(p.Cron, p.Location)
	if err != nil {
		return err
	}
	if p.Duration < MinWindow || p.Duration > MaxWindow {
		return fmt.Errorf("duration is %s: %s to %s are allowed", p.Duration, MinWindow, days(MaxWindow))
	}
	gap, err := s.leastGap()
	if err != nil {
		return err
	}
	if p.Duration > gap {
		return fmt.Errorf("duration is %s, and by the cron %s it comes again after %s: a window has to end before the next one begins", p.Duration, s.text, gap)
	}
	return nil
}

func checkOnce(start, end time.Time) error {
	switch {
	case start.IsZero() || end.IsZero():
		return fmt.Errorf("start and end belong together: one of them is missing")
	case !end.After(start):
		return fmt.Errorf("the end %s is not after the start %s", end.Format(time.RFC3339), start.Format(time.RFC3339))
	case end.Sub(start) < MinWindow || end.Sub(start) > MaxWindow:
		return fmt.Errorf("from start to end it is %s: %s to %s are allowed", end.Sub(start), MinWindow, days(MaxWindow))
	}
	return nil
}

func days(d time.Duration) string { return fmt.Sprintf("%d days", int(d.Hours()/24)) }
