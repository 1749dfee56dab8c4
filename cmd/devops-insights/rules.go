package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/pflag"

	"github.com/devops-insights/devops-insights/app/config"
	"github.com/devops-insights/devops-insights/poller/alert/notify"
	"github.com/devops-insights/devops-insights/poller/alert/rule"
)

// rulesUsage says how the command is called.
const rulesUsage = "devops-insights rules check [FILE] is possible, and devops-insights rules replay"

// rulesCommand says which rules of alerts the settings have, or what is wrong with
// them.
func rulesCommand(args []string) int {
	if len(args) > 0 && args[0] == "replay" {
		return replayCommand(args[1:])
	}
	c, rest, warnings, err := config.LoadCommand(nil, args, os.Environ())
	if errors.Is(err, pflag.ErrHelp) {
		config.Help(os.Stdout)
		return 0
	}
	if len(rest) == 0 || len(rest) > 2 || rest[0] != "check" {
		return unusable(errors.New(rulesUsage))
	}
	if len(rest) == 2 {
		c, _, warnings, err = config.LoadCommand(nil, append([]string{"--config=" + rest[1]}, args...), os.Environ())
	}
	for _, w := range warnings {
		say(os.Stderr, w)
	}
	if err == nil {
		err = listRules(os.Stdout, &c)
	}
	if err != nil {
		return unusable(err)
	}
	return 0
}

// listRules writes each rule with what it looks at, and who is told.
func listRules(w io.Writer, c *config.Config) error {
	rules, receivers := c.AlertRules(), c.AlertReceivers()
	if len(rules) == 0 {
		_, err := fmt.Fprintln(w, "there are no rules: the default ones come with a receiver, such as ALERT_WEBHOOK_URL, others stand in the YAML file under alerts")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "RULE\tOVER\tFOR\tSEVERITY\tAPIS\tREGIONS\tRECEIVERS\tFROM")
	defaults := 0
	for _, r := range rules {
		compiled, err := rule.Compile(r)
		if err != nil {
			return fmt.Errorf("the rule %s cannot be used: %w", r.Name, err)
		}
		r, from := compiled.Rule(), "settings"
		if r.BuiltIn {
			from = "default"
			defaults++
		}
		told := orElse(strings.Join(toldOf(r, receivers), ","), "nobody")
		columns := []string{
			r.Name, string(r.Over), orElse(config.RuleFor(r), "at once"), string(r.Severity),
			orElse(strings.Join(r.APIs, ","), "all"), orElse(strings.Join(r.Regions, ","), "all"), told, from,
		}
		_, _ = fmt.Fprintln(table, strings.Join(columns, "\t"))
	}
	_ = table.Flush()
	_, err := fmt.Fprintf(w, "the rules are in order: %d, of which %d are defaults; receivers: %d, windows of maintenance: %d\n", len(rules), defaults, len(receivers), len(c.Planned()))
	return err
}

// toldOf returns the names of the receivers that are told of a rule's alerts.
func toldOf(r rule.Rule, receivers []notify.Receiver) (names []string) {
	for _, one := range receivers {
		meant := len(r.Receivers) == 0 || slices.Contains(r.Receivers, one.Name)
		if meant && (len(one.Severities) == 0 || slices.Contains(one.Severities, r.Severity)) {
			names = append(names, one.Name)
		}
	}
	return names
}

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
