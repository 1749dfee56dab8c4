package notify

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/devops-insights/devops-insights/poller/alert"
)

// Sender delivers the messages of one API. Make it with New.
type Sender struct {
	opts    Options
	changed chan struct{} // the receivers are others
	running sync.Mutex

	mu      sync.Mutex
	targets []*target
	lanes   map[string]*worker // while Run runs

	crew sync.WaitGroup // the goroutines of all lanes
}

// lookAgain is how often the outbox is read without being asked to: a wake that
// is lost must not keep a message waiting for ever.
const lookAgain = 30 * time.Second

// worker is a lane that runs.
type worker struct {
	*lane
	stop context.CancelFunc
	over chan struct{}
}

// New returns a Sender, or a sentence about the first receiver that cannot be used.
func New(o Options) (*Sender, error) {
	if o.Outbox == nil {
		return nil, errors.New("a sender needs an outbox")
	}
	s := &Sender{opts: o.withDefaults(), changed: make(chan struct{}, 1), lanes: make(map[string]*worker)}
	return s, s.Update(o.Receivers)
}

// Update replaces the receivers, also while Run runs. One that has changed is
// tried at once. When Update returns an error, nothing has changed.
func (s *Sender) Update(receivers []Receiver) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := make(map[string]*target)
	for _, t := range s.targets {
		before[t.given.Name] = t
	}
	seen := make(map[string]bool)
	targets := make([]*target, 0, len(receivers))
	for _, r := range receivers {
		if seen[r.Name] {
			return fmt.Errorf("there are two receivers with the name %s", r.Name)
		}
		seen[r.Name] = true
		t := before[r.Name]
		if t == nil || !same(t.given, r) {
			var err error
			if t, err = compile(r, s.opts.Transport); err != nil {
				return err
			}
		}
		targets = append(targets, t)
	}
	s.targets = targets
	select {
	case s.changed <- struct{}{}:
	default:
	}
	return nil
}

// same reports whether two receivers are told in the same way.
func same(a, b Receiver) bool {
	if a.TLS != b.TLS {
		return false
	}
	a.TLS, b.TLS = nil, nil
	return reflect.DeepEqual(a, b)
}

// Run delivers until the context ends, and returns nil then. What is under way at
// that moment has Options.Grace to find its end; Delivered is called for it
// before Run returns. It can run again afterwards.
func (s *Sender) Run(ctx context.Context) error {
	if !s.running.TryLock() {
		return errors.New("this sender runs already")
	}
	defer s.running.Unlock()
	hard, cutOff := context.WithCancel(context.WithoutCancel(ctx))
	defer cutOff()
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	for ctx.Err() == nil {
		wake := s.opts.Outbox.Wake() // before Pending is read, so that no change is missed
		s.arrange(ctx, hard)
		s.distribute()
		select {
		case <-ctx.Done():
		case <-wake:
		case <-s.changed:
		case <-again.C:
		}
	}
	s.end(cutOff)
	return nil
}

// end waits for what is under way, and cuts it off when it takes too long.
func (s *Sender) end(cutOff func()) {
	over := make(chan struct{})
	go func() {
		defer close(over)
		s.crew.Wait()
	}()
	grace := time.NewTimer(s.opts.Grace)
	defer grace.Stop()
	select {
	case <-over:
	case <-grace.C:
		cutOff()
		<-over
	}
	s.mu.Lock()
	clear(s.lanes)
	s.mu.Unlock()
}

// arrange makes a lane for each receiver, and ends those of receivers that are
// gone or different.
func (s *Sender) arrange(ctx, hard context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lanes := make(map[string]*worker, len(s.targets))
	for _, t := range s.targets {
		if old := s.lanes[t.Name]; old != nil && old.target == t {
			lanes[t.Name] = old
		}
	}
	for name, old := range s.lanes {
		if lanes[name] == nil {
			old.stop()
		}
	}
	for _, t := range s.targets {
		if lanes[t.Name] == nil {
			lanes[t.Name] = s.start(ctx, hard, t, s.lanes[t.Name])
		}
	}
	s.lanes = lanes
}

// start makes a lane run, after the one that it takes the place of.
func (s *Sender) start(ctx, hard context.Context, t *target, before *worker) *worker {
	ctx, stop := context.WithCancel(ctx)
	w := &worker{lane: newLane(s.opts, t), stop: stop, over: make(chan struct{})}
	s.crew.Go(func() {
		defer close(w.over)
		defer stop()
		defer t.close()
		if before != nil {
			<-before.over // its last message may be under way
			w.follow(before.lane)
		}
		w.run(ctx, hard)
	})
	return w
}

// distribute hands each lane the messages of its receiver. The outbox is called
// without a lock: it may ask for the Status at the same time.
func (s *Sender) distribute() {
	pending := make(map[string][]alert.Message)
	for _, m := range s.opts.Outbox.Pending() {
		pending[m.Receiver] = append(pending[m.Receiver], m)
	}
	s.mu.Lock()
	for name, w := range s.lanes {
		w.set(pending[name])
		delete(pending, name)
	}
	s.mu.Unlock()
	now := s.opts.Now()
	for _, list := range pending {
		for _, m := range list {
			if now.Sub(m.CreatedAt) >= giveUpAfter {
				s.opts.Outbox.GaveUp(m.Key, "no receiver of this name is in the settings")
			}
		}
	}
}

// Status returns how the receivers stand, in the order of the settings.
func (s *Sender) Status() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Status, 0, len(s.targets))
	for _, t := range s.targets {
		if w := s.lanes[t.Name]; w != nil {
			list = append(list, w.status())
			continue
		}
		list = append(list, Status{Receiver: t.Name})
	}
	return list
}
