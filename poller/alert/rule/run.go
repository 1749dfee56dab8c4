package rule

import (
	"errors"
	"math"
	"slices"
	"time"

	"github.com/devops-insights/devops-insights/store"
)

const (
	// maxSteps bounds what one evaluation may cost. A step is about one operation
	// on a number: some tens of nanoseconds.
	maxSteps = 2_000_000
	// maxText bounds the texts that an expression makes, in bytes.
	maxText = 1 << 20
)

// errUnwatched ends an evaluation that needs an uptime which is not known.
var errUnwatched = errors.New("not watched for long enough")

// run is one evaluation of an expression: the facts, and what it has cost.
type run struct {
	facts   Facts
	regions []any // of element
	limited bool  // regions are not all
	steps   int
	lists   map[string]any
	values  map[*Region]*Value
}

// element is a region within a list. It is no pointer, since expr follows those.
type element struct{ *Region }

// newRun leaves the regions out that the rule is not about.
func newRun(f Facts, only []string) *run {
	r := &run{facts: f, limited: len(only) > 0}
	for i := range f.Regions {
		if !r.limited || slices.Contains(only, f.Regions[i].Region) {
			r.regions = append(r.regions, element{&f.Regions[i]})
		}
	}
	return r
}

// spend counts steps; it fails when there have been too many.
func (r *run) spend(steps int) error {
	if steps < 0 || steps > maxSteps-r.steps {
		r.steps = maxSteps
		return failf("it takes too many steps on this value: look at fewer elements, or use a simpler condition")
	}
	r.steps += steps
	return nil
}

// spendText counts the steps of looking at texts.
func (r *run) spendText(texts ...string) error {
	n := 0
	for _, text := range texts {
		n += len(text)
	}
	return r.spend(1 + n/32)
}

// name returns what a name stands for.
func (r *run) name(name string) (any, error) {
	switch name {
	case "offline":
		return r.facts.Offline, nil
	case "api":
		return r.facts.API, nil
	}
	if r.facts.Region != nil {
		return r.of(r.facts.Region, name)
	}
	if window, ok := uptimeNames[name]; ok {
		return r.uptime("", window)
	}
	if name == "regions" {
		return r.regions, nil
	}
	if all, ok := r.lists[name]; ok {
		return all, nil
	}
	if err := r.spend(len(r.regions)); err != nil {
		return nil, err
	}
	all := make([]any, 0, len(r.regions))
	for _, region := range r.regions {
		v, err := r.of(region.(element).Region, name)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	if r.lists == nil {
		r.lists = map[string]any{}
	}
	r.lists[name] = all
	return all, nil
}

// of returns what a name stands for in a region.
func (r *run) of(region *Region, name string) (any, error) {
	switch name {
	case "state":
		return string(region.State), nil
	case "reason":
		return region.Reason, nil
	case "up", "down", "degraded", "unknown":
		return region.State == store.State(name), nil
	case "stale":
		return region.Stale, nil
	case "failures":
		return region.Failures, nil
	case "latency":
		return float64(region.Latency) / float64(time.Millisecond), nil
	case "age":
		if region.ValueAt.IsZero() {
			return math.Inf(1), nil
		}
		return r.since(region.ValueAt), nil
	case "unchanged":
		if region.ChangedAt.IsZero() {
			return nil, failf("no value of %s has come yet", region.Region)
		}
		return r.since(region.ChangedAt), nil
	case "region", "name":
		return region.Region, nil
	case "api":
		return region.API, nil
	case "data":
		return r.data(region)
	}
	if window, ok := uptimeNames[name]; ok {
		return r.uptime(region.Region, window)
	}
	return nil, failf("there is no %s", name) // the check of types has found all others
}

func (r *run) since(at time.Time) float64 { return max(0, r.facts.Now.Sub(at).Seconds()) }

// errNoValue is data of a region of which none has come.
var errNoValue = errors.New("no value has come yet")

func (r *run) data(region *Region) (any, error) {
	if region.Value != nil {
		return region.Value.decoded()
	}
	if len(region.Data) == 0 {
		return nil, errNoValue
	}
	value := r.values[region]
	if value == nil {
		value = NewValue(region.Data)
		if r.values == nil {
			r.values = map[*Region]*Value{}
		}
		r.values[region] = value
	}
	return value.decoded()
}

// uptime returns the share of a window in percent. Region "" is the mean of all
// that the rule is about.
func (r *run) uptime(region string, window time.Duration) (any, error) {
	if r.facts.Uptime == nil {
		return nil, errUnwatched
	}
	if region != "" || !r.limited {
		return r.watched(region, window)
	}
	total, n := 0.0, 0
	for _, each := range r.regions {
		percent, err := r.watched(each.(element).Region.Region, window)
		switch {
		case err == nil:
			total, n = total+percent, n+1
		case !errors.Is(err, errUnwatched):
			return nil, err
		}
	}
	if n == 0 {
		return nil, errUnwatched
	}
	return total / float64(n), nil
}

func (r *run) watched(region string, window time.Duration) (percent float64, err error) {
	if err := r.spend(100); err != nil {
		return 0, err
	}
	percent, known := r.facts.Uptime(region, window)
	if !known || math.IsNaN(percent) {
		return 0, errUnwatched
	}
	return percent, nil
}
