package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// summary is what all steps together came to.
type summary struct {
	suites, ran, skipped int
	reasons              map[string][]string // the skipped specs of each reason
	unsteady, failures   []string
}

// add counts the results of a step, and the error by which it ended.
func (s *summary) add(step string, results []result, err error) {
	if s.reasons == nil {
		s.reasons = make(map[string][]string)
	}
	for _, r := range results {
		s.suites++
		s.ran += r.ran
		s.skipped += len(r.skipped)
		for _, k := range r.skipped {
			reason := cmp.Or(k.reason, "no reason was given")
			s.reasons[reason] = append(s.reasons[reason], r.path+": "+k.spec)
		}
		if r.unsteady != "" {
			s.unsteady = append(s.unsteady, fmt.Sprintf("%s (%s): %s, and passed when it ran again alone", r.path, step, r.unsteady))
		}
		if r.failure != "" {
			s.failures = append(s.failures, fmt.Sprintf("%s (%s): %s", r.path, step, r.failure))
		}
	}
	if err != nil {
		s.failures = append(s.failures, err.Error())
	}
}

// shown is how many specs of one reason are named.
const shown = 5

// write writes the summary for people.
func (s *summary) write(out io.Writer) {
	var b strings.Builder
	fmt.Fprintf(&b, "\n== summary\n%d suites, %d specs ran, %d were skipped", s.suites, s.ran, s.skipped)
	if s.skipped > 0 {
		b.WriteString(":")
	}
	b.WriteString("\n")
	for _, reason := range slices.Sorted(maps.Keys(s.reasons)) {
		specs := s.reasons[reason]
		fmt.Fprintf(&b, "  skipped %d: %s\n", len(specs), reason)
		for _, spec := range specs[:min(shown, len(specs))] {
			fmt.Fprintf(&b, "    %s\n", spec)
		}
		if more := len(specs) - shown; more > 0 {
			fmt.Fprintf(&b, "    and %d more\n", more)
		}
	}
	for _, u := range s.unsteady {
		fmt.Fprintf(&b, "UNSTEADY %s: mend it\n", u)
	}
	for _, f := range s.failures {
		fmt.Fprintf(&b, "FAIL %s\n", f)
	}
	if len(s.failures) == 0 {
		b.WriteString("everything passed\n")
	}
	_, _ = io.WriteString(out, b.String())
}
