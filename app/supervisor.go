package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/devops-insights/devops-insights/app/health"
	"github.com/devops-insights/devops-insights/app/probe"
)

// gaugePeriod is how often PM2 gets new figures.
const gaugePeriod = 2 * time.Second

// Supervise tells the supervisor that dashboards can connect, and from then on
// until Stop how the server is doing: PM2 with figures for "pm2 describe",
// systemd with a sign of life where it asks for one. Without a supervisor it
// does nothing. Call it once, before Run.
func (a *App) Supervise(s *Supervisor) error {
	switch {
	case s.channel != nil:
		return a.supervisedByPM2(s.channel)
	case s.notify != "":
		return a.supervisedBySystemd(s.notify, s.watchdog)
	}
	return nil
}

// startPause is more than the second below which PM2 counts a run as unstable.
const startPause = 2 * time.Second

// Hold waits a moment after a failed start, until ctx ends, where PM2 would
// otherwise restart at once and give up after 16 quick failures: what is
// missing, Redis for example, may only be late.
func Hold(ctx context.Context, getenv func(string) string) {
	if getenv("NODE_CHANNEL_FD") == "" {
		return
	}
	select {
	case <-time.After(startPause):
	case <-ctx.Done():
	}
}

func (a *App) supervisedByPM2(channel io.Writer) error {
	if _, err := io.WriteString(channel, "\"ready\"\n"); err != nil {
		return err
	}
	a.report("PM2", func(ctx context.Context) error {
		return every(ctx, gaugePeriod, func() error {
			line, err := json.Marshal(map[string]any{"type": "axm:monitor", "data": a.gauges()})
			if err != nil {
				return err
			}
			_, err = channel.Write(append(line, '\n'))
			return err
		})
	})
	return nil
}

// report runs until its end, which the log is told of: a supervisor that does
// not listen is no reason to stop.
func (a *App) report(to string, run func(context.Context) error) {
	a.background("reports to "+to, func(ctx context.Context) error {
		if err := a.guard("reports to "+to, func() error { return run(ctx) }); err != nil && ctx.Err() == nil {
			a.log.WithError(err).Warnf("%s is not told any more how the server is doing", to)
		}
		return nil
	})
}

// every calls f now and then once in a period, until ctx ends or f fails.
func every(ctx context.Context, period time.Duration, f func() error) error {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		if err := f(); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// gauges are the figures that PM2 shows.
func (a *App) gauges() map[string]any {
	type gauge struct {
		Value any `json:"value"`
	}
	all := map[string]any{"Connected clients": gauge{a.sockets.Connections()}, "Health": gauge{a.healthLine()}}
	if st := a.describeStore(); st.Store == "mongodb" {
		all["Changes held"] = gauge{st.Held}
	}
	if p, there := a.board.Lookup(partRedis); there {
		state := "connected"
		if p.State == health.Down {
			state = "away"
		}
		all["Redis"] = gauge{state}
	}
	return all
}

func (a *App) supervisedBySystemd(path, watchdog string) error {
	if path[0] == '@' {
		path = "\x00" + path[1:]
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return err
	}
	tell := func(what string) error { _, err := c.Write([]byte(what)); return err }
	if err := tell("READY=1"); err != nil {
		return fmt.Errorf("systemd was not told: %w", err)
	}
	a.systemd.Store(&tell)
	a.onStop("systemd", func(context.Context) error { defer func() { _ = c.Close() }(); return tell("STOPPING=1") })
	a.report("systemd", a.tellHealth(tell))
	period, err := strconv.ParseInt(watchdog, 10, 64)
	if err != nil || period <= 0 {
		return nil
	}
	a.report("systemd", func(ctx context.Context) error {
		return every(ctx, time.Duration(period)*time.Microsecond/3, func() error {
			if probe.Alive(ctx, a.Addr()) != nil {
				return nil
			}
			return tell("WATCHDOG=1")
		})
	})
	return nil
}

// tellHealth tells systemd, for "systemctl status", how the parts are doing
// whenever that changes.
func (a *App) tellHealth(tell func(string) error) func(context.Context) error {
	return func(ctx context.Context) error {
		last := ""
		return every(ctx, gaugePeriod, func() error {
			line := a.healthLine()
			if line == last {
				return nil
			}
			last = line
			return tell("STATUS=" + line)
		})
	}
}

// mostBad is how many parts a line names.
const mostBad = 5

// healthLine says in one line how the parts are doing.
func (a *App) healthLine() string {
	overall := a.board.Overall()
	if overall == health.OK {
		return string(overall) // what has not reported yet has its time
	}
	line, bad := string(overall), 0
	for _, p := range a.board.Parts() {
		if p.State == health.OK {
			continue
		}
		if bad++; bad > mostBad {
			continue
		}
		separator := ", "
		if bad == 1 {
			separator = ": "
		}
		line += separator + p.Name + " " + string(p.State)
		if p.Class != "" {
			line += " (" + p.Class + ")"
		}
	}
	if bad > mostBad {
		line += fmt.Sprintf(" and %d more", bad-mostBad)
	}
	return line
}

// tellReloading tells systemd that a reload begins; what it returns tells that it
// is over.
func (a *App) tellReloading() (over func()) {
	tell := a.systemd.Load()
	if tell == nil {
		return func() {}
	}
	_ = (*tell)("RELOADING=1\nMONOTONIC_USEC=" + strconv.FormatInt(monotonicMicroseconds(), 10)) // as with signs of life
	return func() { _ = (*tell)("READY=1") }
}
