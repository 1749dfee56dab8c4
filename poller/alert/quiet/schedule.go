package quiet

import (
	"cmp"
	"slices"
	"time"

	"github.com/devops-insights/devops-insights/poller/alert"
)

// maxListed is how many times of one window by cron are known ahead.
const maxListed = 20

// planned is a window of the settings, ready to be asked.
type planned struct {
	Planned
	cron *cron // nil: it is there once
}

func compilePlanned(all []Planned) ([]planned, error) {
	ready := make([]planned, 0, len(all))
	for _, p := range all {
		if err := CheckPlanned(p); err != nil {
			return nil, err
		}
		one := planned{Planned: p}
		one.Title = cmp.Or(p.Title, p.Name)
		one.APIs, one.Regions = slices.Clone(p.APIs), slices.Clone(p.Regions)
		if p.Cron != "" {
			c, err := parseCron(p.Cron, p.Location)
			if err != nil {
				return nil, err
			}
			one.cron = c
		}
		ready = append(ready, one)
	}
	return ready, nil
}

// times returns when the window is there: the time that is under way, and what is to
// come; by cron the first ones within Horizon. No moment is in two of them.
func (p *planned) times(now time.Time) (all []span) {
	if p.cron == nil {
		if p.End.After(now) {
			return []span{{p.Start, p.End}}
		}
		return nil
	}
	starts := p.cron.between(now.Add(-p.Duration), now.Add(Horizon), maxListed+1)
	for i, start := range starts {
		s := span{start, start.Add(p.Duration)}
		if i+1 < len(starts) && starts[i+1].Before(s.end) {
			s.end = starts[i+1] // a change of the clock has brought them together
		}
		all = append(all, s)
	}
	return all[:min(len(all), maxListed)]
}

// span is a time from start on, up to end, which is not part of it.
type span struct{ start, end time.Time }

// occurrence is one time of a window of the settings.
type occurrence struct {
	apis   []string // empty: all
	window alert.Window
}

// occurrences returns when the windows are there, see planned.times.
func occurrences(all []planned, now time.Time) (found []occurrence) {
	for i := range all {
		p := &all[i]
		for _, s := range p.times(now) {
			found = append(found, occurrence{p.APIs, alert.Window{
				ID: p.Name, Title: p.Title, Comment: p.Comment, Regions: p.Regions, Settings: true,
				StartsAt: s.start.UTC(), EndsAt: s.end.UTC(), AnnounceAt: s.start.Add(-p.Announce).UTC(),
			}})
		}
	}
	return found
}

func (o *occurrence) of(api string) bool { return len(o.apis) == 0 || slices.Contains(o.apis, api) }

// The states of a window.
const (
	Scheduled = "scheduled"
	Active    = "active"
	Ended     = "ended"
)

// windowAt returns a window as it is at some time.
func windowAt(w alert.Window, now time.Time) alert.Window {
	switch {
	case !w.EndsAt.After(now):
		w.State = Ended
	case w.StartsAt.After(now):
		w.State = Scheduled
	default:
		w.State = Active
	}
	return w
}
