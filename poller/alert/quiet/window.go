package quiet

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/store"
)

// NewWindow asks for a window of maintenance.
type NewWindow struct {
	// ID, StartsAt, EndsAt and For are as those of a NewSilence.
	ID    string
	Title string
	// Regions are those that are meant; empty: all.
	Regions          []string
	StartsAt, EndsAt time.Time
	For              time.Duration
	// Announce is how long before it dashboards are told of it.
	Announce time.Duration
	Comment  string
}

func (q *Quiet) checkWindow(api string, n *NewWindow, who Who) error {
	if err := who.check(); err != nil {
		return err
	}
	if err := checkID(n.ID); err != nil {
		return err
	}
	if err := checkText("the title", n.Title, 1, maxTitle); err != nil {
		return err
	}
	if err := checkText("the comment", n.Comment, 0, maxComment); err != nil {
		return err
	}
	if n.Announce < 0 || n.Announce > MaxAnnounce {
		return refuse("announce is %s: 0s to %s are allowed", n.Announce, days(MaxAnnounce))
	}
	found, _ := q.opts.Catalog().Find(api)
	for i, region := range n.Regions {
		if !found.Has(region) || slices.Contains(n.Regions[:i], region) {
			return refuse("the region %.60q is unknown, or named twice: allowed are %s", region, strings.Join(found.Sources(), ", "))
		}
	}
	if q.inSettings(n.ID) {
		return fmt.Errorf("%w: %q is the name of one in the settings", ErrTaken, n.ID)
	}
	return nil
}

// AddWindow stores a window, as AddSilence does a silence.
func (q *Quiet) AddWindow(ctx context.Context, api string, n NewWindow, who Who) (w alert.Window, created bool, err error) {
	at, given := place{store.RecordMaintenance, api, n.ID}, n.ID != ""
	if !given {
		at.id = newID()
	}
	defer func() { q.audit("add_maintenance", at, who, outcome(created, "created"), err) }()
	if err := q.checkWindow(api, &n, who); err != nil {
		return w, false, err
	}
	now := store.Milliseconds(q.opts.Now())
	times, err := spanOf(n.StartsAt, n.EndsAt, n.For, MaxWindow, now)
	request := fingerprint([]any{n, who.Name})
	if err != nil {
		// A request that is repeated may be about a time that is over.
		if e, found := q.before(ctx, at, given, request); found {
			return windowAt(*e.window, now), false, nil
		}
		return w, false, err
	}
	e, created, err := q.create(ctx, at, given, request, times, windowText{alert.Window{
		ID: at.id, API: api, Title: n.Title, Regions: n.Regions, StartsAt: times.start, EndsAt: times.end,
		AnnounceAt: times.start.Add(-n.Announce), CreatedBy: who.Name, Comment: n.Comment,
	}, request})
	if err != nil {
		return w, false, err
	}
	return windowAt(*e.window, now), created, nil
}

// EndWindow ends a window now, as EndSilence does a silence. One of the settings is
// ErrSettings.
func (q *Quiet) EndWindow(ctx context.Context, api, id string, who Who) (w alert.Window, err error) {
	at, changed := place{store.RecordMaintenance, api, id}, false
	defer func() { q.audit("end_maintenance", at, who, outcome(changed, "ended"), err) }()
	if err := who.check(); err != nil {
		return w, err
	}
	if q.inSettings(id) {
		return w, fmt.Errorf("%w: change alerts.maintenance there to end %q", ErrSettings, id)
	}
	if !idForm.MatchString(id) {
		return w, missing(at)
	}
	now := store.Milliseconds(q.opts.Now())
	e, changed, err := q.change(ctx, at, now, func(e *entry) (any, error) {
		switch {
		case e == nil:
			return nil, missing(at)
		case !e.window.EndsAt.After(now):
			return nil, nil
		}
		next := *e.window
		next.StartsAt, next.EndsAt, next.EndedBy = earlier(next.StartsAt, now), now, who.Name
		next.AnnounceAt = earlier(next.AnnounceAt, next.StartsAt)
		return windowText{next, e.request}, nil
	})
	if err != nil {
		return w, err
	}
	return windowAt(*e.window, now), nil
}

// inSettings reports whether a window of this name stands in the settings.
func (q *Quiet) inSettings(name string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.ContainsFunc(q.planned, func(p planned) bool { return p.Name == name })
}
