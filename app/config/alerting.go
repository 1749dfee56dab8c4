package config

import (
	"cmp"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/devops-insights/devops-insights/poller/network"
)

// Alerting are the settings of who is told when something is wrong, as far as they
// need no file: the part alerts of the YAML file has the rest.
type Alerting struct {
	// AlertWebhookURL is one receiver that is told of everything; empty: none.
	AlertWebhookURL string
	// AlertAfter is how many polls in a row must find a region down before the rule
	// that is there without settings fires.
	AlertAfter int
	// AlertToken lets people silence and acknowledge on the port of the dashboards;
	// empty: nobody may there.
	AlertToken string
	// PublicURL is where people reach this server, for links in messages.
	PublicURL string
	// NetworkCheck are places, host:port, that answer while our own network works;
	// empty: those that the system names. See NetworkWitnesses.
	NetworkCheck []string
	// HeartbeatURL is called while polling is healthy, HeartbeatFailURL while it is
	// not; empty: they are not.
	HeartbeatURL, HeartbeatFailURL string
	HeartbeatInterval              time.Duration

	tokenAsSet string // which may be what the command config prints
}

const (
	maxAlertAfter = 1000
	// The bounds of HeartbeatInterval.
	minHeartbeat, maxHeartbeat = time.Second, 24 * time.Hour
)

func defaultAlerting() Alerting {
	return Alerting{AlertAfter: 3, HeartbeatInterval: time.Minute}
}

func (s *Alerting) declare(d *declaration) {
	d.secret(&s.AlertWebhookURL, "alert-webhook-url", "ALERT_WEBHOOK_URL", "URL to which each alert is sent as JSON, in Alertmanager's version 4; empty: none", redactURL)
	d.add(&s.AlertAfter, "alert-after", "ALERT_AFTER", "polls in a row that find a region down before the rule region-down fires, 1 to 1000")
	d.secret(&s.tokenAsSet, "alert-token", "ALERT_TOKEN", "bearer token of at least 16 characters, with which, and only with which, silences, acknowledgements and maintenance can be written on the port of the dashboards", redactAll)
	d.add(&s.PublicURL, "public-url", "PUBLIC_URL", "URL at which people reach this server, for links in messages; empty: messages have none")
	d.add(&list{texts: &s.NetworkCheck, separator: ","}, "network-check", "NETWORK_CHECK", "places, host:port, that answer while this server's own network works; none: no check; empty: the gateway and the name servers of the system; repeatable")
	d.secret(&s.HeartbeatURL, "heartbeat-url", "HEARTBEAT_URL", "URL that is called while polling is healthy, so that somebody else notices when this server is gone; empty: none", redactURL)
	d.secret(&s.HeartbeatFailURL, "heartbeat-fail-url", "HEARTBEAT_FAIL_URL", "URL that is called instead while polling is not healthy; empty: HEARTBEAT_URL hears of it once, then nothing until polling is healthy again", redactURL)
	d.add(&s.HeartbeatInterval, "heartbeat-interval", "HEARTBEAT_INTERVAL", "time between two of these calls, 1s to 24h")
}

func (s *Alerting) check(r *report) {
	checkWebURL(r, "ALERT_WEBHOOK_URL", &s.AlertWebhookURL)
	checkWebURL(r, "HEARTBEAT_URL", &s.HeartbeatURL)
	checkWebURL(r, "HEARTBEAT_FAIL_URL", &s.HeartbeatFailURL)
	if s.HeartbeatFailURL != "" && s.HeartbeatURL == "" {
		r.bad("HEARTBEAT_FAIL_URL is set, but HEARTBEAT_URL is not, which is called while all is well: set both, or none")
	}
	s.checkPublicURL(r)
	if s.AlertAfter < 1 || s.AlertAfter > maxAlertAfter {
		r.bad("ALERT_AFTER=%d is out of range: 1 to %d polls are allowed", s.AlertAfter, maxAlertAfter)
	}
	s.checkToken(r)
	if s.HeartbeatInterval < minHeartbeat || s.HeartbeatInterval > maxHeartbeat {
		r.bad("HEARTBEAT_INTERVAL=%s is out of range: 1s to 24h are allowed", s.HeartbeatInterval)
	}
	_, _, err := s.NetworkWitnesses()
	r.err(err)
}

func (s *Alerting) checkToken(r *report) {
	s.tokenAsSet = strings.TrimSpace(s.tokenAsSet)
	switch {
	case s.tokenAsSet == redacted:
		r.warn("ALERT_TOKEN is what the command config prints in its place: nobody can write with it")
		return
	case s.tokenAsSet != "" && (len(s.tokenAsSet) < leastToken || strings.ContainsAny(s.tokenAsSet, " \t\r\n")):
		r.bad("ALERT_TOKEN cannot be used: at least %d characters without white space are expected", leastToken)
	}
	s.AlertToken = s.tokenAsSet
}

func (s *Alerting) checkPublicURL(r *report) {
	s.PublicURL = strings.TrimRight(strings.TrimSpace(s.PublicURL), "/")
	if s.PublicURL == "" {
		return
	}
	u, err := url.Parse(s.PublicURL)
	if !isWebURL(s.PublicURL) || err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		r.bad("PUBLIC_URL cannot be used: http:// or https:// with a host is expected, and perhaps a path, without a user, ? and #, for example https://insights.example")
	}
}

// wantsWebURL ends a sentence about a URL, of which any part may be a secret.
const wantsWebURL = "is no URL that can be called: http:// or https:// with a host is expected, for example https://alerts.example/hook"

// checkWebURL never repeats the URL.
func checkWebURL(r *report, name string, value *string) {
	if *value = strings.TrimSpace(*value); *value != "" && !isWebURL(*value) {
		r.bad("%s %s", name, wantsWebURL)
	}
}

// isWebURL reports whether the text is a URL of http or https with a host.
func isWebURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || !isHost(u.Hostname()) || strings.HasSuffix(u.Host, ":") {
		return false
	}
	port, err := strconv.ParseUint(cmp.Or(u.Port(), "80"), 10, 16)
	return err == nil && port > 0
}

// NetworkWitnesses returns the places that NETWORK_CHECK names; guessed says that it
// names none, and that those of the system are meant. Neither: there is no check.
func (s *Alerting) NetworkWitnesses() (addresses []string, guessed bool, err error) {
	switch {
	case len(s.NetworkCheck) == 0:
		return nil, true, nil
	case len(s.NetworkCheck) == 1 && strings.EqualFold(s.NetworkCheck[0], "none"):
		return nil, false, nil
	}
	if addresses, err = network.ParseWitnesses(strings.Join(s.NetworkCheck, ",")); err != nil {
		return nil, false, fmt.Errorf("NETWORK_CHECK cannot be used: %w; or none, alone, for no check", err)
	}
	return addresses, false, nil
}
