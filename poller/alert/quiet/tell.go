package quiet

import (
	"slices"
	"time"

	"github.com/devops-insights/devops-insights/poller/alert"
)

// occasion names one time of a window: those of a window that comes again have one
// ID.
type occasion struct {
	api, id string
	start   int64
}

func occasionOf(w alert.Window) occasion { return occasion{w.API, w.ID, w.StartsAt.UnixMilli()} }

// tell tells OnWindow of windows that have been announced, have begun, have ended or
// were changed since it was last called. It is Run's alone.
func (q *Quiet) tell() {
	if q.opts.OnWindow == nil {
		return
	}
	now, shown := q.opts.Now(), make(map[occasion]alert.Window)
	for _, api := range q.opts.Catalog().Names() {
		for _, w := range q.Windows(api) {
			if w.State == Scheduled && w.AnnounceAt.After(now) {
				continue
			}
			this := occasionOf(w)
			shown[this] = w
			if before, told := q.told[this]; !told || !sameWindow(before, w) {
				q.opts.OnWindow(w)
			}
		}
	}
	for this, w := range q.told {
		if _, goesOn := shown[this]; !goesOn {
			q.opts.OnWindow(over(w, now))
		}
	}
	q.told = shown
}

// over returns a window that is not there any more as it has ended.
func over(w alert.Window, now time.Time) alert.Window {
	w.State, w.EndsAt = Ended, earlier(w.EndsAt, now)
	w.StartsAt = earlier(w.StartsAt, w.EndsAt)
	return w
}

func sameWindow(a, b alert.Window) bool {
	return a.State == b.State && a.Title == b.Title && a.Comment == b.Comment && slices.Equal(a.Regions, b.Regions) &&
		a.EndsAt.Equal(b.EndsAt) && a.AnnounceAt.Equal(b.AnnounceAt)
}
