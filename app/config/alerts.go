package config

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/devops-insights/devops-insights/poller/alert/notify"
	"github.com/devops-insights/devops-insights/poller/alert/quiet"
	"github.com/devops-insights/devops-insights/poller/alert/rule"
)

// alerts are what the YAML file says of them.
type alerts struct {
	withoutDefaults bool
	receivers       []receiver
	rules           []rule.Rule
	planned         []quiet.Planned
}

// receiver is one receiver of the file.
type receiver struct {
	notify.Receiver
	template string // the path of its file
	tls      UpstreamTLS
}

// AlertReceivers returns who is told of alerts: that of ALERT_WEBHOOK_URL, with the
// name webhook, and those of the YAML file.
func (c *Config) AlertReceivers() (all []notify.Receiver) {
	if c.AlertWebhookURL != "" {
		all = append(all, notify.Receiver{Name: webhookName, Type: notify.Webhook, URL: c.AlertWebhookURL})
	}
	for _, r := range c.alerts.receivers {
		all = append(all, r.Receiver)
	}
	return all
}

// AlertRules returns the default rules, unless there is no receiver, the YAML file
// does without them, or has rules with their names, and then the rules of the file.
// Each of them compiles.
func (c *Config) AlertRules() (all []rule.Rule) {
	if !c.alerts.withoutDefaults && len(c.AlertReceivers()) > 0 {
		all = slices.DeleteFunc(rule.Defaults(c.AlertAfter), func(d rule.Rule) bool {
			return slices.ContainsFunc(c.alerts.rules, func(r rule.Rule) bool { return strings.EqualFold(r.Name, d.Name) })
		})
	}
	return append(all, c.alerts.rules...)
}

// Planned returns the windows of maintenance of the YAML file.
func (c *Config) Planned() []quiet.Planned { return c.alerts.planned }

// equal reports whether two files say the same of alerts.
func (a alerts) equal(b alerts) bool {
	return a.withoutDefaults == b.withoutDefaults &&
		reflect.DeepEqual(a.rules, b.rules) &&
		slices.EqualFunc(a.receivers, b.receivers, func(x, y receiver) bool {
			x.TLS, y.TLS = nil, nil // tls has a digest of its files
			return reflect.DeepEqual(x, y)
		}) &&
		slices.EqualFunc(a.planned, b.planned, func(x, y quiet.Planned) bool {
			same := zoneOf(x) == zoneOf(y) && x.Start.Equal(y.Start) && x.End.Equal(y.End)
			for _, w := range []*quiet.Planned{&x, &y} {
				w.Location, w.Start, w.End = nil, time.Time{}, time.Time{}
			}
			return same && reflect.DeepEqual(x, y)
		})
}

func zoneOf(w quiet.Planned) string {
	if w.Location == nil {
		return time.UTC.String()
	}
	return w.Location.String()
}
