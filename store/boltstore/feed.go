package boltstore

import (
	"cmp"
	"context"
	"errors"
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/devops-insights/devops-insights/store"
	"github.com/devops-insights/devops-insights/store/internal/fanout"
)

// snapshot reads the latest value of every region, in the order of their first
// storing.
func (s *Store) snapshot() ([]store.Metric, error) {
	var found []record
	err := s.read(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketLatest()).ForEach(func(k, v []byte) error {
			r, err := decode(v)
			if newer, ok := s.memory.latest[string(k)]; ok {
				r, err = newer, nil
			}
			found = append(found, r)
			return err
		})
	})
	return inFirstOrder(found), err
}

// inFirstOrder sorts latest values by the first storing of their regions.
func inFirstOrder(found []record) []store.Metric {
	slices.SortFunc(found, func(a, b record) int { return cmp.Compare(a.First, b.First) })
	all := make([]store.Metric, len(found))
	for i, r := range found {
		all[i] = r.metric()
	}
	return all
}

// Watch implements store.Feed. handle must not call Save: the writer waits
// for watchers that do not keep up.
func (s *Store) Watch(ctx context.Context, ready func(), handle func(context.Context, store.Change) error) error {
	if s.isClosed() {
		return store.ErrClosed
	}
	// Between two commits: what is committed before is in the snapshot, what comes
	// after it is heard of, and nothing is in both.
	var snapshot []store.Metric
	var changes *fanout.Listener
	err := s.inWriter(ctx, func() (err error) {
		if snapshot, err = s.snapshot(); err == nil {
			changes = s.feed.Listen()
		}
		return err
	})
	if errors.Is(err, ErrDamaged) {
		return wayOut(s.opts.Path, err)
	}
	if err != nil {
		return err
	}
	defer changes.Close()
	for _, m := range snapshot {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := handle(ctx, store.Change{Metric: m, Snapshot: true}); err != nil {
			return err
		}
	}
	snapshot = nil
	if ready != nil {
		ready()
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.stop:
			return store.ErrClosed
		case c := <-changes.Changes():
			if err := handle(ctx, c); err != nil {
				return err
			}
		}
	}
}

// Refresh implements store.Feed. A Watch of this store has missed nothing:
// nobody else writes the file.
func (s *Store) Refresh(ctx context.Context) error {
	if s.isClosed() {
		return store.ErrClosed
	}
	return ctx.Err()
}
