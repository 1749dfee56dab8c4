// Command devops-insights polls a status API in six regions and pushes each
// change to Socket.IO dashboards. Commands: serve (the default), healthcheck,
// config, version. Exit codes: 0 in order, 1 a failure, 78 a bad setting.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/redis/go-redis/v9"
	"github.com/sirupsen/logrus"
	"github.com/spf13/pflag"

	"github.com/devops-insights/devops-insights/app"
)

// version is set by the build: -ldflags "-X main.version=…".
var version = "1.0.0"

const (
	exitFailure = 1
	exitConfig  = 78 // EX_CONFIG: a supervisor should not restart on it
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	command := "serve"
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		command, args = args[0], args[1:]
	}
	if command == "version" {
		fmt.Println(version)
		return 0
	}
	switch command {
	case "serve", "healthcheck", "config":
	default:
		args = append([]string{command}, args...)
	}
	config, warnings, err := app.LoadConfig(args, os.LookupEnv)
	if errors.Is(err, pflag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitConfig
	}
	switch command {
	case "config":
		for _, line := range config.Lines() {
			fmt.Println(line)
		}
		return 0
	case "healthcheck":
		return healthcheck(config)
	}
	return serve(config, warnings)
}

func serve(config app.Config, warnings []string) int {
	log := logrus.New()
	log.SetOutput(os.Stdout)
	log.SetFormatter(&logrus.JSONFormatter{TimestampFormat: time.RFC3339Nano})
	if level, err := logrus.ParseLevel(config.LogLevel); err == nil {
		log.SetLevel(level)
	}
	gin.SetMode(gin.ReleaseMode)
	redis.SetLogger(app.LibraryLog{FieldLogger: log})
	for _, w := range warnings {
		log.Warn(w)
	}
	ctx, stop := untilSignal()
	defer stop()
	a, err := app.New(ctx, app.Options{Config: config, Logger: log, Version: version})
	if err != nil {
		log.WithError(err).Error("the server cannot start")
		app.Hold(ctx, os.Getenv)
		return exitFailure
	}
	if err := a.Supervise(os.Getenv); err != nil {
		log.WithError(err).Warn("the supervisor could not be told that the server is ready")
	}
	if err := a.Run(ctx); err != nil {
		log.WithError(err).Error("stopped with an error")
		return exitFailure
	}
	return 0
}

// untilSignal ends the context at the first SIGINT or SIGTERM; the second one
// ends the process at once.
func untilSignal() (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		<-signals
		os.Exit(exitFailure)
	}()
	return ctx, func() { signal.Stop(signals); cancel() }
}

func healthcheck(config app.Config) int {
	client := http.Client{Timeout: 3 * time.Second}
	resp, err := client.Get("http://127.0.0.1:" + strconv.Itoa(config.ListenPort()) + "/readyz")
	if err != nil {
		fmt.Fprintln(os.Stderr, "not reachable:", err)
		return exitFailure
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if resp.StatusCode != http.StatusOK {
		fmt.Fprintf(os.Stderr, "not ready: %s\n", body)
		return exitFailure
	}
	return 0
}
