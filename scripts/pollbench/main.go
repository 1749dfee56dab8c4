//go:build unix

// Command pollbench says what polling costs: CPU per poll and as a share of
// one core, and memory per target. It polls many targets at the real pace, with
// the embedded store behind, in this process; the upstream is
//
//   - memory: a function that has the answer, so that only the poller and the
//     store are measured;
//   - client: the HTTP client with its limits and breaker, over a transport
//     that has the answer in memory;
//   - http: a server in a process of its own, on loopback.
//
// Run it with, for example:
//
//	go run ./scripts/pollbench -targets 5000 -interval 30s -change 0.1 -upstream memory
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/devops-insights/devops-insights/poller"
	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/boltstore"
)

// settings are what the person asked for.
type settings struct {
	targets  int
	interval time.Duration
	length   time.Duration
	size     int
	change   float64
	upstream string
	commits  int
	profile  string
}

func main() {
	var o settings
	flag.IntVar(&o.targets, "targets", 5000, "targets to poll")
	flag.DurationVar(&o.interval, "interval", 30*time.Second, "time between two polls of a target")
	flag.DurationVar(&o.length, "for", time.Minute, "how long to measure, after one interval in which every target is stored")
	flag.IntVar(&o.size, "size", 4<<10, "bytes of an answer")
	flag.Float64Var(&o.change, "change", 0.1, "share of the answers that changed")
	flag.StringVar(&o.upstream, "upstream", "memory", "memory, client or http")
	flag.IntVar(&o.commits, "commits", 20, "commits of the store per second, as the service has it; 0: no bound")
	flag.StringVar(&o.profile, "cpuprofile", "", "file for a CPU profile of the measured time")
	serve := flag.Bool("serve", false, "be the upstream of another pollbench")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	run := func() error { return bench(ctx, o) }
	if *serve {
		run = func() error { return serveAnswers(newAnswers(o.size, o.change)) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "pollbench:", err)
		os.Exit(1)
	}
}

// counted is a store that counts the polls which reached it.
type counted struct {
	store.Store
	polls, changes atomic.Int64
}

func (c *counted) Save(ctx context.Context, s store.Sample) (bool, error) {
	changed, err := c.Store.Save(ctx, s)
	c.polls.Add(1)
	if changed {
		c.changes.Add(1)
	}
	return changed, err
}

// usage is a moment of the measurement.
type usage struct {
	at             time.Time
	cpu            time.Duration // of this process, user and system
	polls, changes int64
}

func (c *counted) take() (usage, error) {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return usage{}, err
	}
	return usage{time.Now(), time.Duration(r.Utime.Nano() + r.Stime.Nano()), c.polls.Load(), c.changes.Load()}, nil
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

func bench(ctx context.Context, o settings) (err error) {
	dir, err := os.MkdirTemp("", "pollbench")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	bolt, err := boltstore.Open(boltstore.Options{Path: filepath.Join(dir, "poll.db"), CommitsPerSecond: o.commits})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bolt.Close()) }()
	fetch, stop, err := o.source(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	before := heap()
	saver := &counted{Store: bolt}
	var targets []poller.Target
	for i := range o.targets {
		name := fmt.Sprintf("target-%05d", i)
		targets = append(targets, poller.Target{API: "bench", Source: name, Fetch: fetch(name)})
	}
	var failed atomic.Int64
	p, err := poller.New(poller.Options{
		Targets: targets, Saver: saver, Interval: o.interval, StartWithin: o.interval,
		OnPoll: func(_ context.Context, r poller.Result) {
			if r.Err != nil && failed.Add(1) == 1 {
				fmt.Fprintln(os.Stderr, "pollbench: the first failure:", r.Err)
			}
		},
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	over := make(chan error, 1)
	go func() { over <- p.Run(ctx) }()
	defer func() { cancel(); err = errors.Join(err, <-over) }()
	from, to, err := o.measure(ctx, saver)
	if err != nil {
		return err
	}
	after := heap()
	polls, changes := to.polls-from.polls, to.changes-from.changes
	if polls == 0 {
		return errors.New("nothing was polled: measure for longer")
	}
	cpu := to.cpu - from.cpu
	fmt.Printf("upstream %s, %d targets every %s, %d bytes: %d polls in %.1f s, %d changes, %d failures\n",
		o.upstream, o.targets, o.interval, o.size, polls, to.at.Sub(from.at).Seconds(), changes, failed.Load())
	fmt.Printf("CPU %.1f µs per poll, %.2f %% of a core; memory %.2f kB per target\n",
		float64(cpu.Microseconds())/float64(polls), 100*float64(cpu)/float64(to.at.Sub(from.at)),
		float64(int64(after)-int64(before))/1024/float64(o.targets))
	return nil
}

// measure waits until every target is stored, and takes the time after that.
func (o settings) measure(ctx context.Context, saver *counted) (from, to usage, err error) {
	wait := func(d time.Duration) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := wait(o.interval + o.interval/10); err != nil {
		return from, to, err
	}
	if o.profile != "" {
		file, err := os.Create(o.profile)
		if err != nil {
			return from, to, err
		}
		defer func() { _ = file.Close() }()
		if err := pprof.StartCPUProfile(file); err != nil {
			return from, to, err
		}
		defer pprof.StopCPUProfile()
	}
	if from, err = saver.take(); err != nil {
		return from, to, err
	}
	if err := wait(o.length); err != nil {
		return from, to, err
	}
	to, err = saver.take()
	return from, to, err
}
