package app

import (
	"context"
	"fmt"
	"time"

	"github.com/devops-insights/devops-insights/app/config"
	"github.com/devops-insights/devops-insights/poller/alert/engine"
	"github.com/devops-insights/devops-insights/poller/alert/notify"
	"github.com/devops-insights/devops-insights/poller/alert/rule"
)

// showAlerts keeps up with what is decided, and what people say, on all instances.
func (a *App) showAlerts() {
	a.background("silences and maintenance", a.quiet.Run)
	a.background("alerts", a.mirror.Run)
	a.probeAtTimes(partAlerts, true, a.alertsReport)
}

// wordsTimeout is how long a term waits for what people have said.
const wordsTimeout = 5 * time.Second

// awaitWords waits until silences and the like were read once: else an instance that
// begins would tell receivers of alerts that are silenced. Polling does not wait for
// that. The error is that of ctx.
func (a *App) awaitWords(ctx context.Context) error {
	reading, cancel := context.WithTimeout(ctx, wordsTimeout)
	defer cancel()
	if err := a.quiet.Await(reading); err != nil && ctx.Err() == nil {
		a.log.Warn("silences, acknowledgements and maintenance are not known yet: receivers may be told of alerts that are silenced")
	}
	return ctx.Err()
}

// rules are those of the settings, ready to be evaluated, and receivers those who
// are told.
type rules struct {
	compiled  []*rule.Compiled
	receivers []notify.Receiver
}

func rulesOf(c config.Config) (r rules, err error) {
	r.receivers = c.AlertReceivers()
	for _, one := range c.AlertRules() {
		compiled, err := rule.Compile(one)
		if err != nil {
			return r, fmt.Errorf("the rule %s: %w", one.Name, err)
		}
		r.compiled = append(r.compiled, compiled)
	}
	return r, nil
}

// told are the receivers as the engine knows them.
func (r rules) told() (all []engine.Receiver) {
	for _, one := range r.receivers {
		all = append(all, engine.Receiver{Name: one.Name, Severities: one.Severities})
	}
	return all
}

func engineRegions(api config.API) (all []engine.Region) {
	for _, one := range api.Regions {
		all = append(all, engine.Region{Name: one.Name, Interval: one.Interval})
	}
	return all
}

// decide gives an API what decides about its alerts, and delivers messages.
func (p *pollers) decide(one *apiPoller, api config.API, r rules) (err error) {
	a := p.app
	one.engine, err = engine.New(engine.Options{
		API: one.name, Store: a.store, Past: a.store, Rules: r.compiled, Receivers: r.told(), Regions: engineRegions(api),
		MayStore: one.term.valid, Quiet: a.quiet.Of(one.name), Await: a.awaitWords, Offline: a.network.Failing, Fault: a.fault,
		Failing: one.failing, OnChange: a.mirror.Kick, Logger: a.log.WithField("api", one.name),
	})
	if err != nil {
		return err
	}
	one.sender, err = notify.New(notify.Options{
		Receivers: r.receivers, Outbox: one.engine, Firing: one.engine, MaySend: one.term.valid, ExternalURL: a.opts.Config.PublicURL,
		Observer: func(receiver string, r notify.Result) { a.metrics.Notified(receiver, string(r)) },
		Fault:    a.fault, Logger: a.log.WithField("api", one.name),
	})
	return err
}

// failing lists the receivers that do not take messages.
func (one *apiPoller) failing() (all []engine.ReceiverFailure) {
	for _, s := range one.sender.Status() {
		if !s.FailingSince.IsZero() {
			all = append(all, engine.ReceiverFailure{Receiver: s.Receiver, Since: s.FailingSince, Class: s.Class})
		}
	}
	return all
}

// during decides about alerts and delivers messages while the work goes on.
func (one *apiPoller) during(ctx context.Context, number int64, work func(context.Context) error) error {
	return one.engine.During(ctx, number, func(ctx context.Context) error {
		send := func(ctx context.Context) { _ = one.sender.Run(ctx) } // which ends when it is told to
		return beside(ctx, send, work)
	})
}

// alertsInfo is what /api/v1/info says of alerting.
type alertsInfo struct {
	Rules     []string `json:"rules"`
	Receivers []string `json:"receivers"`
	// Writable says that silences and the like can be written on this port, with
	// ALERT_TOKEN.
	Writable bool `json:"writable"`
}

func describeAlerts(c config.Config) alertsInfo {
	i := alertsInfo{Rules: []string{}, Receivers: receiverNames(c), Writable: c.AlertToken != ""}
	for _, one := range c.AlertRules() {
		i.Rules = append(i.Rules, one.Name)
	}
	return i
}

// receiverNames are those of the receivers in the settings; never nil.
func receiverNames(c config.Config) []string {
	names := []string{}
	for _, one := range c.AlertReceivers() {
		names = append(names, one.Name)
	}
	return names
}
