package engineio

import "sync/atomic"

// Budget bounds the memory of everything that waits in a server: messages for
// clients that do not keep up, answers that are being read, packets of clients
// that wait for a handler, and what is kept of handshakes. A message that waits
// for many clients counts once. Its methods may be called from any goroutine.
type Budget struct {
	max  int64
	used atomic.Int64
}

func newBudget(most int64) *Budget { return &Budget{max: most} }

// Max returns the bound in bytes.
func (b *Budget) Max() int64 { return b.max }

// Used returns how many bytes are in use. It may be above Max for a moment,
// until the sessions that hold the most have been ended.
func (b *Budget) Used() int64 { return b.used.Load() }

// Reserve takes n bytes and reports whether they were there. Ask it before a
// large answer is built, and Release them when the answer has been handed over
// to Session.Send, which counts it itself.
func (b *Budget) Reserve(n int64) bool {
	for {
		used := b.used.Load()
		if used+n > b.max {
			return false
		}
		if b.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

// Release gives back what Reserve has taken.
func (b *Budget) Release(n int64) { b.used.Add(-n) }

// add counts bytes that are in use already, whatever the bound.
func (b *Budget) add(n int64) { b.used.Add(n) }

func (b *Budget) over() bool { return b.used.Load() > b.max }
