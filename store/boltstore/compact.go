package boltstore

import (
	"errors"
	"fmt"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"
)

// lockWait is how long the commands below wait for a file that is in use.
const lockWait = time.Second

// Compact rewrites a file that no process has open, without its free pages, and
// returns its size in bytes before and after. The old file stays until the new
// one is complete. It returns ErrLocked where a process uses the file.
func Compact(path string) (before, after int64, err error) {
	if before, err = size(path); err != nil {
		return 0, 0, err
	}
	// Opened for writing, so that nobody writes meanwhile.
	from, _, err := openDB(path, &bolt.Options{Timeout: lockWait})
	if err != nil {
		return 0, 0, err
	}
	temporary := path + ".compact"
	if err := compactTo(temporary, from); err != nil {
		return 0, 0, errors.Join(fmt.Errorf("%s cannot be compacted, and stays as it is: %w", path, err), remove(temporary), guard(from.Close))
	}
	if err := errors.Join(os.Rename(temporary, path), from.Close()); err != nil {
		return 0, 0, err
	}
	after, err = size(path)
	return before, after, err
}

func compactTo(path string, from *bolt.DB) error {
	if err := remove(path); err != nil {
		return err
	}
	to, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: lockWait})
	if err != nil {
		return err
	}
	return errors.Join(guard(func() error { return bolt.Compact(to, from, 1<<20) }), to.Sync(), to.Close())
}

func size(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// remove deletes a file that may not be there.
func remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
