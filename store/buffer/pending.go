package buffer

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"github.com/devops-insights/devops-insights/store"
)

// change is a sample that waits.
type change struct {
	store.Sample
	turn     int64
	attempts int       // that the database answered with an error
	notUntil time.Time // the next one
}

// size is what a change takes, roughly.
func (c *change) size() int64 { return int64(len(c.Data)) + 256 }

// pending are the changes that wait, in the order in which they came to their
// regions.
type pending struct {
	maxCount int
	maxBytes int64

	of      map[key][]*change
	bytesOf map[key]int64
	stored  map[key][]byte // the value that this process stored last
	count   int
	bytes   int64
	dropped uint64
}

func newPending(maxCount int, maxBytes int64) pending {
	return pending{
		maxCount: maxCount, maxBytes: maxBytes,
		of: make(map[key][]*change), bytesOf: make(map[key]int64), stored: make(map[key][]byte),
	}
}

// add keeps a sample that differs from the one before.
func (p *pending) add(k key, s store.Sample, turn int64) {
	before := p.stored[k]
	if list := p.of[k]; len(list) > 0 {
		before = list[len(list)-1].Data
	}
	if before != nil && bytes.Equal(before, s.Data) {
		return
	}
	c := &change{Sample: s, turn: turn}
	p.of[k] = append(p.of[k], c)
	p.count, p.bytes, p.bytesOf[k] = p.count+1, p.bytes+c.size(), p.bytesOf[k]+c.size()
	if len(p.of[k]) > p.maxCount {
		p.drop(k)
	}
	for p.bytes > p.maxBytes {
		p.drop(p.largest())
	}
}

func (p *pending) largest() (largest key) {
	for k, size := range p.bytesOf {
		if size > p.bytesOf[largest] {
			largest = k
		}
	}
	return largest
}

// drop gives the oldest change of a region up.
func (p *pending) drop(k key) {
	p.remove(k)
	p.dropped++
}

// remove takes the oldest change of a region off.
func (p *pending) remove(k key) {
	list := p.of[k]
	size := list[0].size()
	list[0] = nil
	p.count, p.bytes, p.bytesOf[k] = p.count-1, p.bytes-size, p.bytesOf[k]-size
	if p.of[k] = list[1:]; len(list) == 1 {
		delete(p.of, k)
		delete(p.bytesOf, k)
	}
}

// oldest is the change that a region has to write first; nil where it has none.
func (p *pending) oldest(k key) *change {
	if len(p.of[k]) == 0 {
		return nil
	}
	return p.of[k][0]
}

// regions are those in which something waits.
func (p *pending) regions() []key { return slices.Collect(maps.Keys(p.of)) }
