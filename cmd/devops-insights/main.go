// Command devops-insights polls a status API in six regions and pushes each
// change to Socket.IO dashboards. Commands: serve (the default), export, import,
// backup, restore, store, alerts, rules, healthcheck, config, version, help. Exit
// codes: 0 in order, 1 a failure, 78 a setting that cannot be used.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"github.com/devops-insights/devops-insights/app/config"
	"github.com/devops-insights/devops-insights/app/probe"
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
	if len(args) > 0 && !isFlag(args[0]) {
		command, args = args[0], args[1:]
	}
	switch {
	case command == "version" || slices.Contains(args, "--version"):
		fmt.Println(version)
		return 0
	case command == "help":
		config.Help(os.Stdout)
		return 0
	case command == "store":
		return storeCommand(args)
	case command == "export":
		return exportCommand(args)
	case command == "import":
		return importCommand(args)
	case command == "backup":
		return backupCommand(args)
	case command == "restore":
		return restoreCommand(args)
	case command == "alerts":
		return alertsCommand(args)
	case command == "config":
		return configCommand(args)
	case command == "rules":
		return rulesCommand(args)
	case !slices.Contains([]string{"serve", "healthcheck"}, command):
		args = append([]string{command}, args...) // Load says what is wrong with it
	}
	loader := config.NewLoader(args, os.Environ())
	settings, warnings, err := loader.Load()
	if errors.Is(err, pflag.ErrHelp) {
		config.Help(os.Stdout)
		return 0
	}
	if err != nil {
		say(os.Stderr, err.Error())
		return exitConfig
	}
	if command == "healthcheck" {
		if err := probe.Ready(context.Background(), settings.Server); err != nil {
			say(os.Stderr, err.Error())
			return exitFailure
		}
		return 0
	}
	return serve(settings, loader, warnings)
}

func isFlag(arg string) bool { return arg == "" || arg[0] == '-' }

// say writes a line and waits for it, but not for a reader that does not read.
func say(w io.Writer, line string) {
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = fmt.Fprintln(w, line)
	}()
	select {
	case <-written:
	case <-time.After(time.Second):
	}
}
