package main

import (
	"context"
	"errors"
	stdlog "log"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/gin-gonic/gin"
	"github.com/redis/go-redis/v9"
	"github.com/sirupsen/logrus"

	"github.com/devops-insights/devops-insights/app"
	"github.com/devops-insights/devops-insights/app/config"
	"github.com/devops-insights/devops-insights/app/logging"
)

// serve runs the server until a signal ends it, and returns the exit code.
func serve(c config.Config, loader *config.Loader, warnings []string) (code int) {
	supervisor, supervisorErr := app.FindSupervisor(os.Getenv)
	// A log that nobody reads any more is no reason to end.
	signal.Ignore(syscall.SIGPIPE)
	log := logging.New(os.Stdout, logging.Options{Level: c.LogLevel, Format: c.LogFormat})
	defer log.Writer.Close()
	defer func() {
		if fault := recover(); fault != nil {
			log.WithFields(logrus.Fields{"err_class": "PANIC", "stack": string(debug.Stack())}).Errorf("a fault in the program ends it: %v", fault)
			code = exitFailure
		}
	}()
	libraries(log.Logger)
	for _, w := range warnings {
		log.WithField("part", "settings").Warn(w)
	}
	if supervisorErr != nil {
		log.WithField("part", "supervisor").Warn(supervisorErr)
	}
	limitMemory(c.MaxMemory, os.Getenv)
	ctx, stop := untilSignal()
	defer stop()
	asked := hangups(stop)
	a, err := app.New(ctx, app.Options{Config: c, Loader: loader, Log: log, Version: version})
	if setting := (*config.Error)(nil); errors.As(err, &setting) {
		log.WithError(err).Error("a setting cannot be used")
		return exitConfig
	}
	if err != nil && ctx.Err() != nil {
		log.Info("stopped before the start was over")
		return 0
	}
	if err != nil {
		log.WithError(err).Error("the server cannot start")
		app.Hold(ctx, os.Getenv)
		return exitFailure
	}
	if err := a.Supervise(supervisor); err != nil {
		log.WithError(err).Warn("the supervisor could not be told that the server is ready")
	}
	go reload(ctx, a, asked)
	if err := a.Run(ctx); err != nil {
		log.WithError(err).Error("stopped with an error")
		return exitFailure
	}
	return 0
}

// libraries lets those that log on their own write into the log.
func libraries(log *logrus.Logger) {
	gin.SetMode(gin.ReleaseMode)
	gin.DefaultWriter, gin.DefaultErrorWriter = logging.Lines(log.WithField("part", "gin"), logrus.DebugLevel), logging.Lines(log.WithField("part", "gin"), logrus.WarnLevel)
	redis.SetLogger(app.LibraryLog{FieldLogger: log.WithField("part", "redis")})
	stdlog.SetFlags(0)
	stdlog.SetOutput(logging.Lines(log.WithField("part", "a library"), logrus.WarnLevel))
}

// limitMemory lets the garbage collector work harder before the process takes
// more than this, unless GOMEMLIMIT says otherwise.
func limitMemory(bytes int64, getenv func(string) string) {
	if getenv("GOMEMLIMIT") == "" && bytes > 0 {
		debug.SetMemoryLimit(bytes)
	}
}

// reload loads the settings again as often as that is asked for, until ctx ends.
// What is wrong with them is in the log.
func reload(ctx context.Context, a *app.App, asked <-chan struct{}) {
	for {
		select {
		case <-asked:
			_ = a.Reload(ctx)
		case <-ctx.Done():
			return
		}
	}
}
