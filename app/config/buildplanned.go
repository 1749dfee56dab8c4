package config

import (
	"strings"
	"time"
	_ "time/tzdata" // for machines without time zones

	"github.com/adhocore/gronx"

	"github.com/devops-insights/devops-insights/poller/alert/quiet"
)

// defaultAnnounce is how long before it dashboards are told of a window.
const defaultAnnounce = time.Hour

func (b *alertsBuilder) buildPlanned(p *alertsPart) {
	if p.Maintenance != nil {
		b.count(b.lists[&p.Maintenance], len(p.Maintenance), maxPlanned, "maintenance")
	}
	seen := make(map[string]bool)
	for i := range p.Maintenance {
		part := &p.Maintenance[i]
		name, ok := b.name(&part.Name, "window", seen)
		w := b.window(part, name)
		if ok {
			b.c.alerts.planned = append(b.c.alerts.planned, w)
		}
	}
}

func (b *alertsBuilder) window(p *plannedPart, name string) quiet.Planned {
	had := len(b.r.problems)
	w := quiet.Planned{Name: name, Title: p.Title.value, Comment: p.Comment.value, Announce: defaultAnnounce, Location: b.zone(&p.TimeZone)}
	w.APIs, w.Regions = b.scope(&p.APIs, &p.Regions)
	if p.Announce.set {
		w.Announce = p.Announce.value
	}
	if w.Announce > quiet.MaxAnnounce {
		b.bad(p.Announce.place, "this is too long: at most %s", quiet.MaxAnnounce)
	}
	once, again := p.Start.there || p.End.there, p.Cron.there || p.Duration.there
	switch {
	case once && again:
		b.bad(p.Name.place, "a window is there once, with start and end, or comes again, with cron and duration: not both")
	case once:
		b.once(p, &w)
	case again:
		b.again(p, &w)
	default:
		b.bad(p.Name.place, "this window has no time: start and end are expected, or cron and duration")
	}
	if err := quiet.CheckPlanned(w); err != nil && len(b.r.problems) == had && !p.hasLost() {
		place := p.Cron.place
		if once {
			place = p.End.place
		}
		b.bad(place, "this window cannot be used: %s", err)
	}
	b.origins("alerts.maintenance."+name+".", map[string]given{
		"start": p.Start.given, "end": p.End.given, "cron": p.Cron.given, "duration": p.Duration.given, "time_zone": p.TimeZone.given,
		"announce": p.Announce.given, "title": p.Title.given, "comment": p.Comment.given,
		"apis": b.ofList(&p.APIs, len(p.APIs)), "regions": b.ofList(&p.Regions, len(p.Regions)),
	})
	return w
}

// hasLost reports whether a time of the window has a mistake, which is told.
func (p *plannedPart) hasLost() bool {
	for _, g := range []given{p.Start.given, p.End.given, p.Cron.given, p.Duration.given} {
		if g.there && !g.set {
			return true
		}
	}
	return false
}

// zone returns the time zone of a window; UTC where it has none, or has a mistake.
func (b *alertsBuilder) zone(p *textPart) *time.Location {
	zone, err := time.LoadLocation(p.value)
	if p.set && (err != nil || p.value == "" || strings.EqualFold(p.value, "local")) {
		b.bad(p.place, "no time zone has this name: one such as Europe/Berlin or America/New_York is expected, or UTC")
	}
	if err != nil {
		return time.UTC
	}
	return zone
}

// once takes a window with a begin and an end.
func (b *alertsBuilder) once(p *plannedPart, w *quiet.Planned) {
	if p.Start.there != p.End.there {
		b.bad(p.Name.place, "start and end belong together: one of them is missing")
		return
	}
	read := func(p *textPart) (t time.Time) {
		if !p.set {
			return t
		}
		t, sentence := parseTime(p.value, w.Location)
		if sentence != "" {
			b.bad(p.place, "%s", sentence)
			return time.Time{}
		}
		return t
	}
	w.Start, w.End = read(&p.Start), read(&p.End)
	if !w.Start.IsZero() && !w.End.IsZero() && !w.End.After(w.Start) {
		b.bad(p.End.place, "this end is not after the start")
	}
}

// again takes a window that comes again and again.
func (b *alertsBuilder) again(p *plannedPart, w *quiet.Planned) {
	w.Cron, w.Duration = strings.Join(strings.Fields(p.Cron.value), " "), p.Duration.value
	switch {
	case !p.Cron.there:
		b.bad(p.Name.place, "cron is missing: duration is how long a window lasts that cron lets begin")
	case p.Cron.set && (len(strings.Fields(w.Cron)) != 5 || !gronx.IsValid(w.Cron)):
		b.bad(p.Cron.place, "five fields are expected: minute, hour, day of the month, month and day of the week, such as 0 3 * * SUN")
	}
	switch {
	case !p.Duration.there:
		b.bad(p.Name.place, "duration is missing: how long a window lasts that cron lets begin")
	case p.Duration.set && (w.Duration < quiet.MinWindow || w.Duration > quiet.MaxWindow):
		b.bad(p.Duration.place, "this is out of range: %s to %s are allowed", quiet.MinWindow, quiet.MaxWindow)
	}
}
