package app

import (
	"context"
	"fmt"
	"time"

	"github.com/devops-insights/devops-insights/app/health"
	"github.com/devops-insights/devops-insights/app/logging"
	"github.com/devops-insights/devops-insights/store/boltstore"
	"github.com/devops-insights/devops-insights/store/diskfile"
)

// jumpShown is for how long health tells of a jump of the clock.
const jumpShown = 5 * time.Minute

// report tells of a jump that was not long ago, and of history that is ahead.
func (c *clock) report() health.Report {
	c.mu.Lock()
	recent := !c.jumped.IsZero() && time.Since(c.jumped) < jumpShown
	ahead := c.info.AheadMS > 0
	c.mu.Unlock()
	switch {
	case recent:
		return degraded("JUMP", c.state())
	case ahead:
		return degraded("AHEAD", c.state())
	}
	return well()
}

// logStuck is how long a write of the log may take.
const logStuck = 2 * time.Second

// probeLog lets the log report, where its writer can tell.
func (a *App) probeLog() {
	w, ok := a.log.Out.(*logging.Writer)
	if !ok {
		return
	}
	a.probe(partLog, func(context.Context) health.Report { return logReport(w.Stats()) })
}

func logReport(s logging.WriterStats) health.Report {
	switch {
	case s.Err != "":
		return degraded("WRITE", "the log cannot be written: "+s.Err)
	case s.Losing:
		return degraded("LOST", fmt.Sprintf("the log is not read fast enough: %d lines were lost since the start", s.Lost))
	case s.Stuck > logStuck:
		return degraded("STUCK", fmt.Sprintf("nobody reads the log for %s: %d bytes wait", s.Stuck.Round(time.Second), s.Queued))
	}
	return well()
}

// memoryReport compares what waits for dashboards, and what the process holds,
// with their bounds.
func (a *App) memoryReport(context.Context) health.Report {
	return memoryReport(a.sockets.Memory().Used(), a.sockets.Memory().Max(), int64(held()), a.opts.Config.MaxMemory) // #nosec G115 -- bytes of a process
}

func memoryReport(waits, most, holds, bound int64) health.Report {
	const mib = 1 << 20
	switch {
	case waits > most:
		return down("BUDGET", fmt.Sprintf("%d MiB wait for dashboards that do not read, and %d MiB may (half of MAX_MEMORY): connections are closed", waits/mib, most/mib))
	case waits > most/10*9:
		return degraded("BUDGET", fmt.Sprintf("%d MiB wait for dashboards that do not read, and %d MiB may (half of MAX_MEMORY)", waits/mib, most/mib))
	case bound > 0 && holds > bound+bound/4:
		return degraded("HEAP", fmt.Sprintf("the process holds %d MiB, and MAX_MEMORY is %d MiB", holds/mib, bound/mib))
	}
	return well()
}

// memoryExceeded reports whether more has waited for dashboards for a while than
// may: those that come would be turned away.
func (a *App) memoryExceeded(now time.Time) bool {
	p, _ := a.board.Lookup(partMemory)
	return p.State == health.Down && now.Sub(p.Since) > probeTimeout
}

// The bounds of free space.
const (
	fewPercent  = 5
	littleSpace = 100 << 20
	noSpace     = 10 << 20
)

// probeDisk lets the disks report that this instance writes to, if any.
func (a *App) probeDisk() {
	var dirs [][2]string // setting, folder
	if a.embedded != nil {
		dirs = append(dirs, [2]string{"DATA_DIR", a.opts.Config.DataDir})
	}
	if dir := a.opts.Config.ArchiveDir; dir != "" {
		dirs = append(dirs, [2]string{"ARCHIVE_DIR", dir})
	}
	if len(dirs) == 0 {
		return
	}
	a.probe(partDisk, func(context.Context) health.Report {
		worst := well()
		for _, d := range dirs {
			if r := diskReport(d[0], d[1]); worse(r.State, worst.State) {
				worst = r
			}
		}
		return worst
	})
}

// diskReport says how much room is left where a setting's folder is.
func diskReport(setting, dir string) health.Report {
	free, all, ok, err := diskfile.Space(dir)
	switch {
	case err != nil:
		class, text := boltstore.Explain(err)
		return down(class, setting+": "+text)
	case !ok:
		return well()
	}
	return spaceReport(setting, free, all)
}

func spaceReport(setting string, free, all uint64) health.Report {
	text := fmt.Sprintf("%d of %d MiB are free on the disk of %s", free>>20, all>>20, setting)
	switch {
	case free < noSpace:
		return down("DISK_FULL", text)
	case free < littleSpace || free < all/100*fewPercent:
		return degraded("DISK_FULL", text)
	}
	return well()
}
