// Command testrun runs all suites of the project and ends with a summary: how
// many specs ran, and which were skipped for which reason. A step that fails
// does not keep the next ones from running; the exit code is 1 when anything
// failed, did not compile, or ran no spec at all.
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
	name string
	dir  string   // of the module; empty: the working directory
	args []string // what go test gets, packages last
}

// steps returns what there is to run: everything, or the packages named.
func steps(race bool, packages []string) []step {
	common := []string{"-count=1"}
	if race {
		common = append(common, "-race")
	}
	with := func(args ...string) []string { return append(common[:len(common):len(common)], args...) }
	if len(packages) > 0 {
		return []step{{name: strings.Join(packages, " "), args: with(append([]string{"-timeout", "20m"}, packages...)...)}}
	}
	return []step{
		{name: "all packages", args: with("-timeout", "20m", "./...")},
		{name: "as on systems without epoll", args: with("-timeout", "10m", "-tags", "portable", "./socket/engineio", "./socket/socketio")},
		{name: "examples of web frameworks", dir: "socket/socketio/example/frameworks", args: with("-timeout", "5m", "./...")},
		{name: "benchmark programs", dir: "scripts/bench", args: []string{"-count=1", "-timeout", "10m", "./..."}},
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
