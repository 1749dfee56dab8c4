package config

import (
	"cmp"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/devops-insights/devops-insights/app/config/yamltree"
	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/rule"
)

// maxRuleName bounds the name of a rule, in characters.
const maxRuleName = 100

func (b *alertsBuilder) buildRules(p *alertsPart) {
	if p.Rules != nil {
		b.count(b.lists[&p.Rules], len(p.Rules), maxRules, "rules")
	}
	seen := make(map[string]bool)
	for i := range p.Rules {
		part := &p.Rules[i]
		r := b.rule(part)
		b.checkRuleName(&part.Name, seen)
		if part.Expr.set && part.Name.set {
			b.compile(part, r)
		}
		b.c.alerts.rules = append(b.c.alerts.rules, r)
	}
}

func (b *alertsBuilder) checkRuleName(p *textPart, seen map[string]bool) {
	folded := strings.ToLower(p.value)
	unprintable := func(sign rune) bool { return sign == utf8.RuneError || !unicode.IsPrint(sign) }
	switch {
	case !p.there:
		b.bad(p.place, "this rule has no name")
	case !p.set:
	case p.value == "" || utf8.RuneCountInString(p.value) > maxRuleName || strings.ContainsFunc(p.value, unprintable):
		b.bad(p.place, "this cannot be the name of the rule: 1 to %d printable characters are allowed", maxRuleName)
	case folded == rule.ReceiverFailing:
		b.bad(p.place, "%s is the name of the alert about a receiver that fails, which needs no rule: choose another one", rule.ReceiverFailing)
	case seen[folded]:
		b.bad(p.place, "this rule stands here a second time: letter case does not count")
	default:
		seen[folded] = true
		return
	}
	p.set = false
}

func (b *alertsBuilder) rule(p *rulePart) rule.Rule {
	r := rule.Rule{
		Name: p.Name.value, Expr: p.Expr.value, Over: rule.Over(p.Over.value), For: p.For.value, ForPolls: p.For.polls,
		KeepFor: p.KeepFor.value, Reminder: p.Reminder.value, Severity: alert.Severity(cmp.Or(p.Severity.value, string(alert.Warning))),
		Summary: p.Summary.value, Description: p.Description.value, RunbookURL: p.RunbookURL.value,
	}
	if !p.Expr.there {
		b.bad(p.Expr.place, "this rule has no expr: the condition, for example down")
	}
	for _, l := range p.Labels {
		if r.Labels == nil {
			r.Labels = make(map[string]string)
		}
		r.Labels[l.name] = l.value.value
	}
	r.APIs, r.Regions = b.scope(&p.APIs, &p.Regions)
	r.Receivers = b.names(&p.Receivers, "receiver", b.receivers, len(b.c.alerts.receivers) == len(b.doc.Alerts.Receivers))
	b.originsOfRule(p, "alerts.rules."+r.Name+".")
	return r
}

func (b *alertsBuilder) originsOfRule(p *rulePart, prefix string) {
	b.origins(prefix, map[string]given{
		"expr": p.Expr.given, "over": p.Over.given, "for": p.For.given, "keep_for": p.KeepFor.given, "reminder": p.Reminder.given,
		"severity": p.Severity.given, "summary": p.Summary.given, "description": p.Description.given, "runbook_url": p.RunbookURL.given,
		"apis": b.ofList(&p.APIs, len(p.APIs)), "regions": b.ofList(&p.Regions, len(p.Regions)), "receivers": b.ofList(&p.Receivers, len(p.Receivers)),
	})
	for _, l := range p.Labels {
		b.origins(prefix, map[string]given{"label." + l.name: l.value.given})
	}
}

// compile says what is wrong with a rule as a whole, and with its texts.
func (b *alertsBuilder) compile(p *rulePart, r rule.Rule) {
	if !p.Over.set {
		r.Over = "" // it has a mistake, or is left out
	}
	if p.Severity.there && !p.Severity.set {
		r.Severity = ""
	}
	texts := map[string]*textPart{"expr": &p.Expr, "summary": &p.Summary, "description": &p.Description, "runbook_url": &p.RunbookURL}
	places := map[string]yamltree.Place{"over": p.Over.place, "for": p.For.place, "keep_for": p.KeepFor.place, "reminder": p.Reminder.place}
	for range len(texts) + len(places) { // each time round one mistake is out of the way
		_, err := rule.Compile(r)
		var e *rule.Error
		if !errors.As(err, &e) {
			return
		}
		switch t, isText := texts[e.Field]; {
		case isText:
			b.badInside(t, e.Line, e.Column, "%s: %s", e.Field, e.Sentence)
		case places[e.Field] != yamltree.Place{}:
			b.bad(places[e.Field], "%s: %s", e.Field, e.Sentence)
		default:
			b.bad(p.Name.place, "%s: %s", e.Field, e.Sentence)
		}
		switch e.Field {
		case "summary":
			r.Summary = ""
		case "description":
			r.Description = ""
		case "runbook_url":
			r.RunbookURL = ""
		case "for":
			r.For, r.ForPolls = 0, 0
		case "keep_for":
			r.KeepFor = 0
		case "reminder":
			r.Reminder = 0
		case "labels":
			r.Labels = nil
		default:
			return
		}
	}
}
