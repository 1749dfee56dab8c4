package diskfile

import (
	"errors"
	"io/fs"
	"syscall"
)

// Fault names the class of an error of the file system as one short word that
// stays the same from one release to the next, and says in a sentence, without
// a path, what it is; both are empty for other errors.
func Fault(err error) (class, text string) {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "DISK_FULL", "the disk is full"
	case errors.Is(err, syscall.EROFS):
		return "READ_ONLY", "the file system is read-only"
	case errors.Is(err, syscall.EIO):
		return "DISK_FAILS", "the disk fails"
	case errors.Is(err, fs.ErrPermission):
		return "PERMISSION", "the program has no right to write there"
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return "MISSING", "the folder is missing"
	}
	return "", ""
}
