// Package fanout hands changes to several listeners. It knows neither where
// the changes come from nor what is done with them.
package fanout

import (
	"slices"
	"sync"

	"github.com/devops-insights/devops-insights/store"
)

// buffer is how many changes may wait for a listener before Send waits for it
// too: nothing is skipped, and nothing grows.
const buffer = 256

// Fanout hands each change to every listener, in the order of Send. The zero
// value has no listeners.
type Fanout struct {
	mu        sync.Mutex
	listeners []*Listener
}

// Listener is one that hears the changes.
type Listener struct {
	from    *Fanout
	changes chan store.Change
	closed  chan struct{}
	once    sync.Once
}

// Listen returns a listener for every change that is sent from now on. It must
// be read from until it is closed: Send waits for it.
func (f *Fanout) Listen() *Listener {
	l := &Listener{from: f, changes: make(chan store.Change, buffer), closed: make(chan struct{})}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listeners = append(slices.Clip(f.listeners), l)
	return l
}

// Changes returns the channel on which the changes come. It is never closed.
func (l *Listener) Changes() <-chan store.Change { return l.changes }

// Close ends the listener; a Send that waits for it goes on.
func (l *Listener) Close() {
	l.once.Do(func() {
		l.from.mu.Lock()
		defer l.from.mu.Unlock()
		l.from.listeners = slices.DeleteFunc(slices.Clone(l.from.listeners), func(x *Listener) bool { return x == l })
		close(l.closed)
	})
}

// Send hands c to every listener and returns when each has it or room for it,
// or stop is closed. Calls for the same region must follow each other.
func (f *Fanout) Send(c store.Change, stop <-chan struct{}) {
	f.mu.Lock()
	listeners := f.listeners // never changed in place
	f.mu.Unlock()
	for _, l := range listeners {
		select {
		case l.changes <- c:
		case <-l.closed:
		case <-stop:
			return
		}
	}
}
