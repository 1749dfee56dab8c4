package boltstore

import (
	"bytes"
	"container/heap"
	"math"
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/devops-insights/devops-insights/store"
)

// walker goes through the history of one region.
type walker struct {
	cursor *bolt.Cursor
	prefix []byte
	stamp  []byte // of the row it is at: its key in the bucket by time
}

// walkers are those that have rows left, the one at the first row first: a
// heap, so that rows of many regions come in one order without sorting.
type walkers struct {
	all         []*walker
	oldestFirst bool
	low, high   []byte // the stamps to go to, both inclusive
}

// walk starts a walker for each region that the query asks for. Rows behind the
// stamp after are meant, where there is one.
func walk(tx *bolt.Tx, q store.Query, after []byte) *walkers {
	ws := &walkers{
		oldestFirst: q.OldestFirst,
		low:         timeKey(bound(q.From, earliest), 0), high: timeKey(bound(q.To, latest), math.MaxUint64),
	}
	switch {
	case after == nil:
	case q.OldestFirst && bytes.Compare(after, ws.low) >= 0:
		ws.low = next(after)
	case !q.OldestFirst && bytes.Compare(after, ws.high) <= 0:
		ws.high = previous(after)
	}
	if ws.low == nil || ws.high == nil {
		return ws // nothing can be behind it
	}
	if q.Source != "" {
		ws.start(tx, sourcePrefix(q.API, q.Source))
		return ws
	}
	// Every region that has history has a latest value.
	c, api := tx.Bucket(bucketLatest()).Cursor(), latestKey(q.API, "")
	for k, _ := c.Seek(api); bytes.HasPrefix(k, api); k, _ = c.Next() {
		ws.start(tx, append(slices.Clip(k), 0))
	}
	heap.Init(ws)
	return ws
}

// start adds a walker where the region has rows.
func (w *walkers) start(tx *bolt.Tx, prefix []byte) {
	one := &walker{cursor: tx.Bucket(bucketBySrc()).Cursor(), prefix: prefix}
	var k []byte
	if w.oldestFirst {
		k, _ = one.cursor.Seek(slices.Concat(prefix, w.low))
	} else {
		k = last(one.cursor, slices.Concat(prefix, w.high))
	}
	if w.at(one, k) {
		w.all = append(w.all, one)
	}
}

// at takes the key that a walker is on and reports whether it is one of the
// region and the range.
func (w *walkers) at(one *walker, k []byte) bool {
	if len(k) != len(one.prefix)+stampSize || !bytes.HasPrefix(k, one.prefix) {
		return false
	}
	one.stamp = k[len(one.prefix):]
	return bytes.Compare(one.stamp, w.low) >= 0 && bytes.Compare(one.stamp, w.high) <= 0
}

// advance moves the first walker to its next row, or takes it out after the
// last one.
func (w *walkers) advance() {
	first := w.all[0]
	var k []byte
	if w.oldestFirst {
		k, _ = first.cursor.Next()
	} else {
		k, _ = first.cursor.Prev()
	}
	if w.at(first, k) {
		heap.Fix(w, 0)
		return
	}
	heap.Pop(w)
}

// next returns the least stamp above one, or nil.
func next(stamp []byte) []byte {
	out := bytes.Clone(stamp)
	for i := len(out) - 1; i >= 0; i-- {
		if out[i]++; out[i] != 0 {
			return out
		}
	}
	return nil
}

// previous returns the greatest stamp below one, or nil.
func previous(stamp []byte) []byte {
	out := bytes.Clone(stamp)
	for i := len(out) - 1; i >= 0; i-- {
		if out[i]--; out[i] != 0xff {
			return out
		}
	}
	return nil
}

// Len implements heap.Interface, as the methods below do.
func (w *walkers) Len() int { return len(w.all) }

func (w *walkers) Less(i, j int) bool {
	order := bytes.Compare(w.all[i].stamp, w.all[j].stamp)
	return order != 0 && (order < 0) == w.oldestFirst
}

func (w *walkers) Swap(i, j int) { w.all[i], w.all[j] = w.all[j], w.all[i] }

func (w *walkers) Push(x any) { w.all = append(w.all, x.(*walker)) }

func (w *walkers) Pop() any {
	last := len(w.all) - 1
	out := w.all[last]
	w.all = w.all[:last]
	return out
}
