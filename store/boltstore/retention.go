package boltstore

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"
)

// sweepBatch bounds one transaction of the sweep, so that saves come between.
const sweepBatch = 1000

func (s *Store) sweeper() {
	tick := time.NewTicker(s.opts.SweepInterval)
	defer tick.Stop()
	for {
		if err := s.sweep(); err != nil && s.opts.Logger != nil {
			s.opts.Logger.WithError(err).Error("old history could not be deleted; it is tried again")
		}
		select {
		case <-tick.C:
		case <-s.stop:
			return
		}
	}
}

// sweep deletes the history rows that are older than the retention.
func (s *Store) sweep() error {
	for !s.isClosed() {
		deleted := 0
		err := s.db.Update(func(tx *bolt.Tx) error {
			horizon := timeKey(s.opts.Now().Add(-s.opts.Retention).UnixMilli(), 0)
			rows, index := tx.Bucket(bucketByTime()), tx.Bucket(bucketBySrc())
			var old [][]byte
			var r record
			c := rows.Cursor()
			for k, v := c.First(); k != nil && bytes.Compare(k, horizon) < 0 && len(old) < sweepBatch; k, v = c.Next() {
				if err := r.read(v); err != nil {
					return err
				}
				if err := index.Delete(append(sourcePrefix(r.API, r.Source), k...)); err != nil {
					return err
				}
				old = append(old, bytes.Clone(k))
			}
			for _, k := range old {
				if err := rows.Delete(k); err != nil {
					return err
				}
			}
			deleted = len(old)
			return nil
		})
		if err != nil || deleted < sweepBatch {
			return err
		}
	}
	return nil
}

// Compact rewrites a file that no process has open, without its free pages.
// The old file stays until the new one is complete.
func Compact(path string) error {
	from, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		return fmt.Errorf("%s cannot be compacted: %w", path, err)
	}
	temporary := path + ".compact"
	to, err := bolt.Open(temporary, 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		return errors.Join(fmt.Errorf("%s cannot be made: %w", temporary, err), from.Close())
	}
	if err := errors.Join(bolt.Compact(to, from, 1<<20), to.Sync(), to.Close(), from.Close()); err != nil {
		return errors.Join(fmt.Errorf("%s cannot be compacted: %w", path, err), os.Remove(temporary))
	}
	return os.Rename(temporary, path)
}
