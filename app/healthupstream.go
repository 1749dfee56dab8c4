package app

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/devops-insights/devops-insights/app/config"
	"github.com/devops-insights/devops-insights/app/health"
	"github.com/devops-insights/devops-insights/poller"
	"github.com/devops-insights/devops-insights/poller/network"
	"github.com/devops-insights/devops-insights/store"
)

// upstreams reports how the regions answer: where this instance polls from every
// poll, else from what the one that polls has stored.
type upstreams struct {
	board *health.Board
	polls func(api string) bool // whether this instance does
	// stored returns the newest result of a region, or store.ErrNotFound.
	stored func(ctx context.Context, api, region string) (store.Interval, error)

	mu    sync.Mutex
	order []upstreamKey
	parts map[upstreamKey]*upstreamRegion
}

// upstreamRegion is a region's place on the board.
type upstreamRegion struct {
	part   *health.Reporter
	within time.Duration
}

type upstreamKey struct{ api, region string }

// set says what is polled from now on. Regions that were there before, under the
// same name, go on.
func (u *upstreams) set(apis []config.API) {
	u.mu.Lock()
	defer u.mu.Unlock()
	names := make(map[upstreamKey]string)
	u.order = nil
	for i, api := range apis {
		for _, region := range api.Regions {
			k := upstreamKey{api.Name, region.Name}
			if names[k] = partUpstream + ":" + region.Name; i > 0 {
				names[k] = partUpstream + ":" + api.Name + ":" + region.Name
			}
			u.order = append(u.order, k)
		}
	}
	// At first: another API may get the name of one that goes.
	for k, old := range u.parts {
		if old.part.Name() != names[k] {
			old.part.Remove()
		}
	}
	u.parts = make(map[upstreamKey]*upstreamRegion)
	for _, api := range apis {
		for _, region := range api.Regions {
			k := upstreamKey{api.Name, region.Name}
			within := 2*region.Interval + max(region.Timeout, time.Second) + 2*time.Second
			// The poller says more of it in the log.
			u.parts[k] = &upstreamRegion{u.board.Part(names[k], within).Unlogged(), within}
		}
	}
}

// region returns a region's place; nil where it is not polled.
func (u *upstreams) region(k upstreamKey) *upstreamRegion {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.parts[k]
}

// polled takes the result of a poll.
func (u *upstreams) polled(p poller.Result) {
	g := u.region(upstreamKey{p.API, p.Source})
	if g == nil {
		return // it was the last poll of a region that is gone
	}
	g.part.ReportFor(upstreamReport(p), max(g.within, p.Next.Sub(p.Ended)+p.Interval+p.Timeout+time.Second))
}

func upstreamReport(p poller.Result) health.Report {
	switch {
	case p.Err == nil, p.Data != nil: // what could not be stored is no fault of the upstream
		return well()
	case p.Unwatched:
		return health.Report{State: health.Unknown, Class: network.ClassFailing, Message: "our own network fails: nothing was learnt of it by the last poll"}
	case p.Err.Code == poller.CodePanic:
		return health.Report{State: health.Unknown, Class: string(p.Err.Code), Message: p.Err.Text}
	}
	return down(string(p.Err.Code), "the last poll failed: "+p.Err.Text)
}

// watch reports the regions that another instance polls, until ctx ends.
func (u *upstreams) watch(ctx context.Context) error {
	next := 0
	return every(ctx, lookEvery, func() error {
		next = u.look(ctx, u.others(), next)
		return nil
	})
}

// others are the regions that another instance polls.
func (u *upstreams) others() (keys []upstreamKey) {
	u.mu.Lock()
	order := u.order
	u.mu.Unlock()
	mine := make(map[string]bool)
	for _, k := range order {
		if _, asked := mine[k.api]; !asked {
			mine[k.api] = u.polls(k.api)
		}
		if !mine[k.api] {
			keys = append(keys, k)
		}
	}
	return keys
}

// The store is asked about what others poll lookEvery, and about at most so many
// regions.
const (
	lookEvery = 2 * time.Second
	mostLooks = 50
)

// look asks the store about the next few regions that another instance polls, and
// returns where to go on. What the store does not tell becomes unknown in time.
func (u *upstreams) look(ctx context.Context, others []upstreamKey, next int) int {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	for range min(mostLooks, len(others)) {
		k := others[next%len(others)]
		next = (next + 1) % len(others)
		last, err := u.stored(ctx, k.api, k.region)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return next
		}
		report := storedReport(last, time.Now())
		if g := u.region(k); g != nil && report.State != "" {
			g.part.ReportFor(report, max(g.within, time.Duration(len(others)/mostLooks+1)*lookEvery*2))
		}
	}
	return next
}

// storedReport says what another instance has found out; nothing where that is out
// of date.
func storedReport(last store.Interval, now time.Time) health.Report {
	switch {
	case now.After(last.Until):
		return health.Report{}
	case last.State == store.StateDown && last.Failures > 0:
		return down(last.Reason, "the last poll, by another instance, failed: "+last.Reason)
	case last.State == store.StateUnknown:
		return health.Report{}
	}
	return well()
}
