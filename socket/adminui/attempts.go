package adminui

import (
	"net/netip"
	"sync"
	"time"
)

// attempts bounds how often it may be tried to log in: for each address, and for
// all of them together, so that many addresses are no way around it. Who has
// logged in from an address is not kept out by what others try.
type attempts struct {
	now       func() time.Time
	each, all bucketSize

	mu     sync.Mutex
	whole  bucket
	rest   bucket // of addresses beyond maxAddresses
	byAddr map[netip.Prefix]*bucket
}

// bucketSize allows burst attempts at once, and one more every so often.
type bucketSize struct {
	burst float64
	every time.Duration
}

// bucket counts the attempts that were made and not yet forgotten.
type bucket struct {
	made   float64
	at     time.Time
	passed bool // with success
}

// maxAddresses bounds how many addresses are told apart.
const maxAddresses = 4096

func newAttempts(now func() time.Time, each, all bucketSize) *attempts {
	return &attempts{now: now, each: each, all: all, byAddr: make(map[netip.Prefix]*bucket)}
}

// take counts an attempt, or returns how long to wait before the next one.
func (t *attempts) take(from netip.Addr) (wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	b := t.of(from, now)
	if wait = b.wait(t.each, now); wait > 0 {
		return wait
	}
	if !b.passed {
		if wait = t.whole.wait(t.all, now); wait > 0 {
			return wait
		}
		t.whole.made++
	}
	b.made++
	return 0
}

// passed takes the last attempt back: it was a good one.
func (t *attempts) passed(from netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.of(from, t.now())
	if !b.passed {
		t.whole.made = max(0, t.whole.made-1)
	}
	b.made = max(0, b.made-1)
	b.passed = b != &t.rest
}

// wait forgets what is long ago and returns the time until there is room for
// another one.
func (b *bucket) wait(s bucketSize, now time.Time) time.Duration {
	b.made = max(0, b.made-float64(now.Sub(b.at))/float64(s.every))
	b.at = now
	if b.made+1 <= s.burst {
		return 0
	}
	return time.Duration((b.made + 1 - s.burst) * float64(s.every))
}

// of returns the bucket of an address, of IPv6 that of its network; the caller
// holds the lock.
func (t *attempts) of(from netip.Addr, now time.Time) *bucket {
	key := network(from)
	if b := t.byAddr[key]; b != nil {
		return b
	}
	if len(t.byAddr) >= maxAddresses {
		for k, b := range t.byAddr {
			if b.wait(t.each, now); b.made == 0 {
				delete(t.byAddr, k)
			}
		}
	}
	if len(t.byAddr) >= maxAddresses {
		return &t.rest
	}
	b := &bucket{at: now}
	t.byAddr[key] = b
	return b
}

// network is what one person can be thought to have: an address, or a /64.
func network(a netip.Addr) netip.Prefix {
	if a = a.Unmap(); a.Is6() {
		p, _ := a.WithZone("").Prefix(64) // 64 bits are there
		return p
	}
	return netip.PrefixFrom(a, a.BitLen())
}
