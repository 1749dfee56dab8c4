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
// down after so many polls. The one named ReceiverFailing is not among them:
// it is not about values.
func Defaults(after int) []Rule {
	return []Rule{
		{Name: RegionDown, Expr: "down", Over: OverRegion, ForPolls: after, Severity: alert.Critical, BuiltIn: true},
		{Name: DataStale, Expr: "stale && !down", Over: OverRegion, Severity: alert.Warning, BuiltIn: true},
		{Name: OwnNetwork, Expr: "offline", Over: OverAll, Severity: alert.Critical, BuiltIn: true},
	}
}
