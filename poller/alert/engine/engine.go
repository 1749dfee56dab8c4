package engine

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/devops-insights/devops-insights/poller"
	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/rule"
	"github.com/devops-insights/devops-insights/store"
)

// Engine decides which alerts of an API fire. Its methods may be called by
// several goroutines.
type Engine struct {
	opts Options
	wake chan struct{} // Pending has changed
	due  chan struct{} // there is something to decide or to write

	mu       sync.Mutex
	settings settings
	running  bool
	queue    queue
	done     map[string]done          // by key; of messages that the ledger may still have
	outbox   []alert.Message          // as it is in the store
	firing   map[string][]alert.Alert // as they are in the store, by the receivers that know of them
	failing  time.Time
}

// settings are what Update replaces.
type settings struct {
	revision  int
	rules     []*rule.Compiled
	receivers []Receiver
	regions   []Region
}

// New returns an Engine. It decides while During runs.
func New(o Options) (*Engine, error) {
	o = o.withDefaults()
	if o.Store == nil || o.API == "" {
		return nil, errors.New("engine: a Store and an API are required")
	}
	e := &Engine{opts: o, wake: make(chan struct{}, 1), due: make(chan struct{}, 1), done: make(map[string]done)}
	e.Update(o.Rules, o.Receivers, o.Regions)
	return e, nil
}

// Update replaces the rules, the receivers and the regions, also while During
// runs. What is known of a region that stays is kept.
func (e *Engine) Update(rules []*rule.Compiled, receivers []Receiver, regions []Region) {
	e.mu.Lock()
	e.settings = settings{e.settings.revision + 1, slices.Clone(rules), slices.Clone(receivers), slices.Clone(regions)}
	e.mu.Unlock()
	signal(e.due)
}

// Record takes the result of a poll, and what was found of it. It never waits. It
// may be called by several goroutines, the results of one region in their order.
// Outside of During results are left out.
func (e *Engine) Record(r poller.Result, state store.State, reason string) {
	if r.API != e.opts.API {
		return
	}
	p := poll{region: r.Source, came: r.Data != nil, data: r.Data, changed: r.Changed, state: state, reason: reason, latency: r.Ended.Sub(r.Began)}
	e.mu.Lock()
	if e.running {
		p.passed = e.opts.Elapsed()
		e.queue.add(p)
	}
	e.mu.Unlock()
	signal(e.due)
}

// Pending returns the messages that are in the store and have not been delivered
// yet, in the order in which each receiver must hear them. There are none outside
// of During.
func (e *Engine) Pending() []alert.Message {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []alert.Message
	for _, m := range e.outbox {
		if _, over := e.done[m.Key]; !over {
			all = append(all, m)
		}
	}
	return all
}

// Wake receives when Pending has changed.
func (e *Engine) Wake() <-chan struct{} { return e.wake }

// Delivered takes the keys of messages that their receivers have taken.
func (e *Engine) Delivered(keys ...string) {
	for _, key := range keys {
		e.over(key, "")
	}
}

// GaveUp takes the key of a message that is not tried any more, and why.
func (e *Engine) GaveUp(key, why string) {
	if why == "" {
		why = "it was given up"
	}
	e.over(key, why)
}

// over notes what became of a message, if it is one that waits.
func (e *Engine) over(key, why string) {
	e.mu.Lock()
	_, known := e.done[key]
	if !known && slices.ContainsFunc(e.outbox, func(m alert.Message) bool { return m.Key == key }) {
		e.done[key] = done{passed: e.opts.Elapsed(), why: why}
	}
	e.mu.Unlock()
	signal(e.due)
}

// Firing returns the alerts that fire and that a receiver has been told of, as
// they are in the store; also those that have been suppressed since, because an
// Alertmanager takes what it hears no more of for resolved. There are none outside
// of During.
func (e *Engine) Firing(receiver string) []alert.Alert {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.firing[receiver])
}

// Failing returns since when the ledger cannot be written; zero where it can.
func (e *Engine) Failing() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.failing
}

// During does the work, in which polls are recorded and messages are sent, as the
// writer of the given term, and decides meanwhile. When the work has ended it
// writes what is left, and returns the work's error. One During runs at a time.
func (e *Engine) During(ctx context.Context, number int64, work func(context.Context) error) error {
	t := e.begin(number)
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	over := make(chan struct{})
	go func() {
		defer close(over)
		e.live(running, t)
	}()
	defer func() {
		stop()
		<-over
		e.end()
	}()
	return work(ctx)
}

// begin begins a term.
func (e *Engine) begin(number int64) *term {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running = true
	return newTerm(e, number)
}

// end ends a term: what is in the store is somebody else's to send.
func (e *Engine) end() {
	e.mu.Lock()
	e.running, e.queue = false, queue{}
	e.failing = time.Time{} // of a term that is over: the ledger is another one's to write
	e.mu.Unlock()
	e.publish(nil)
}

// publish shows what is in the store; nil: nothing is known of it.
func (e *Engine) publish(s *state) {
	var outbox []alert.Message
	firing := make(map[string][]alert.Alert)
	if s != nil {
		outbox = slices.Clone(s.Outbox)
		for _, one := range s.Alerts {
			for receiver, told := range one.Told {
				if one.State == alert.Firing && told.Firing {
					firing[receiver] = append(firing[receiver], one.Alert)
				}
			}
		}
	}
	e.mu.Lock()
	e.outbox, e.firing = outbox, firing
	if s != nil { // what is not in the store any more needs no note
		waits := make(map[string]bool, len(outbox))
		for _, m := range outbox {
			waits[m.Key] = true
		}
		for key := range e.done {
			if !waits[key] {
				delete(e.done, key)
			}
		}
	}
	e.mu.Unlock()
	signal(e.wake)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
