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

func (a *App) supervisedByPM2(channel *os.File) error {
	if _, err := channel.WriteString("\"ready\"\n"); err != nil {
		return err
	}
	a.background("figures for PM2", func(ctx context.Context) error {
		for tick := time.NewTicker(gaugePeriod); ; {
			line, err := json.Marshal(map[string]any{"type": "axm:monitor", "data": a.gauges()})
			if err != nil {
				return err
			}
			if _, err := channel.Write(append(line, '\n')); err != nil {
				a.log.WithError(err).Warn("PM2 does not take figures any more")
				return nil
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				tick.Stop()
				return nil
			}
		}
	})
	return nil
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
	a.background("watchdog", func(ctx context.Context) error {
		for tick := time.NewTicker(time.Duration(period) * time.Microsecond / 3); ; {
			if a.answers(ctx) {
				if err := tell("WATCHDOG=1"); err != nil {
					a.log.WithError(err).Warn("systemd does not hear the watchdog")
				}
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				tick.Stop()
				return nil
			}
		}
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
