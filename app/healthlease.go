package app

import (
	"context"
	"time"

	"github.com/devops-insights/devops-insights/app/errclass"
	"github.com/devops-insights/devops-insights/app/health"
	"github.com/devops-insights/devops-insights/poller/lease"
	"github.com/devops-insights/devops-insights/store"
)

// watchLease reports who polls, where instances take turns at it, until ctx ends.
func (a *App) watchLease(ctx context.Context) error {
	if a.buffer == nil {
		return nil // nobody else can
	}
	term := a.opts.Config.PollLease
	parts := make(map[string]*leasePart)
	return every(ctx, probeEvery, func() error {
		now := time.Now()
		names := leaseNames(a.Catalog())
		// At first: another API may get the name of one that goes.
		for api, p := range parts {
			if p.Name() != names[api] {
				p.Remove()
				delete(parts, api)
			}
		}
		for api, name := range names {
			p := parts[api]
			if p == nil {
				p = &leasePart{a.board.Part(name, probeWithin+2*term), now}
				parts[api] = p
			}
			if report := leaseReport(a.leaseStatus(api), term, p.began, now); report.State != "" {
				p.Report(report)
			}
		}
		return nil
	})
}

// leaseNames are the names of the parts, by API.
func leaseNames(c store.Catalog) map[string]string {
	names := make(map[string]string)
	for i, api := range c {
		if names[api.Name] = partLease; i > 0 {
			names[api.Name] = partLease + ":" + api.Name
		}
	}
	return names
}

// leasePart is the place of one API's lease on the board.
type leasePart struct {
	*health.Reporter
	began time.Time
}

// leaseReport says how the lease is doing; nothing in the first moments, in which
// nobody need have it.
func leaseReport(s lease.Status, term time.Duration, began, now time.Time) health.Report {
	lately := began
	if s.Asked.After(lately) {
		lately = s.Asked
	}
	if s.Until.After(lately) {
		lately = s.Until
	}
	switch {
	case s.Mine:
		return well()
	case now.Sub(lately) > term && s.Err != nil:
		return down(errclass.Of(s.Err), "nobody can tell who polls, and no instance is known to: what keeps the lease "+faultWords(errclass.Of(s.Err)))
	case now.Sub(lately) > term:
		return down("NOBODY", "no instance has the lease: nothing is polled")
	case s.Err != nil:
		return degraded(errclass.Of(s.Err), "nobody can tell who polls: what keeps the lease "+faultWords(errclass.Of(s.Err)))
	case s.Asked.IsZero():
		return health.Report{}
	}
	return well()
}
