package client

import (
	"context"
	"sync"
)

// inbox holds what is to be called, in order, one at a time. Whoever puts the
// first call into an empty inbox has it run.
type inbox struct {
	mu      sync.Mutex
	calls   []call
	bytes   int
	running bool
	space   chan struct{} // closed when there may be room
}

type call struct {
	f    func()
	size int
}

// put adds a call and reports whether the caller must have run called.
func (q *inbox) put(f func(), size int) (start bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.calls = append(q.calls, call{f, size})
	q.bytes += size
	start = !q.running
	q.running = true
	return start
}

// wait returns when fewer than most bytes wait, or when ctx ends; most is
// asked again after changed.
func (q *inbox) wait(ctx context.Context, most func() int) error {
	for {
		q.mu.Lock()
		if q.bytes < most() {
			q.mu.Unlock()
			return nil
		}
		if q.space == nil {
			q.space = make(chan struct{})
		}
		space := q.space
		q.mu.Unlock()
		select {
		case <-space:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (q *inbox) changed() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.space != nil {
		close(q.space)
		q.space = nil
	}
}

// run calls until nothing waits.
func (q *inbox) run() {
	for {
		q.mu.Lock()
		if len(q.calls) == 0 {
			q.running, q.calls = false, nil
			q.mu.Unlock()
			return
		}
		next := q.calls[0]
		q.calls[0] = call{}
		q.calls = q.calls[1:]
		q.mu.Unlock()
		next.f()
		if next.size > 0 {
			q.mu.Lock()
			q.bytes -= next.size
			q.mu.Unlock()
			q.changed()
		}
	}
}
