package boltstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/devops-insights/devops-insights/store"
)

// Size is how much there is of something.
type Size struct {
	// Count is the number of rows, or of chunks.
	Count int64
	// Bytes is the room that they need in the file, but for the pages' own.
	Bytes int64
}

// Sizes is how much history there is.
type Sizes struct {
	Rows  Size
	Tiers map[store.Tier]Size
	// Counting says that a file of an older program is still being counted: what
	// is not counted yet is missing.
	Counting bool
	// File is the size of the file in bytes, and Free how much of it holds nothing:
	// it is used again, and Compact gives it back.
	File, Free int64
}

// Sizes returns how much history there is, without looking for it.
func (s *Store) Sizes(ctx context.Context) (all Sizes, err error) {
	err = s.view(ctx, func(tx *bolt.Tx) error {
		c := readCounts(tx)
		all = Sizes{Rows: c[areaRows].Size, Tiers: make(map[store.Tier]Size)}
		for i, tier := range store.Tiers() {
			all.Tiers[tier] = c[areaRows+1+i].Size
		}
		stats := s.db.Stats()
		all.File, all.Free = tx.Size(), int64(stats.FreePageN+stats.PendingPageN)*s.pageSize
		all.Counting = slices.ContainsFunc(c[:], func(n count) bool { return !n.complete })
		return nil
	})
	return all, err
}

// The areas that are counted: the rows, and each tier behind them.
const (
	areaRows = 0
	areas    = 4
)

// areaOf returns that of a tier.
func areaOf(t store.Tier) int { return areaRows + int(tierNumber(t)) }

// count is the size of an area. As long as it is not complete, what stands at
// upTo and behind is not in it.
type count struct {
	Size
	complete bool
	upTo     []byte
}

type counts [areas]count

// sizesKey is where they stand in the bucket meta.
func sizesKey() []byte { return []byte("sizes") }

// readCounts returns the counts of the file: of one that has none, or damaged
// ones, counting begins.
func readCounts(tx *bolt.Tx) (c counts) {
	_, content, err := unseal(kindSizes, sizesKey(), tx.Bucket(bucketMeta()).Get(sizesKey()))
	if err != nil {
		return counts{}
	}
	p := parts{rest: content}
	for i := range c {
		c[i] = count{Size: Size{p.signed(), p.signed()}, complete: p.unsigned() == 1, upTo: bytes.Clone(p.bytes())}
	}
	if p.bad {
		return counts{}
	}
	return c
}

func (c *counts) write(tx *bolt.Tx) error {
	var b []byte
	for _, n := range c {
		b = binary.AppendVarint(b, n.Count)
		b = binary.AppendVarint(b, n.Bytes)
		complete := uint64(0)
		if n.complete {
			complete = 1
		}
		b = appendText(binary.AppendUvarint(b, complete), string(n.upTo))
	}
	return putSealed(tx.Bucket(bucketMeta()), kindSizes, sizesKey(), b)
}

// txn is a transaction that writes history.
type txn struct {
	*bolt.Tx
	late    int64 // rows before it are late
	counts  counts
	changed bool
}

// modify runs a transaction that writes history.
func (s *Store) modify(do func(*txn) error) error {
	late := s.opts.Now().Add(-store.LateAfter).UnixMilli()
	return s.update(func(tx *bolt.Tx) error { return within(tx, late, do) })
}

// within lets a transaction write history, and notes the sizes at its end.
func within(tx *bolt.Tx, late int64, do func(*txn) error) error {
	t := &txn{Tx: tx, late: late, counts: readCounts(tx)}
	if err := do(t); err != nil || !t.changed {
		return err
	}
	return t.counts.write(tx)
}

// add notes what was added to an area under the key, or taken away.
func (t *txn) add(area int, key []byte, entries, size int64) {
	n := &t.counts[area]
	if !n.complete && bytes.Compare(key, n.upTo) >= 0 {
		return // it is counted when it is its turn
	}
	n.Count, n.Bytes, t.changed = n.Count+entries, n.Bytes+size, true
}

// rowSize is the room of a row and its index entry.
func rowSize(r *record, value []byte) int64 {
	return int64(2*leafElement + stampSize + len(value) + len(r.API) + len(r.Source) + 2 + stampSize)
}

// entrySize is the room of any other entry.
func entrySize(key, value []byte) int64 { return int64(leafElement + len(key) + len(value)) }

// entriesOfOneCount bounds one transaction that counts.
const entriesOfOneCount = 5000

// countAll counts the history of a file that an older program has written. Saves
// come between.
func (s *Store) countAll() error {
	for !s.isClosed() && !s.health.broken.Load() {
		began, complete := time.Now(), false
		sizes, err := s.Sizes(context.Background())
		if err != nil || !sizes.Counting {
			return err
		}
		err = s.modify(func(t *txn) error {
			complete = t.count()
			return nil
		})
		if err != nil || complete {
			return err
		}
		select { // half of the time is for others
		case <-time.After(time.Since(began)):
		case <-s.stop:
		}
	}
	return nil
}

// count counts a part of what is not counted, and reports whether all is.
func (t *txn) count() (complete bool) {
	left := entriesOfOneCount
	for area := range t.counts {
		n := &t.counts[area]
		if n.complete {
			continue
		}
		t.changed = true
		if !t.countArea(area, n, &left) {
			return false
		}
		n.complete, n.upTo = true, nil
	}
	return true
}

func (t *txn) countArea(area int, n *count, left *int) (done bool) {
	bucket, begin := t.Bucket(bucketByTime()), []byte{}
	if area > areaRows {
		bucket, begin = t.Bucket(bucketChunks()), []byte{byte(area - areaRows)}
	}
	if n.upTo == nil {
		n.upTo = begin
	}
	var r record
	c := bucket.Cursor()
	for k, v := c.Seek(n.upTo); k != nil && bytes.HasPrefix(k, begin); k, v = c.Next() {
		if *left--; *left < 0 {
			n.upTo = bytes.Clone(k)
			return false
		}
		size := entrySize(k, v)
		if area == areaRows && r.read(v) == nil { // a damaged row is as large as it is
			size = rowSize(&r, v)
		}
		n.Count, n.Bytes = n.Count+1, n.Bytes+size
	}
	return true
}
