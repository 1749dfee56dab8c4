package app

import (
	"context"
	"net/http"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/devops-insights/devops-insights/app/metrics"
	"github.com/devops-insights/devops-insights/poller"
	"github.com/devops-insights/devops-insights/socket"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/mongostore"
)

// measures is what the metrics read of parts that would keep a scrape waiting.
type measures struct {
	size  atomic.Pointer[historySize]
	nodes atomic.Int64
}

type historySize struct{ rows, bytes int64 }

// newMetrics returns the metrics of this server.
func (a *App) newMetrics() *metrics.Metrics {
	revision := ""
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, s := range build.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value
			}
		}
	}
	m := metrics.New(metrics.Options{
		Version: a.opts.Version, Revision: revision, Go: runtime.Version(),
		Catalog: a.Catalog, Read: a.figures, TraceID: a.tracing.TraceID,
	})
	a.log.AddHook(a.logs.Levels.Shown(m.LogHook()))
	a.settings.metrics = m
	return m
}

// metricsRoute answers scrapes on the internal listener or, with main, on the port
// of the dashboards; nil where there is nothing to read.
func (a *App) metricsRoute(main bool) http.Handler {
	c := a.opts.Config
	h := a.metrics.Handler(a.log)
	switch {
	case c.MetricsAt == "off", main && !c.MetricsOnMain():
		return nil
	case main && c.MetricsToken != "":
		return metrics.Protect(h, c.MetricsToken)
	}
	return h
}

// observePoll is told of a poll between the answer of the upstream and the storing
// of its value.
func (a *App) observePoll(ctx context.Context, r poller.Result) (context.Context, func(poller.Result)) {
	a.metrics.Answered(r)
	if traces := a.tracesPolls(); traces != nil {
		return traces(ctx, r)
	}
	return ctx, func(poller.Result) {}
}

// measurePeriod is how often that is asked which a scrape must not wait for, and
// measureTimeout bounds it.
const (
	measurePeriod  = 5 * time.Second
	measureTimeout = 2 * time.Second
)

// measure asks until ctx ends.
func (a *App) measure(ctx context.Context) error {
	tick := time.NewTicker(measurePeriod)
	defer tick.Stop()
	for n := 0; ; n++ {
		if a.embedded != nil || n%12 == 0 || a.measures.size.Load() == nil {
			a.measureHistory(ctx)
		}
		a.measureCluster(ctx)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (a *App) measureHistory(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, measureTimeout)
	defer cancel()
	if a.embedded != nil {
		if sizes, err := a.embedded.Sizes(ctx); err == nil {
			a.measures.size.Store(&historySize{sizes.Rows.Count, sizes.Rows.Bytes})
		}
		return
	}
	db := a.mongo.Load()
	if db == nil {
		return
	}
	if rows, bytes, err := db.Size(ctx); err == nil {
		a.measures.size.Store(&historySize{rows, bytes})
	}
}

func (a *App) measureCluster(ctx context.Context) {
	if a.cluster == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, measureTimeout)
	defer cancel()
	n, err := a.cluster.Servers(ctx, "/")
	if err != nil {
		n = 0 // nobody else is heard
	}
	a.measures.nodes.Store(int64(n))
}

// figures reads what the parts of the server count. It waits for none of them.
func (a *App) figures() metrics.Figures {
	f := metrics.Figures{Parts: a.board.Parts(), Panics: uint64(a.panics.Load()), Cluster: metrics.ClusterFigures{Nodes: 1}}
	if a.logs.Writer != nil {
		f.LogDropped = a.logs.Writer.Stats().Lost
	}
	if a.sockets == nil {
		return f
	}
	f.Connections = a.sockets.Stats()
	f.Recovered, f.Lost = a.sockets.Recoveries()
	f.Panics += a.sockets.Panics()
	f.MemoryBound, f.MemoryQueued = a.sockets.Memory().Max(), a.sockets.Memory().Used()
	f.Regions = a.regionFigures()
	f.Store, f.Stream = a.storeFigures(), a.streamFigures()
	a.alertFigures(&f)
	for _, one := range a.polled() {
		f.Leader = f.Leader || one.term.valid()
		f.LeaseChanges += one.term.changes()
		if one.term.valid() {
			f.Store.RollupLag = max(f.Store.RollupLag, one.runner.Lag())
		}
	}
	if a.cluster != nil {
		s := a.cluster.Stats()
		f.Cluster = metrics.ClusterFigures{
			Connected: s.Connected, Published: s.Published, Dropped: s.Dropped, Gaps: s.Interruptions,
			Nodes: max(1, int(a.measures.nodes.Load())),
		}
	}
	return f
}

// polled returns the APIs that this instance polls, or would.
func (a *App) polled() []*apiPoller {
	if p := a.pollers.Load(); p != nil {
		return p.all()
	}
	return nil
}

// changes counts how often the term has begun or ended; 0 with the embedded store.
func (t *term) changes() uint64 {
	if t.election == nil {
		return 0
	}
	changes := 2 * t.election.leader.Terms()
	if changes > 0 && t.valid() {
		changes-- // the last one lasts
	}
	return changes
}

// place names a region of an API.
type place struct{ api, source string }

func (a *App) regionFigures() (all []metrics.RegionFigures) {
	now, changed := time.Now(), make(map[place]time.Time)
	breakers, states := make(map[place]poller.BreakerState), make(map[place]store.State)
	for _, one := range a.polled() {
		for _, t := range one.poller.Targets() {
			if t.Breaker != nil {
				breakers[place{t.API, t.Source}] = t.Breaker()
			}
		}
		if !one.term.valid() {
			continue
		}
		for source, state := range one.recorder.States() {
			states[place{one.name, source}] = state
		}
	}
	catalog := a.Catalog()
	for _, api := range catalog {
		for _, m := range a.view.Known(api.Name) {
			changed[place{m.API, m.Source}] = m.UpdatedAt
		}
		for _, source := range api.Sources() {
			at := place{api.Name, source}
			r := metrics.RegionFigures{
				Label: metrics.RegionLabel(catalog, api.Name, source), Members: a.sockets.Of("/").RoomSize(socket.Room(api.Name, source)),
				ValueAge: -1, State: states[at], Breaker: breakers[at],
			}
			if t, known := changed[at]; known {
				r.ValueAge = max(now.Sub(t), 0)
			}
			all = append(all, r)
		}
	}
	return all
}

func (a *App) storeFigures() metrics.StoreFigures {
	f := metrics.StoreFigures{Rows: -1, Bytes: -1}
	if size := a.measures.size.Load(); size != nil {
		f.Rows, f.Bytes = size.rows, size.bytes
	}
	if a.embedded != nil {
		s := a.embedded.Stats()
		f.Pending, f.Dropped, f.Deleted = s.Pending, s.Dropped, a.embedded.Deleted()
		return f
	}
	s := a.buffer.Stats()
	f.Pending, f.Dropped = s.Pending, s.Dropped
	if db := a.mongo.Load(); db != nil {
		f.Deleted = db.Deleted()
	}
	return f
}

// streamFigures tells how the changes of all writers are followed: with the
// embedded store there is no other writer.
func (a *App) streamFigures() (f metrics.StreamFigures) {
	if a.embedded != nil {
		f.Open = a.following.Load()
		return f
	}
	db := a.mongo.Load()
	if db == nil {
		return f
	}
	s := db.Stream()
	f.Open = db.Mode().Following == mongostore.ChangeStream && !s.Opened.IsZero()
	if !s.Awaited.IsZero() {
		f.Lag = max(time.Since(s.Awaited), 0)
	}
	f.Gaps = make(map[string]uint64)
	for reason, n := range s.Gaps {
		f.Gaps[string(reason)] = n
	}
	return f
}
