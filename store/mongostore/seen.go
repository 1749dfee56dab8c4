package mongostore

import (
	"context"
	"errors"
	"sync"

	"github.com/devops-insights/devops-insights/store"
)

// seen remembers for each region the text that came last and the hash of the
// value that it spells: to find that out again costs more than the rest of a
// poll that brings nothing new.
type seen struct {
	mu    sync.Mutex
	texts map[[2]string]spelling // by api and source
}

type spelling struct{ text, value string } // hashes

func (k *seen) note(s store.Sample, value string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.texts == nil {
		k.texts = make(map[[2]string]spelling)
	}
	k.texts[[2]string{s.API, s.Source}] = spelling{store.Hash(s.Data), value}
}

// value returns the hash of the value, empty where the text is another one.
func (k *seen) value(s store.Sample) string {
	text := store.Hash(s.Data)
	k.mu.Lock()
	defer k.mu.Unlock()
	if last := k.texts[[2]string{s.API, s.Source}]; last.text == text {
		return last.value
	}
	return ""
}

// unchanged reports whether the text came last time too and the database
// still has its value; false says nothing.
func (s *Store) unchanged(ctx context.Context, sample store.Sample) (bool, error) {
	value := s.seen.value(sample)
	if value == "" {
		return false, nil
	}
	latest, err := s.state(ctx, sample.API, sample.Source)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && latest.Hash == value, err
}
