package app

import (
	"slices"
	"time"

	"github.com/devops-insights/devops-insights/app/metrics"
	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/mirror"
	"github.com/devops-insights/devops-insights/poller/alert/quiet"
	"github.com/devops-insights/devops-insights/socket"
)

// newMirror returns what shows the alerts that any instance decides to dashboards
// and metrics of this one. It is to run when the hub is there.
func (a *App) newMirror() (*mirror.Mirror, error) {
	return mirror.New(mirror.Options{
		Catalog: a.Catalog, Store: a.store, Logger: a.log,
		OnChange: func(_ string, changed []alert.Alert) {
			for _, one := range changed {
				a.logUnsent(a.hub.SendAlert(alertNotice(one)))
			}
		},
	})
}

// newQuiet returns what knows when nobody is to be woken, and tells dashboards of
// planned maintenance. It is to run when the hub is there.
func (a *App) newQuiet() (*quiet.Quiet, error) {
	return quiet.New(quiet.Options{
		Store: a.store, Catalog: a.Catalog, Planned: a.opts.Config.Planned(), Logger: a.log,
		OnWindow: func(w alert.Window) { a.logUnsent(a.hub.SendMaintenance(windowNotice(w))) },
	})
}

func (a *App) logUnsent(err error) {
	if err != nil {
		a.log.WithError(err).Warn("dashboards could not be told of an alert or of maintenance")
	}
}

// shownAlerts and shownWindows are what dashboards that ask are answered.
func (a *App) shownAlerts(api string) []socket.Notice {
	return notices(a.mirror.Alerts(api), alertNotice)
}

func (a *App) shownWindows(api string) []socket.Notice {
	return notices(announced(a.quiet.Windows(api), time.Now()), windowNotice)
}

// announced returns the windows of which dashboards are told: those under way, and
// those that have been announced.
func announced(all []alert.Window, now time.Time) []alert.Window {
	return slices.DeleteFunc(all, func(w alert.Window) bool { return w.State == quiet.Scheduled && w.AnnounceAt.After(now) })
}

// alertFigures tells the metrics of all alerts, and for how long messages wait for
// the receivers of the settings in effect.
func (a *App) alertFigures(f *metrics.Figures) {
	now, oldest := time.Now(), make(map[string]time.Duration)
	for _, api := range a.Catalog().Names() {
		content := a.mirror.Content(api)
		f.Alerts = append(f.Alerts, content.Alerts...)
		for _, q := range content.Queues {
			oldest[q.Receiver] = max(oldest[q.Receiver], now.Sub(q.Oldest))
		}
	}
	c, _ := a.settings.get()
	for _, name := range receiverNames(c) {
		f.Receivers = append(f.Receivers, metrics.ReceiverFigures{Name: name, Oldest: oldest[name]})
	}
}
