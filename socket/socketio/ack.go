package socketio

import (
	"context"
	"fmt"
	"sync"
)

// pending is told of one acknowledgement, or, with ok false, that none will
// come because the socket is gone.
type pending func(args Args, ok bool)

// collector gathers the acknowledgements of a broadcast.
type collector struct {
	changed chan struct{}

	mu       sync.Mutex
	expected int
	gone     int
	answers  []Args
}

func (c *collector) add(a Answer) {
	c.mu.Lock()
	c.expected += max(0, a.Clients)
	c.gone += max(0, -a.Clients)
	if a.Args != nil {
		c.answers = append(c.answers, *a.Args)
	}
	c.mu.Unlock()
	c.wake()
}

func (c *collector) wake() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// wait returns when every client has answered or is gone, and every server has
// said how many it has; or when ctx ends.
func (c *collector) wait(ctx context.Context, remote <-chan error) ([]Args, error) {
	var failed error
	for {
		c.mu.Lock()
		answers, missing, gone := c.answers, c.expected-len(c.answers)-c.gone, c.gone
		c.mu.Unlock()
		switch {
		case missing <= 0 && remote == nil && failed != nil:
			return answers, failed
		case missing <= 0 && remote == nil && gone > 0:
			return answers, fmt.Errorf("%d of %d clients went without acknowledging: %w", gone, gone+len(answers), ErrDisconnected)
		case missing <= 0 && remote == nil:
			return answers, nil
		}
		select {
		case failed = <-remote:
			remote = nil
		case <-c.changed:
		case <-ctx.Done():
			return answers, fmt.Errorf("%d of %d clients did not acknowledge: %w", missing+gone, len(answers)+missing+gone, ctx.Err())
		}
	}
}
