package boltstore

import (
	"bytes"
	"context"
	"errors"
	"math"
	"time"

	"github.com/sirupsen/logrus"
	bolt "go.etcd.io/bbolt"

	"github.com/devops-insights/devops-insights/store"
)

// The bounds of one transaction of the sweep, so that saves come between.
const (
	sweepBatch = 1000
	sweepBytes = 8 << 20
)

// Keep says how much is kept of a tier.
type Keep struct {
	// Age is the age at which points are deleted, a whole chunk of them at a
	// time. Zero: never.
	Age time.Duration
	// Bytes is the size from which the oldest are deleted. Zero: no bound.
	Bytes int64
}

// Archive takes rows before they are deleted.
type Archive interface {
	// Append returns when the rows are durable. They are in the order of the
	// history; after an error, or a crash, the same rows come again, perhaps with
	// others between them.
	Append(rows []store.Metric) error
}

func (s *Store) sweeper() {
	tick := time.NewTicker(s.opts.SweepInterval)
	defer tick.Stop()
	said := ""
	for {
		err := s.sweep()
		switch {
		case err == nil:
			said = ""
		case beyond(err), errors.Is(err, store.ErrClosed), err.Error() == said, s.opts.Logger == nil:
		default:
			said = err.Error()
			s.opts.Logger.WithError(err).Error("old history could not be deleted; it is tried again")
		}
		select {
		case <-tick.C:
		case <-s.stop:
			return
		}
	}
}

// sweep deletes what is older than it is kept, and the oldest of what is more.
func (s *Store) sweep() error {
	s.sweeping.Lock()
	defer s.sweeping.Unlock()
	err := errors.Join(s.countAll(), s.sweepRows(), s.sweepTiers())
	s.adviseCompaction()
	return err
}

// muchFree is from how many bytes on free pages are worth a word: the list of
// them is written with every commit, and makes it slower by then.
const muchFree = 512 << 20

// adviseCompaction says, when it begins to be so, that most of the file is free:
// after much was deleted at once.
func (s *Store) adviseCompaction() {
	sizes, err := s.Sizes(context.Background())
	much := err == nil && sizes.Free > muchFree && sizes.Free > sizes.File/2
	if before := s.advised.Swap(much); much && !before && s.opts.Logger != nil {
		s.opts.Logger.WithFields(logrus.Fields{"free_bytes": sizes.Free, "file_bytes": sizes.File}).
			Warn("most of the store's file is free, which makes storing slower until it is used again: `devops-insights store compact` gives it back while the program is stopped")
	}
}

// outdated is what one transaction of the sweep deletes.
type outdated struct {
	keys  [][]byte
	rows  []store.Metric // for the archive
	bytes int
}

func (o *outdated) full() bool { return len(o.keys) >= sweepBatch || o.bytes >= sweepBytes }

func (s *Store) sweepRows() error {
	if s.opts.Retention < 0 && s.opts.Size <= 0 {
		return nil
	}
	for !s.isClosed() && !s.health.broken.Load() {
		var old outdated
		err := s.view(context.Background(), func(tx *bolt.Tx) error {
			s.outdatedRows(tx, &old)
			return nil
		})
		if err != nil || len(old.keys) == 0 {
			return err
		}
		if s.opts.Archive != nil {
			if err := s.archive(old.rows); err != nil {
				return nil // it has been said
			}
		}
		if err := s.modify(func(t *txn) error { return t.deleteRows(old.keys) }); err != nil {
			return err
		}
		s.health.deleted.Add(uint64(len(old.keys)))
		if !old.full() {
			return nil
		}
	}
	return nil
}

// outdatedRows collects the rows of one transaction.
func (s *Store) outdatedRows(tx *bolt.Tx, old *outdated) {
	before := int64(math.MinInt64)
	if s.opts.Retention > 0 {
		before = s.age.Horizon(s.opts.Retention).UnixMilli()
	}
	horizon, over := timeKey(before, 0), excess(readCounts(tx)[areaRows], s.opts.Size)
	var r record
	c := tx.Bucket(bucketByTime()).Cursor()
	marks, looks := make(map[string]int64), maxLooks
	for k, v := c.First(); k != nil && !old.full() && looks > 0 && (over > 0 || bytes.Compare(k, horizon) < 0); k, v = c.Next() {
		if looks--; r.read(v) != nil {
			continue // a damaged row stays for Check to find, and keeps no other from being deleted
		}
		if over <= 0 && s.awaited(tx, marks, &r) {
			continue
		}
		old.keys, old.bytes, over = append(old.keys, bytes.Clone(k)), old.bytes+len(v), over-rowSize(&r, v)
		if s.opts.Archive != nil {
			m := r.metric()
			m.Data = bytes.Clone(m.Data)
			old.rows = append(old.rows, m)
		}
	}
}

// maxLooks bounds how many rows one transaction looks at.
const maxLooks = 50_000

// behind is since when the mark of a region stands where it does.
type behind struct {
	rolledUp, revision int64
	since              time.Time
}

// awaited reports whether a row stays because its region is still being rolled
// up. marks are those that the transaction has read.
func (s *Store) awaited(tx *bolt.Tx, marks map[string]int64, r *record) bool {
	if s.opts.AwaitRollup <= 0 {
		return false
	}
	key := string(latestKey(r.API, r.Source))
	mark, known := marks[key]
	if !known {
		state, now := readRegion(tx, r.API, r.Source), s.opts.Now()
		before, seen := s.behind[key]
		if !seen || before.rolledUp != state.rolledUp || before.revision != state.revision {
			before = behind{state.rolledUp, state.revision, now}
			s.behind[key] = before
		}
		if mark = state.rolledUp; now.Sub(before.since) >= s.opts.AwaitRollup {
			mark = math.MaxInt64
		}
		marks[key] = mark
	}
	return r.Created >= mark
}

// excess is by how much an area is too large. One that is not counted yet is not
// known to be.
func excess(n count, most int64) int64 {
	if most <= 0 || !n.complete {
		return 0
	}
	return n.Bytes - most
}

func (t *txn) deleteRows(keys [][]byte) error {
	rows, index := t.Bucket(bucketByTime()), t.Bucket(bucketBySrc())
	var r record
	for _, k := range keys {
		v := rows.Get(k)
		if v == nil {
			continue
		}
		if err := r.read(v); err != nil {
			return err
		}
		t.add(areaRows, k, -1, -rowSize(&r, v))
		if err := errors.Join(index.Delete(rowKey(r.API, r.Source, k)), rows.Delete(k)); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) sweepTiers() error {
	for tier, keep := range s.opts.Tiers {
		for more := tierNumber(tier) != 0 && (keep.Age > 0 || keep.Bytes > 0); more && !s.isClosed() && !s.health.broken.Load(); {
			var old outdated
			err := s.view(context.Background(), func(tx *bolt.Tx) error {
				s.outdatedChunks(tx, tier, keep, &old)
				return nil
			})
			if err != nil {
				return err
			}
			if len(old.keys) == 0 {
				break
			}
			if err := s.modify(func(t *txn) error { return t.deleteChunks(tier, old.keys) }); err != nil {
				return err
			}
			more = old.full()
		}
	}
	return nil
}

// outdatedChunks collects the chunks of one transaction. Those whose last point
// is old enough are.
func (s *Store) outdatedChunks(tx *bolt.Tx, tier store.Tier, keep Keep, old *outdated) {
	horizon := int32(math.MinInt32)
	if keep.Age > 0 {
		horizon = spanOf(tier, s.age.Horizon(keep.Age).UnixMilli())
	}
	over := excess(readCounts(tx)[areaOf(tier)], keep.Bytes)
	c := tx.Bucket(bucketChunks()).Cursor()
	for k, v := c.Seek([]byte{tierNumber(tier)}); !old.full(); k, v = c.Next() {
		span, _, ok := chunkPlace(tier, k)
		if !ok || span >= horizon && over <= 0 {
			return
		}
		old.keys, old.bytes, over = append(old.keys, bytes.Clone(k)), old.bytes+len(v), over-entrySize(k, v)
	}
}

func (t *txn) deleteChunks(tier store.Tier, keys [][]byte) error {
	bucket := t.Bucket(bucketChunks())
	for _, k := range keys {
		v := bucket.Get(k)
		if v == nil {
			continue
		}
		t.add(areaOf(tier), k, -1, -entrySize(k, v))
		if err := bucket.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// archive hands rows to the archive. What it cannot take stays where it is.
func (s *Store) archive(rows []store.Metric) error {
	err := s.opts.Archive.Append(rows)
	news, since := s.health.archived(err)
	switch {
	case s.opts.Logger == nil:
	case err != nil && news:
		s.opts.Logger.WithError(err).Error("rows cannot be archived: they stay in the store, however old, until they can")
	case err == nil && !since.IsZero():
		s.opts.Logger.WithField("duration_ms", time.Since(since).Milliseconds()).Info("rows can be archived again")
	}
	return err
}
