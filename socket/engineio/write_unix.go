//go:build unix

package engineio

import (
	"errors"
	"io"
	"syscall"
)

// tryWrite writes what the socket's buffer takes without waiting.
func tryWrite(raw syscall.RawConn, b []byte) (n int, err error) {
	werr := raw.Write(func(fd uintptr) bool {
		for n < len(b) {
			var k int
			k, err = syscall.Write(int(fd), b[n:])
			switch {
			case k > 0:
				n += k
			case errors.Is(err, syscall.EINTR):
			case errors.Is(err, syscall.EAGAIN):
				err = nil
				return true
			case err != nil:
				return true
			default:
				err = io.ErrUnexpectedEOF
				return true
			}
		}
		err = nil
		return true
	})
	if werr != nil {
		return n, werr
	}
	return n, err
}
