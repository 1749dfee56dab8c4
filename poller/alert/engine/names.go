package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"strconv"
	"strings"
	"time"
)

// alertID names an alert: the same each time that it fires.
func alertID(api, ruleName, region, receiver string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{ruleName, api, region, receiver}, "\x00")))
	return hex.EncodeToString(sum[:8])
}

// incidentName names one time that an alert fires.
func incidentName(id string, number int64) string { return id + "-" + strconv.FormatInt(number, 10) }

// labels returns the labels of an alert; its own names are not a rule's to give.
func labels(api string, f finding) map[string]string {
	all := make(map[string]string, len(f.rule.Labels)+5)
	maps.Copy(all, f.rule.Labels)
	all["alertname"], all["api"], all["severity"] = f.rule.Name, api, string(f.rule.Severity)
	if f.region != "" {
		all["region"] = f.region
	}
	if f.receiver != "" {
		all["receiver"] = f.receiver
	}
	return all
}

// notBefore returns a time that is not before another one, however the clock was
// set meanwhile.
func notBefore(t, least time.Time) *time.Time {
	if t.Before(least) {
		t = least
	}
	return &t
}
