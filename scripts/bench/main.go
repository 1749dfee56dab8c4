// Command bench measures our server beside others that do the same job, on one
// machine and in turn: Node's socket.io, the Go library zishang520/socket.io,
// and a bare websocket server that is the limit. Every server polls the same
// upstream, notices changes and pushes them; dashboards on raw connections
// receive them. All traffic is on loopback.
//
//	go run ./scripts/bench -quick
//	make bench
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
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
	only := flag.String("servers", "ours,node,limit,zishang520", "servers, separated by commas")
	rounds := flag.Int("runs", 5, "runs of each server under each profile")
	quick := flag.Bool("quick", false, "one short run of each server at 1000 dashboards, for a first look")
	out := flag.String("out", "", "directory for results.json, the table and the charts; empty: only print")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	chosen := choose(profiles(), *names, func(p profile) string { return p.name })
	b := &bench{times: times{warm: 3 * time.Second, settle: 3 * time.Second, live: 10 * time.Second, drain: 3 * time.Second}}
	if *quick {
		*rounds, b.times.live = 1, 5*time.Second
		chosen = choose(chosen, "1000-4k", func(p profile) string { return p.name })
	}
	if b.dir, err = os.MkdirTemp("", "bench"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	fmt.Fprintln(os.Stderr, "building the servers")
	all, err := servers(ctx, b.dir)
	if err != nil {
		return err
	}
	all = choose(all, *only, func(s server) string { return s.name })
	if b.upstream, err = startUpstream(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.upstream.server.Close()) }()
	var outcomes []outcome
	for i, p := range chosen {
		for round := range *rounds {
			for k := range all {
				s := all[(k+round)%len(all)] // another one first each time
				if p.polling && !s.polling {
					continue
				}
				o, err := b.run(ctx, s, p)
				if err != nil {
					return fmt.Errorf("%s under %s: %w", s.name, p.name, err)
				}
				o.Round = round
				outcomes = append(outcomes, o)
				fmt.Fprintf(os.Stderr, "%d/%d %s run %d %-12s cpu/msg %6.2f µs  cpu/connect %7.1f µs  idle %5.1f kB  busy %6.1f kB  p50 %6.1f p99 %6.1f max %6.1f ms  %6.0f B  lost %d twice %d unordered %d of %d\n",
					i+1, len(chosen), p.name, round+1, s.name, o.CPUPerMessage, o.CPUPerConnect, o.IdleKB, o.BusyKB, o.P50, o.P99, o.Max, o.Bytes, o.Lost, o.Twice, o.Unordered, o.Delivered)
			}
		}
	}
	_ = out
	return nil
}

func choose[T any](all []T, names string, name func(T) string) []T {
	if names == "" {
		return all
	}
	wanted := strings.Split(names, ",")
	return slices.DeleteFunc(slices.Clone(all), func(v T) bool { return !slices.Contains(wanted, name(v)) })
}
