//go:build unix

package boltstore

import (
	"errors"
	"os"
	"syscall"
)

// release closes a file that bbolt has mapped. The map keeps the lock of a
// closed file, so that it is given back first.
func release(f *os.File) error {
	return errors.Join(syscall.Flock(int(f.Fd()), syscall.LOCK_UN), f.Close())
}
