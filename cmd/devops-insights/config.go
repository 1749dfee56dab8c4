package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/pflag"

	"github.com/devops-insights/devops-insights/app/config"
)

// configCommand prints the effective settings, or says what is wrong with them.
func configCommand(args []string) int {
	var f config.ConfigFlags
	action, rest, c, warnings, err := loadFor(&f, args)
	if errors.Is(err, pflag.ErrHelp) {
		config.Help(os.Stdout)
		return 0
	}
	for _, w := range warnings {
		say(os.Stderr, w)
	}
	if err == nil && (len(rest) > 0 || action != "show" && action != "check" || action == "check" && f.Origin) {
		err = errors.New("devops-insights config, config show [--origin], and config check [FILE] are possible")
	}
	if err != nil {
		return unusable(err)
	}
	lines := c.Lines()
	switch {
	case action == "check":
		regions := 0
		for _, a := range c.APIs() {
			regions += len(a.Regions)
		}
		lines = []string{fmt.Sprintf("the settings are in order: APIs: %d, regions of all: %d", len(c.APIs()), regions)}
	case f.Origin:
		lines = c.LinesWithOrigin()
	}
	for _, line := range lines {
		fmt.Println(line)
	}
	return 0
}

// loadFor reads the settings, with the file that check names in place of
// CONFIG_FILE. rest are the arguments that are too many.
func loadFor(f *config.ConfigFlags, args []string) (action string, rest []string, c config.Config, warnings []string, err error) {
	c, rest, warnings, err = config.LoadCommand(f.Flags(), args, os.Environ())
	action = "show"
	if len(rest) > 0 {
		action, rest = rest[0], rest[1:]
	}
	if action == "check" && len(rest) == 1 {
		again := append([]string{"--config=" + rest[0]}, args...)
		c, _, warnings, err = config.LoadCommand(f.Flags(), again, os.Environ())
		rest = nil
	}
	return action, rest, c, warnings, err
}
