package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/devops-insights/devops-insights/app"
	"github.com/devops-insights/devops-insights/app/config"
	"github.com/devops-insights/devops-insights/app/transfer"
	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/engine"
	"github.com/devops-insights/devops-insights/poller/alert/rule"
	"github.com/devops-insights/devops-insights/store/past"
)

// replayCommand says what the rules of the settings would have made of the past.
func replayCommand(args []string) int {
	var f config.ReplayFlags
	c, rest, code, done := settingsOf("rules", f.Flags(), args)
	if done {
		return code
	}
	if len(rest) > 0 {
		return unusable(fmt.Errorf("%q is no argument of rules replay: the rules are those of the settings, --config names another file", rest[0]))
	}
	within, err := transfer.ParseRange(f.From, f.To, time.Now())
	if err == nil && (within.From.IsZero() || within.To.IsZero()) {
		err = errors.New("--from and --to are needed: for example --from \"7d ago\" --to now")
	}
	o := engine.ReplayOptions{API: c.ChosenAPI(), From: within.From, To: within.To}
	if err == nil {
		o.Rules, err = replayedRules(&c, f.Rule)
	}
	if err == nil {
		o.Regions, err = replayedRegions(&c)
	}
	if err != nil {
		return unusable(err)
	}
	ctx, stop := untilSignal()
	defer stop()
	history, closeHistory, err := openHistory(ctx, app.HistoryOptions{Config: c, File: f.File})
	if errors.Is(err, app.ErrInUse) {
		return failed(fmt.Errorf("%w: make a copy of it with `devops-insights backup -o copy.db`, and read that with --file copy.db", err))
	}
	if err != nil {
		return failed(err)
	}
	defer closeHistory()
	if err := app.CheckStored(ctx, history, c.Catalog(), c.ChosenAPI(), ""); err != nil {
		return failed(err)
	}
	reader, ok := history.(past.Reader)
	if !ok {
		return failed(errors.New("this store keeps no results of polls"))
	}
	o.Past = reader
	return replay(ctx, o, os.Stdout, f.JSON)
}

// replay writes a line for each incident, and to stderr what is to be known beside.
func replay(ctx context.Context, o engine.ReplayOptions, w io.Writer, asJSON bool) int {
	incidents := 0
	o.Each = func(in alert.Incident) error {
		incidents++
		if asJSON {
			return json.NewEncoder(w).Encode(in)
		}
		_, err := fmt.Fprintln(w, incidentLine(in, o.To))
		return err
	}
	o.Problem = func(p engine.Problem) {
		where := "over all regions"
		if p.Region != "" {
			where = "of " + p.Region
		}
		say(os.Stderr, fmt.Sprintf("the rule %s could not be evaluated %s at least once: %s", p.Rule, where, p.Sentence))
	}
	err := engine.Replay(ctx, o)
	if errors.Is(err, context.Canceled) {
		err = errors.New("stopped before the replay was complete")
	}
	if err != nil {
		return failed(err)
	}
	say(os.Stderr, fmt.Sprintf("%d incidents of %d rules from %s to %s", incidents, len(o.Rules), o.From.Format(time.RFC3339), o.To.Format(time.RFC3339)))
	return 0
}

// incidentLine is when an alert fired and for how long, which one, and what it said.
func incidentLine(in alert.Incident, to time.Time) string {
	end, lasted := "still firing", to.Sub(*in.StartedAt)
	if in.EndedAt != nil {
		end, lasted = in.EndedAt.Format(time.RFC3339), in.EndedAt.Sub(*in.StartedAt)
	}
	region := in.Region
	if region == "" {
		region = "(all)"
	}
	return strings.Join([]string{in.StartedAt.Format(time.RFC3339), end, lasted.Round(time.Second).String(), string(in.Severity), in.Rule, region, in.Summary}, "\t")
}

// replayedRules returns the rules of the settings, or the one of that name. Where
// there are none, because there is no receiver, they are the default ones.
func replayedRules(c *config.Config, name string) (all []*rule.Compiled, err error) {
	rules := c.AlertRules()
	if len(rules) == 0 {
		rules = rule.Defaults(c.AlertAfter)
	}
	var names []string
	for _, r := range rules {
		names = append(names, r.Name)
		if name != "" && r.Name != name {
			continue
		}
		compiled, err := rule.Compile(r)
		if err != nil {
			return nil, fmt.Errorf("the rule %s cannot be used: %w", r.Name, err)
		}
		all = append(all, compiled)
	}
	if len(all) == 0 {
		slices.Sort(names)
		return nil, fmt.Errorf("there is no rule %q: --rule can be %s", name, strings.Join(names, ", "))
	}
	return all, nil
}

// replayedRegions returns the regions of the API that is meant.
func replayedRegions(c *config.Config) (all []engine.Region, err error) {
	var names []string
	for _, api := range c.APIs() {
		names = append(names, api.Name)
		if api.Name != c.ChosenAPI() {
			continue
		}
		for _, r := range api.Regions {
			all = append(all, engine.Region{Name: r.Name, Interval: r.Interval})
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("the api %q is not in the settings: --api can be %s", c.ChosenAPI(), strings.Join(names, ", "))
	}
	return all, nil
}
