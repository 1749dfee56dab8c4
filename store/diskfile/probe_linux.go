package diskfile

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// nameless makes a file without a name, where the file system can.
func nameless(dir string) (file *os.File, remove func() error, err error) {
	file, err = os.OpenFile(dir, os.O_RDWR|unix.O_TMPFILE, 0o600) // #nosec G304 -- the folder is a setting.
	// A kernel or a file system that knows no such files takes the folder for what
	// is to be opened.
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EINVAL) {
		return named(dir)
	}
	return file, func() error { return nil }, err
}
