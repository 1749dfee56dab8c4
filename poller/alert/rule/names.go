package rule

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr/types"

	"github.com/devops-insights/devops-insights/store/past"
)

const day = 24 * time.Hour

// uptimeNames are the windows of uptime that have a name of their own.
var uptimeNames = map[string]time.Duration{
	"uptime_1h": time.Hour, "uptime_24h": day, "uptime_7d": 7 * day, "uptime_30d": 30 * day, "uptime_90d": 90 * day,
}

// names returns the names of expressions and their types.
func names(over Over) types.Map {
	region := types.Map{
		"data": types.Any, "status": types.Any,
		"state": types.String, "reason": types.String,
		"up": types.Bool, "down": types.Bool, "degraded": types.Bool, "unknown": types.Bool, "stale": types.Bool,
		"failures": types.Int, "latency": types.Float64, "age": types.Float64, "unchanged": types.Float64,
		"region": types.String, "api": types.String,
	}
	for name := range uptimeNames {
		region[name] = types.Float64
	}
	if over == OverRegion {
		region["offline"] = types.Bool
		return region
	}
	delete(region, "region")
	region["name"] = types.String
	list := types.Array(types.Bool)
	all := types.Map{
		"up": list, "down": list, "degraded": list, "unknown": list, "stale": list,
		"regions": types.Array(region), "api": types.String, "offline": types.Bool,
	}
	for name := range uptimeNames {
		all[name] = types.Float64
	}
	return all
}

// sorted returns the keys of a map as a list for a sentence.
func sorted[V any](of map[string]V) string {
	return strings.Join(slices.Sorted(maps.Keys(of)), ", ")
}

// parseWindow reads a window of uptime, such as 90m, 6h, 30d or 2w.
func parseWindow(text string) (time.Duration, error) {
	window, ok := past.ParseDuration(clip(text, maxPath))
	if !ok || window < time.Minute || window > 90*day {
		return 0, failf(`%q is no window: from 1m to 90d is possible (units from large to small: w, d, h, m), for example 6h`, clip(text, maxPath))
	}
	return window, nil
}

// parseDuration reads a duration, such as 90s, 5m, 1h30m or 2d, as seconds.
func parseDuration(text string) (seconds float64, err error) {
	d, ok := past.ParseDuration(clip(text, maxPath))
	if !ok {
		return 0, failf("%q is no duration: %s", clip(text, maxPath), past.DurationAllowed)
	}
	return d.Seconds(), nil
}
