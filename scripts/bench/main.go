// Command bench measures our server beside others that do the same job, on one
// machine and in turn: Node's socket.io, the Go library zishang520/socket.io,
// and a bare websocket server that is the limit. Every server polls the same
// upstream, notices changes and pushes them; dashboards on raw connections
// receive them. All traffic is on loopback.
//
//	go -C scripts/bench run . -quick
//	make bench
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() (err error) {
	names := flag.String("profiles", "", "profiles, separated by commas; empty: all")
	only := flag.String("servers", "ours,ours-plain,node,limit,zishang520", "servers, separated by commas")
	rounds := flag.Int("runs", 5, "runs of each server under each profile")
	quick := flag.Bool("quick", false, "one short run of each server at 1000 dashboards, for a first look")
	live := flag.Duration("live", 6*time.Second, "how long changes come in each run")
	out := flag.String("out", "", "directory for results.json, results.md and the charts; empty: only print")
	root := flag.String("root", "../..", "the repository")
	old := flag.String("again", "", "a results.json whose tables and charts are made again; nothing is measured then")
	flag.Parse()
	if *old != "" {
		return again(*old, *out)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	chosen := choose(profiles(), *names, func(p profile) string { return p.name })
	b := &bench{times: times{warm: 2 * time.Second, settle: 2 * time.Second, live: *live, drain: 2 * time.Second}}
	if *quick {
		*rounds, b.times.live = 1, 5*time.Second
		chosen = chosen[:1]
	}
	if b.dir, err = os.MkdirTemp("", "bench"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	fmt.Fprintln(os.Stderr, "building the servers")
	all, err := servers(ctx, *root, b.dir)
	if err != nil {
		return err
	}
	all = choose(all, *only, func(s server) string { return s.name })
	if b.upstream, err = startUpstream(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.upstream.server.Close()) }()
	r := report{Machine: thisMachine(), Method: fmt.Sprintf(
		"%d interleaved runs of each server, %s of changes in each; medians, ratios run by run.", *rounds, b.times.live)}
	for i, p := range chosen {
		for round := range *rounds {
			for k := range all {
				s := all[(k+round)%len(all)] // another one first each time
				if p.left(s) {
					continue
				}
				o, err := b.run(ctx, s, p)
				if err != nil && (s.name == ours || ctx.Err() != nil) {
					return fmt.Errorf("%s under %s: %w", s.name, p.name, err)
				}
				if err != nil { // another server's failure is a result
					o.Failure = err.Error()
				}
				o.Round = round
				r.Runs = append(r.Runs, o)
				o.tell(os.Stderr, fmt.Sprintf("profile %d/%d %s, run %d/%d", i+1, len(chosen), p.name, round+1, *rounds))
			}
		}
	}
	return r.deliver(*out)
}

// again makes the tables and charts of runs that have been measured before.
func again(file, out string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var r report
	if err := json.Unmarshal(text, &r); err != nil {
		return fmt.Errorf("%s is no results.json: %w", file, err)
	}
	return r.deliver(out)
}

// deliver prints the report, and writes it where a directory is named.
func (r report) deliver(dir string) error {
	r.summarizeAll()
	fmt.Println(r.markdown())
	if dir == "" {
		return nil
	}
	return r.write(dir)
}

// tell prints one run as it ends.
func (o outcome) tell(w io.Writer, where string) {
	if o.Failure != "" {
		fmt.Fprintf(w, "%s: %-10s failed: %s\n", where, o.Server, o.Failure)
		return
	}
	fmt.Fprintf(w, "%s: %-10s %6.2f µs/message %6.0f µs/connect %5.1f kB idle %5.1f busy, p50 %.1f p99 %.1f max %.1f ms, %.0f bytes, lost %d twice %d unordered %d of %d, others %.0f %%\n",
		where, o.Server, o.CPUPerMessage, o.CPUPerConnect, o.IdleKB, o.BusyKB, o.P50, o.P99, o.Max, o.Bytes, o.Lost, o.Twice, o.Unordered, o.Delivered, 100*o.Foreign)
}

func choose[T any](all []T, names string, name func(T) string) []T {
	if names == "" {
		return all
	}
	wanted := strings.Split(names, ",")
	return slices.DeleteFunc(slices.Clone(all), func(v T) bool { return !slices.Contains(wanted, name(v)) })
}
