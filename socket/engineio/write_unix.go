//go:build unix && !portable

package engineio

import (
	"errors"
	"io"
	"syscall"
)

// canWriteNow says whether writeNow works on this system.
const canWriteNow = true

// writeNow writes what the socket's buffer takes without waiting, and returns
// how much that was. The socket must be non-blocking, as Go's are.
func writeNow(fd int, b []byte) (n int, err error) {
	for n < len(b) {
		k, err := syscall.Write(fd, b[n:])
		switch {
		case k > 0:
			n += k
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EAGAIN):
			return n, nil
		case err != nil:
			return n, err
		default:
			return n, io.ErrUnexpectedEOF
		}
	}
	return n, nil
}
