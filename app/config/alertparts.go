package config

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/devops-insights/devops-insights/app/config/yamltree"
)

// alertsPart is what the file says of alerts.
type alertsPart struct {
	DefaultRules boolPart              `json:"default_rules,omitempty" jsonschema_description:"Whether the rules region-down, data-stale and own-network are there, as soon as there is a receiver; without it true."`
	Receivers    several[receiverPart] `json:"receivers,omitempty" jsonschema_description:"Who is told of alerts. The setting alert-webhook-url is one more, with the name webhook."`
	Rules        several[rulePart]     `json:"rules,omitempty" jsonschema_description:"When there is an alert. A rule with the name of a default rule takes its place."`
	Maintenance  several[plannedPart]  `json:"maintenance,omitempty" jsonschema_description:"When nobody is told, because work is planned."`
}

func (p *alertsPart) read(y *yamlFile, n *yamltree.Node) { y.mapping(n, p) }

// receiverPart is somebody who is told.
type receiverPart struct {
	Name        textPart              `json:"name" jsonschema_description:"Name of the receiver: letters, digits, dots, hyphens and underscores, at most 64."`
	Type        typePart              `json:"type,omitempty" jsonschema_description:"webhook: each message is one POST, in Alertmanager's version-4 JSON or as the template has it. alertmanager: the alerts themselves are posted to /api/v2/alerts. Without it webhook."`
	URL         secretPart            `json:"url" jsonschema_description:"Where messages go, http:// or https://. May be file:PATH."`
	Headers     headersPart           `json:"headers,omitempty" jsonschema_description:"Headers of each request. A value may be file:PATH, and may be a template."`
	Template    filePart              `json:"template,omitempty" jsonschema_description:"File with a Go template for the body, for a webhook."`
	ContentType textPart              `json:"content_type,omitempty" jsonschema_description:"Content type of what the template makes; without it application/json."`
	Timeout     durationPart          `json:"timeout,omitempty" jsonschema_description:"Time for one request, at most 1m; without it 10s."`
	Severities  several[severityPart] `json:"severities,omitempty" jsonschema_description:"Which alerts this receiver is told of; without it all."`
	TLS         tlsPart               `json:"tls,omitempty" jsonschema_description:"How a receiver with https is trusted and asked."`
}

func (p *receiverPart) read(y *yamlFile, n *yamltree.Node) {
	p.Name.place, p.URL.place = n.Place, n.Place
	y.mapping(n, p)
}

// rulePart says when there is an alert.
type rulePart struct {
	Name        textPart          `json:"name" jsonschema_description:"Name of the rule, and of its alerts: at most 100 characters."`
	Expr        textPart          `json:"expr" jsonschema_description:"The condition, such as down, or data.results.stats.server.cpu_load > 90; docs/alerts.md has its names."`
	Over        overPart          `json:"over,omitempty" jsonschema_description:"region: the condition is asked of each region. all: once, of all regions of an API. Without it region, or all where the condition has a meaning only there."`
	For         waitPart          `json:"for,omitempty" jsonschema_description:"How long the condition must hold before the alert fires: a duration such as 5m, or a number of polls such as 3 polls; without it the alert fires at once."`
	KeepFor     durationPart      `json:"keep_for,omitempty" jsonschema_description:"How long the condition must be false before the alert is over; without it the alert is over at once."`
	Severity    severityPart      `json:"severity,omitempty" jsonschema_description:"How urgent it is; without it warning."`
	Labels      labelsPart        `json:"labels,omitempty" jsonschema_description:"Labels that are added to those of the alert."`
	Summary     textPart          `json:"summary,omitempty" jsonschema_description:"One sentence for the person who is told, a Go template; docs/alerts.md has its names."`
	Description textPart          `json:"description,omitempty" jsonschema_description:"More for this person, a Go template."`
	RunbookURL  textPart          `json:"runbook_url,omitempty" jsonschema_description:"Where it says what to do, a Go template."`
	Reminder    durationPart      `json:"reminder,omitempty" jsonschema_description:"After which time receivers are told again while it fires and nobody has acknowledged it, at least 1m; without it never."`
	Regions     several[textPart] `json:"regions,omitempty" jsonschema_description:"The regions that are meant; without it all."`
	APIs        several[textPart] `json:"apis,omitempty" jsonschema_description:"The APIs that are meant; without it all."`
	Receivers   several[textPart] `json:"receivers,omitempty" jsonschema_description:"The receivers that are told; without it all."`
}

func (p *rulePart) read(y *yamlFile, n *yamltree.Node) {
	p.Name.place, p.Expr.place = n.Place, n.Place
	y.mapping(n, p)
}

// plannedPart is a window of maintenance.
type plannedPart struct {
	Name     textPart          `json:"name" jsonschema_description:"Name of the window: letters, digits, dots, hyphens and underscores, at most 64."`
	Title    textPart          `json:"title,omitempty" jsonschema_description:"What people see; without it the name."`
	APIs     several[textPart] `json:"apis,omitempty" jsonschema_description:"The APIs that are meant; without it all."`
	Regions  several[textPart] `json:"regions,omitempty" jsonschema_description:"The regions that are meant; without it all."`
	Start    textPart          `json:"start,omitempty" jsonschema_description:"When it begins, for a window that is there once: 2026-12-24 22:00, or with an offset 2026-12-24T22:00:00+01:00."`
	End      textPart          `json:"end,omitempty" jsonschema_description:"When it ends, for a window that is there once."`
	Cron     textPart          `json:"cron,omitempty" jsonschema_description:"When it begins, for a window that comes again: minute, hour, day of the month, month, day of the week, such as 0 3 * * SUN."`
	Duration durationPart      `json:"duration,omitempty" jsonschema_description:"How long it lasts, for a window that comes again, 1m to 744h."`
	TimeZone textPart          `json:"time_zone,omitempty" jsonschema_description:"Where cron, start and end are read, such as Europe/Berlin; without it UTC."`
	Announce durationPart      `json:"announce,omitempty" jsonschema_description:"How long before it dashboards are told of it, at most 720h; without it 1h."`
	Comment  textPart          `json:"comment,omitempty" jsonschema_description:"Why, for people."`
}

func (p *plannedPart) read(y *yamlFile, n *yamltree.Node) {
	p.Name.place = n.Place
	y.mapping(n, p)
}

// severityPart, typePart and overPart are one of a few words.
type (
	severityPart struct{ textPart }
	typePart     struct{ textPart }
	overPart     struct{ textPart }
)

func (p *severityPart) read(y *yamlFile, n *yamltree.Node) {
	p.textPart.readOneOf(y, n, "critical", "warning", "info")
}

func (p *typePart) read(y *yamlFile, n *yamltree.Node) {
	p.textPart.readOneOf(y, n, "webhook", "alertmanager")
}

func (p *overPart) read(y *yamlFile, n *yamltree.Node) { p.textPart.readOneOf(y, n, "region", "all") }

// readOneOf reads one of the words.
func (t *textPart) readOneOf(y *yamlFile, n *yamltree.Node, words ...string) {
	t.read(y, n)
	if t.set && !slices.Contains(words, t.value) {
		last := len(words) - 1
		y.bad(n.Place, "%s or %s is expected here", strings.Join(words[:last], ", "), words[last])
		t.set = false
	}
}

// waitPart is a duration, or a number of polls.
type waitPart struct {
	durationPart
	polls int
}

func (w *waitPart) read(y *yamlFile, n *yamltree.Node) {
	text, ok := w.scalar(y, n)
	if !ok {
		return
	}
	polls := regexp.MustCompile(`^\s*(.*?)([0-9]+) *polls?\s*$`).FindStringSubmatch(text)
	switch {
	case polls == nil && strings.Contains(text, "poll"):
		y.bad(n.Place, "a number of polls is expected, such as 3 polls, or a duration such as 5m")
	case polls == nil:
		w.durationPart.read(y, n)
	case polls[1] != "":
		y.bad(n.Place, "a duration such as 5m or a number of polls such as 3 polls is expected, not both")
	default:
		count, err := strconv.Atoi(polls[2])
		if err != nil || count < 1 || count > maxAlertAfter {
			y.bad(n.Place, "1 to %d polls are allowed", maxAlertAfter)
			return
		}
		w.polls, w.set = count, true
	}
}

// labelsPart are labels by their names.
type labelsPart []labelPart

type labelPart struct {
	name  string
	value textPart
}

// ofAlert are the labels that every alert has.
var ofAlert = []string{"alertname", "api", "region", "severity"}

func (p *labelsPart) read(y *yamlFile, n *yamltree.Node) {
	if n.Kind == yamltree.Null {
		return
	}
	if n.Kind != yamltree.Mapping {
		y.bad(n.Place, "labels by their names are expected here, as in team: payments")
		return
	}
	name := regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]{0,99}$`)
	for _, e := range n.Entries {
		l := labelPart{name: e.Key}
		l.value.read(y, e.Value)
		switch {
		case !name.MatchString(e.Key):
			y.bad(e.Place, "this is no name of a label: letters, digits and underscores are allowed, and no digit at the begin")
		case slices.Contains(ofAlert, e.Key):
			y.bad(e.Place, "every alert has this label: leave it out")
		case l.value.set:
			*p = append(*p, l)
		}
	}
}

// timeLayouts are how times are written; those of the second kind have an offset.
var (
	localLayouts  = []string{"2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02T15:04:05"}
	offsetLayouts = []string{time.RFC3339, "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04Z07:00", "2006-01-02T15:04Z07:00"}
)

// parseTime reads a time of the day in the zone, or one with an offset. sentence says
// what is wrong; empty: nothing.
func parseTime(text string, zone *time.Location) (t time.Time, sentence string) {
	for _, layout := range offsetLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t, ""
		}
	}
	for _, layout := range localLayouts {
		t, err := time.ParseInLocation(layout, text, zone)
		switch {
		case err != nil:
		case t.Format(layout) != text:
			return t, "this time does not exist in the time zone: its clocks are set forward then"
		default:
			return t, ""
		}
	}
	return t, "a time is expected, such as 2026-12-24 22:00 or 2026-12-24T22:00:00+01:00"
}
