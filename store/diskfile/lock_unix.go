//go:build unix

package diskfile

import (
	"os"

	"golang.org/x/sys/unix"
)

// Lock keeps other processes from writing the file until it is closed. It does not
// wait: a file that is locked already is an error.
func Lock(file *os.File) error { return unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) }
