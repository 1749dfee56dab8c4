package app

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"time"
)

// Supervisor is who started this process and wants to know how it is.
type Supervisor struct {
	channel  *pm2Channel // nil without PM2
	notify   string      // NOTIFY_SOCKET of systemd
	watchdog string      // WATCHDOG_USEC
}

// FindSupervisor reads NODE_CHANNEL_FD of PM2 and NOTIFY_SOCKET of systemd. Call
// it before anything opens a file: the number of a descriptor that PM2 did not
// pass on would else be that of somebody's file. An error says why PM2 is not
// told anything; the rest works.
func FindSupervisor(getenv func(string) string) (*Supervisor, error) {
	s := &Supervisor{notify: getenv("NOTIFY_SOCKET"), watchdog: getenv("WATCHDOG_USEC")}
	fd, err := strconv.Atoi(getenv("NODE_CHANNEL_FD"))
	if err != nil || fd <= 2 {
		return s, nil
	}
	if s.channel, err = openChannel(fd); err != nil {
		return s, fmt.Errorf("NODE_CHANNEL_FD=%d is not the channel of PM2, which is not told that the server is ready: %w", fd, err)
	}
	return s, nil
}

// pm2Channel is the descriptor that PM2 passes on. The original is never closed:
// that would tell PM2 of a disconnect.
type pm2Channel struct {
	file *os.File // a pipe
	conn net.Conn // or a socket
}

// openChannel takes a descriptor that is a pipe or a local socket, and nothing
// else: a file or a connection of somebody else must not be written into.
func openChannel(fd int) (*pm2Channel, error) {
	file, err := duplicate(fd)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && info.Mode()&fs.ModeNamedPipe != 0 {
		return &pm2Channel{file: file}, nil
	}
	defer func() { _ = file.Close() }()
	switch {
	case err != nil:
		return nil, err
	case info.Mode()&fs.ModeSocket == 0:
		return nil, errors.New("it is no socket and no pipe")
	}
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, errors.New("it is no connected socket")
	}
	if _, local := conn.(*net.UnixConn); !local {
		_ = conn.Close()
		return nil, errors.New("it is a connection over the network")
	}
	return &pm2Channel{conn: conn}, nil
}

// channelTimeout bounds a message: PM2 may hang.
const channelTimeout = 2 * time.Second

// Write sends a message.
func (c *pm2Channel) Write(message []byte) (int, error) {
	if c.conn == nil {
		_ = c.file.SetWriteDeadline(time.Now().Add(channelTimeout)) // not every pipe has one
		return c.file.Write(message)
	}
	if err := c.conn.SetWriteDeadline(time.Now().Add(channelTimeout)); err != nil {
		return 0, err
	}
	return c.conn.Write(message)
}
