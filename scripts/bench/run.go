package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// outcome is what one run of one server under one profile gave.
type outcome struct {
	Server  string `json:"server"`
	Profile string `json:"profile"`
	Round   int    `json:"round"`

	CPUPerMessage float64 `json:"cpu_us_per_message"`
	CPUPerConnect float64 `json:"cpu_us_per_connect"`
	IdleKB        float64 `json:"kb_per_idle_connection"`
	BusyKB        float64 `json:"kb_per_busy_connection"`
	P50           float64 `json:"p50_ms"`
	P95           float64 `json:"p95_ms"`
	P99           float64 `json:"p99_ms"`
	Max           float64 `json:"max_ms"`
	Bytes         float64 `json:"bytes_per_message"`
	Delivered     int64   `json:"delivered"`
	Lost          int64   `json:"lost"`
	Twice         int64   `json:"twice"`
	Unordered     int64   `json:"unordered"`
	// Repeated counts connects that the server did not answer in time.
	Repeated int64 `json:"repeated"`
	// Failure is why the run ended early; empty where it did not.
	Failure string `json:"failure,omitempty"`
	// Foreign is the share of the machine that neither the server nor the
	// dashboards used while messages were delivered.
	Foreign float64 `json:"foreign"`
}

// times are the lengths of the parts of a run.
type times struct {
	warm, settle, live, drain time.Duration
}

// bench runs servers under profiles.
type bench struct {
	dir      string
	upstream *upstream
	times    times
}

// run measures one server under one profile.
func (b *bench) run(ctx context.Context, s server, p profile) (_ outcome, err error) {
	b.upstream.reset(p.size)
	proc, err := s.start(ctx, b.dir, p, b.upstream.URL)
	if err != nil {
		return outcome{}, err
	}
	defer proc.stop()
	defer func() { err = errors.Join(err, proc.died()) }()
	result := outcome{Server: s.name, Profile: p.name}
	values := newInflater()

	if err := b.warmUp(ctx, proc, p, values); err != nil {
		return result, err
	}
	empty, err := proc.memory()
	if err != nil {
		return result, err
	}

	before, err := proc.cpu()
	if err != nil {
		return result, err
	}
	crowd, err := assemble(ctx, proc.addr, p, p.connections, values)
	defer crowd.disperse()
	if err != nil {
		return result, err
	}
	wait(ctx, b.times.settle) // the subscriptions are handled, the clients' garbage is gone
	after, err := proc.cpu()
	if err != nil {
		return result, err
	}
	result.CPUPerConnect = micro(after-before) / float64(p.connections)
	idle, err := proc.memory()
	if err != nil {
		return result, err
	}
	result.IdleKB = float64(idle-empty) / 1024 / float64(p.connections)

	crowd.begin(b.upstream.last())
	first, err := readClocks(proc)
	if err != nil {
		return result, err
	}
	b.upstream.setLive(true)
	busiest := b.watch(ctx, proc)
	b.upstream.setLive(false)
	wait(ctx, b.times.drain)
	last, err := readClocks(proc)
	if err != nil {
		return result, err
	}
	result.Foreign = last.foreign(first)
	result.BusyKB = float64(busiest-empty) / 1024 / float64(p.connections)
	crowd.disperse()
	result.Repeated = crowd.repeated.Load()
	crowd.sum(&result, b.upstream.last())
	if result.Delivered == 0 {
		return result, errors.New("nothing was delivered")
	}
	result.CPUPerMessage = micro(last.server-first.server) / float64(result.Delivered)
	return result, ctx.Err()
}

// clocks are the CPU times of the processes.
type clocks struct {
	at                  time.Time
	server, self, whole time.Duration
}

func readClocks(p *process) (c clocks, err error) {
	var err1, err2, err3 error
	c.at = time.Now()
	c.server, err1 = p.cpu()
	c.self, err2 = own()
	c.whole, err3 = busy()
	return c, errors.Join(err1, err2, err3)
}

// foreign is the share of all cores that others had since the earlier reading.
func (c clocks) foreign(since clocks) float64 {
	others := (c.whole - since.whole) - (c.server - since.server) - (c.self - since.self)
	all := c.at.Sub(since.at) * time.Duration(runtime.NumCPU())
	return max(0, float64(others)/float64(all))
}

// warmUp waits until the server takes dashboards, lets some come and go and
// receive, so that what is compiled or allocated once is not measured.
func (b *bench) warmUp(ctx context.Context, proc *process, p profile, values *inflater) error {
	deadline := time.Now().Add(20 * time.Second)
	for {
		d, err := dial(ctx, proc.addr, p, values)
		if err == nil {
			d.hangUp()
			break
		}
		if dead := proc.died(); dead != nil {
			return dead
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("the server does not take dashboards: %w", err)
		}
		wait(ctx, 50*time.Millisecond)
	}
	b.upstream.setLive(true)
	defer b.upstream.setLive(false)
	for until := time.Now().Add(b.times.warm); time.Now().Before(until); {
		crowd, err := assemble(ctx, proc.addr, p, 100, values)
		if err != nil {
			crowd.disperse()
			return err
		}
		wait(ctx, b.times.warm/4)
		crowd.disperse()
	}
	b.upstream.setLive(false)
	wait(ctx, p.interval()+500*time.Millisecond) // every region is told its last value
	return ctx.Err()
}

// watch lets the live time pass and returns the most memory seen.
func (b *bench) watch(ctx context.Context, proc *process) int64 {
	var most int64
	for until := time.Now().Add(b.times.live); time.Now().Before(until) && ctx.Err() == nil; {
		if now, err := proc.memory(); err == nil {
			most = max(most, now)
		}
		wait(ctx, 100*time.Millisecond)
	}
	return most
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// crowd is all dashboards of a run.
type crowd struct {
	all      []*dashboard
	repeated atomic.Int64
	reading  sync.WaitGroup
	once     sync.Once
}

// assemble connects n dashboards, a few at a time.
func assemble(ctx context.Context, addr string, p profile, n int, values *inflater) (*crowd, error) {
	c := &crowd{all: make([]*dashboard, n)}
	var work sync.WaitGroup
	next, errs := make(chan int), make(chan error, 32)
	for range 32 {
		work.Go(func() {
			for i := range next {
				d, err := dial(ctx, addr, p, values)
				for tries := 1; err != nil && tries < 3; tries++ {
					c.repeated.Add(1)
					d, err = dial(ctx, addr, p, values)
				}
				if err != nil {
					errs <- err
					return
				}
				c.all[i] = d
			}
		})
	}
	var err error
feeding:
	for i := range n {
		select {
		case next <- i:
		case err = <-errs:
			break feeding
		}
	}
	close(next)
	work.Wait()
	select {
	case first := <-errs:
		err = errors.Join(err, first)
	default:
	}
	c.all = slices.DeleteFunc(c.all, func(d *dashboard) bool { return d == nil })
	for _, d := range c.all {
		c.reading.Go(d.follow)
	}
	return c, err
}

// begin starts the count at the values that the dashboards have. Nothing is on
// its way then.
func (c *crowd) begin(last []int64) {
	for _, d := range c.all {
		d.begin(last)
	}
}

// disperse ends every dashboard and waits for it.
func (c *crowd) disperse() {
	c.once.Do(func() {
		for _, d := range c.all {
			d.hangUp()
		}
		c.reading.Wait()
	})
}

// sum adds up what the dashboards received, and what is missing at the end.
func (c *crowd) sum(o *outcome, last []int64) {
	var latencies []uint32
	var bytes int64
	for _, d := range c.all {
		latencies = append(latencies, d.latencies...)
		bytes += d.bytes
		o.Delivered += d.delivered
		o.Lost += d.lost
		o.Twice += d.twice
		o.Unordered += d.unordered
		for i, number := range last {
			o.Lost += max(number-d.last[i], 0)
		}
	}
	if len(latencies) == 0 {
		return
	}
	slices.Sort(latencies)
	at := func(share float64) float64 {
		return float64(latencies[int(share*float64(len(latencies)-1))]) / 1000
	}
	o.P50, o.P95, o.P99, o.Max = at(0.5), at(0.95), at(0.99), at(1)
	o.Bytes = float64(bytes) / float64(o.Delivered)
}
