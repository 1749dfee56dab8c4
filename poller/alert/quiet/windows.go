package quiet

import (
	"cmp"
	"slices"
	"time"

	"github.com/devops-insights/devops-insights/poller/alert"
)

// The states of a window.
const (
	Scheduled = "scheduled"
	Active    = "active"
	Ended     = "ended"
)

const (
	// ahead is how far ahead windows are shown.
	ahead = 30 * 24 * time.Hour
	// calendarFor is for how long the calendar is used, and calendarMax how many
	// windows of one plan stand in it.
	calendarFor = time.Hour
	calendarMax = 100
)

// calendar holds the windows of the settings around a time.
type calendar struct {
	at      time.Time
	windows map[string][]alert.Window // by API
}

// windowKey names one time that a window comes.
type windowKey struct {
	api, id string
	start   int64
}

func keyOf(w alert.Window) windowKey { return windowKey{w.API, w.ID, w.StartsAt.UnixMilli()} }

// around returns the windows of the API around a time, sorted by their begin. q.mu
// is held.
func (q *Quiet) around(api string, now time.Time) []alert.Window {
	if gone := now.Sub(q.calendar.at); gone < 0 || gone >= calendarFor || q.calendar.windows == nil {
		q.calendar = calendar{now, make(map[string][]alert.Window)}
	}
	planned, known := q.calendar.windows[api]
	if !known {
		for _, p := range q.planned {
			all := p.windows(api, now.Add(-endedKept), now.Add(ahead+calendarFor))
			planned = append(planned, all[:min(len(all), calendarMax)]...)
		}
		q.calendar.windows[api] = planned
	}
	all := slices.Clone(planned)
	for _, w := range q.windows {
		if w.API == api {
			all = append(all, w)
		}
	}
	for i := range all {
		all[i].State = stateOf(all[i], now)
	}
	slices.SortFunc(all, func(x, y alert.Window) int {
		return cmp.Or(x.StartsAt.Compare(y.StartsAt), cmp.Compare(x.ID, y.ID))
	})
	return all
}

func stateOf(w alert.Window, now time.Time) string {
	switch {
	case !now.Before(w.EndsAt):
		return Ended
	case now.Before(w.StartsAt):
		return Scheduled
	}
	return Active
}

// active returns the windows in which now lies. q.mu is held.
func (q *Quiet) active(api string, now time.Time) (all []alert.Window) {
	for _, w := range q.around(api, now) {
		if w.State == Active {
			all = append(all, w)
		}
	}
	return all
}

// Windows returns the windows of an API that are active, and those that come
// within 30 days, sorted by their begin.
func (q *Quiet) Windows(api string) []alert.Window {
	now := q.opts.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.DeleteFunc(q.around(api, now), func(w alert.Window) bool { return w.State == Ended || w.StartsAt.After(now.Add(ahead)) })
}

// tellWindows tells OnWindow of windows that have been announced, have begun, or
// have ended since it was last called.
func (q *Quiet) tellWindows() {
	if q.opts.OnWindow == nil {
		return
	}
	now := q.opts.Now()
	var news []alert.Window
	q.mu.Lock()
	present := make(map[windowKey]bool)
	for _, api := range q.opts.Catalog() {
		for _, w := range q.around(api.Name, now) {
			key := keyOf(w)
			present[key] = true
			before, told := q.told[key]
			switch {
			case now.Before(w.AnnounceAt) && w.State == Scheduled:
				continue
			case !told && w.State == Ended:
				continue // before this process began
			case told && before.State == w.State && before.EndsAt.Equal(w.EndsAt):
				continue
			}
			q.told[key] = w
			news = append(news, w)
		}
	}
	for key, w := range q.told {
		if present[key] {
			continue
		}
		delete(q.told, key)
		if w.State != Ended { // it stands in the settings no more
			w.State = Ended
			news = append(news, w)
		}
	}
	q.mu.Unlock()
	for _, w := range news {
		q.opts.OnWindow(w)
	}
}

// Silences returns the silences of an API that are active or will be, and those
// that ended within a day, the newest first.
func (q *Quiet) Silences(api string) (all []alert.Silence) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, s := range q.silences {
		if s.API == api {
			all = append(all, s.Silence)
		}
	}
	slices.SortFunc(all, func(x, y alert.Silence) int {
		return cmp.Or(y.CreatedAt.Compare(x.CreatedAt), cmp.Compare(x.ID, y.ID))
	})
	return all
}
