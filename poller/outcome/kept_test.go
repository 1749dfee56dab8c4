package outcome

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/devops-insights/devops-insights/store"
)

// kept is a store of intervals in memory: what the real ones do is told by their
// own suites.
type kept struct {
	mu     sync.Mutex
	of     map[string][]store.Interval
	term   map[string]int64
	writes int
	err    error                       // of every call
	before func(s *kept) (after error) // of a write; the lock is held
}

func newKept() *kept {
	return &kept{of: make(map[string][]store.Interval), term: make(map[string]int64)}
}

func (k *kept) PutOutcomes(_ context.Context, term int64, intervals []store.Interval) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil {
		return k.err
	}
	var after error
	if k.before != nil {
		after = k.before(k)
	}
	for _, iv := range intervals {
		if term < k.term[iv.Source] {
			return store.ErrFenced
		}
	}
	k.writes++
	for _, iv := range intervals {
		k.term[iv.Source] = term
		k.put(iv)
	}
	return after
}

func (k *kept) put(iv store.Interval) {
	list := k.of[iv.Source]
	i, found := slices.BinarySearchFunc(list, iv, func(a, b store.Interval) int { return a.From.Compare(b.From) })
	if found {
		list[i] = iv
		return
	}
	k.of[iv.Source] = slices.Insert(list, i, iv)
}

func (k *kept) LastOutcome(_ context.Context, _, source string) (store.Interval, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil {
		return store.Interval{}, k.err
	}
	if len(k.of[source]) == 0 {
		return store.Interval{}, store.ErrNotFound
	}
	return k.of[source][len(k.of[source])-1], nil
}

func (k *kept) ScanOutcomes(_ context.Context, _, source string, from, _ time.Time, each func(store.Interval) error) error {
	for _, iv := range k.all(source) {
		if iv.From.Before(from) {
			continue
		}
		if err := each(iv); err != nil {
			return err
		}
	}
	return nil
}

func (k *kept) all(source string) []store.Interval {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.of[source])
}

func (k *kept) set(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.err = err
}
