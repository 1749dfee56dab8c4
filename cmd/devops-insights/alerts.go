package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/devops-insights/devops-insights/app/config"
	"github.com/devops-insights/devops-insights/poller/alert/notify"
)

// alertsUsage says how the command is called.
const alertsUsage = "devops-insights alerts send-test [--receiver NAME] is possible"

// alertsCommand sends a test alert to the receivers of the settings, and says of
// each of them whether it has taken it.
func alertsCommand(args []string) int {
	var f config.AlertsFlags
	c, rest, code, done := settingsOf("alerts", f.Flags(), args)
	if done {
		return code
	}
	if len(rest) != 1 || rest[0] != "send-test" {
		return unusable(errors.New(alertsUsage))
	}
	receivers, err := receiversFor(c.AlertReceivers(), f.Receiver)
	if err != nil {
		return unusable(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	for _, r := range receivers {
		if err := notify.SendTest(ctx, r, c.PublicURL); err != nil {
			code = failed(err)
			continue
		}
		fmt.Printf("receiver %s has taken a test alert, and that it is resolved\n", r.Name)
	}
	return code
}

// receiversFor returns the receiver with a name, or all where there is no name.
func receiversFor(all []notify.Receiver, name string) ([]notify.Receiver, error) {
	if len(all) == 0 {
		return nil, errors.New("there are no receivers of alerts: set ALERT_WEBHOOK_URL, or name some in the YAML file under alerts")
	}
	if name == "" {
		return all, nil
	}
	if i := slices.IndexFunc(all, func(r notify.Receiver) bool { return r.Name == name }); i >= 0 {
		return all[i : i+1], nil
	}
	names := make([]string, 0, len(all))
	for _, r := range all {
		names = append(names, r.Name)
	}
	return nil, fmt.Errorf("there is no receiver %q: there are %s", name, strings.Join(names, ", "))
}
