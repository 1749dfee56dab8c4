package boltstore

import (
	"context"
	"sync"

	"github.com/devops-insights/devops-insights/store"
)

// feedBuffer is how many changes may wait for a watcher before the writer
// waits for it too: nothing is skipped and nothing grows.
const feedBuffer = 256

type feed struct {
	mu       sync.Mutex
	watchers map[*watcher]struct{}
}

type watcher struct {
	changes chan store.Change
	gone    chan struct{}
}

// announce hands the change to every watcher, in the order of the commits.
func (f *feed) announce(c store.Change, stop <-chan struct{}) {
	f.mu.Lock()
	watching := make([]*watcher, 0, len(f.watchers))
	for w := range f.watchers {
		watching = append(watching, w)
	}
	f.mu.Unlock()
	for _, w := range watching {
		select {
		case w.changes <- c:
		case <-w.gone:
		case <-stop:
			return
		}
	}
}

// Watch implements store.Feed. handle must not call Save: the writer waits
// for watchers that do not keep up.
func (s *Store) Watch(ctx context.Context, ready func(), handle func(context.Context, store.Change) error) error {
	if s.isClosed() {
		return store.ErrClosed
	}
	w := &watcher{changes: make(chan store.Change, feedBuffer), gone: make(chan struct{})}
	s.feed.mu.Lock()
	s.feed.watchers[w] = struct{}{}
	s.feed.mu.Unlock()
	defer func() {
		s.feed.mu.Lock()
		delete(s.feed.watchers, w)
		s.feed.mu.Unlock()
		close(w.gone)
	}()
	if ready != nil {
		ready()
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.stop:
			return store.ErrClosed
		case c := <-w.changes:
			if err := handle(ctx, c); err != nil {
				return err
			}
		}
	}
}
