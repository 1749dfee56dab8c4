package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
)

// mostAgain is how many suites of a step may run a second time. Where more have
// failed, the machine is not the reason.
const mostAgain = 3

// faults are failures that no second run can excuse: they are there even if they
// show only at times.
var faults = regexp.MustCompile(`DATA RACE|PANICKED|panic: |fatal error: |found unexpected goroutines|test timed out`)

// runAgain runs the suites of a step once more of which only specs have failed,
// one after the other, while nothing else keeps the machine busy. The summary names
// those that pass then: they are unsteady and have to be mended.
func runAgain(ctx context.Context, out io.Writer, s step, results []result) {
	failed := indexes(results, func(r result) bool { return r.failure != "" })
	if len(failed) > mostAgain || ctx.Err() != nil {
		return
	}
	for _, i := range failed {
		first := results[i]
		if first.failed == 0 || faults.MatchString(first.output) {
			continue
		}
		_, _ = fmt.Fprintf(out, "== once more: %s\n", first.path)
		alone := step{name: s.name, dir: s.dir, flags: s.flags, packages: []string{first.name}}
		second, err := runStep(ctx, out, alone)
		if err == nil && len(second) == 1 && second[0].failure == "" {
			results[i] = second[0]
			results[i].unsteady = first.failure
		}
	}
}

func indexes(results []result, which func(result) bool) (all []int) {
	for i, r := range results {
		if which(r) {
			all = append(all, i)
		}
	}
	return all
}
