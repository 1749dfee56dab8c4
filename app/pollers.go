package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/devops-insights/devops-insights/app/config"
	"github.com/devops-insights/devops-insights/poller"
	"github.com/devops-insights/devops-insights/poller/alert/engine"
	"github.com/devops-insights/devops-insights/poller/alert/notify"
	"github.com/devops-insights/devops-insights/poller/lease"
	"github.com/devops-insights/devops-insights/poller/outcome"
	"github.com/devops-insights/devops-insights/store/rollup"
)

// pollers poll the APIs of the settings.
type pollers struct {
	app     *App
	onPoll  func(context.Context, poller.Result)
	holder  string // of their leases
	targets *targets

	applying sync.Mutex // one change at a time

	mu    sync.Mutex
	order []*apiPoller
	over  bool
}

// apiPoller is one API that is polled, as long as it stands in the settings.
type apiPoller struct {
	name     string
	term     *term
	poller   *poller.Poller
	recorder *outcome.Recorder
	runner   *rollup.Runner
	engine   *engine.Engine
	sender   *notify.Sender
	ctx      context.Context // ends when it is polled no more
	cancel   context.CancelFunc
	over     chan struct{} // closed when nothing of it runs any more
}

func newPollers(a *App, onPoll func(context.Context, poller.Result)) *pollers {
	return &pollers{app: a, onPoll: onPoll, holder: lease.NewHolder(), targets: newTargets(a)}
}

// all returns the APIs in the order of the settings.
func (p *pollers) all() []*apiPoller {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.order
}

// find returns the API of that name; nil where it is not polled.
func (p *pollers) find(name string) *apiPoller {
	for _, one := range p.all() {
		if one.name == name {
			return one
		}
	}
	return nil
}

// apply polls these APIs and no others: one that stays goes on, whatever of it
// has changed; of one that is gone the polls under way are the last. It calls serve
// before anything new is polled. With an error nothing has changed.
func (p *pollers) apply(ctx context.Context, apis []config.API, r rules, serve func()) error {
	p.applying.Lock()
	defer p.applying.Unlock()
	all, commit, err := p.targets.of(ctx, apis)
	if err != nil {
		return err
	}
	var order, begun []*apiPoller
	means := make([]map[string]*outcome.Classifier, len(apis))
	for i, api := range apis {
		one := p.find(api.Name)
		if one == nil {
			if one, err = p.make(api, all[i], r); err != nil {
				return err
			}
			begun = append(begun, one)
		}
		if means[i], err = classifiers(api); err != nil {
			return err
		}
		order = append(order, one)
	}
	for i, one := range order {
		if err := one.poller.Update(all[i]); err != nil {
			return err // of targets that were all made here, there is none
		}
		one.recorder.Update(means[i])
		one.runner.Update(kept(apis[i]))
		if err := one.sender.Update(r.receivers); err != nil {
			return err // of receivers that were checked, there is none
		}
		one.engine.Update(r.compiled, r.told(), engineRegions(apis[i]))
	}
	gone, err := p.replace(order)
	if err != nil {
		return err
	}
	commit()
	serve()
	for _, one := range begun {
		p.start(one)
	}
	return p.finish(ctx, gone)
}

// replace lets these APIs be the ones that are polled, and returns those that are
// not any more.
func (p *pollers) replace(order []*apiPoller) (gone []*apiPoller, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return nil, errors.New("the server is stopping")
	}
	for _, one := range p.order {
		if !slices.Contains(order, one) {
			gone = append(gone, one)
		}
	}
	p.order = order
	return gone, nil
}

// lastPoll is how long the polls under way of an API that is gone may take.
const lastPoll = 10 * time.Second

// finish ends APIs when their polls under way are over.
func (p *pollers) finish(ctx context.Context, gone []*apiPoller) (err error) {
	for _, one := range gone {
		last, cancel := context.WithTimeout(ctx, lastPoll)
		one.poller.Finish(last)
		cancel()
		err = errors.Join(err, one.end(ctx))
	}
	return err
}

// make returns what polls an API, which is not started yet.
func (p *pollers) make(api config.API, targets []poller.Target, r rules) (*apiPoller, error) {
	a := p.app
	one := &apiPoller{name: api.Name, term: a.elect(api.Name, p.holder), over: make(chan struct{})}
	one.ctx, one.cancel = context.WithCancel(context.Background())
	first, err := api.Regions[0].State.Classifier()
	if err != nil {
		return nil, err
	}
	one.recorder, err = outcome.New(outcome.Options{
		Store: a.store, Classifier: first, API: api.Name, MayStore: one.term.valid, Logger: a.log,
	})
	if err != nil {
		return nil, err
	}
	if err := p.decide(one, api, r); err != nil {
		return nil, err
	}
	one.runner = rollup.NewRunner(rollup.Options{Store: a.store, API: api.Name, Term: one.term.current, Logger: a.log})
	one.poller, err = poller.New(poller.Options{
		MayStore: one.term.valid, Observe: a.observePoll, Targets: targets, Saver: a.store, MaxBackoff: a.opts.Config.PollMaxBackoff, Logger: a.log,
		OnPoll: func(ctx context.Context, r poller.Result) {
			r.Unwatched = a.network.Judge(ctx, r)
			state, reason := one.recorder.Record(r)
			one.engine.Record(r, state, reason)
			p.onPoll(ctx, r)
		},
	})
	return one, err
}

// start begins to poll an API.
func (p *pollers) start(one *apiPoller) {
	go func() {
		defer close(one.over)
		err := p.app.guard("poller", func() error { return p.app.keepPast(one.ctx, one) })
		if err != nil && (one.ctx.Err() == nil || errors.Is(err, errPanic)) {
			p.app.fail(fmt.Errorf("the poller of the API %s ended: %w", one.name, err))
		}
	}()
}

// end stops polling an API, gives its lease back, and waits for that.
func (one *apiPoller) end(ctx context.Context) error {
	one.cancel()
	select {
	case <-one.over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close stops polling.
func (p *pollers) close(ctx context.Context) error {
	p.mu.Lock()
	p.over = true
	all := p.order
	p.mu.Unlock()
	for _, one := range all {
		one.cancel()
	}
	var err error
	for _, one := range all {
		err = errors.Join(err, one.end(ctx))
	}
	return errors.Join(err, p.targets.close(ctx))
}

// classifiers say what the values of each region of an API mean.
func classifiers(api config.API) (map[string]*outcome.Classifier, error) {
	means := make(map[string]*outcome.Classifier)
	for _, region := range api.Regions {
		c, err := region.State.Classifier()
		if err != nil {
			return nil, fmt.Errorf("region %s of the API %s: %w", region.Name, api.Name, err)
		}
		means[region.Name] = c
	}
	return means, nil
}

// kept says what is kept of an API in the tiers of the history.
func kept(api config.API) (all []rollup.Region) {
	for _, region := range api.Regions {
		all = append(all, rollup.Region{Source: region.Name, Fields: rollup.FieldOptions{
			State: region.State.StateField, Max: api.Fields.Max, Include: api.Fields.Include, Exclude: api.Fields.Exclude,
		}})
	}
	return all
}

// failingSince is since when results of polls wait for the store; zero where
// none do.
func (p *pollers) failingSince() (since time.Time) {
	for _, one := range p.all() {
		if t := one.recorder.Failing(); !t.IsZero() && (since.IsZero() || t.Before(since)) {
			since = t
		}
	}
	return since
}
