package app

import (
	"net"
	"os"
	"strconv"
)

// NotifyReady tells the supervisor that dashboards can connect: PM2 over the
// descriptor of NODE_CHANNEL_FD, systemd over NOTIFY_SOCKET. Without either it
// does nothing.
func NotifyReady(getenv func(string) string) error {
	if fd, err := strconv.Atoi(getenv("NODE_CHANNEL_FD")); err == nil && fd > 2 {
		channel := os.NewFile(uintptr(fd), "pm2")
		if _, err := channel.WriteString("\"ready\"\n"); err != nil {
			return err
		}
		// The descriptor stays open: closing it would tell PM2 of a disconnect.
		return nil
	}
	if path := getenv("NOTIFY_SOCKET"); path != "" {
		if path[0] == '@' {
			path = "\x00" + path[1:]
		}
		c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		_, err = c.Write([]byte("READY=1"))
		return err
	}
	return nil
}
