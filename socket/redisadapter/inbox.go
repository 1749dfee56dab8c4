package redisadapter

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// workQueue bounds the commands of other servers that wait for this one. When
// it is full, Redis has to wait, and drops this connection in the end: an
// interruption.
const workQueue = 1000

// inbox holds commands that wait to be executed one after the other, bounded
// in number and in bytes: a full inbox makes the sender wait.
type inbox struct {
	messages chan queued
	bytes    *semaphore.Weighted
	max      int64
}

type queued struct {
	message
	weight int64
}

func newInbox(maxBytes int64) *inbox {
	return &inbox{messages: make(chan queued, workQueue), bytes: semaphore.NewWeighted(maxBytes), max: maxBytes}
}

// put adds a message of a size, and gives up when ctx ends.
func (b *inbox) put(ctx context.Context, m message, size int) {
	weight := min(int64(size), b.max)
	if b.bytes.Acquire(ctx, weight) != nil {
		return
	}
	select {
	case b.messages <- queued{m, weight}:
	case <-ctx.Done():
	}
}

// run executes the messages until ctx ends.
func (b *inbox) run(ctx context.Context, execute func(message)) {
	for {
		select {
		case m := <-b.messages:
			execute(m.message)
			b.bytes.Release(m.weight)
		case <-ctx.Done():
			return
		}
	}
}
