// Command testrun runs all suites of the project and ends with a summary: how
// many specs ran, and which were skipped for which reason. A step that fails
// does not keep the next ones from running; the exit code is 1 when anything
// failed, did not compile, or ran no spec at all. Of a few suites of which only
// specs have failed a second run alone decides, and the summary names them.
//
//	go run ./scripts/testrun [-race] [package ...]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == execCommand {
		fmt.Fprintln(os.Stderr, execTest(os.Args[2:]))
		os.Exit(1)
	}
	race := flag.Bool("race", false, "run with the race detector")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, steps(*race, flag.Args())); err != nil {
		fmt.Fprintln(os.Stderr, "testrun:", err)
		os.Exit(1)
	}
}

// step is one call of go test.
type step struct {
	name     string
	dir      string   // of the module; empty: the working directory
	flags    []string // of go test
	packages []string
}

// steps returns what there is to run: everything, or the packages named.
func steps(race bool, packages []string) []step {
	common := []string{"-count=1"}
	if race {
		common = append(common, "-race")
	}
	with := func(args ...string) []string { return append(common[:len(common):len(common)], args...) }
	if len(packages) > 0 {
		return []step{{name: strings.Join(packages, " "), flags: with("-timeout", "40m"), packages: packages}}
	}
	every := []string{"./..."}
	return []step{
		{name: "all packages", flags: with("-timeout", "40m"), packages: every},
		{name: "as on systems without epoll", flags: with("-timeout", "10m", "-tags", "portable"), packages: []string{"./socket/engineio", "./socket/socketio"}},
		{name: "examples of web frameworks", dir: "socket/socketio/example/frameworks", flags: with("-timeout", "5m"), packages: every},
		{name: "benchmark programs", dir: "scripts/bench", flags: []string{"-count=1", "-timeout", "10m"}, packages: every},
	}
}

// run runs the steps one after the other and writes the summary.
func run(ctx context.Context, out io.Writer, all []step) error {
	var s summary
	for _, step := range all {
		_, _ = fmt.Fprintf(out, "\n== %s\n", step.name)
		results, err := runStep(ctx, out, step)
		if err != nil {
			err = fmt.Errorf("%s: %w", step.name, err)
			_, _ = fmt.Fprintln(out, "FAIL", err)
		}
		runAgain(ctx, out, step, results)
		s.add(step.name, results, err)
		if ctx.Err() != nil {
			s.failures = append(s.failures, "the run was interrupted")
			break
		}
	}
	s.write(out)
	if len(s.failures) > 0 {
		return errors.New("not everything passed")
	}
	return nil
}
