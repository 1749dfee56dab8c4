package app

import "syscall"

// maxUnsent bounds what the system buffers of a connection beside what is on
// its way. Where more waits, it waits in the program, which puts newer values
// in the place of older ones.
const maxUnsent = 128 << 10

// tcpNotSentLowat is TCP_NOTSENT_LOWAT, which package syscall lacks.
const tcpNotSentLowat = 25

// tuneListener sets what the connections of a listener inherit.
func tuneListener(_, _ string, raw syscall.RawConn) error {
	return raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotSentLowat, maxUnsent) // an improvement only
	})
}
