package shelter

import (
	"context"
	"errors"

	"github.com/devops-insights/devops-insights/store"
)

// Save implements store.Writer. Without the database a changed value is held,
// and the answer is false: it is announced when it is stored. Values of a
// region are stored in the order in which they came.
func (s *Store) Save(ctx context.Context, sample store.Sample) (changed bool, err error) {
	k := key{sample.API, sample.Source}
	if s.waiting(k) {
		s.hold(k, sample)
		return false, nil
	}
	err = s.try(ctx, func(ctx context.Context, inner store.Store) error {
		changed, err = inner.Save(ctx, sample)
		return err
	})
	if errors.Is(err, ErrAway) {
		s.hold(k, sample)
		return false, nil
	}
	return changed, err
}

func (s *Store) waiting(k key) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.held[k]) > 0
}

// hold keeps a sample that differs from the one before.
func (s *Store) hold(k key, sample store.Sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.held[k]
	hash := store.Hash(sample.Data)
	if len(list) > 0 && store.Hash(list[len(list)-1].Data) == hash {
		return
	}
	if len(list) == 0 && s.latest[k].Hash == hash {
		return
	}
	if len(list) >= s.opts.MaxHeld {
		list = list[1:]
		s.dropped++
	}
	s.held[k] = append(list, sample)
}

// flush writes what is held, the oldest of each region first, until the
// database goes again.
func (s *Store) flush() {
	for _, k := range s.regions() {
		for {
			sample, ok := s.oldest(k)
			if !ok {
				break
			}
			err := s.try(s.ctx, func(ctx context.Context, inner store.Store) error {
				_, err := inner.Save(ctx, sample)
				return err
			})
			if errors.Is(err, store.ErrRefused) {
				s.opts.Logger.WithError(err).WithField("source", k.source).Error("a change that waited is refused by the database and lost")
			} else if err != nil {
				return // away again, or the end
			}
			s.done(k, sample)
		}
	}
}

func (s *Store) regions() (all []key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range s.held {
		all = append(all, k)
	}
	return all
}

func (s *Store) oldest(k key) (store.Sample, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.held[k]) == 0 {
		delete(s.held, k)
		return store.Sample{}, false
	}
	return s.held[k][0], true
}

// done takes a stored sample off the list, unless the bound took it first.
func (s *Store) done(k key, sample store.Sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if list := s.held[k]; len(list) > 0 && list[0].At.Equal(sample.At) {
		s.held[k] = list[1:]
	}
}
