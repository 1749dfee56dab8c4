package notify

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/devops-insights/devops-insights/poller/alert"
)

// Document is what a webhook gets: Alertmanager's version-4 JSON, with one alert.
type Document struct {
	Version           string            `json:"version"`
	GroupKey          string            `json:"groupKey"`
	TruncatedAlerts   int               `json:"truncatedAlerts"`
	Status            string            `json:"status"`
	Receiver          string            `json:"receiver"`
	GroupLabels       map[string]string `json:"groupLabels"`
	CommonLabels      map[string]string `json:"commonLabels"`
	CommonAnnotations map[string]string `json:"commonAnnotations"`
	ExternalURL       string            `json:"externalURL"`
	Alerts            []DocumentAlert   `json:"alerts"`
}

// DocumentAlert is an alert within a Document.
type DocumentAlert struct {
	// Status is "firing" or "resolved".
	Status      string            `json:"status"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	// EndsAt is the zero time while the alert fires.
	EndsAt       time.Time `json:"endsAt"`
	GeneratorURL string    `json:"generatorURL"`
	// Fingerprint is the ID of the alert: the same each time it fires.
	Fingerprint string `json:"fingerprint"`
}

// document is what a message is in version 4.
func document(m alert.Message, externalURL string) Document {
	a := m.Alert
	annotations := annotationsOf(a)
	group := groupLabels(a)
	return Document{
		Version: "4", GroupKey: groupKey(group), Status: status(m.Kind), Receiver: m.Receiver,
		GroupLabels: group, CommonLabels: labelsOf(a), CommonAnnotations: annotations, ExternalURL: externalURL,
		Alerts: []DocumentAlert{{
			Status: status(m.Kind), Labels: labelsOf(a), Annotations: annotations,
			StartsAt: startOf(a), EndsAt: endOf(m), GeneratorURL: linkTo(a, externalURL), Fingerprint: a.ID,
		}},
	}
}

func status(k alert.MessageKind) string {
	if k == alert.MessageResolved {
		return "resolved"
	}
	return "firing"
}

func startOf(a alert.Alert) time.Time {
	if a.StartedAt != nil {
		return a.StartedAt.UTC()
	}
	return a.PendingAt.UTC()
}

func endOf(m alert.Message) time.Time {
	switch {
	case m.Kind != alert.MessageResolved:
		return time.Time{}
	case m.Alert.EndedAt != nil:
		return m.Alert.EndedAt.UTC()
	}
	return m.CreatedAt.UTC()
}

// labelsOf returns the labels of an alert; one without any has its name at least.
func labelsOf(a alert.Alert) map[string]string {
	labels := map[string]string{"alertname": a.Rule}
	for name, value := range a.Labels {
		labels[name] = value
	}
	return labels
}

func annotationsOf(a alert.Alert) map[string]string {
	annotations := make(map[string]string, 3)
	for name, text := range map[string]string{"summary": a.Summary, "description": a.Description, "runbook_url": a.RunbookURL} {
		if text != "" {
			annotations[name] = text
		}
	}
	return annotations
}

// groupLabels are those that the ID of an alert is made of.
func groupLabels(a alert.Alert) map[string]string {
	labels := map[string]string{"alertname": a.Rule, "api": a.API}
	if a.Region != "" {
		labels["region"] = a.Region
	}
	return labels
}

// groupKey is in Alertmanager's form.
func groupKey(labels map[string]string) string {
	var parts []string
	for _, name := range []string{"alertname", "api", "region"} {
		if value, ok := labels[name]; ok {
			parts = append(parts, name+"="+strconv.Quote(value))
		}
	}
	return "{}:{" + strings.Join(parts, ", ") + "}"
}

// linkTo returns where the incident of an alert can be seen.
func linkTo(a alert.Alert, externalURL string) string {
	if externalURL == "" {
		return ""
	}
	return strings.TrimRight(externalURL, "/") + "/api/v1/incidents/" + url.PathEscape(a.Incident)
}
