package rule

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/devops-insights/devops-insights/poller"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/fieldpath"
)

// scene is what a text is filled in with.
type scene struct {
	rule Rule
	over Over
	run  *run
}

// textNames are the names that texts have.
func textNames(over Over) map[string]bool {
	all := map[string]bool{"rule": true, "severity": true}
	for name := range names(over) {
		all[name] = true
	}
	if over == OverRegion {
		delete(all, "data") // by the function value
		delete(all, "status")
		all["why"] = true
	}
	return all
}

// names returns what the names stand for. Over all the states are lists of the
// regions that have them.
func (s scene) names(uptimes []string) map[string]any {
	all := map[string]any{"rule": s.rule.Name, "severity": string(s.rule.Severity)}
	for name := range textNames(s.over) {
		if _, ok := uptimeNames[name]; ok {
			all[name] = nil
		} else if _, ok := all[name]; !ok {
			all[name] = s.name(name)
		}
	}
	for _, name := range uptimes {
		all[name], _ = s.run.name(name) // nil: it is not known
	}
	return all
}

func (s scene) name(name string) any {
	region := s.run.facts.Region
	if region != nil && name == "why" {
		return why(region.State, region.Reason)
	}
	if region != nil || name == "offline" || name == "api" {
		v, _ := s.run.name(name)
		return v
	}
	var list regionNames
	for _, each := range s.run.regions {
		is := true
		if name != "regions" {
			v, _ := s.run.of(each.(element).Region, name)
			is = v == true
		}
		if is {
			list = append(list, each.(element).Region.Region)
		}
	}
	return list
}

// regionNames is a list of regions that reads well.
type regionNames []string

func (l regionNames) String() string {
	const most = 20
	all := []string(l)
	if len(all) > most {
		all = append(all[:most:most], fmt.Sprintf("%d more", len(l)-most))
	}
	if len(all) < 2 {
		return strings.Join(all, "")
	}
	return strings.Join(all[:len(all)-1], ", ") + " and " + all[len(all)-1]
}

// value returns a field of the region's value, in a few words.
func (s scene) value(path string) string {
	const missing = "(no value)"
	if s.run.facts.Region == nil {
		return missing
	}
	v, err := s.run.data(s.run.facts.Region)
	if err != nil {
		return missing
	}
	for _, name := range fieldpath.Split(path) {
		switch of := v.(type) {
		case map[string]any:
			found := false
			if v, found = of[name]; !found {
				return missing
			}
		case []any:
			n, err := strconv.Atoi(name)
			if err != nil || n < 0 || n >= len(of) {
				return missing
			}
			v = of[n]
		default:
			return missing
		}
	}
	switch v := v.(type) {
	case string:
		return clip(oneLine(v[:min(len(v), maxSummary)]), 200)
	case float64:
		return plain(v)
	case []any:
		return plural(len(v), "element")
	case map[string]any:
		return plural(len(v), "field")
	}
	return kind(v)
}

// helpers are the functions of texts, beside some of text/template's.
func helpers(value func(path string) string) template.FuncMap {
	return template.FuncMap{
		"percent":  percent,
		"duration": inWords,
		"round":    round,
		"plural":   plural,
		"upper":    func(v any) string { return strings.ToUpper(short(v)) },
		"lower":    func(v any) string { return strings.ToLower(short(v)) },
		"value":    value,
	}
}

func short(v any) string { return clip(fmt.Sprint(v), maxSummary) }

// percent writes a share of 100 with up to three digits behind the point. It
// rounds down: 99.9999 is not all.
func percent(v any) string {
	n, ok := number(v)
	if !ok || math.IsNaN(n) || math.IsInf(n, 0) {
		return "an unknown share"
	}
	return strconv.FormatFloat(math.Floor(n*1000+1e-6)/1000, 'f', -1, 64) + "%"
}

// round writes a number with so many digits behind the point.
func round(v any, digits int) string {
	n, ok := number(v)
	if text, isText := v.(string); isText && !ok { // of value
		var err error
		if n, err = strconv.ParseFloat(text, 64); err != nil {
			return short(text)
		}
	} else if !ok {
		return short(kind(v))
	}
	return strconv.FormatFloat(n, 'f', min(max(digits, 0), 9), 64)
}

// plural writes a number of things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + short(thing)
	}
	return fmt.Sprintf("%d %ss", n, short(thing))
}

// inWords writes seconds as people say them.
func inWords(v any) string {
	n, ok := number(v)
	if !ok || math.IsNaN(n) || n < 0 || n > 1e9 {
		return "an unknown time"
	}
	whole := int(n)
	units := []struct {
		name    string
		seconds int
	}{{"day", 86400}, {"hour", 3600}, {"minute", 60}, {"second", 1}}
	for i, unit := range units {
		if whole < unit.seconds && i < len(units)-1 {
			continue
		}
		text := plural(whole/unit.seconds, unit.name)
		if i < len(units)-1 {
			if rest := whole % unit.seconds / units[i+1].seconds; rest > 0 {
				text += " " + plural(rest, units[i+1].name)
			}
		}
		return text
	}
	return ""
}

// why says in plain words what a poll found.
func why(state store.State, reason string) string {
	if words, ok := words()[poller.Code(reason)]; ok {
		return words + " (" + reason + ")"
	}
	if code, ok := strings.CutPrefix(reason, "HTTP_"); ok {
		status, err := strconv.Atoi(code)
		if err == nil && status >= 100 && status < 1000 {
			if name := http.StatusText(status); name != "" {
				return fmt.Sprintf("it answers with HTTP status %d (%s)", status, name)
			}
			return fmt.Sprintf("it answers with HTTP status %d", status)
		}
	}
	switch {
	case reason != "":
		return "it says " + strconv.Quote(clip(reason, 200))
	case state == store.StateUp:
		return "it is up"
	case state == store.StateUnknown || state == "":
		return "nobody could ask it"
	}
	return "the reason is not known"
}

// words are the codes of failure in plain words.
func words() map[poller.Code]string {
	return map[poller.Code]string{
		poller.CodeTimeout:     "it does not answer in time",
		poller.CodeDNS:         "its host name cannot be resolved",
		poller.CodeRefused:     "it refuses connections",
		poller.CodeReset:       "it ends the connection before the answer is complete",
		poller.CodeUnreachable: "it cannot be reached",
		poller.CodeTLS:         "its certificate or its TLS is not acceptable",
		poller.CodeRedirect:    "it redirects to where nobody follows",
		poller.CodeAddress:     "its address is one that is never asked",
		poller.CodeEmpty:       "its answer is empty",
		poller.CodeEncoding:    "its answer is in an encoding that cannot be read",
		poller.CodeNotJSON:     "its answer is not JSON",
		poller.CodeTooLarge:    "its answer is too large",
		poller.CodeCircuitOpen: "it has failed so often that it is left alone for a while",
		poller.CodeStore:       "its value cannot be stored",
		poller.CodePanic:       "a fault in this program keeps it from being asked",
		poller.CodeOther:       "it cannot be asked",
	}
}

// samples are what texts are tried with when a rule is compiled.
func samples(over Over) []scene {
	now := sampleTime()
	regions := []Region{
		{
			API: "acme", Region: "eu-west", State: store.StateDown, Reason: string(poller.CodeTimeout), Failures: 3,
			Latency: time.Second, ValueAt: now.Add(-time.Minute), ChangedAt: now.Add(-time.Hour), PolledAt: now,
			Data: json.RawMessage(`{"status":"down"}`), Stale: true,
		},
		{API: "acme", Region: "us-east", State: store.StateUp},
	}
	known := func(string, time.Duration) (float64, bool) { return 99.5, true }
	unknown := func(string, time.Duration) (float64, bool) { return 0, false }
	rule := Rule{Name: "sample", Severity: "warning"}
	var all []scene
	for i, uptime := range []func(string, time.Duration) (float64, bool){known, unknown} {
		f := Facts{Now: now, API: "acme", Regions: regions, Uptime: uptime, Offline: i == 1}
		if over == OverRegion {
			f.Region = &regions[i]
		}
		all = append(all, scene{rule, over, newRun(f, nil)})
	}
	return all
}
