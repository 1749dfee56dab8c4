package rule

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/expr-lang/expr/types"
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
	units := map[byte]time.Duration{'m': time.Minute, 'h': time.Hour, 'd': day, 'w': 7 * day}
	if len(text) >= 2 {
		n, err := strconv.ParseUint(text[:len(text)-1], 10, 20)
		window := time.Duration(n) * units[text[len(text)-1]]
		if err == nil && window >= time.Minute && window <= 90*day {
			return window, nil
		}
	}
	return 0, failf("%q is no window: a number and m, h, d or w is expected, from 1m to 90d, for example 6h", text)
}

// parseDuration reads a duration, such as 90s, 5m, 1h30m or 2d, as seconds.
func parseDuration(text string) (float64, error) {
	rest := text
	var total time.Duration
	if n := strings.IndexAny(text, "dw"); n > 0 {
		whole, err := strconv.ParseUint(text[:n], 10, 16)
		unit := day
		if text[n] == 'w' {
			unit = 7 * day
		}
		if err != nil || (n+1 < len(text) && strings.ContainsAny(text[n+1:], "dw")) || time.Duration(whole) > 10000*day/unit {
			return 0, noDuration(text)
		}
		total, rest = time.Duration(whole)*unit, text[n+1:]
	}
	if rest != "" || text == "" {
		d, err := time.ParseDuration(rest)
		if err != nil || d < 0 || d > 10000*day {
			return 0, noDuration(text)
		}
		total += d
	}
	return total.Seconds(), nil
}

func noDuration(text string) error {
	return failf("%q is no duration: for example 90s, 5m, 1h30m or 2d is expected", text)
}
