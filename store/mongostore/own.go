package mongostore

import (
	"sync"

	"github.com/devops-insights/devops-insights/store"
)

// ownChanges hands on what this process stored, for deployments that announce
// nothing themselves.
type ownChanges struct {
	mu       sync.Mutex
	watchers map[chan store.Change]chan struct{} // to the end of each watcher
}

// ownBuffer is how many changes may wait for a watcher before Save waits too.
const ownBuffer = 256

func (o *ownChanges) listen() (changes <-chan store.Change, leave func()) {
	c, gone := make(chan store.Change, ownBuffer), make(chan struct{})
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.watchers == nil {
		o.watchers = make(map[chan store.Change]chan struct{})
	}
	o.watchers[c] = gone
	return c, func() {
		o.mu.Lock()
		delete(o.watchers, c)
		o.mu.Unlock()
		close(gone)
	}
}

func (o *ownChanges) announce(change store.Change, stop <-chan struct{}) {
	o.mu.Lock()
	watching := make(map[chan store.Change]chan struct{}, len(o.watchers))
	for c, gone := range o.watchers {
		watching[c] = gone
	}
	o.mu.Unlock()
	for c, gone := range watching {
		select {
		case c <- change:
		case <-gone:
		case <-stop:
			return
		}
	}
}
