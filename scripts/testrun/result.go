package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/onsi/ginkgo/v2/types"
)

// result is what became of the tests of one package.
type result struct {
	name    string // its import path
	path    string // within the module
	ran     int    // specs and plain tests
	failed  int
	skipped []skip
	elapsed time.Duration
	failure string // why the package failed; empty: it passed
	output  string // shown where it failed
	// unsteady is how the first run failed of a package that passed in the second.
	unsteady string
}

// skip is a spec that was left out.
type skip struct{ spec, reason string }

// write writes the line of the package, and its output where it failed.
func (r result) write(out io.Writer) {
	word := "ok  "
	if r.failure != "" {
		word = "FAIL"
		_, _ = io.WriteString(out, r.output)
	}
	line := fmt.Sprintf("%s %-36s %6.1fs  %4d ran", word, r.path, r.elapsed.Seconds(), r.ran)
	if len(r.skipped) > 0 {
		line += fmt.Sprintf(", %d skipped", len(r.skipped))
	}
	if r.failure != "" {
		line += ": " + r.failure
	}
	_, _ = fmt.Fprintln(out, line)
}

// event is one line of go test -json.
type event struct {
	Action, Package, Test, Output string
	ImportPath, FailedBuild       string
	Elapsed                       float64
}

// collector turns the events of go test into results.
type collector struct {
	packages map[string]testPackage
	reports  string
	done     func(result)

	open    map[string]*progress
	builds  map[string]*strings.Builder // output of the compiler
	results []result
}

// progress is what is known of a package whose tests run.
type progress struct {
	output strings.Builder
	last   map[string]string // output of each test that may be a skip's reason
	result
}

func newCollector(packages map[string]testPackage, reports string, done func(result)) *collector {
	return &collector{
		packages: packages, reports: reports, done: done,
		open: make(map[string]*progress), builds: make(map[string]*strings.Builder),
	}
}

// take reads one line and reports whether it was an event.
func (c *collector) take(line []byte) bool {
	var e event
	if json.Unmarshal(line, &e) != nil || e.Action == "" {
		return false
	}
	if e.Package == "" {
		if e.Action == "build-output" {
			if c.builds[e.ImportPath] == nil {
				c.builds[e.ImportPath] = new(strings.Builder)
			}
			c.builds[e.ImportPath].WriteString(e.Output)
		}
		return true
	}
	p := c.open[e.Package]
	if p == nil {
		p = &progress{last: make(map[string]string), result: result{name: e.Package, path: e.Package}}
		c.open[e.Package] = p
	}
	if e.Test != "" {
		p.test(e)
		return true
	}
	switch e.Action {
	case "output":
		p.output.WriteString(e.Output)
	case "pass", "fail", "skip":
		delete(c.open, e.Package)
		c.finish(p, e)
	}
	return true
}

// test takes an event of one test function. Subtests are part of theirs.
func (p *progress) test(e event) {
	top := !strings.Contains(e.Test, "/")
	switch e.Action {
	case "output":
		p.output.WriteString(e.Output)
		if text := strings.TrimSpace(e.Output); text != "" && !strings.HasPrefix(text, "=== ") && !strings.HasPrefix(text, "--- ") {
			p.last[e.Test] += text + " "
		}
	case "pass":
		if top {
			p.ran++
		}
	case "fail":
		if top {
			p.ran++
			p.failed++
		}
	case "skip":
		p.skipped = append(p.skipped, skip{e.Test, strings.TrimSpace(p.last[e.Test])})
	}
	if e.Action != "output" {
		delete(p.last, e.Test)
	}
}

// finish makes the result of a package whose last event has come.
func (c *collector) finish(p *progress, e event) {
	known, hasTests := c.packages[e.Package]
	if e.Action == "skip" || (!hasTests && e.Action == "pass") {
		return // no test files
	}
	r := p.result
	r.path = cmp.Or(known.name, r.path)
	r.elapsed, r.output = time.Duration(e.Elapsed*float64(time.Second)), p.output.String()
	if e.Action == "fail" {
		r.failure = "failed"
	}
	if b := c.builds[e.FailedBuild]; b != nil {
		r.failure, r.output = "does not compile", b.String()+r.output
	}
	if known.suite && r.failure != "does not compile" {
		if err := r.addReport(reportFile(c.reports, known.dir)); err != nil {
			r.failure = strings.TrimPrefix(r.failure+"; "+err.Error(), "; ")
		}
	}
	switch {
	case r.failure == "failed" && r.failed > 0:
		r.failure = fmt.Sprintf("%d failed", r.failed)
	case r.failure == "" && r.failed > 0:
		r.failure = fmt.Sprintf("%d failed, though the suite passed", r.failed)
	case r.failure == "" && r.ran == 0:
		r.failure = "no spec ran"
	}
	c.results = append(c.results, r)
	c.done(r)
}

// addReport counts the specs in Ginkgo's report. The function that runs the
// suite was counted as a test before.
func (r *result) addReport(file string) error {
	text, err := os.ReadFile(file) // #nosec G304 -- in a folder of our own
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("it left no report of its specs")
	}
	var reports []types.Report
	if err == nil {
		err = json.Unmarshal(text, &reports)
	}
	if err != nil {
		return fmt.Errorf("its report cannot be read: %w", err)
	}
	for _, report := range reports {
		r.ran--
		if !report.SuiteSucceeded {
			r.failed--
		}
		for _, s := range report.SpecReports {
			r.addSpec(s)
		}
	}
	return nil
}

func (r *result) addSpec(s types.SpecReport) {
	spec := s.LeafNodeType == types.NodeTypeIt
	switch {
	case s.State.Is(types.SpecStateSkipped | types.SpecStatePending):
		if spec {
			reason := s.Failure.Message
			if s.State.Is(types.SpecStatePending) {
				reason = cmp.Or(reason, "pending")
			}
			r.skipped = append(r.skipped, skip{s.FullText(), reason})
		}
	case s.Failed():
		r.failed++
		if spec {
			r.ran++
		}
	case spec:
		r.ran++
	}
}
