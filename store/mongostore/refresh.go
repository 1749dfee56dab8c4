package mongostore

import (
	"context"
	"errors"
	"sync"

	"github.com/devops-insights/devops-insights/store"
)

// Refresh implements store.Feed. With a change stream it takes up to twice
// Options.MaxAwait.
func (s *Store) Refresh(ctx context.Context) error {
	if s.closed() {
		return store.ErrClosed
	}
	var answers []<-chan error
	s.mu.Lock()
	for w := range s.watchers {
		answers = append(answers, w.requests.add())
	}
	s.mu.Unlock()
	var failed error
	for _, answer := range answers {
		select {
		case err := <-answer:
			failed = errors.Join(failed, err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if s.closed() {
		return store.ErrClosed
	}
	return failed
}

// requests are the calls of Refresh that wait for one Watch.
type requests struct {
	wake chan struct{} // holds one element when somebody asks

	mu      sync.Mutex
	waiting []chan<- error
	ended   bool
}

// add asks for a snapshot and returns where the answer comes.
func (r *requests) add() <-chan error {
	answer := make(chan error, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		answer <- nil
		return answer
	}
	r.waiting = append(r.waiting, answer)
	select {
	case r.wake <- struct{}{}:
	default:
	}
	return answer
}

// take returns who waits; a snapshot that is begun now is for them.
func (r *requests) take() []chan<- error {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.waiting
	r.waiting = nil
	select {
	case <-r.wake:
	default:
	}
	return taken
}

func (r *requests) answer(taken []chan<- error, err error) {
	for _, answer := range taken {
		answer <- err
	}
}

// end answers those who still wait: a Watch that is over hands on nothing.
func (r *requests) end() {
	r.mu.Lock()
	r.ended = true
	r.mu.Unlock()
	r.answer(r.take(), nil)
}
