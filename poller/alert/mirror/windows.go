package mirror

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/devops-insights/devops-insights/poller/alert"
)

// The states of a window.
const (
	scheduled = "scheduled"
	ended     = "ended"
)

// Windows returns the planned maintenance of an API that dashboards are told of:
// what is under way and what has been announced, the next one first. The slice must
// not be changed.
func (m *Mirror) Windows(api string) []alert.Window {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.windows[api]
}

// look asks for the windows of these APIs, and tells what has changed.
func (m *Mirror) look(apis []string) {
	if m.opts.Windows == nil {
		return
	}
	m.mu.RLock()
	before := m.windows
	m.mu.RUnlock()
	now, after := m.opts.Now(), make(map[string][]alert.Window, len(apis))
	for _, api := range apis {
		if shown := announced(m.opts.Windows(api), now); len(shown) > 0 {
			after[api] = shown
		}
	}
	m.mu.Lock()
	m.windows = after
	m.mu.Unlock()
	for _, api := range apis {
		m.tell(api, changedWindows(before[api], after[api]))
	}
	for api, gone := range before {
		if !slices.Contains(apis, api) {
			m.tell(api, changedWindows(gone, nil))
		}
	}
}

func (m *Mirror) tell(api string, changed []alert.Window) {
	if len(changed) > 0 {
		m.opts.OnWindows(api, changed)
	}
}

// announced returns the windows that are under way or have been announced.
func announced(all []alert.Window, now time.Time) (shown []alert.Window) {
	for _, w := range all {
		if w.State == ended || w.State == scheduled && w.AnnounceAt.After(now) {
			continue
		}
		shown = append(shown, w)
	}
	slices.SortStableFunc(shown, func(a, b alert.Window) int {
		return cmp.Or(a.StartsAt.Compare(b.StartsAt), strings.Compare(a.ID, b.ID))
	})
	return shown
}

// changedWindows returns what those who know the windows of before have to be told:
// those that are not there any more have ended.
func changedWindows(before, after []alert.Window) (changed []alert.Window) {
	for _, w := range before {
		if !slices.ContainsFunc(after, func(a alert.Window) bool { return sameOccurrence(w, a) }) {
			w.State = ended
			changed = append(changed, w)
		}
	}
	for _, w := range after {
		i := slices.IndexFunc(before, func(b alert.Window) bool { return sameOccurrence(w, b) })
		if i < 0 || !sameWindow(before[i], w) {
			changed = append(changed, w)
		}
	}
	return changed
}

// sameOccurrence reports whether it is the same time of the same window: those of a
// window that returns have one ID.
func sameOccurrence(a, b alert.Window) bool { return a.ID == b.ID && a.StartsAt.Equal(b.StartsAt) }

func sameWindow(a, b alert.Window) bool {
	return a.State == b.State && a.Title == b.Title && a.Comment == b.Comment && slices.Equal(a.Regions, b.Regions) &&
		a.EndsAt.Equal(b.EndsAt) && a.AnnounceAt.Equal(b.AnnounceAt)
}
