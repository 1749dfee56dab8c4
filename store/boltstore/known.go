package boltstore

import "sync"

// known are the hashes of the latest values, as far as this process has saved
// or compared them. Nobody else writes the file.
type known struct {
	mu     sync.Mutex
	hashes map[string]string // by the key of the bucket
}

func (k *known) holds(w *write) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.hashes[string(latestKey(w.sample.API, w.sample.Source))] == w.hash
}

// note takes what was committed, in its order.
func (k *known) note(batch []*write) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, w := range batch {
		k.hashes[string(latestKey(w.sample.API, w.sample.Source))] = w.hash
	}
}
