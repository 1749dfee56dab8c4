package app

import (
	"context"
	"time"

	"github.com/devops-insights/devops-insights/app/health"
	"github.com/devops-insights/devops-insights/poller/lease"
	"github.com/devops-insights/devops-insights/store/jsjson"
)

// The parts of the server as the board names them. Others have a name of their
// own behind these: see upstreamPart and leasePart.
const (
	partStoreRead    = "store_read"
	partStoreWrite   = "store_write"
	partChangeStream = "change_stream"
	partRedis        = "redis"
	partLease        = "lease"
	partUpstream     = "upstream"
	partClock        = "clock"
	partLog          = "log"
	partMemory       = "memory"
	partDisk         = "disk"
	partSettings     = "settings"
	partNetwork      = "network"
	partAlerts       = "alerts"
)

const (
	// probeEvery is how often a part is asked how it is, and probeTimeout how long
	// it may take: together they are less than the five seconds within which
	// health has to be right.
	probeEvery   = time.Second
	probeTimeout = 3 * time.Second
	// probeWithin is how long a probed part may be silent.
	probeWithin = 3 * probeTimeout
)

// watchHealth lets the parts report to the board from now on.
func (a *App) watchHealth() {
	a.beat = newBeat(a.beating)
	a.background("beat", a.beat.run)
	a.background("health", a.board.Watch)
	a.probe(partStoreRead, a.readReport)
	a.probe(partStoreWrite, a.writeReport)
	a.probe(partClock, func(context.Context) health.Report { return a.clock.report() })
	a.probe(partMemory, a.memoryReport)
	a.probeLog()
	a.probeDisk()
	a.probeRedis()
	a.background("health of the change stream", a.watchStream)
	a.background("health of the lease", a.watchLease)
	a.upstreams = &upstreams{board: a.board, polls: a.polls, stored: a.store.LastOutcome}
	a.upstreams.set(a.opts.Config.APIs())
	a.background("health of the upstream", a.upstreams.watch)
}

// probe adds a part that is asked how it is, and returns its place on the board.
func (a *App) probe(name string, ask func(context.Context) health.Report) *health.Reporter {
	r := a.board.Part(name, probeWithin)
	a.background("health of "+name, func(ctx context.Context) error {
		return a.board.Probe(ctx, r, probeEvery, probeTimeout, ask)
	})
	return r
}

// probeAtTimes adds a part that is on the board only while there is something to
// report, from now on. logged says whether its changes are.
func (a *App) probeAtTimes(name string, logged bool, ask func() (report health.Report, there bool)) {
	var part *health.Reporter
	look := func() error {
		switch report, there := ask(); {
		case there:
			if part == nil {
				if part = a.board.Part(name, probeWithin); !logged {
					part = part.Unlogged()
				}
			}
			part.Report(report)
		case part != nil:
			part.Remove()
			part = nil
		}
		return nil
	}
	_ = look() // so that it is there from the start
	a.background("health of "+name, func(ctx context.Context) error { return every(ctx, probeEvery, look) })
}

// well is the report of a part that is.
func well() health.Report { return health.Report{State: health.OK} }

func down(class, message string) health.Report {
	return health.Report{State: health.Down, Class: class, Message: message}
}

func degraded(class, message string) health.Report {
	return health.Report{State: health.Degraded, Class: class, Message: message}
}

// polls reports whether this instance polls the API.
func (a *App) polls(api string) bool {
	return a.buffer == nil || a.leaseStatus(api).Mine
}

// leaseStatus returns how the lease of an API is doing; the zero Status before
// it is asked for.
func (a *App) leaseStatus(api string) lease.Status {
	p := a.pollers.Load()
	if p == nil {
		return lease.Status{}
	}
	one := p.find(api)
	if one == nil || one.term.election == nil {
		return lease.Status{}
	}
	return one.term.election.leader.Status()
}

// setReady says whether dashboards should be sent here, to all who ask.
func (a *App) setReady(ready bool) {
	a.ready.Store(ready)
	a.board.SetServing(ready)
}

// stamp writes a time as JavaScript does.
func stamp(t time.Time) string { return t.UTC().Format(jsjson.TimeFormat) }
