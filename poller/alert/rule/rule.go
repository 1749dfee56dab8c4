package rule

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/devops-insights/devops-insights/poller/alert"
	"github.com/devops-insights/devops-insights/store"
)

// Over says what a rule looks at.
type Over string

// What rules look at.
const (
	// OverRegion is a rule that is asked of each region by itself.
	OverRegion Over = "region"
	// OverAll is a rule that is asked once for all regions of an API.
	OverAll Over = "all"
)

// Rule is a rule as people write it.
type Rule struct {
	// Name is that of the alerts: up to 100 characters.
	Name string
	// Expr is the condition, see docs/alerts.md.
	Expr string
	// Over is what it looks at. Empty: a region, or all of them where the
	// expression has a meaning only over all.
	Over Over
	// For is how long, and ForPolls for how many polls in a row, the condition must
	// hold before the alert fires. At most one of them is set; none: at once.
	For      time.Duration
	ForPolls int
	// KeepFor is how long the condition must be false before the alert is over.
	KeepFor time.Duration
	// Reminder is after which time receivers are told again; 0: never.
	Reminder time.Duration
	// Severity is how urgent it is; empty: warning.
	Severity alert.Severity
	// Labels are added to those of the alert.
	Labels map[string]string
	// Summary, Description and RunbookURL are texts of text/template, see
	// docs/alerts.md. Empty: Summary says what is known, the others stay empty.
	Summary, Description, RunbookURL string
	// APIs, Regions and Receivers limit it to those with these names; empty: all.
	APIs, Regions, Receivers []string
	// BuiltIn marks a rule that no settings name.
	BuiltIn bool
}

// Error says what is wrong with a rule, or with what it is asked of.
type Error struct {
	// Field is the key of the rule in the settings file, for example expr.
	Field string
	// Line and Column are the place in that field's text, from 1 on; 0: the whole
	// field is meant. Column counts characters.
	Line, Column int
	// Sentence says what is wrong, and what is allowed.
	Sentence string

	unknown string // the name that is not there
}

// Error returns the place and the sentence.
func (e *Error) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.Field, e.Sentence)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.Field, e.Line, e.Column, e.Sentence)
}

// Region is what is known of a region.
type Region struct {
	API, Region string
	// Data is the newest value; empty: none has come yet. Value is the same,
	// decoded; nil: it is decoded each time that a rule needs it.
	Data  json.RawMessage
	Value *Value
	// State and Reason are what the last poll found.
	State  store.State
	Reason string
	// Failures is how many polls in a row did not find the region up.
	Failures int
	// Latency is how long the last poll took.
	Latency time.Duration
	// ValueAt is when a poll last brought a value, ChangedAt when the value last
	// changed, and PolledAt when the last poll ended. The zero time: never.
	ValueAt, ChangedAt, PolledAt time.Time
	// Stale says that no poll has brought a value for too long.
	Stale bool
}

// Facts are what a rule is asked of.
type Facts struct {
	Now time.Time
	API string
	// Region is the region that is meant; nil over all.
	Region *Region
	// Regions are all regions of the API, for rules over all.
	Regions []Region
	// Offline says that the monitor's own network fails.
	Offline bool
	// Uptime returns the share of the watched time of a window up to now in which a
	// region was up, in percent; region "" is the mean of all. known is false where
	// not enough has been watched. nil: nothing is known.
	Uptime func(region string, window time.Duration) (percent float64, known bool)
}
