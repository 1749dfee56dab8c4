package boltstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/devops-insights/devops-insights/store/diskfile"
)

// Backup writes a copy of the file as it is between two commits, while the store
// is in use: nobody waits for it. As long as it takes, pages that become free are
// not used again, so that the file grows by what is written meanwhile: hand it a
// writer that keeps up. A copy that was not written to its end, because ctx ended
// or w failed, is an error, and is refused by Restore.
func (s *Store) Backup(ctx context.Context, w io.Writer) error {
	err := s.view(ctx, func(tx *bolt.Tx) error {
		_, err := tx.WriteTo(untilDone{ctx, w})
		return err
	})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: it is shorter than it says", ErrDamaged)
	}
	return err
}

// untilDone is a writer that fails when its time is over.
type untilDone struct {
	ctx context.Context
	w   io.Writer
}

func (u untilDone) Write(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.w.Write(p)
}

// Restored is what Restore has put in the place of the file.
type Restored struct {
	Findings
	// Old is where the file stands that was there before; empty where none was.
	Old string
}

// Restore puts a backup in the place of the file, which no process may have
// open. The backup is examined before, and refused where anything is wrong with
// it; the old file stays beside the new one. An error leaves the file as it is.
func Restore(path string, backup io.Reader) (r Restored, err error) {
	release, err := hold(path)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, release()) }()
	temporary := path + ".restored"
	if r.Findings, err = receive(temporary, backup); err != nil {
		return r, errors.Join(err, remove(temporary))
	}
	if _, err := os.Stat(path); err == nil {
		r.Old = path + ".before-" + time.Now().UTC().Format("20060102T150405.000Z")
		if err := keep(path, r.Old); err != nil {
			return r, errors.Join(err, remove(temporary))
		}
	}
	if err := os.Rename(temporary, path); err != nil {
		if _, gone := os.Stat(path); gone != nil && r.Old != "" {
			err = errors.Join(err, os.Rename(r.Old, path))
		}
		return r, errors.Join(err, remove(temporary))
	}
	return r, diskfile.SyncFolder(filepath.Dir(path))
}

// keep gives a file a second name, so that at every moment there is one under
// the first: a server that starts meanwhile would begin with an empty store. On
// a file system without second names it gets the other one.
func keep(path, old string) error {
	if os.Link(path, old) == nil {
		return nil
	}
	return os.Rename(path, old)
}

// hold keeps other processes from opening a file, until release. One that is
// missing, or that none can open because it is damaged, needs no holding.
func hold(path string) (release func() error, err error) {
	none := func() error { return nil }
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return none, nil
	}
	db, _, err := openDB(path, &bolt.Options{Timeout: lockWait})
	switch {
	case errors.Is(err, ErrDamaged):
		return none, nil
	case err != nil:
		return nil, err
	}
	return func() error { return guard(db.Close) }, nil
}

// receive writes a backup to the disk and examines it.
func receive(path string, backup io.Reader) (found Findings, err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) // #nosec G304 -- the path is a setting.
	if err != nil {
		return found, err
	}
	_, err = io.Copy(file, backup)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return found, fmt.Errorf("the backup cannot be read, or the new file not be written: %w", err)
	}
	found, err = Check(path)
	if errors.Is(err, ErrDamaged) {
		return found, fmt.Errorf("the backup is not complete, or no file of the embedded store: %w", ErrDamaged)
	}
	if err == nil && found.Count > 0 {
		err = fmt.Errorf("the backup has %d problems: %w: %s", found.Count, ErrDamaged, strings.Join(found.Problems, "; "))
	}
	return found, err
}
