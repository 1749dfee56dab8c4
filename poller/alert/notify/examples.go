package notify

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/devops-insights/devops-insights/poller/alert"
)

// examples are messages on which templates are tried: with everything, with
// hardly anything, and with texts that are hard to quote.
func examples(receiver string) []alert.Message {
	start := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	end := start.Add(90 * time.Second)
	full := alert.Alert{
		ID: "0123456789abcdef", Incident: "0123456789abcdef-1767323045678", Rule: "region-down", API: "acme", Region: "eu-west",
		State: alert.Firing, Severity: alert.Critical,
		Labels:  map[string]string{"alertname": "region-down", "api": "acme", "region": "eu-west", "severity": "critical", "team": "core"},
		Summary: "acme is down in eu-west", Description: "3 polls in a row failed: did not answer in time.", RunbookURL: "https://runbooks.example/region-down",
		PendingAt: start, StartedAt: &start,
	}
	bare := alert.Alert{ID: full.ID, Incident: full.Incident, Rule: "offline", API: "acme", State: alert.Firing, Severity: alert.Info, PendingAt: start}
	hard := full
	hard.Summary = "quotes \" ' ` \\ <b> & {{ }}, a line\nbreak, a tab\t, 日本語 and \u2028"
	hard.Description = strings.Repeat("long ", 2000)
	hard.State, hard.EndedAt = alert.Resolved, &end
	var messages []alert.Message
	for i, a := range []alert.Alert{full, bare, hard} {
		kind := alert.MessageFiring
		if a.EndedAt != nil {
			kind = alert.MessageResolved
		}
		messages = append(messages, alert.Message{Key: fmt.Sprintf("%s-%s-%d", a.Incident, receiver, i+1), Receiver: receiver, Kind: kind, CreatedAt: start, Alert: a})
	}
	return messages
}

// testMessages tell of an alert that is only a test, and of its end.
func testMessages(receiver string, now time.Time) []alert.Message {
	now = now.UTC().Truncate(time.Millisecond)
	a := alert.Alert{
		ID: "0000000000000000", Incident: fmt.Sprintf("0000000000000000-%d", now.UnixMilli()), Rule: "test", API: "test",
		State: alert.Firing, Severity: alert.Info,
		Labels:  map[string]string{"alertname": "test", "api": "test", "severity": string(alert.Info)},
		Summary: "This is a test of the receiver " + receiver, Description: "Nothing is wrong. Somebody has asked for this message, to see whether it arrives.",
		PendingAt: now, StartedAt: &now,
	}
	over := a
	over.State, over.EndedAt = alert.Resolved, &now
	return []alert.Message{
		{Key: a.Incident + "-" + receiver + "-1", Receiver: receiver, Kind: alert.MessageFiring, CreatedAt: now, Alert: a},
		{Key: a.Incident + "-" + receiver + "-2", Receiver: receiver, Kind: alert.MessageResolved, CreatedAt: now, Alert: over},
	}
}

// SendTest tells a receiver of a test alert, and that it is resolved, so that
// nothing stays open. It tries once. The error is a sentence without secrets.
func SendTest(ctx context.Context, r Receiver, externalURL string) error {
	t, err := compile(r, nil)
	if err != nil {
		return err
	}
	defer t.close()
	for _, m := range testMessages(r.Name, time.Now()) {
		if t.Type == Alertmanager {
			err = t.tellAlertmanager(ctx, []postable{toAlertmanager(m.Alert, holdsUntil(m, time.Now()), externalURL)}, time.Now)
		} else {
			err = t.tell(ctx, m, externalURL, time.Now)
		}
		if err != nil {
			return fmt.Errorf("receiver %s %w", r.Name, err)
		}
	}
	return nil
}
