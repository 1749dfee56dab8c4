package boltstore

import (
	"maps"
	"sync"
)

// hashCache holds the hashes of the latest values, as far as this process has
// saved or compared them. Nobody else writes the file: a save of a value that
// is here needs no look at it.
type hashCache struct {
	mu    sync.Mutex
	byKey map[string]string // the key of the bucket
}

func (c *hashCache) holds(w *write) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byKey[w.key()] == w.hash
}

// note takes what was committed, in its order.
func (c *hashCache) note(batch []*write) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range batch {
		c.byKey[w.key()] = w.hash
	}
}

// set takes the hashes of latest values that were replaced beside a save.
func (c *hashCache) set(byKey map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.Copy(c.byKey, byKey)
}
