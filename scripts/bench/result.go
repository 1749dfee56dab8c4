package main

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report is everything that was measured.
type report struct {
	Machine  machine   `json:"machine"`
	Method   string    `json:"method"`
	Profiles []summary `json:"profiles"`
	Runs     []outcome `json:"runs"`
}

// machine is what the figures depend on.
type machine struct {
	Date   string `json:"date"`
	Cores  int    `json:"cores"`
	CPU    string `json:"cpu"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
	Node   string `json:"node"`
}

func thisMachine() machine {
	m := machine{Date: time.Now().UTC().Format(time.DateOnly), Cores: runtime.NumCPU(), Go: runtime.Version()}
	first := func(file, prefix string) string {
		text, _ := os.ReadFile(file) // elsewhere than on Linux the field stays empty
		for line := range strings.Lines(string(text)) {
			if rest, found := strings.CutPrefix(line, prefix); found {
				return strings.Trim(rest, " \t:\n")
			}
		}
		return ""
	}
	m.CPU, m.Kernel = first("/proc/cpuinfo", "model name"), first("/proc/sys/kernel/osrelease", "")
	if out, err := exec.Command("node", "--version").Output(); err == nil {
		m.Node = strings.TrimSpace(string(out))
	}
	return m
}

// summary is one profile: the median run of each server, figure by figure,
// and how ours compares with it.
type summary struct {
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Medians     []outcome `json:"medians"`
	Ratios      []ratio   `json:"ratios"`
	// Failures are the runs of other servers that ended early.
	Failures []string `json:"failures,omitempty"`
	// Noise is a sentence where the machine was too busy with other things, or
	// the runs too far apart, to conclude.
	Noise string `json:"noise,omitempty"`
}

// ratio is ours divided by another server, run by run.
type ratio struct {
	Of      string  `json:"of"`
	To      string  `json:"to"`
	Median  float64 `json:"median"`
	Lowest  float64 `json:"lowest"`
	Highest float64 `json:"highest"`
}

// figure is one thing that is measured.
type figure struct {
	name string
	of   func(*outcome) *float64
}

// figures are all of them, in the order of the table.
func figures() []figure {
	return []figure{
		{"CPU µs per message", func(o *outcome) *float64 { return &o.CPUPerMessage }},
		{"CPU µs per connect", func(o *outcome) *float64 { return &o.CPUPerConnect }},
		{"kB per idle connection", func(o *outcome) *float64 { return &o.IdleKB }},
		{"kB per busy connection", func(o *outcome) *float64 { return &o.BusyKB }},
		{"p50 ms", func(o *outcome) *float64 { return &o.P50 }},
		{"p95 ms", func(o *outcome) *float64 { return &o.P95 }},
		{"p99 ms", func(o *outcome) *float64 { return &o.P99 }},
		{"max ms", func(o *outcome) *float64 { return &o.Max }},
		{"bytes per message", func(o *outcome) *float64 { return &o.Bytes }},
	}
}

// compared are the figures of which ratios are told.
func compared() []figure {
	all := figures()
	return []figure{all[0], all[1], all[2], all[6], all[8]}
}

// The bounds past which a profile does not conclude.
const (
	mostForeign = 0.25 // of the machine, used by others in the median run
	mostSpread  = 0.30 // between the lowest and the highest ratio of CPU per message
)

// summarizeAll makes the summaries of all profiles that were run.
func (r *report) summarizeAll() {
	r.Profiles = nil
	for _, p := range profiles() {
		if slices.ContainsFunc(r.Runs, func(o outcome) bool { return o.Profile == p.name }) {
			r.Profiles = append(r.Profiles, summarize(p, r.Runs))
		}
	}
}

func summarize(p profile, runs []outcome) summary {
	s := summary{Name: p.name, Description: p.describe()}
	by := map[string][]outcome{}
	var names []string
	for _, o := range runs {
		if o.Profile != p.name {
			continue
		}
		if o.Failure != "" {
			s.Failures = append(s.Failures, fmt.Sprintf("%s, run %d: %s", o.Server, o.Round+1, o.Failure))
			continue
		}
		if by[o.Server] == nil {
			names = append(names, o.Server)
		}
		by[o.Server] = append(by[o.Server], o)
	}
	slices.SortFunc(names, func(a, b string) int { return place(a) - place(b) })
	for _, name := range names {
		s.Medians = append(s.Medians, middle(by[name]))
	}
	var noise []string
	for _, name := range names {
		if name == ours {
			continue
		}
		for i, f := range compared() {
			r, ok := compare(f, by[ours], by[name])
			if !ok {
				continue
			}
			s.Ratios = append(s.Ratios, r)
			if i == 0 && (r.Highest-r.Lowest)/r.Median > mostSpread {
				noise = append(noise, fmt.Sprintf("the ratio to %s lies between %.2f and %.2f", name, r.Lowest, r.Highest))
			}
		}
	}
	for _, o := range s.Medians {
		if o.Foreign > mostForeign {
			noise = append(noise, fmt.Sprintf("others used %.0f %% of the machine while %s was measured", 100*o.Foreign, o.Server))
		}
	}
	if len(noise) > 0 {
		s.Noise = "too noisy to conclude: " + strings.Join(noise, "; ")
	}
	return s
}

// middle returns the median of each figure, and the sums of the counts.
func middle(runs []outcome) outcome {
	m := outcome{Server: runs[0].Server, Profile: runs[0].Profile}
	for i := range runs {
		m.Delivered += runs[i].Delivered
		m.Lost += runs[i].Lost
		m.Twice += runs[i].Twice
		m.Unordered += runs[i].Unordered
		m.Repeated += runs[i].Repeated
	}
	fields := append(figures(), figure{"", func(o *outcome) *float64 { return &o.Foreign }})
	for _, f := range fields {
		var values []float64
		for i := range runs {
			values = append(values, *f.of(&runs[i]))
		}
		*f.of(&m) = median(values)
	}
	return m
}

func compare(f figure, mine, theirs []outcome) (ratio, bool) {
	var values []float64
	for i := range theirs {
		at := slices.IndexFunc(mine, func(o outcome) bool { return o.Round == theirs[i].Round })
		if other := *f.of(&theirs[i]); at >= 0 && other > 0 {
			values = append(values, *f.of(&mine[at])/other)
		}
	}
	if len(values) == 0 {
		return ratio{}, false
	}
	return ratio{Of: f.name, To: theirs[0].Server, Median: median(values), Lowest: slices.Min(values), Highest: slices.Max(values)}, true
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}
