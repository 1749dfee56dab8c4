package outcome

import (
	"time"

	"github.com/devops-insights/devops-insights/store"
)

// entry is an interval that is held in memory.
type entry struct {
	store.Interval
	latency *latency // nil: Interval.Latency has all of it
	dirty   bool     // the store has not confirmed that it holds this
	tried   bool     // the store may hold something under its From
}

// region is what is held of a region: the intervals that the store does not
// hold yet, oldest first, and the newest one, which goes on.
type region struct {
	held []*entry
	// known says that the oldest entry follows what the store holds.
	known bool
	// at is the time that was given to the last poll, and found its own.
	at, found time.Time
	// interval is the time between two polls.
	interval time.Duration
}

// last returns the interval that goes on; nil where there is none.
func (g *region) last() *entry {
	if len(g.held) == 0 {
		return nil
	}
	return g.held[len(g.held)-1]
}

// timeOf returns the time of a poll that found something at the given one: never one
// before that of the poll before. See the package on clocks.
func (g *region) timeOf(found time.Time) time.Time {
	at := store.Milliseconds(found)
	if !g.found.IsZero() {
		passed := max(found.Sub(g.found), 0) // by the monotonic clock
		if least := store.Milliseconds(g.at.Add(passed / 2)); at.Before(least) {
			at = least
		}
	}
	if last := g.last(); last != nil && at.Before(last.To) {
		at = last.To
	}
	g.at, g.found = at, found
	return at
}

// add lets the next interval follow: it goes on with the last one where the
// state is the same, and leaves an unknown time where it begins too late.
func (g *region) add(next *entry) {
	last := g.last()
	if last == nil {
		next.dirty = true
		g.held = append(g.held, next)
		return
	}
	next.From, next.To = later(next.From, last.To), later(next.To, last.To)
	if next.From.After(last.Until) {
		last = g.addUnknown(next.From)
	}
	last.dirty = true
	if last.State == next.State && last.Reason == next.Reason {
		last.extend(next)
		return
	}
	// Two intervals never begin at once: one that is over has some length.
	next.From = later(next.From, last.From.Add(time.Millisecond))
	next.To = later(next.To, next.From)
	last.To = next.From
	last.seal()
	next.dirty = true
	g.held = append(g.held, next)
}

// addUnknown fills the time up to the poll that came too late, and returns the
// last entry.
func (g *region) addUnknown(to time.Time) *entry {
	last := g.last()
	if last.State == store.StateUnknown {
		last.To, last.Until = to, to
		return last
	}
	last.To = later(last.To, last.From.Add(time.Millisecond))
	last.dirty = true
	last.seal()
	gap := &entry{Interval: store.Interval{
		API: last.API, Source: last.Source, From: last.To, To: later(to, last.To), Until: later(to, last.To), State: store.StateUnknown,
	}, dirty: true}
	g.held = append(g.held, gap)
	return gap
}

// extend lets the interval go on with what follows it.
func (e *entry) extend(next *entry) {
	e.To, e.Until = next.To, next.Until
	e.Polls += next.Polls
	e.Failures += next.Failures
	if next.latency == nil && len(next.Latency) == 0 {
		return
	}
	if e.latency == nil {
		e.latency = newLatency(e.Latency)
	}
	e.latency.merge(next)
}

// seal encodes the latency of an interval that is over: many may wait.
func (e *entry) seal() {
	if e.latency != nil {
		e.Latency, e.latency = e.latency.encode(), nil
	}
}

// interval returns what is to be stored.
func (e *entry) interval() store.Interval {
	iv := e.Interval
	if e.latency != nil {
		iv.Latency = e.latency.encode()
	}
	return iv
}

// limit joins the oldest intervals that were never written to an unknown one
// until no more than n are held. It reports whether it did.
func (g *region) limit(n int) (dropped bool) {
	for len(g.held) > n {
		i := 0
		for i < len(g.held) && (g.held[i].tried || !g.held[i].dirty) {
			i++
		}
		if i+2 >= len(g.held) {
			return dropped // the last one goes on
		}
		a, b := g.held[i], g.held[i+1]
		a.State, a.Reason, a.Latency, a.latency = store.StateUnknown, "", nil, nil
		a.To, a.Until = b.To, b.To
		a.Polls, a.Failures = a.Polls+b.Polls, a.Failures+b.Failures
		g.held = append(g.held[:i+1], g.held[i+2:]...)
		dropped = true
	}
	return dropped
}

// link puts what was held before anything was known behind the newest interval
// of the store.
func (g *region) link(newest store.Interval) {
	g.known = true
	for _, e := range g.held {
		if e.tried && e.From.Equal(newest.From) {
			return // it is an older state of what is held
		}
	}
	held := g.held
	g.held = append(make([]*entry, 0, len(held)+1), &entry{Interval: newest, tried: true})
	for _, e := range held {
		g.add(e)
	}
	if last := g.last(); g.at.Before(last.To) {
		g.at = last.To
	}
}

// forget takes off what the store holds, but for the newest one.
func (g *region) forget() {
	n := 0
	for n < len(g.held)-1 && !g.held[n].dirty {
		g.held[n] = nil
		n++
	}
	g.held = g.held[n:]
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
