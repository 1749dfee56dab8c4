package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	// execCommand is how go test calls this program to start a test binary.
	execCommand = "exec-test-binary"
	// ginkgo is the package that every suite with a report of its own links.
	ginkgo = "github.com/onsi/ginkgo/v2"
	// envSuites and envReports tell the called program which directories hold
	// Ginkgo suites, and where their reports go.
	envSuites  = "TESTRUN_SUITES"
	envReports = "TESTRUN_REPORTS"
)

// execTest becomes the test binary args[0]. Ginkgo suites are told to write a
// report, which alone has the reasons of skipped specs; other binaries do not
// know the flag.
func execTest(args []string) error {
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	for suite := range strings.SplitSeq(os.Getenv(envSuites), string(filepath.ListSeparator)) {
		if suite == dir {
			args = append(args, "-ginkgo.no-color", "-ginkgo.json-report="+reportFile(os.Getenv(envReports), dir))
		}
	}
	if err := syscall.Exec(args[0], args, os.Environ()); err != nil {
		return fmt.Errorf("the test binary %s cannot be started: %w", args[0], err)
	}
	return nil
}

// reportFile names the report of the suite in a directory.
func reportFile(reports, dir string) string {
	name := strings.NewReplacer(string(filepath.Separator), "_", string(filepath.ListSeparator), "_").Replace(dir)
	return filepath.Join(reports, name+".json")
}

// testPackage is a package that has tests.
type testPackage struct {
	name  string // its path within the module
	dir   string
	suite bool // a Ginkgo suite
}

// testPackages lists the packages of a step that have tests, also those that
// do not compile.
func testPackages(ctx context.Context, s step) (map[string]testPackage, error) {
	const format = `{{.ImportPath}}{{"\t"}}{{.Dir}}{{"\t"}}{{if .Module}}{{.Module.Path}}{{end}}{{"\t"}}{{range .Deps}}{{if eq . "` + ginkgo + `"}}suite{{end}}{{end}}`
	list := exec.CommandContext(ctx, "go", append([]string{"list", "-e", "-test", "-f", format}, s.listArgs()...)...) // #nosec G204 -- our own steps
	list.Dir, list.Stderr = s.dir, os.Stderr
	text, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("the packages cannot be listed: %w", err)
	}
	all := make(map[string]testPackage)
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if path, isTest := strings.CutSuffix(f[0], ".test"); isTest && len(f) == 4 {
			all[path] = testPackage{name: strings.TrimPrefix(path, f[2]+"/"), dir: f[1], suite: f[3] != ""}
		}
	}
	return all, nil
}

// listArgs returns what go list understands: the build tags and the packages.
func (s step) listArgs() (args []string) {
	if i := slices.Index(s.flags, "-tags"); i >= 0 {
		args = append(args, s.flags[i:i+2]...)
	}
	return append(args, s.packages...)
}

// runStep runs go test and writes a line for each package as it ends, with the
// output of those that failed. An error says that go test itself failed for a
// reason that no package has.
func runStep(ctx context.Context, out io.Writer, s step) ([]result, error) {
	packages, err := testPackages(ctx, s)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	reports, err := os.MkdirTemp("", "testrun")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(reports) }() // nothing depends on it any more
	var suites []string
	for _, p := range packages {
		if p.suite {
			suites = append(suites, p.dir)
		}
	}
	test := exec.CommandContext(ctx, "go", append([]string{"test", "-json", "-exec", fmt.Sprintf("%q %s", self, execCommand)}, slices.Concat(s.flags, s.packages)...)...) // #nosec G204 -- our own steps
	test.Dir, test.Stderr = s.dir, os.Stderr
	test.Env = append(os.Environ(), envSuites+"="+strings.Join(suites, string(filepath.ListSeparator)), envReports+"="+reports)
	test.Cancel, test.WaitDelay = func() error { return test.Process.Signal(os.Interrupt) }, 30*time.Second
	events, err := test.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := test.Start(); err != nil {
		return nil, err
	}
	c := newCollector(packages, reports, func(r result) { r.write(out) })
	c.readAll(events, out)
	err = test.Wait()
	results := c.results
	var exit *exec.ExitError
	switch {
	case err == nil && len(results) == 0:
		return nil, errors.New("no package has tests")
	case errors.As(err, &exit) && anyFailed(results):
		return results, nil // the results say it
	}
	return results, err
}

func anyFailed(results []result) bool {
	for _, r := range results {
		if r.failure != "" {
			return true
		}
	}
	return false
}

// readAll hands each line of the event stream to the collector; what is no
// event is passed on.
func (c *collector) readAll(events io.Reader, out io.Writer) {
	lines := bufio.NewReaderSize(events, 1<<16)
	for {
		line, err := lines.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 && !c.take(line) {
			_, _ = out.Write(line)
		}
		if err != nil {
			return
		}
	}
}
