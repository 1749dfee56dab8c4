package engine

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/devops-insights/devops-insights/poller/alert/rule"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/outcome"
)

// gauge knows what the past says of the regions: how long they were up, and when
// their values changed. It reads the store in a goroutine of its own, so that no
// decision waits for it.
type gauge struct {
	opts Options

	mu      sync.Mutex
	regions []string
	windows []time.Duration
	uptime  map[stretch]share
	changed map[string]time.Time // by region; zero: it is not known
}

// stretch is a window of a region.
type stretch struct {
	region string
	window time.Duration
}

// share is how much of a stretch a region was up.
type share struct {
	percent float64
	known   bool          // some of it was watched
	at      time.Duration // when that was measured
}

func newGauge(o Options) *gauge {
	return &gauge{opts: o, uptime: make(map[stretch]share), changed: make(map[string]time.Time)}
}

// want says what is to be known from now on.
func (g *gauge) want(regions []Region, rules []*rule.Compiled) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.regions, g.windows = nil, nil
	for _, r := range regions {
		g.regions = append(g.regions, r.Name)
	}
	for _, r := range rules {
		for _, w := range r.Windows() {
			if !slices.Contains(g.windows, w) {
				g.windows = append(g.windows, w)
			}
		}
	}
}

// run measures until ctx ends.
func (g *gauge) run(ctx context.Context) {
	if g.opts.Past == nil {
		return
	}
	ticker := time.NewTicker(g.opts.Every)
	defer ticker.Stop()
	for {
		g.learn(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// learn looks up what is missing or old.
func (g *gauge) learn(ctx context.Context) {
	g.mu.Lock()
	regions, windows := g.regions, g.windows
	g.mu.Unlock()
	for _, region := range regions {
		g.learnChange(ctx, region)
		for _, window := range windows {
			if ctx.Err() != nil {
				return
			}
			g.measure(ctx, stretch{region, window})
		}
	}
}

// measure measures a stretch if it is time. What fails is tried again at the next
// tick; what is known stays.
func (g *gauge) measure(ctx context.Context, s stretch) {
	passed := g.opts.Elapsed()
	g.mu.Lock()
	before, measured := g.uptime[s]
	g.mu.Unlock()
	if measured && passed-before.at < validFor(s.window) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, g.opts.Timeout)
	defer cancel()
	now := store.Milliseconds(g.opts.Now())
	u, err := outcome.Measure(ctx, g.opts.Past, g.opts.API, s.region, now.Add(-s.window), now, now)
	if err != nil {
		return
	}
	up, known := u.Ratio()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.uptime[s] = share{percent: 100 * up, known: known, at: passed}
}

// validFor is how long a measurement of a window is good: a small part of it.
func validFor(window time.Duration) time.Duration {
	return min(max(window/500, time.Second), 5*time.Minute)
}

func (g *gauge) learnChange(ctx context.Context, region string) {
	g.mu.Lock()
	_, known := g.changed[region]
	g.mu.Unlock()
	if known {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, g.opts.Timeout)
	defer cancel()
	var at time.Time
	err := g.opts.Past.Scan(ctx, store.Query{API: g.opts.API, Source: region, Limit: 1}, func(m store.Metric) error {
		at = m.CreatedAt
		return nil
	})
	if err != nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.changed[region] = at
}

// fill gives a region that has a value the time of its last change, where this
// term has seen none.
func (g *gauge) fill(w *watched) {
	if w.Value == nil || !w.ChangedAt.IsZero() {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	at, known := g.changed[w.Region.Region]
	switch {
	case !at.IsZero():
		w.ChangedAt = at
	case known || g.opts.Past == nil: // there is no row
		w.ChangedAt = w.ValueAt
	}
}

// percent is rule.Facts.Uptime.
func (g *gauge) percent(region string, window time.Duration) (percent float64, known bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if region != "" {
		s := g.uptime[stretch{region, window}]
		return s.percent, s.known
	}
	return g.mean(window)
}

// mean is the mean of the regions of which something is known. g.mu is held.
func (g *gauge) mean(window time.Duration) (percent float64, known bool) {
	n := 0
	for _, region := range g.regions {
		if s := g.uptime[stretch{region, window}]; s.known {
			percent += s.percent
			n++
		}
	}
	if n == 0 {
		return 0, false
	}
	return percent / float64(n), true
}

// measured reports whether a stretch has been measured.
func (g *gauge) measured(region string, window time.Duration) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, ok := g.uptime[stretch{region, window}]
	return ok
}
