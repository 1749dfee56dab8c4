package app

import (
	"context"

	"github.com/devops-insights/devops-insights/app/config"
	"github.com/devops-insights/devops-insights/poller"
	"github.com/devops-insights/devops-insights/socket"
	"github.com/devops-insights/devops-insights/store"
)

// poll starts to poll the APIs of the settings.
func (a *App) poll(ctx context.Context, audience *socket.Audience) error {
	p := newPollers(a, func(_ context.Context, r poller.Result) {
		a.upstreams.polled(r)
		a.metrics.Polled(r)
		a.sendFailure(audience, r)
	})
	a.pollers.Store(p)
	a.onStop("pollers", p.close)
	return a.applyAPIs(ctx, a.opts.Config)
}

// applyAPIs polls and serves the APIs of the settings, and no others. Dashboards
// stay connected, and polls under way are not lost. With an error nothing has
// changed.
func (a *App) applyAPIs(ctx context.Context, c config.Config) error {
	apis := c.APIs()
	r, err := rulesOf(c)
	if err != nil {
		return err
	}
	return a.pollers.Load().apply(ctx, apis, r, func() {
		if err := a.quiet.Update(c.Planned()); err != nil { // the settings were checked
			a.log.WithError(err).Error("the windows of maintenance stay as they were")
		}
		a.upstreams.set(apis)
		catalog := c.Catalog()
		a.catalog.Store(&catalog)
		a.view.Adopt()
	})
}

// Catalog returns the APIs that are served, which a reload of the settings may
// change.
func (a *App) Catalog() store.Catalog { return *a.catalog.Load() }

// sendFailure tells the dashboards of a poll that failed.
func (a *App) sendFailure(audience *socket.Audience, r poller.Result) {
	if r.Err == nil {
		return
	}
	err := audience.SendFailure(socket.Failure{
		API: r.API, Source: r.Source, Error: r.Err.Error(), HTTPStatus: r.Err.HTTPStatus, Code: string(r.Err.Code),
	})
	if err != nil {
		a.log.WithError(err).Error("a failure could not be sent")
	}
}
