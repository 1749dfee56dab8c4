package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/devops-insights/devops-insights/poller/alert/quiet"
	"github.com/devops-insights/devops-insights/poller/alert/rule"
)

// linesOfAlerts shows what the YAML file says of alerts, and the default rules.
func (c *Config) linesOfAlerts() (lines []line) {
	add := func(name, text string) {
		if text = strings.Join(strings.Fields(text), " "); text != "" { // each is one line
			lines = append(lines, line{"# alerts." + name + "=" + text, cmp.Or(c.origins["alerts."+name], "default")})
		}
	}
	if origin := c.origins["alerts.default_rules"]; origin != "" && origin != "default" {
		add("default_rules", fmt.Sprint(!c.alerts.withoutDefaults))
	}
	for _, r := range c.alerts.receivers {
		r.lines(func(key, text string) { add("receivers."+r.Name+"."+key, text) })
	}
	for _, r := range c.AlertRules() {
		linesOfRule(r, func(key, text string) { add("rules."+r.Name+"."+key, text) })
	}
	for _, w := range c.alerts.planned {
		linesOfPlanned(w, func(key, text string) { add("maintenance."+w.Name+"."+key, text) })
	}
	return lines
}

func (r receiver) lines(add func(key, text string)) {
	add("type", r.Type)
	add("url", redactURL(r.URL))
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		add("header."+name, redacted)
	}
	add("template", r.template)
	add("content_type", r.ContentType)
	add("timeout", durationText(r.Timeout))
	add("severities", joined(r.Severities))
	add("tls", strings.Join([]string{r.tls.CA, r.tls.Cert, r.tls.Key, r.tls.ServerName}, " "))
}

func linesOfRule(r rule.Rule, add func(key, text string)) {
	add("expr", r.Expr)
	add("over", string(r.Over))
	add("for", RuleFor(r))
	add("keep_for", durationText(r.KeepFor))
	add("reminder", durationText(r.Reminder))
	add("severity", string(r.Severity))
	for _, name := range slices.Sorted(maps.Keys(r.Labels)) {
		add("label."+name, r.Labels[name])
	}
	add("summary", r.Summary)
	add("description", r.Description)
	add("runbook_url", r.RunbookURL)
	add("apis", joined(r.APIs))
	add("regions", joined(r.Regions))
	add("receivers", joined(r.Receivers))
}

func linesOfPlanned(w quiet.Planned, add func(key, text string)) {
	if w.Cron == "" {
		add("start", w.Start.Format(time.RFC3339))
		add("end", w.End.Format(time.RFC3339))
	}
	add("cron", w.Cron)
	add("duration", durationText(w.Duration))
	add("time_zone", zoneOf(w))
	add("announce", w.Announce.String())
	add("title", w.Title)
	add("comment", w.Comment)
	add("apis", joined(w.APIs))
	add("regions", joined(w.Regions))
}

// RuleFor writes how long the condition of a rule must hold, as the YAML file has it;
// empty: not at all.
func RuleFor(r rule.Rule) string {
	switch {
	case r.ForPolls == 1:
		return "1 poll"
	case r.ForPolls > 1:
		return fmt.Sprintf("%d polls", r.ForPolls)
	}
	return durationText(r.For)
}

func durationText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

func joined[T ~string](all []T) string {
	texts := make([]string, len(all))
	for i, one := range all {
		texts[i] = string(one)
	}
	return strings.Join(texts, ",")
}
