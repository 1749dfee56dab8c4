// Package health is the board on which every part of the server reports how it
// is doing. Whatever shows health reads the board, and so no two places can say
// different things. It knows nothing of what the parts do.
package health

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/store/discard"
)

// State says how a part is doing.
type State string

// The states. Unknown is a part that has not reported within its time: nobody
// may take it for one that is well.
const (
	OK       State = "ok"
	Degraded State = "degraded"
	Down     State = "down"
	Unknown  State = "unknown"
)

// rank orders the states from well to bad.
func (s State) rank() int { return slices.Index([]State{OK, Unknown, Degraded, Down}, s) }

// Report is what a part says of itself. The zero value says nothing and counts
// as Unknown.
type Report struct {
	State State
	// Class is the cause as one short word that stays the same from one release
	// to the next, such as TIMEOUT or DISK_FULL; empty when the part is well.
	Class string
	// Message is one sentence for a person who has to act; empty when the part is
	// well. It holds nothing secret.
	Message string
}

// Part is what the board knows of a part at one moment.
type Part struct {
	Name  string
	State State
	// Since is when the state began.
	Since time.Time
	// LastSuccess is when the part last reported that it is well; zero: never.
	LastSuccess    time.Time
	Class, Message string
	// Starting says that the part is new and has time for its first report.
	Starting bool
}

// Options configures New. The zero value of every field is usable.
type Options struct {
	// Now is the clock; it should carry a monotonic reading. Nil: time.Now.
	Now func() time.Time
	// Logger gets one line for each change of a state. Nil: nobody does.
	Logger logrus.FieldLogger
}

// Board holds the state of every part.
type Board struct {
	now func() time.Time
	log logrus.FieldLogger

	mu      sync.Mutex
	serving bool
	parts   map[string]*Reporter
}

// New returns a board without parts, of a server that does not serve yet.
func New(o Options) *Board {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = discard.Logger()
	}
	return &Board{now: o.Now, log: o.Logger, parts: make(map[string]*Reporter)}
}

// SetServing says whether dashboards can be served at all: while they cannot,
// Overall is Down.
func (b *Board) SetServing(serving bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.serving = serving
}

// Part adds a part and returns what it reports with. One that has not reported
// for longer than within is Unknown; zero: it may be silent for any time. A part
// of this name that is there already goes on, with the new time.
func (b *Board) Part(name string, within time.Duration) *Reporter {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	r, there := b.parts[name]
	if !there {
		r = &Reporter{board: b, name: name, added: now, state: Unknown, since: now}
		b.parts[name] = r
	}
	r.within = within
	return r
}

// Parts returns all parts, by name.
func (b *Board) Parts() []Part {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	all := make([]Part, 0, len(b.parts))
	for _, r := range b.parts {
		all = append(all, r.snapshot(now))
	}
	slices.SortFunc(all, func(x, y Part) int { return cmp.Compare(x.Name, y.Name) })
	return all
}

// Lookup returns the part of this name; false where there is none.
func (b *Board) Lookup(name string) (Part, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, there := b.parts[name]
	if !there {
		return Part{}, false
	}
	return r.snapshot(b.now()), true
}

// Overall sums up: Down while dashboards cannot be served, Degraded while some
// part is not well, else OK. A new part has its time for a first report.
func (b *Board) Overall() State {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.serving {
		return Down
	}
	now := b.now()
	for _, r := range b.parts {
		if r.snapshot(now).State != OK && !r.starting(now) {
			return Degraded
		}
	}
	return OK
}

// Watch logs the parts that fall silent, until ctx ends: they cannot say so
// themselves.
func (b *Board) Watch(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		for _, line := range b.silent() {
			line()
		}
	}
}

// silent notes the parts that have fallen silent, and returns what is to be
// logged of them.
func (b *Board) silent() (lines []func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	for _, r := range b.parts {
		if p := r.snapshot(now); p.State == Unknown && r.state != Unknown {
			if line := r.change(now, Report{Unknown, p.Class, p.Message}, p.Since); line != nil {
				lines = append(lines, line)
			}
		}
	}
	return lines
}
