package rule

import (
	"github.com/devops-insights/devops-insights/poller/alert"
)

// Names of the rules that are there without settings.
const (
	RegionDown      = "region-down"
	DataStale       = "data-stale"
	OwnNetwork      = "own-network"
	ReceiverFailing = "receiver-failing"
)

// Defaults returns the rules that are there without settings; a region counts as
// down after so many polls in a row, at least one. The one named ReceiverFailing is
// not among them: it is not about values.
func Defaults(after int) []Rule {
	return []Rule{
		{
			Name: RegionDown, Expr: "down", Over: OverRegion, ForPolls: max(1, after), Severity: alert.Critical, BuiltIn: true,
			Summary:     `{{.region}} of {{.api}} is down{{if .failures}} for {{plural .failures "poll"}}{{end}}: {{.why}}`,
			Description: `{{if lt .age 1e9}}No value has come for {{duration .age}}.{{else}}No value has ever come.{{end}}`,
		},
		{
			Name: DataStale, Expr: "stale && !down", Over: OverRegion, Severity: alert.Warning, BuiltIn: true,
			Summary:     `{{.region}} of {{.api}} has {{if lt .age 1e9}}sent no value for {{duration .age}}{{else}}never sent a value{{end}}`,
			Description: `What dashboards show is old. The last known state is {{.state}}.`,
		},
		{
			Name: OwnNetwork, Expr: "offline", Over: OverAll, Severity: alert.Critical, BuiltIn: true,
			Summary: `The network of the monitor fails: nothing is known of {{.api}}`,
			Description: "No region answers, and neither does anything else that the monitor asks to check its own network. " +
				"The state of {{.regions}} is unknown until the network is back; other alerts stay as they are.",
		},
	}
}

// defaultSummary is the summary of a rule that has none.
func defaultSummary(over Over) string {
	if over == OverAll {
		return `{{.api}}: {{.rule}}{{if .down}} (down: {{.down}}){{else if .degraded}} (degraded: {{.degraded}}){{end}}`
	}
	return `{{.region}} of {{.api}}: {{.rule}}{{if not .up}}, and it is {{.state}}: {{.why}}{{end}}`
}
