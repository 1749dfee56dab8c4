//go:build unix

package app

import (
	"os"
	"syscall"
)

// duplicate returns a descriptor of our own for the same channel: where it is
// none, the original belongs to somebody else and must not be closed with it.
func duplicate(fd int) (*os.File, error) {
	own, err := syscall.Dup(fd)
	if err != nil {
		return nil, err
	}
	syscall.CloseOnExec(own)
	return os.NewFile(uintptr(own), "pm2"), nil
}
