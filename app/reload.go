package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/app/config"
	"github.com/devops-insights/devops-insights/app/health"
)

// lookPeriod is how often the files of the settings are looked at. A change is
// taken when two looks have found the same.
const lookPeriod = 2 * time.Second

// lookWithin is how long the files may not have been looked at: what a file system
// that does not answer holds is unknown.
const lookWithin = 15 * lookPeriod

// reloadMetrics hears how the last reload ended.
type reloadMetrics interface {
	SetReloadSuccessful(ok bool)
	SetReloadTime(at time.Time)
}

// settings are the ones in effect, and where they come from.
type settings struct {
	loader   *config.Loader    // nil: they stay as they are
	requests chan chan<- error // each is answered when the reload is over
	part     *health.Reporter  // nil without a loader
	report   health.Report     // of the last reload
	metrics  reloadMetrics     // nil: nobody counts

	mu      sync.Mutex
	current config.Config
	loaded  time.Time // when they were last found to be in order
}

func newSettings(c config.Config, l *config.Loader) *settings {
	return &settings{loader: l, requests: make(chan chan<- error), current: c, loaded: time.Now()}
}

// get returns the settings in effect, and when they were loaded.
func (s *settings) get() (config.Config, time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current, s.loaded
}

func (s *settings) set(c config.Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current, s.loaded = c, time.Now()
}

// errNoLoader is the answer where the settings did not come from files and flags.
var errNoLoader = errors.New("the settings of this server cannot be loaded again")

// Reload loads the settings again and applies what may change while the server
// runs; no connection and no poll under way is lost. A setting that needs a
// restart is named in a warning. Where the new settings cannot be used, the old
// ones stay and the error says why; the log, the board and the metrics say so too.
func (a *App) Reload(ctx context.Context) error {
	if a.settings.loader == nil {
		return errNoLoader
	}
	reply := make(chan error, 1)
	select {
	case a.settings.requests <- reply:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-reply:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// keepSettings keeps the settings as their files have them, from now on.
func (a *App) keepSettings() {
	if a.settings.loader == nil {
		return
	}
	a.settings.metrics = a.metrics
	a.settings.part, a.settings.report = a.board.Part(partSettings, lookWithin).Unlogged(), health.Report{State: health.OK}
	a.settings.part.Report(a.settings.report)
	a.background("settings", a.watchSettings)
}

// watchSettings reloads when it is asked to, and when a file of the settings
// changes.
func (a *App) watchSettings(ctx context.Context) error {
	look := time.NewTicker(lookPeriod)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case reply := <-a.settings.requests:
			reply <- a.reload(ctx, false)
		case <-look.C:
			_ = a.reload(ctx, true) // what is wrong has been told
		}
	}
}

// reload loads the settings, unless only a change counts and there is none, and
// applies them.
func (a *App) reload(ctx context.Context, onlyChanged bool) error {
	var fresh config.Config
	var warnings []string
	var refusal error
	nothing := false
	// A file system that does not answer must not keep the server from ending.
	err := within(ctx, func() error {
		l := a.settings.loader
		switch {
		case !onlyChanged:
			fresh, warnings, refusal = l.Load()
		case l.Changed():
			var settled bool
			fresh, warnings, settled, refusal = l.LoadChanged()
			nothing = !settled
		default:
			nothing = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	if nothing {
		a.settings.part.Report(a.settings.report)
		return nil
	}
	defer a.tellReloading()()
	if refusal == nil {
		refusal = a.apply(ctx, fresh, warnings)
	}
	if refusal != nil && ctx.Err() == nil {
		a.refused(refusal)
	}
	return refusal
}

// apply takes over what may change while the server runs.
func (a *App) apply(ctx context.Context, fresh config.Config, warnings []string) error {
	old, _ := a.settings.get()
	next := old.With(fresh)
	if err := a.applyAPIs(ctx, next); err != nil {
		return err
	}
	for _, w := range warnings {
		a.log.WithField("part", partSettings).Warn(w)
	}
	if level, err := logrus.ParseLevel(next.LogLevel); err == nil && next.LogLevel != old.LogLevel {
		a.logs.Levels.SetBase(level)
	}
	if names := next.Differences(&fresh); len(names) > 0 {
		a.log.WithField("settings", strings.Join(names, ", ")).Warn("these settings have changed and need a restart: until then the old ones are in effect")
	}
	a.settings.set(next)
	a.settings.tell(nil)
	a.log.WithField("settings", strings.Join(old.Differences(&next), ", ")).Info("the settings were loaded again")
	return nil
}

// classRefused is the class of settings that cannot be used.
const classRefused = "SETTINGS_REFUSED"

// refused says that the old settings stay, in one line.
func (a *App) refused(err error) {
	a.settings.tell(err)
	a.log.WithFields(logrus.Fields{"part": partSettings, "err_class": classRefused, logrus.ErrorKey: strings.ReplaceAll(err.Error(), "\n", "; ")}).
		Error("the settings have changed and cannot be used: the old ones stay in effect")
}

// tell tells the board and the metrics how a reload has ended.
func (s *settings) tell(err error) {
	if s.metrics != nil {
		s.metrics.SetReloadSuccessful(err == nil)
		if err == nil {
			s.metrics.SetReloadTime(time.Now())
		}
	}
	s.report = health.Report{State: health.OK}
	if err != nil {
		first, more, _ := strings.Cut(err.Error(), "\n")
		if more != "" {
			first += fmt.Sprintf(" (and %d more)", 1+strings.Count(more, "\n"))
		}
		s.report = health.Report{State: health.Degraded, Class: classRefused, Message: "the settings have changed and cannot be used, the old ones stay in effect: " + first}
	}
	s.part.Report(s.report)
}
