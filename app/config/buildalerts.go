package config

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/poller/alert/notify"
)

const (
	maxReceivers = 50
	maxRules     = 200
	maxPlanned   = 100
	// webhookName is the receiver of ALERT_WEBHOOK_URL.
	webhookName = "webhook"
)

// alertsBuilder makes the alerts of what the file says, on top of the settings and
// the APIs of c, which are complete.
type alertsBuilder struct {
	*yamlFile
	c    *Config
	apis []API // those that may be named
	// unsure says that there are further ones, which have mistakes.
	unsure    bool
	receivers []string // that may be named
}

// buildAlerts fills the alerts of c.
func (y *yamlFile) buildAlerts(c *Config) {
	b := &alertsBuilder{yamlFile: y, c: c, apis: c.APIs(), unsure: y.hasLost(c)}
	p := &y.doc.Alerts
	c.alerts.withoutDefaults = p.DefaultRules.set && !p.DefaultRules.value
	c.origins["alerts.default_rules"] = "default"
	if p.DefaultRules.set {
		c.origins["alerts.default_rules"] = y.at(p.DefaultRules.place)
	}
	b.buildReceivers(p)
	b.buildRules(p)
	b.buildPlanned(p)
}

// hasLost reports whether c has fewer APIs or regions than the file, because of
// mistakes that are told.
func (y *yamlFile) hasLost(c *Config) bool {
	if len(c.apis) < len(y.doc.APIs) || len(c.regions) < len(y.doc.Regions) {
		return true
	}
	for i, a := range c.apis {
		if len(a.Regions) < len(y.doc.APIs[i].Regions) {
			return true
		}
	}
	return false
}

func (b *alertsBuilder) buildReceivers(p *alertsPart) {
	if b.c.AlertWebhookURL != "" {
		b.receivers = append(b.receivers, webhookName)
	}
	if p.Receivers != nil {
		b.count(b.lists[&p.Receivers], len(p.Receivers), maxReceivers, "receivers")
	}
	seen := make(map[string]bool)
	for i := range p.Receivers {
		part := &p.Receivers[i]
		name, ok := b.name(&part.Name, "receiver", seen)
		if ok && slices.Contains(b.receivers, name) {
			b.bad(part.Name.place, "webhook is the receiver of ALERT_WEBHOOK_URL: give this one another name, or leave that setting out")
			continue
		}
		if ok {
			b.c.alerts.receivers = append(b.c.alerts.receivers, b.receiver(part, name))
		}
	}
	for _, r := range b.c.alerts.receivers {
		b.receivers = append(b.receivers, r.Name)
	}
}

func (b *alertsBuilder) receiver(p *receiverPart, name string) receiver {
	had := len(b.r.problems)
	r := receiver{Receiver: notify.Receiver{
		Name: name, Type: notify.Webhook, URL: p.URL.value, ContentType: p.ContentType.value, Template: p.Template.content,
		Timeout: p.Timeout.value, TLS: p.TLS.trust(),
	}, template: p.Template.value}
	if p.Type.set {
		r.Type = p.Type.value
	}
	switch {
	case !p.URL.there:
		b.bad(p.URL.place, "this receiver has no url")
	case p.URL.set && !isWebURL(r.URL):
		b.bad(p.URL.place, "this url %s", wantsWebURL)
	}
	if t := b.checkTLS(&p.TLS); t != (UpstreamTLS{}) {
		r.tls = t
	}
	if p.TLS.set && strings.HasPrefix(strings.ToLower(r.URL), "http://") {
		b.bad(p.TLS.place, "tls is for an url that begins with https://, this one begins with http://")
	}
	if r.Timeout > notify.MaxTimeout || p.Timeout.set && r.Timeout == 0 {
		b.bad(p.Timeout.place, "this is out of range: more than 0s, and at most %s, is allowed", notify.MaxTimeout)
	}
	for _, h := range p.Headers {
		if r.Header == nil {
			r.Header = make(http.Header)
		}
		r.Header.Set(h.name, h.value.value)
	}
	for _, s := range p.Severities {
		if s.set {
			r.Severities = append(r.Severities, alert.Severity(s.value))
		}
	}
	b.originsOfReceiver(p, name)
	if len(b.r.problems) == had && !p.hasLost() {
		b.checkReceiver(p, r.Receiver)
	}
	return r
}

// hasLost reports whether a value of the receiver has a mistake, which is told.
func (p *receiverPart) hasLost() bool {
	return p.URL.there && !p.URL.set || p.Template.there && !p.Template.set || p.Type.there && !p.Type.set || p.ContentType.there && !p.ContentType.set
}

// checkReceiver lets the receiver be tried on examples of messages.
func (b *alertsBuilder) checkReceiver(p *receiverPart, r notify.Receiver) {
	err := notify.Check(r)
	var of *notify.TemplateError
	switch {
	case err == nil:
	case !errors.As(err, &of):
		place := p.Name.place
		switch sentence := strings.TrimPrefix(err.Error(), "receiver "+r.Name+": "); {
		case strings.Contains(sentence, "template") && p.Template.there:
			b.bad(p.Template.place, "%s", sentence)
		case strings.Contains(sentence, "content type") && p.ContentType.there:
			b.bad(p.ContentType.place, "%s", sentence)
		default:
			b.bad(place, "this receiver cannot be used: %s", sentence)
		}
	case of.Header != "":
		for i := range p.Headers {
			if h := &p.Headers[i]; h.name == http.CanonicalHeaderKey(of.Header) {
				b.badInside(&h.value.textPart, of.Line, of.Column, "the template of this header %s", of.Sentence)
			}
		}
	case of.Line > 0:
		b.bad(p.Template.place, "line %d, column %d of this file: the template %s", of.Line, max(of.Column, 1), of.Sentence)
	default:
		b.bad(p.Template.place, "the template in this file %s", of.Sentence)
	}
}

func (b *alertsBuilder) originsOfReceiver(p *receiverPart, name string) {
	prefix := "alerts.receivers." + name + "."
	b.origins(prefix, map[string]given{
		"type": p.Type.given, "url": p.URL.given, "template": p.Template.given, "content_type": p.ContentType.given, "timeout": p.Timeout.given,
		"tls": p.TLS.given, "severities": b.ofList(&p.Severities, len(p.Severities)),
	})
	for _, h := range p.Headers {
		b.origins(prefix, map[string]given{"header." + h.name: h.value.given})
	}
}

// origins remembers where values come from.
func (b *alertsBuilder) origins(prefix string, values map[string]given) {
	for key, g := range values {
		b.c.origins[prefix+key] = "default"
		if g.set {
			b.c.origins[prefix+key] = b.at(g.place)
		}
	}
}

// ofList is where a list stands, by its pointer.
func (b *alertsBuilder) ofList(list any, items int) given {
	return given{set: items > 0, place: b.lists[list]}
}

// names returns the names of a list, each of which must be known.
func (b *alertsBuilder) names(list *several[textPart], what string, known []string, sure bool) (all []string) {
	if *list != nil && len(*list) == 0 {
		b.bad(b.lists[list], "this list is empty: leave it out where every %s is meant", what)
	}
	for _, t := range *list {
		name := strings.ToLower(t.value)
		switch near, slips := nearest(name, known); {
		case !t.set:
		case slices.Contains(all, name):
			b.bad(t.place, "this %s stands here a second time", what)
		case slices.Contains(known, name) || !sure:
			all = append(all, name)
		case len(known) == 0:
			b.bad(t.place, "this %s does not exist: there is none", what)
		case slips <= 2:
			b.bad(t.place, "this %s does not exist: is %s meant?", what, near)
		default:
			b.bad(t.place, "this %s does not exist: there are %s", what, strings.Join(known, ", "))
		}
	}
	return all
}

// scope returns the APIs and regions of a rule or a window.
func (b *alertsBuilder) scope(apis, regions *several[textPart]) (apiNames, regionNames []string) {
	var known, knownRegions []string
	for _, a := range b.apis {
		known = append(known, a.Name)
	}
	apiNames = b.names(apis, "API", known, !b.unsure)
	for _, a := range b.apis {
		for _, r := range a.Regions {
			if (len(apiNames) == 0 || slices.Contains(apiNames, a.Name)) && !slices.Contains(knownRegions, r.Name) {
				knownRegions = append(knownRegions, r.Name)
			}
		}
	}
	return apiNames, b.names(regions, "region", knownRegions, !b.unsure && (len(apiNames) > 0 || len(*apis) == 0))
}
