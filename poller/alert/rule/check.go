package rule

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/devops-insights/devops-insights/poller/alert"
)

const (
	maxName   = 100
	maxLabels = 30
	maxLabel  = 1000
	// maxWait bounds for, keep_for and reminder.
	maxWait = 90 * day
	// minReminder keeps reminders from being a flood.
	minReminder = time.Minute
)

// check returns what is wrong with a rule, beside its expression and its texts.
func check(r Rule) *Error {
	wrong := func(field, format string, args ...any) *Error {
		return &Error{Field: field, Sentence: fmt.Sprintf(format, args...)}
	}
	if r.Name == "" || utf8.RuneCountInString(r.Name) > maxName || strings.TrimSpace(r.Name) != r.Name || strings.ContainsFunc(r.Name, unprintable) {
		return wrong("name", "%q is no name of a rule: 1 to %d printable characters are expected, without spaces around them", clip(r.Name, maxName), maxName)
	}
	if r.Over != "" && r.Over != OverRegion && r.Over != OverAll {
		return wrong("over", "%q is not possible: a rule is over %s or %s", clip(string(r.Over), maxName), OverRegion, OverAll)
	}
	if !slices.Contains([]alert.Severity{alert.Critical, alert.Warning, alert.Info}, r.Severity) {
		return wrong("severity", "%q is not possible: a severity is %s, %s or %s", clip(string(r.Severity), maxName), alert.Critical, alert.Warning, alert.Info)
	}
	if r.For != 0 && r.ForPolls != 0 {
		return wrong("for", "a time and a number of polls cannot both be waited for: for example 5m or 3 polls is expected")
	}
	if r.ForPolls < 0 || r.ForPolls > 1000 {
		return wrong("for", "%d polls are not possible: 1 to 1000 polls are", r.ForPolls)
	}
	if r.Over == OverAll && r.ForPolls > 0 {
		return wrong("for", "a rule over all regions has no polls to count: a time such as 5m is expected")
	}
	for field, wait := range map[string]time.Duration{"for": r.For, "keep_for": r.KeepFor, "reminder": r.Reminder} {
		if wait < 0 || wait > maxWait {
			return wrong(field, "%v is not possible: at most 90 days are", wait)
		}
	}
	if r.Reminder > 0 && r.Reminder < minReminder {
		return wrong("reminder", "%v is too short: at least %v is possible", r.Reminder, minReminder)
	}
	for field, list := range map[string][]string{"apis": r.APIs, "regions": r.Regions, "receivers": r.Receivers} {
		if slices.Contains(list, "") {
			return wrong(field, "an empty name is in the list")
		}
	}
	return checkLabels(r.Labels)
}

func checkLabels(labels map[string]string) *Error {
	wrong := func(format string, args ...any) *Error {
		return &Error{Field: "labels", Sentence: fmt.Sprintf(format, args...)}
	}
	if len(labels) > maxLabels {
		return wrong("%d labels are too many: at most %d are possible", len(labels), maxLabels)
	}
	name := regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]{0,99}$`)
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		switch {
		case !name.MatchString(label):
			return wrong("%q is no name of a label: letters, digits and _ are expected, and no digit at the beginning", clip(label, maxName))
		case slices.Contains([]string{"alertname", "api", "region", "severity"}, label):
			return wrong("the label %s is set for each alert and cannot be set by a rule", label)
		case utf8.RuneCountInString(labels[label]) > maxLabel || strings.ContainsFunc(labels[label], unprintable):
			return wrong("the label %s has a value that is not possible: up to %d printable characters are expected", label, maxLabel)
		}
	}
	return nil
}

func unprintable(sign rune) bool { return sign == utf8.RuneError || !unicode.IsPrint(sign) }
