package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

// gaugePeriod is how often PM2 gets new figures.
const gaugePeriod = 2 * time.Second

// Supervise tells the supervisor that dashboards can connect, and from then on
// until Stop how the server is doing: PM2 over the descriptor of
// NODE_CHANNEL_FD, with figures for "pm2 describe"; systemd over NOTIFY_SOCKET,
// with a sign of life where WATCHDOG_USEC asks for one. Without either it does
// nothing. Call it once, before Run.
func (a *App) Supervise(getenv func(string) string) error {
	if fd, err := strconv.Atoi(getenv("NODE_CHANNEL_FD")); err == nil && fd > 2 {
		// The descriptor stays open: closing it would tell PM2 of a disconnect.
		return a.supervisedByPM2(os.NewFile(uintptr(fd), "pm2"))
	}
	if path := getenv("NOTIFY_SOCKET"); path != "" {
		return a.supervisedBySystemd(path, getenv("WATCHDOG_USEC"))
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

func (a *App) supervisedByPM2(channel *os.File) error {
	if _, err := channel.WriteString("\"ready\"\n"); err != nil {
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
		if err := run(ctx); err != nil && ctx.Err() == nil {
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
	all := map[string]any{"Connected clients": gauge{a.sockets.Connections()}}
	if st := a.describeStore(); st.Store == "mongodb" {
		all["Changes held"] = gauge{st.Held}
	}
	if c := a.describeCluster(); c != nil {
		state := "connected"
		if !c.Connected {
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
	a.onStop("systemd", func(context.Context) error { defer func() { _ = c.Close() }(); return tell("STOPPING=1") })
	period, err := strconv.ParseInt(watchdog, 10, 64)
	if err != nil || period <= 0 {
		return nil
	}
	a.report("systemd", func(ctx context.Context) error {
		return every(ctx, time.Duration(period)*time.Microsecond/3, func() error {
			if !a.answers(ctx) {
				return nil
			}
			return tell("WATCHDOG=1")
		})
	})
	return nil
}

// answers reports whether this process serves requests.
func (a *App) answers(ctx context.Context) bool {
	_, port, err := net.SplitHostPort(a.Addr())
	if err != nil {
		return false
	}
	host := a.opts.Config.Host
	if host == "" || host == "0.0.0.0" || host == "::" {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/livez", http.NoBody)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	return resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
}
