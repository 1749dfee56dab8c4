package boltstore

import (
	"bytes"
	"container/heap"
	"math"
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/devops-insights/devops-insights/store"
)

// walker goes through the history of one region from the newest row to the
// oldest.
type walker struct {
	cursor *bolt.Cursor
	prefix []byte
	low    []byte // the least key to go to
	stamp  []byte // of the row it is at: its key in the bucket by time
	row    record // the row before; its texts are used again
}

// at takes the key the cursor is on and reports whether it is one of the
// region and the range.
func (w *walker) at(k []byte) bool {
	if k == nil || bytes.Compare(k, w.low) < 0 {
		return false
	}
	w.stamp = k[len(w.prefix):]
	return true
}

// walkers are those that have rows left, the one at the newest row first: a
// heap, so that rows of many regions come in one order without sorting.
type walkers []*walker

// walk starts a walker for each region that the query asks for.
func walk(tx *bolt.Tx, q store.Query) walkers {
	var all walkers
	start := func(prefix []byte) {
		w := &walker{
			cursor: tx.Bucket(bucketBySrc()).Cursor(), prefix: prefix,
			low: slices.Concat(prefix, timeKey(bound(q.From, earliest), 0)),
		}
		if w.at(last(w.cursor, slices.Concat(prefix, timeKey(bound(q.To, latest), math.MaxUint64)))) {
			all = append(all, w)
		}
	}
	if q.Source != "" {
		start(sourcePrefix(q.API, q.Source))
		return all
	}
	// Every region that has history has a latest value.
	c, api := tx.Bucket(bucketLatest()).Cursor(), latestKey(q.API, "")
	for k, _ := c.Seek(api); bytes.HasPrefix(k, api); k, _ = c.Next() {
		start(append(slices.Clip(k), 0))
	}
	heap.Init(&all)
	return all
}

// advance moves the first walker to its next row, or takes it out after the
// last one.
func (w *walkers) advance() {
	first := (*w)[0]
	if k, _ := first.cursor.Prev(); first.at(k) {
		heap.Fix(w, 0)
		return
	}
	heap.Pop(w)
}

// Len implements heap.Interface, as the methods below do.
func (w walkers) Len() int { return len(w) }

func (w walkers) Less(i, j int) bool { return bytes.Compare(w[i].stamp, w[j].stamp) > 0 }

func (w walkers) Swap(i, j int) { w[i], w[j] = w[j], w[i] }

func (w *walkers) Push(x any) { *w = append(*w, x.(*walker)) }

func (w *walkers) Pop() any {
	last := len(*w) - 1
	out := (*w)[last]
	*w = (*w)[:last]
	return out
}
